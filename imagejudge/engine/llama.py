"""Models in GGUF files, run by llama.cpp. Of all modules, `engine.llama`, `engine.llama_model` and
`engine.llama_bindings` alone import llama_cpp.

A picture is encoded once and its tokens are decoded once; then `engine.prefix_cache` decides what is still to be read.
Knows nothing of rules, verdicts or files of images. docs/engine.md tells what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from llama_cpp import mtmd_cpp

from imagejudge.common import system
from imagejudge.engine.base import Answer, Engine, Reasoning, View
from imagejudge.engine.chat import ChatTemplate
from imagejudge.engine.context_room import no_room, too_large_at_once
from imagejudge.engine.embedding import Embedding, EncodedTokens, pooled
from imagejudge.engine.llama_bindings import (
    Chunks,
    EncodedImage,
    Grammar,
    Part,
    chunk_tokens,
    device_name,
    devices,
    is_image,
    listen,
    log_tail,
    whole_image,
)
from imagejudge.engine.llama_model import LlamaOptions, LoadedModel
from imagejudge.engine.pair import check
from imagejudge.engine.parse import answer, box, spellings, total
from imagejudge.engine.prefix_cache import IMAGE, NoRoom, PrefixCache, Tokens
from imagejudge.engine.prompt_builder import PromptBuilder
from imagejudge.engine.reasoning import reasonings
from imagejudge.errors import EngineFailure, ModelError
from imagejudge.images.picture import Box, Picture
from imagejudge.prompts import BOX_STYLES, SUMMARISE, PromptStyle, Question

_BOX_TOKENS = 64


def load_engine(options: Mapping[str, Any]) -> LlamaEngine:
    """Make an engine from the fields of `LlamaOptions`, a prompt style as the fields of `PromptStyle`.

    ModelError when the model cannot be used.
    """
    style = {"prompt_style": PromptStyle(**options["prompt_style"])} if "prompt_style" in options else {}
    return LlamaEngine(LlamaOptions(**{**options, **style}))


def describe() -> dict[str, str]:
    """What this build of llama.cpp is and would do on this machine, by title."""
    listen()
    amx = "found: extra weight buffers are off by default" if system.has_amx() else "not found"
    return {
        "llama-cpp-python": llama_cpp.__version__,
        "llama.cpp": llama_cpp.llama_print_system_info().decode(errors="replace").strip(),
        "devices": ", ".join(device_name(device) for device in devices()) or "none",
        "GPU offload": "yes" if llama_cpp.llama_supports_gpu_offload() else "not in this build",
        "threads": str(system.threads()),
        "AMX": amx,
    }


class LlamaEngine(Engine):
    """One model, one context, one thread; views take turns on it."""

    def __init__(self, options: LlamaOptions) -> None:
        check(Path(options.model), Path(options.mmproj) if options.mmproj else None)
        if options.box_style is not None and options.box_style not in BOX_STYLES:
            known = ", ".join(sorted(BOX_STYLES))
            raise ModelError(f"unknown box style {options.box_style!r}", f"Known ones: {known}.")
        self._at: object = None
        self._blank = LlamaView(self, None, [])
        """One for all texts, so that a prompt which begins like the last one is read from where they differ."""
        self.options = options
        self.box_style = BOX_STYLES[options.box_style] if options.box_style else None
        self.style = options.prompt_style
        self._loaded = LoadedModel(options)
        self._closed = False
        try:
            self._read_vocabulary()
            self._read_template()
        except BaseException:
            self.close()
            raise

    def view(self, picture: Picture | None, first: Sequence[Question] = (), *, same_image: bool = False) -> LlamaView:
        """Encode the picture. EngineFailure when it cannot be, or makes more tokens than fit."""
        del first, same_image  # what is first is asked soon enough, and time has no limit here
        return LlamaView(self, picture, self._encode(picture) if picture else [])

    def write(self, prompt: str, grammar: str, limit: int) -> str:
        """Greedy tokens to a chat of one turn, held to the grammar. EngineFailure when the prompt does not fit."""
        reply = self.generate(self._blank, self.prompts.chat([prompt], image=False), limit, grammar)
        return b"".join(piece for piece, _ in reply).decode(errors="ignore")

    def facts(self) -> dict[str, str]:
        """How the model is asked, word for word, and how its answer is read."""
        tokens = self._loaded.vocabulary
        spelled = [
            f"{word}: {', '.join(repr(tokens.piece(token).decode(errors='replace')) for token in ids)}"
            for word, ids in ((" or ".join(self.style.yes), self._yes), (" or ".join(self.style.no), self._no))
        ]
        return {
            "prompt": self.prompts.shown(),
            "answer tokens": "; ".join(spelled),
            "context": f"{self._loaded.memory.size} tokens",
        }

    def close(self) -> None:
        """Free the model, its encoder and its context."""
        self._closed, self._at = True, None
        self._loaded.close()

    # --- what the model's words are ----------------------------------------------------------------------------------

    def _read_vocabulary(self) -> None:
        self._yes, self._no = self._loaded.vocabulary.spelling(spellings(self.style.yes), spellings(self.style.no))
        if not self._yes or not self._no:
            yes, no = (" or ".join(words) for words in (self.style.yes, self.style.no))
            raise ModelError(
                f"{self.options.model} has no single token for {yes} or none for {no}",
                "Its answers cannot be read from one token: use another model.",
            )

    def _read_template(self) -> None:
        words = self._loaded.vocabulary
        source = self.options.chat_template
        if source is None:
            source = (llama_cpp.llama_model_chat_template(self._loaded.model, None) or b"").decode(errors="replace")
        if not source:
            raise ModelError(
                f"{self.options.model} holds no chat template",
                "Name the file of one with `chat_template`, or use an instruction-tuned model that holds one.",
            )
        template = ChatTemplate(source, bos=words.bos, eos=words.eos, style=self.style)
        self._prompts = PromptBuilder(template, self.style, words, self.options.model)

    # --- prompts and pictures -------------------------------------------------------------------------------------

    @property
    def prompts(self) -> PromptBuilder:
        """What puts chats together, in this model's tokens."""
        self._check_open()
        return self._prompts

    def _encode(self, picture: Picture) -> list[Part]:
        self._check_open()
        if self._loaded.encoder is None:
            raise EngineFailure("engine-error", f"{self.options.model} was loaded without an image encoder")
        picture = self._loaded.fitted(picture)
        before = self.prompts.before_image
        with Chunks(self._loaded.encoder, before, picture.width, picture.height, picture.rgb) as chunks:
            sizes = [(int(mtmd_cpp.mtmd_input_chunk_get_n_tokens(chunk)), is_image(chunk)) for chunk in chunks]
            if sum(size for size, _ in sizes) >= self._loaded.memory.size:
                raise self._no_room(whole_image(sizes), 0)
            tile = max(size for size, is_tile in sizes if is_tile)
            if tile > self._loaded.image_limit:
                raise too_large_at_once(tile, self._loaded.image_limit)
            parts = [self._encode_image(chunk) if is_image(chunk) else chunk_tokens(chunk) for chunk in chunks]
        if not self.style.image_first:
            return parts
        if isinstance(parts[0], list):
            return [self._loaded.vocabulary.started(parts[0]), *parts[1:]]
        return [self._loaded.vocabulary.started([]), *parts]

    def _encode_image(self, chunk: Any) -> EncodedImage:
        if mtmd_cpp.mtmd_encode_chunk(self._loaded.encoder, chunk):
            raise EngineFailure("engine-error", f"the vision encoder failed: {log_tail()}")
        tokens = mtmd_cpp.mtmd_input_chunk_get_n_tokens(chunk)
        shape = (tokens, llama_cpp.llama_model_n_embd_inp(self._loaded.model))
        embeddings = np.ctypeslib.as_array(mtmd_cpp.mtmd_get_output_embd(self._loaded.encoder), shape).copy()
        layout = mtmd_cpp.mtmd_input_chunk_get_placeholder(chunk)
        if not layout:
            raise EngineFailure("engine-error", f"the image's layout could not be kept: {log_tail()}")
        return EncodedImage(layout, embeddings)

    # --- decoding -------------------------------------------------------------------------------------------------

    def answers(self, view: LlamaView, prompts: Sequence[Tokens]) -> list[Answer]:
        """Yes or No at the first token after each prompt; the prompts continue the view's picture."""
        with self._prefixes_of(view) as prefixes:
            return [answer(logits, self._yes, self._no) for logits in prefixes.read_all(prompts)]

    def generate(
        self, view: LlamaView, prompt: Tokens, limit: int, grammar: str | None = None
    ) -> list[tuple[bytes, float]]:
        """Greedy tokens up to a limit, as bytes, each with its probability before any grammar."""
        reply: list[tuple[bytes, float]] = []
        with self._prefixes_of(view) as prefixes, Grammar(self._loaded.vocabulary, grammar) as rules:
            while len(reply) < limit:
                logits = prefixes.read(prompt)
                token = rules.choose(logits)
                if self._loaded.vocabulary.ends(token):
                    break
                reply.append((self._loaded.vocabulary.piece(token), float(np.exp(logits[token] - total(logits)))))
                prompt = [*prompt, token]
        return reply

    def reasonings(self, view: LlamaView, questions: Sequence[str]) -> list[Reasoning | None]:
        """Think about several questions side by side."""

        def summing_up(number: int, thoughts: Tokens) -> Tokens:
            return self.prompts.chat([questions[number], thoughts, SUMMARISE], image=view.sees)

        prompts = [self.prompts.chat([question], image=view.sees) for question in questions]
        with self._prefixes_of(view) as prefixes:
            return reasonings(prefixes, self._loaded.vocabulary, prompts, summing_up)

    @contextmanager
    def _prefixes_of(self, view: LlamaView) -> Iterator[PrefixCache]:
        """The cache whose image prefix holds the view's picture. After any failure the memory is filled again."""
        self._check_open()
        before, self._at = self._at, None
        try:
            if before is not view.key:
                self._decode_image_prefix(view.parts, wipe=before is None)
            yield self._loaded.prefixes
            self._at = view.key
        except NoRoom as error:
            image = view.tokens or 0
            raise self._no_room(image, self._loaded.memory.size + error.lacking - image) from error

    def _no_room(self, image: int, words: int) -> EngineFailure:
        return no_room(image, words, self._loaded.memory.size, self.options.image_max_tokens)

    def _decode_image_prefix(self, parts: Sequence[Part], *, wipe: bool) -> None:
        if (lacking := sum(map(len, parts)) + 1 - self._loaded.memory.size) > 0:
            raise NoRoom(lacking)
        self._loaded.memory.clear(wipe=wipe)
        tokens = position = 0
        for part in parts:
            if isinstance(part, EncodedImage):
                position = self._loaded.memory.decode_image(self._loaded.encoder, part, position)
            else:
                self._loaded.memory.decode([(token, position + n, IMAGE) for n, token in enumerate(part)], frozenset())
                position += len(part)
            tokens += len(part)
        self._loaded.prefixes.reset(tokens, position)

    def _check_open(self) -> None:
        if self._closed:
            raise EngineFailure("engine-error", "the engine is closed")


class LlamaView(View):
    """One picture's encoded tokens. They are freed with the view; the engine keeps none of its views alive."""

    def __init__(self, engine: LlamaEngine, picture: Picture | None, parts: list[Part]) -> None:
        self._engine = engine
        self._picture = picture
        self.parts = parts
        """What stands before the first turn's text: tokens and images, in order."""
        self.key = object()
        """Tells the engine whose picture its memory holds."""

    @property
    def tokens(self) -> int | None:
        """Of all tiles and the marks between them."""
        return whole_image([(len(part), isinstance(part, EncodedImage)) for part in self.parts]) or None

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer together; only the words that differ between the questions cost time of their own."""
        prompts = self._engine.prompts
        if self._image_last:
            placed = (self._behind(*prompts.question_around_image(question)) for question in questions)
            return [self._engine.answers(view, [prompt])[0] for view, prompt in placed]
        return self._engine.answers(self, [prompts.question(question, image=self.sees) for question in questions])

    def reason(self, questions: Sequence[Question]) -> list[Reasoning | None]:
        """Greedy, side by side: thoughts, then a rating bound by a grammar, and a rationale where that is Yes."""
        if not self._engine.style.reasoning:
            raise EngineFailure("engine-error", "this model cannot think aloud, so it must not be asked to")
        return self._engine.reasonings(self, [question.deliberate for question in questions])

    def embedding(self) -> Embedding:
        """Pooled from what was encoded when the view was made."""
        return pooled([self.encoded()])

    def encoded(self) -> EncodedTokens:
        """What was encoded when the view was made."""
        tiles = [part.embeddings for part in self.parts if isinstance(part, EncodedImage)]
        if not tiles:
            raise EngineFailure("engine-error", "there is no picture to embed")
        return np.concatenate(tiles)

    def locate(self, objects: Sequence[str]) -> Box | None:
        """A box in the model's own convention, bound by a grammar, with the confidence that `parse.box` defines."""
        style = self._engine.box_style
        if style is None or self._picture is None:
            raise EngineFailure("engine-error", "there is no picture, or the model cannot give boxes: do not ask")
        words = style.locate(objects)
        prompts, last = self._engine.prompts, self._image_last
        view, prompt = self._behind(*prompts.around_image(words)) if last else (self, prompts.chat([words], image=True))
        reply = self._engine.generate(view, prompt, _BOX_TOKENS, style.grammar)
        return box(style, [(piece.decode(errors="replace"), chance) for piece, chance in reply])

    def without(self, box: Box) -> LlamaView:
        """Encodes the edited picture; the memory is decoded again only when that view is asked."""
        return self._engine.view(self._seen().without(box))

    def crop(self, box: Box) -> LlamaView:
        """Encodes the cut-out; the memory is decoded again only when that view is asked."""
        return self._engine.view(self._seen().crop(box))

    @property
    def sees(self) -> bool:
        """Whether there is a picture."""
        return self._picture is not None

    @property
    def _image_last(self) -> bool:
        return self.sees and not self._engine.style.image_first

    def _behind(self, words: Tokens, rest: Tokens) -> tuple[LlamaView, Tokens]:
        """A view of the picture behind words, and what is left to be read."""
        return LlamaView(self._engine, None, [words, *self.parts]), rest

    def _seen(self) -> Picture:
        if self._picture is None:
            raise ValueError("there is no picture to edit")
        return self._picture
