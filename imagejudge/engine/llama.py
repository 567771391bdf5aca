"""Models in GGUF files, run by llama.cpp. Of all modules, `engine.llama`, `engine.llama_model` and
`engine.llama_bindings` alone import llama_cpp.

A picture is encoded once and its tokens are decoded once; then `engine.prefix_cache` decides what is still to be read.
Knows nothing of rules, verdicts or files of images. docs/engine.md tells what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from llama_cpp import mtmd_cpp

from imagejudge.common import system
from imagejudge.engine.base import Answer, Engine, Reasoning, View
from imagejudge.engine.chat import ChatTemplate
from imagejudge.engine.chat_tokens import join_words, split_words
from imagejudge.engine.context_room import no_room, too_large_at_once
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
from imagejudge.engine.parse import answer, box, clean, spellings, total
from imagejudge.engine.prefix_cache import IMAGE, NoRoom, PrefixCache, Tokens
from imagejudge.engine.reasoning import reasonings
from imagejudge.engine.thought import open_thought
from imagejudge.errors import EngineFailure, ModelError
from imagejudge.images.picture import Box, Picture
from imagejudge.prompts import BOX_STYLES, PROMPT_STYLES, SUMMARISE, Question

_BOX_TOKENS = 64


def load_engine(options: Mapping[str, Any]) -> LlamaEngine:
    """Make an engine from the fields of `LlamaOptions`. ModelError when the model cannot be used."""
    return LlamaEngine(LlamaOptions(**options))


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
        if options.prompt_style not in PROMPT_STYLES:
            known = ", ".join(PROMPT_STYLES)
            raise ModelError(f"unknown prompt style {options.prompt_style!r}", f"Known ones: {known}.")
        self._at: object = None
        self._blank = LlamaView(self, None, [])
        """One for all texts, so that a prompt which begins like the last one is read from where they differ."""
        self.options = options
        self.box_style = BOX_STYLES[options.box_style] if options.box_style else None
        self.style = PROMPT_STYLES[options.prompt_style]
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
        reply = self.generate(self._blank, self.prompt([prompt], image=False), limit, grammar)
        return b"".join(piece for piece, _ in reply).decode(errors="ignore")

    def facts(self) -> dict[str, str]:
        """How the model is asked, word for word, and how its answer is read."""
        tokens = self._loaded.vocabulary
        spelled = [
            f"{word}: {', '.join(repr(tokens.piece(token).decode(errors='replace')) for token in ids)}"
            for word, ids in ((self.style.yes, self._yes), (self.style.no, self._no))
        ]
        return {
            "prompt": self._frame,
            "answer tokens": "; ".join(spelled),
            "context": f"{self._loaded.memory.size} tokens",
        }

    def close(self) -> None:
        """Free the model, its encoder and its context."""
        self._closed, self._at = True, None
        self._loaded.close()

    # --- what the model's words are ----------------------------------------------------------------------------------

    def _read_vocabulary(self) -> None:
        # The same questions are asked about every image.
        self._tokens_of = lru_cache(maxsize=1000)(partial(self._loaded.vocabulary.tokenize, special=False))
        yes, no = self.style.yes, self.style.no
        self._yes, self._no = self._loaded.vocabulary.spelling(spellings(yes), spellings(no))
        if not self._yes or not self._no:
            raise ModelError(
                f"{self.options.model} has no single token for {yes} or none for {no}",
                "Its answers cannot be read from one token: use another model.",
            )

    def _read_template(self) -> None:
        source = self.options.chat_template
        if source is None:
            source = (llama_cpp.llama_model_chat_template(self._loaded.model, None) or b"").decode(errors="replace")
        if not source:
            raise ModelError(
                f"{self.options.model} holds no chat template",
                "Name the file of one with `chat_template`, or use an instruction-tuned model that holds one.",
            )
        words = self._loaded.vocabulary
        template = ChatTemplate(source, bos=words.bos, eos=words.eos, style=self.style)
        chats = [(turns, image) for turns in ((1, 3) if self.style.thinks else (1,)) for image in (True, False)]
        frames = {(turns, image): template.frame(turns, image=image) for turns, image in chats}
        for frame in frames.values():
            if (mark := open_thought(frame.around[-1])) is not None:
                raise ModelError(
                    f"the prompt of {self.options.model} ends inside a thought ({clean(mark, 40)}): "
                    "the model's first word would be no answer",
                    "Use an Instruct file of the same family, or a GGUF whose chat template can switch thinking off "
                    "(enable_thinking).",
                )
        before = {frame.before_image for (_, image), frame in frames.items() if image}
        if len(before) != 1:
            raise ModelError(
                f"the chat template of {self.options.model} changes the words before the image as a chat grows",
                "Such a model's view of an image cannot be shared between questions.",
            )
        self._before_image = before.pop() or ""
        self._frame = frames[1, True].filled("[question]", "[image]", question_first=self.style.question_first)
        self._around = {key: [split_words(text, words) for text in frame.around] for key, frame in frames.items()}

    # --- prompts and pictures -------------------------------------------------------------------------------------

    def prompt(self, turns: Sequence[str | Tokens], *, image: bool) -> Tokens:
        """All tokens after the image (all of them, without one) of a chat whose last turn awaits a reply.

        Turns hold statements and model output: whatever looks like a control token in them stays plain text. What the
        model wrote may be given as the tokens that it wrote.
        """
        self._check_open()
        first, *rest = self._around[len(turns), image]
        words = [*first]
        for turn, after in zip(turns, rest, strict=True):
            words += [turn] if isinstance(turn, str) else turn
            words += after
        tokens = join_words(words, self._tokens_of)
        return tokens if image else self._loaded.vocabulary.started(tokens)

    def _encode(self, picture: Picture) -> list[Part]:
        self._check_open()
        if self._loaded.encoder is None:
            raise EngineFailure("engine-error", f"{self.options.model} was loaded without an image encoder")
        picture = self._loaded.fitted(picture)
        with Chunks(self._loaded.encoder, self._before_image, picture.width, picture.height, picture.rgb) as chunks:
            sizes = [(int(mtmd_cpp.mtmd_input_chunk_get_n_tokens(chunk)), is_image(chunk)) for chunk in chunks]
            if sum(size for size, _ in sizes) >= self._loaded.memory.size:
                raise self._no_room(whole_image(sizes), 0)
            tile = max(size for size, is_tile in sizes if is_tile)
            if tile > self._loaded.image_limit:
                raise too_large_at_once(tile, self._loaded.image_limit)
            parts = [self._encode_image(chunk) if is_image(chunk) else chunk_tokens(chunk) for chunk in chunks]
        if self.style.question_first:
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

    def behind(self, view: LlamaView, words: str) -> tuple[LlamaView, Tokens]:
        """Where the question comes first: its words with the picture behind them, and what follows the picture."""
        before, between, after = self._around[1, True]
        question = self._loaded.vocabulary.started(join_words([*before, words, *between], self._tokens_of))
        return LlamaView(self, None, [question, *view.parts]), join_words(after, self._tokens_of)

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
            return self.prompt([questions[number], thoughts, SUMMARISE], image=view.sees)

        prompts = [self.prompt([question], image=view.sees) for question in questions]
        with self._prefixes_of(view) as prefixes:
            return reasonings(prefixes, self._loaded.vocabulary, prompts, summing_up)

    @contextmanager
    def _prefixes_of(self, view: LlamaView) -> Iterator[PrefixCache]:
        """The trunk with the view's picture at its root. After any failure the memory is filled again."""
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
        said = [self._engine.style.words(question) for question in questions]
        if self._engine.style.question_first and self._picture is not None:
            placed = (self._engine.behind(self, words) for words in said)
            return [self._engine.answers(view, [prompt])[0] for view, prompt in placed]
        return self._engine.answers(self, [self._prompt(words) for words in said])

    def reason(self, questions: Sequence[Question]) -> list[Reasoning | None]:
        """Greedy, side by side: thoughts, then a rating bound by a grammar, and a rationale where that is Yes."""
        if not self._engine.style.thinks:
            raise EngineFailure("engine-error", "this model cannot think aloud, so it must not be asked to")
        return self._engine.reasonings(self, [question.deliberate for question in questions])

    def locate(self, objects: Sequence[str]) -> Box | None:
        """A box in the model's own convention, bound by a grammar, with the confidence that `parse.box` defines."""
        style = self._engine.box_style
        if style is None or self._picture is None:
            raise EngineFailure("engine-error", "there is no picture, or the model cannot give boxes: do not ask")
        words = style.locate(objects)
        first = self._engine.style.question_first
        view, prompt = self._engine.behind(self, words) if first else (self, self._prompt(words))
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

    def _prompt(self, words: str) -> Tokens:
        return self._engine.prompt([words], image=self.sees)

    def _seen(self) -> Picture:
        if self._picture is None:
            raise ValueError("there is no picture to edit")
        return self._picture
