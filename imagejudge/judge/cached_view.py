"""Answers that are known need not be asked again: a view that looks them up first.

Knows what makes two requests the same, not where answers are kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from imagejudge.engine.base import Abilities, Answer, Reasoning, View
from imagejudge.engine.embedding import POOLING, Embedding, packed, unpacked
from imagejudge.images.decode import DECODE_VERSION
from imagejudge.images.picture import Box
from imagejudge.judge.world import World
from imagejudge.prompts import RATING, RATIONALE, SUMMARISE, Question, direct


class AnswerKey(NamedTuple):
    """What was asked about one image."""

    part: str
    """Which frame, and how it was edited; or that it is about the file itself."""
    prompt: bytes
    """Digest of the exact words; empty for what is known without asking anything."""


def frame_part(index: int) -> str:
    """The part that is a whole frame, as today's decoder shows it."""
    return f"{index}@{DECODE_VERSION}"


def _tokens_key(part: str) -> AnswerKey:
    return AnswerKey(part, b"")


@dataclass(slots=True)
class ImageAnswers:
    """All that is known about one image for one model, as JSON values."""

    known: dict[AnswerKey, Any] = field(default_factory=dict)
    fresh: dict[AnswerKey, Any] = field(default_factory=dict)
    """Those that are not kept yet."""

    def add(self, request: AnswerKey, reply: Any) -> None:
        """Take in a new reply."""
        self.known[request] = self.fresh[request] = reply

    def tokens(self, part: str) -> int | None:
        """How many tokens a part of the image takes in the model; None where the model was never shown it."""
        tokens: int | None = self.known.get(_tokens_key(part))
        return tokens


@dataclass(slots=True)
class Stopwatch:
    """Wall-clock seconds the engine took, by what it did."""

    view: float = 0.0
    ask: float = 0.0
    reason: float = 0.0


@lru_cache(maxsize=10_000)
def _digest(words: tuple[str, ...]) -> bytes:
    """The same few things are asked about every image."""
    return hashlib.blake2b(json.dumps(words).encode(), digest_size=16).digest()


@lru_cache(maxsize=10_000)
def _digest_of(question: Question) -> bytes:
    """Cached as well, since putting a question in words takes longer than looking up its digest."""
    return _digest(("ask", direct(question)))


class CachedView(View):
    """Answers from memory, and opens the real view, with what it will be asked first, only for what is missing.

    What the model cannot be asked for is neither asked nor kept: "not looked at" must not read as "nothing there".
    """

    def __init__(
        self,
        memory: ImageAnswers,
        part: str,
        open_view: Callable[[Sequence[Question]], View],
        watch: Stopwatch,
        abilities: Abilities = Abilities(),  # noqa: B008 - frozen
    ) -> None:
        self._memory = memory
        self._part = part
        self._open = open_view
        self._view: View | None = None
        self._watch = watch
        self._abilities = abilities

    @property
    def tokens(self) -> int | None:
        """As the real view had it, in this run or an earlier one."""
        return self._memory.tokens(self._part)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer yes/no questions, those that are new in one go."""
        requests = {question: AnswerKey(self._part, _digest_of(question)) for question in questions}
        new = [question for question, request in requests.items() if request not in self._memory.known]
        if new:
            view = self._opened(new)
            started = time.perf_counter()
            answers = view.ask(new)
            self._watch.ask += time.perf_counter() - started
            for question, answer in zip(new, answers, strict=True):
                self._memory.add(requests[question], [answer.gap, answer.off_mass])
        return [Answer(*self._memory.known[requests[question]]) for question in questions]

    def knows(self, questions: Iterable[Question]) -> bool:
        """Whether all of them were answered before."""
        return all(AnswerKey(self._part, _digest_of(question)) in self._memory.known for question in questions)

    def reason(self, questions: Sequence[Question]) -> list[Reasoning | None]:
        """Let the model think about those questions that it did not think about before."""
        if not self._abilities.thoughts:
            return [None] * len(questions)
        requests = {q: self._request("reason", q.deliberate, SUMMARISE, *RATING, *RATIONALE) for q in questions}
        new = [question for question, request in requests.items() if request not in self._memory.known]
        if new:
            view = self._opened()
            started = time.perf_counter()
            thoughts = view.reason(new)
            self._watch.reason += time.perf_counter() - started
            for question, thought in zip(new, thoughts, strict=True):
                self._memory.add(requests[question], thought and dataclasses.asdict(thought))
        replies = [self._memory.known[requests[question]] for question in questions]
        return [Reasoning(**reply) if reply else None for reply in replies]

    def locate(self, objects: Sequence[str]) -> Box | None:
        """Look for objects, unless they were looked for before."""
        if not self._abilities.boxes:
            return None
        request = self._request("locate", *objects)
        if request not in self._memory.known:
            view = self._opened()
            started = time.perf_counter()
            box = view.locate(objects)
            self._watch.reason += time.perf_counter() - started
            self._memory.add(request, box and dataclasses.asdict(box))
        reply = self._memory.known[request]
        return Box(**reply) if reply else None

    def embedding(self) -> Embedding:
        """The vector of the picture, unless it is known."""
        request = self._request("embedding", POOLING)
        if request not in self._memory.known:
            self._memory.add(request, packed(self._opened().embedding()))
        return unpacked(self._memory.known[request])

    def out_of_world(self, world: World) -> float:
        """How far the picture lies from what the model was made for, unless it is known; in [0, 1]."""
        request = self._request("world", world.digest)
        if request not in self._memory.known:
            self._memory.add(request, world.distance(self._opened().encoded()))
        distance: float = self._memory.known[request]
        return distance

    def without(self, box: Box) -> View:
        """The picture with the box filled."""
        return self._edited("without", box, lambda _: self._opened().without(box))

    def crop(self, box: Box) -> View:
        """The box alone."""
        return self._edited("crop", box, lambda _: self._opened().crop(box))

    def _edited(self, edit: str, box: Box, open_view: Callable[[Sequence[Question]], View]) -> View:
        corners = ",".join(f"{side:.4f}" for side in (box.left, box.top, box.right, box.bottom))
        part = f"{self._part}/{edit}:{corners}"
        return CachedView(self._memory, part, open_view, self._watch, self._abilities)

    def _request(self, *words: str) -> AnswerKey:
        return AnswerKey(self._part, _digest(words))

    def _opened(self, first: Sequence[Question] = ()) -> View:
        """The real view; `first` is what will be asked of it next, if that is known."""
        if self._view is None:
            started = time.perf_counter()
            self._view = self._open(first)
            if (tokens := self._view.tokens) is not None:
                self._memory.add(_tokens_key(self._part), tokens)
            self._watch.view += time.perf_counter() - started
        return self._view
