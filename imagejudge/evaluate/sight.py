"""One labelled image as views: its frames, changed or not, opened once and shared by all methods.

Knows engines and memories, not what is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from imagejudge.decode import Frame, decode
from imagejudge.engine.base import Engine, View
from imagejudge.evaluate.labels import Item, Label
from imagejudge.evaluate.methods import NOISE, Look
from imagejudge.evaluate.perturb import VERSION, Perturbation, gaussian
from imagejudge.evaluate.views import Beside, Meter, Metered
from imagejudge.picture import Picture
from imagejudge.recall import Memory, RecallView, Stopwatch
from imagejudge.source import Limits, Source, Unreadable, read
from imagejudge.verdict import ImageFacts


@dataclass(frozen=True, slots=True)
class Subject:
    """A labelled image that can be judged."""

    label: Label
    sha256: str
    facts: ImageFacts
    frames: tuple[Frame, ...]


def subject_of(item: Item, limits: Limits) -> Subject | Unreadable:
    """Read and decode an image."""
    source = _read(item, limits)
    if isinstance(source, Unreadable):
        return source
    decoded = decode(source, limits)
    if isinstance(decoded, Unreadable):
        return decoded
    return Subject(item.label, source.sha256, decoded.facts, decoded.frames)


def _read(item: Item, limits: Limits) -> Source | Unreadable:
    if isinstance(item.image, Path):
        return read(str(item.image), limits)
    digest = hashlib.sha256(item.image).hexdigest()
    if not item.image:
        return Unreadable("empty", "the image has no bytes", digest)
    if len(item.image) > limits.bytes:
        return Unreadable("too-large", f"the image is larger than {limits.bytes:,} bytes; raise it with --max-bytes")
    return Source(item.label.name, item.image, digest)


class Sight:
    """An image under one change, or none, as one engine sees it.

    `blank` makes a view without a picture, which is asked for priors.
    """

    def __init__(
        self,
        subject: Subject,
        memory: Memory,
        engine: Engine,
        blank: Callable[[], View],
        change: Perturbation | None = None,
    ) -> None:
        self.subject = subject
        self.meter = Meter(memory, Stopwatch())
        self._engine = engine
        self._blank = blank
        self._change = change
        self._views: dict[str, RecallView] = {}

    def look(self, frame: Frame, bill: set[Hashable]) -> Look:
        """What a method sees of a frame, with what it requests noted on its bill."""
        part, changed = str(frame.index), partial(_itself, frame.picture)
        if self._change is not None:
            part, changed = f"{part}/{VERSION}:{self._change.label}", partial(self._change, frame.picture)
        noised = partial(_noised, changed)
        return Look(
            view=self._dressed(Metered(self._shared(part, changed), part, self.meter, bill)),
            noised=self._dressed(Metered(self._shared(f"{part}/noised", noised), f"{part}/noised", self.meter, bill)),
            blank=self._dressed(self._blank()),
        )

    def reopen(self) -> None:
        """Let go of all views: an engine that was started anew no longer knows them."""
        self._views.clear()

    def _shared(self, part: str, picture: Callable[[], Picture]) -> RecallView:
        if part not in self._views:
            self._views[part] = RecallView(
                self.meter.memory, part, lambda: self._engine.view(picture()), self.meter.watch
            )
        return self._views[part]

    def _dressed(self, view: View) -> View:
        text = self.subject.label.sentence
        return view if text is None else Beside(view, text)


def _itself(picture: Picture) -> Picture:
    return picture


def _noised(picture: Callable[[], Picture]) -> Picture:
    return gaussian(picture(), NOISE)
