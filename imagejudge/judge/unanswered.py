"""Images whose recorded answers do not suffice: kept until a model answers what is missing, beside what they tell."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.cached_view import ImageAnswers
from imagejudge.judge.replay import Rejudge
from imagejudge.verdict import Verdict, line_of, verdict_of


@dataclass(frozen=True, slots=True)
class UnansweredImage:
    """An image whose recorded answers do not suffice; the line is packed, as there may be a great many of them."""

    path: str
    sha256: str | None
    model: str
    packed: bytes

    @classmethod
    def of(cls, line: Verdict) -> Self:
        """Pack a line."""
        return cls(line.path, line.sha256, line.model, zlib.compress(line_of(line), level=1))

    @property
    def line(self) -> Verdict:
        """The line as it was."""
        return verdict_of(zlib.decompress(self.packed))


class Recorded(Cache):
    """A cache that also knows what verdict lines tell, and keeps only what is new."""

    def __init__(self, cache: Cache, rejudge: Rejudge, lacking: Iterable[UnansweredImage]) -> None:
        super().__init__(None)
        self._cache = cache
        self._rejudge = rejudge
        self._lacking = {each.sha256: each for each in lacking}

    def load(self, model: str, image: str) -> ImageAnswers:
        """Every reply about an image, from either."""
        memory = self._cache.load(model, image)
        if image in self._lacking:
            self._rejudge.remember(self._lacking[image].line, memory)
        return memory

    def save(self, model: str, image: str, memory: ImageAnswers) -> None:
        """Keep the fresh replies."""
        self._cache.save(model, image, memory)
