"""llama_cpp's raw functions as a few objects that own what they allocate: vocabularies, images,
memory, grammars, logs.

Knows nothing of prompts, questions or answers.
"""

from __future__ import annotations

import ctypes
import weakref
from collections import deque
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from typing import Any

import llama_cpp
import numpy as np
from llama_cpp import mtmd_cpp
from llama_cpp._ggml import libggml
from numpy.typing import NDArray

from imagejudge.engine.parse import Logits, clean
from imagejudge.engine.prefix_cache import IMAGE, Row, Tokens
from imagejudge.errors import EngineFailure


class Vocabulary:
    """A model's tokens."""

    def __init__(self, model: Any) -> None:
        self.handle = llama_cpp.llama_model_get_vocab(model)
        self.size = llama_cpp.llama_vocab_n_tokens(self.handle)
        self.bos = self._name(llama_cpp.llama_vocab_bos(self.handle))
        self.eos = self._name(llama_cpp.llama_vocab_eos(self.handle))
        """The start and end tokens as templates write them; empty where the model has none."""
        self._room = ctypes.create_string_buffer(512)

    def tokenize(self, text: str, *, special: bool) -> Tokens:
        """The tokens of a text, in which control tokens are recognised only if it is `special`."""
        raw = text.encode("utf-8", "replace")
        room = len(raw) + 8
        tokens = (ctypes.c_int32 * room)()
        return tokens[: llama_cpp.llama_tokenize(self.handle, raw, len(raw), tokens, room, False, special)]

    def started(self, tokens: Tokens) -> Tokens:
        """With the start token in front where the model wants one; templates may have written it already."""
        start = [llama_cpp.llama_vocab_bos(self.handle)]
        wanted = llama_cpp.llama_vocab_get_add_bos(self.handle) and tokens[:1] != start
        return start + tokens if wanted else tokens

    def piece(self, token: int) -> bytes:
        """A token's bytes; none for control tokens."""
        size = llama_cpp.llama_token_to_piece(self.handle, token, self._room, len(self._room), 0, False)
        return self._room.raw[: max(size, 0)]

    def control(self, token: int) -> str | None:
        """How a control token is written; None for all other tokens."""
        return self._name(token) if llama_cpp.llama_vocab_is_control(self.handle, token) else None

    def ends(self, token: int) -> bool:
        """Whether a reply is over: the model said so, or began to write control tokens."""
        return llama_cpp.llama_vocab_is_eog(self.handle, token) or not self.piece(token)

    def spelling(self, *groups: AbstractSet[str]) -> list[Tokens]:
        """For each group of words, all tokens that are one of them, to the byte."""
        found: list[Tokens] = [[] for _ in groups]
        places = {word.encode(): tokens for words, tokens in zip(groups, found, strict=True) for word in words}
        for token in range(self.size):  # up to a quarter of a million: this is the longest part of a warm start
            if (tokens := places.get(self.piece(token))) is not None:
                tokens.append(token)
        return found

    def _name(self, token: int) -> str:
        return llama_cpp.llama_vocab_get_text(self.handle, token).decode(errors="replace") if token >= 0 else ""


class EncodedImage:
    """One image chunk after the vision encoder: its layout, without pixels, and its embeddings."""

    def __init__(self, chunk: Any, embeddings: NDArray[np.float32]) -> None:
        self.chunk = chunk
        self.embeddings = embeddings
        weakref.finalize(self, mtmd_cpp.mtmd_input_chunk_free, chunk).atexit = False

    def __len__(self) -> int:
        return len(self.embeddings)


Part = Tokens | EncodedImage


class Chunks:
    """What mtmd makes of an image and the words before it: a list of chunks, freed at the end of the with block."""

    def __init__(self, encoder: Any, before: str, width: int, height: int, rgb: bytes | None) -> None:
        pixels = ctypes.cast(ctypes.c_char_p(rgb), ctypes.POINTER(ctypes.c_uint8)) if rgb else None
        words = before.encode()
        text = mtmd_cpp.mtmd_input_text(words, len(words), False, True)
        self._freed = ExitStack()
        bitmap = mtmd_cpp.mtmd_bitmap_init(width, height, pixels)
        self._freed.callback(mtmd_cpp.mtmd_bitmap_free, bitmap)
        parts = [mtmd_cpp.mtmd_input_part(ctypes.pointer(text), None)] * bool(words)
        parts.append(mtmd_cpp.mtmd_input_part(None, bitmap))
        table = (ctypes.POINTER(mtmd_cpp.mtmd_input_part) * len(parts))(*map(ctypes.pointer, parts))
        self._list = mtmd_cpp.mtmd_input_chunks_init()
        self._freed.callback(mtmd_cpp.mtmd_input_chunks_free, self._list)
        if mtmd_cpp.mtmd_tokenize_from_parts(encoder, self._list, table, len(parts), False):
            self._freed.close()
            raise EngineFailure("engine-error", f"the image could not be prepared: {log_tail()}")

    def __enter__(self) -> list[Any]:
        return [
            mtmd_cpp.mtmd_input_chunks_get(self._list, n) for n in range(mtmd_cpp.mtmd_input_chunks_size(self._list))
        ]

    def __exit__(self, *_: object) -> None:
        self._freed.close()


def count_image_tokens(encoder: Any, width: int, height: int) -> int:
    """Tokens of a picture of that size, from the first of its first tile to the last of its last, marks between tiles
    included. EngineFailure where the encoder cannot take such a picture.
    """
    with Chunks(encoder, "", width, height, None) as chunks:
        return whole_image([(int(mtmd_cpp.mtmd_input_chunk_get_n_tokens(chunk)), is_image(chunk)) for chunk in chunks])


def whole_image(pieces: Sequence[tuple[int, bool]]) -> int:
    """Tokens from the first tile of an image to its last, 0 without any; of each piece its tokens, and if it is one."""
    tiles = [place for place, (_, is_tile) in enumerate(pieces) if is_tile]
    return sum(size for size, _ in pieces[tiles[0] : tiles[-1] + 1]) if tiles else 0


def is_image(chunk: Any) -> bool:
    """Whether a chunk is an image, not text."""
    return bool(mtmd_cpp.mtmd_input_chunk_get_type(chunk) == mtmd_cpp.MTMD_INPUT_CHUNK_TYPE_IMAGE)


def chunk_tokens(chunk: Any) -> Tokens:
    """The tokens of a chunk of text."""
    count = ctypes.c_size_t()
    tokens = mtmd_cpp.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(count))
    return list(tokens[: count.value])


class LlamaMemory:
    """`prefix_cache.Memory` on a llama_context."""

    def __init__(self, context: Any, n_vocab: int) -> None:
        self._context = context
        self._cells = llama_cpp.llama_get_memory(context)
        self._batch = _Batch(llama_cpp.llama_n_batch(context))
        self._n_vocab = n_vocab
        self.size = llama_cpp.llama_n_ctx(context)
        """Tokens it can hold."""

    def clear(self, *, wipe: bool) -> None:
        """Forget everything. What is forgotten is still multiplied by zero, so what is no number has to be wiped."""
        llama_cpp.llama_memory_clear(self._cells, wipe)

    def copy(self, source: int, target: int) -> None:
        """See `prefix_cache.Memory`."""
        llama_cpp.llama_memory_seq_cp(self._cells, source, target, -1, -1)

    def cut(self, sequence: int, position: int) -> bool:
        """See `prefix_cache.Memory`."""
        return bool(llama_cpp.llama_memory_seq_rm(self._cells, sequence, position, -1))

    def forget(self, sequence: int) -> None:
        """See `prefix_cache.Memory`."""
        llama_cpp.llama_memory_seq_rm(self._cells, sequence, -1, -1)

    def decode(self, rows: Sequence[Row], reads: AbstractSet[int]) -> list[Logits]:
        """See `prefix_cache.Memory`. EngineFailure when llama.cpp cannot, or gives what is no number; the memory's
        state is unknown then."""
        logits = []
        for start in range(0, len(rows), self._batch.size):
            part = rows[start : start + self._batch.size]
            wanted = [n for n in range(len(part)) if start + n in reads]
            failed = llama_cpp.llama_decode(self._context, self._batch.fill(part, wanted))
            if failed:
                raise EngineFailure("engine-error", f"llama.cpp could not decode (code {failed}): {log_tail()}")
            logits += [self._logits(n) for n in wanted]
        return logits

    def decode_image(self, encoder: Any, image: EncodedImage, position: int) -> int:
        """Read an image into the image prefix; the position after it, which M-RoPE counts by a grid's longer side."""
        after = llama_cpp.llama_pos()
        failed = mtmd_cpp.mtmd_helper_decode_image_chunk(
            encoder,
            self._context,
            image.chunk,
            image.embeddings.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
            position,
            IMAGE,
            self._batch.size,
            ctypes.byref(after),
            mtmd_cpp.mtmd_helper_post_decode_callback(),
            None,
        )
        if failed:
            raise EngineFailure("engine-error", f"the image could not be decoded: {log_tail()}")
        return after.value

    def _logits(self, row: int) -> Logits:
        values = llama_cpp.llama_get_logits_ith(self._context, row)
        logits = np.ctypeslib.as_array(values, (self._n_vocab,)).copy()
        if not np.isfinite(logits.max()):  # the greatest of any and of what is no number is no number
            raise EngineFailure("engine-error", "a logit is no number; try a model file of another precision")
        return logits


class _Batch:
    """One llama_batch over arrays of our own, filled again for every decode."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._rows = np.zeros((3, size), np.int32)
        self._one = np.ones(size, np.int32)
        self._reads = np.zeros(size, np.int8)
        tokens, positions, sequences = (row.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)) for row in self._rows)
        base, step = ctypes.addressof(sequences.contents), self._rows.itemsize
        self._sequences = (ctypes.POINTER(ctypes.c_int32) * size)(
            *(ctypes.cast(base + n * step, ctypes.POINTER(ctypes.c_int32)) for n in range(size))
        )
        ones = self._one.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        reads = self._reads.ctypes.data_as(ctypes.POINTER(ctypes.c_int8))
        self._batch = llama_cpp.llama_batch(0, tokens, None, positions, ones, self._sequences, reads)

    def fill(self, rows: Sequence[tuple[int, int, int]], reads: Sequence[int]) -> Any:
        """At most `size` rows of (token, position, sequence); logits are wanted after the rows numbered in `reads`."""
        self._rows[:, : len(rows)] = np.array(rows, np.int32).T
        self._reads[: len(rows)] = 0
        self._reads[list(reads)] = 1
        self._batch.n_tokens = len(rows)
        return self._batch


class Grammar:
    """Chooses the likeliest token that a grammar allows; without one, the likeliest."""

    _PROBE = 64
    """Tokens shown to the grammar before all are: sorting and checking a whole vocabulary takes 15 ms and more."""

    def __init__(self, vocabulary: Vocabulary, rules: str | None) -> None:
        self._sampler = (
            llama_cpp.llama_sampler_init_grammar(vocabulary.handle, rules.encode(), b"root") if rules else None
        )
        if rules and not self._sampler:  # without one the model would write whatever it likes
            raise EngineFailure("engine-error", f"llama.cpp cannot read the grammar: {log_tail()}")

    def __enter__(self) -> Grammar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._sampler:
            llama_cpp.llama_sampler_free(self._sampler)

    def choose(self, logits: Logits) -> int:
        """The next token of the reply."""
        likeliest = np.argmax(logits, keepdims=True)
        if not self._sampler:
            return int(likeliest[0])
        allowed = self._allowed(likeliest) or self._allowed(_largest(logits, self._PROBE))
        allowed = allowed or self._allowed(np.argsort(-logits, kind="stable"))
        llama_cpp.llama_sampler_accept(self._sampler, allowed[0])
        return allowed[0]

    def _allowed(self, tokens: NDArray[np.intp]) -> Tokens:
        """Those of the tokens that may come next, in their order."""
        data = np.zeros(len(tokens), [("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        data["id"] = tokens
        array = llama_cpp.llama_token_data_array(
            data.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token_data)), len(tokens), -1, False
        )
        llama_cpp.llama_sampler_apply(self._sampler, ctypes.byref(array))
        return [int(token) for token in data["id"][np.isfinite(data["logit"])]]


_BLOCK = 256


def _largest(logits: Logits, count: int) -> NDArray[np.intp]:
    """The places of the largest values, in falling order; of equal ones the first comes first.

    As many blocks as are wanted values have a value at or above `bound`: a tenth of the time of `argpartition`.
    """
    highest = np.maximum.reduceat(logits, np.arange(0, len(logits), _BLOCK))
    bound = np.partition(highest, -count)[-count] if len(highest) > count else -np.inf
    places = np.flatnonzero(logits >= bound)
    return places[np.argsort(-logits[places], kind="stable")][:count]


def devices() -> list[int]:
    """llama.cpp's devices, CPU included, as handles. llama_cpp has no functions for them, its ggml library has."""
    count, get = libggml.ggml_backend_dev_count, libggml.ggml_backend_dev_get
    count.restype, get.restype, get.argtypes = ctypes.c_size_t, ctypes.c_void_p, [ctypes.c_size_t]
    return [get(n) for n in range(count())]


def device_name(device: int) -> str:
    """What a person calls the device."""
    describe_device = libggml.ggml_backend_dev_description
    describe_device.restype, describe_device.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    return str(describe_device(device).decode(errors="replace"))


def is_gpu(device: int) -> bool:
    """Whether a device is a graphics card, discrete or integrated."""
    kind = libggml.ggml_backend_dev_type
    kind.argtypes = [ctypes.c_void_p]
    return kind(device) in {1, 2}


_log: deque[str] = deque(maxlen=20)
"""llama.cpp's last warnings and errors."""


def _on_log(level: int, text: bytes, _: object) -> None:
    if level in {3, 4}:  # warnings and errors in ggml.h; the rest is chatter
        _log.append(text.decode(errors="replace").strip())


_callback = llama_cpp.llama_log_callback(_on_log)
"""Kept for as long as native code may call it."""


def listen() -> None:
    """Take over every native log. The functions it prints with are process-wide, so standard error stays ours."""
    llama_cpp.llama_log_set(_callback, None)
    mtmd_cpp.mtmd_log_set(_callback, None)
    mtmd_cpp.mtmd_helper_log_set(_callback, None)
    _log.clear()


def log_tail() -> str:
    """What llama.cpp complained about last, as one line."""
    return clean(" ".join(list(_log)[-4:]), 400) or "no reason given"
