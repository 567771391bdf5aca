"""One labelled image as views: its frames, changed or not, opened once and shared by all methods.

Knows engines and memories, not what is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from imagejudge.engine.base import Abilities, Engine, View
from imagejudge.evaluate.labels import Item, Label
from imagejudge.evaluate.methods import NOISE, Look
from imagejudge.evaluate.perturbations import VERSION, Perturbation, gaussian
from imagejudge.evaluate.views import Around, Beside, Meter, Metered
from imagejudge.images.decode import Frame, decode_image
from imagejudge.images.picture import Box, Picture
from imagejudge.images.read import Limits, Source, Unreadable, given_image, read_image
from imagejudge.judge.cached_view import CachedView, ImageAnswers, Stopwatch, frame_part
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
    decoded = decode_image(source, limits)
    if isinstance(decoded, Unreadable):
        return decoded
    return Subject(item.label, source.sha256, decoded.facts, decoded.frames)


def _read(item: Item, limits: Limits) -> Source | Unreadable:
    if isinstance(item.image, Path):
        read = read_image(str(item.image), limits)
        if isinstance(read, Unreadable) and str(item.image) != item.label.name:
            return replace(read, message=f"{item.image}: {read.message}")
        return read
    return given_image(item.label.name, item.image, limits)


class EngineSlot:
    """An engine, and which picture it holds: beginning to look at another one may cost it all views of the one before.

    So views are made anew when an older picture is asked about again.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._shown: ReopenableView | None = None
        self.changes = 0
        """How often a picture was put on."""

    def show(self, staged: ReopenableView, picture: Callable[[], Picture | None], watch: Stopwatch) -> View | None:
        """A new view when another picture was looked at since; None when the old view is still good."""
        if self._shown is staged:
            return None
        started = time.perf_counter()
        view = self._engine.view(picture())
        watch.view += time.perf_counter() - started
        self._shown = staged
        self.changes += 1
        return view

    def clear(self) -> None:
        """After a failure no view is good any more."""
        self._shown = None


class ReopenableView(Around):
    """A view of a picture that is put on stage whenever it is asked."""

    def __init__(self, stage: EngineSlot, picture: Callable[[], Picture | None], watch: Stopwatch) -> None:
        self._stage = stage
        self._picture = picture
        self._watch = watch
        self._view: View

    @property
    def inner(self) -> View:
        """The engine's own view."""
        if (anew := self._stage.show(self, self._picture, self._watch)) is not None:
            self._view = anew
        return self._view

    def without(self, box: Box) -> View:
        """The edited picture."""
        return _Edited(self, self._stage, lambda view: view.without(box))

    def crop(self, box: Box) -> View:
        """The box alone."""
        return _Edited(self, self._stage, lambda view: view.crop(box))


class _Edited(Around):
    """An edit of a staged view, made anew with it."""

    def __init__(self, of: ReopenableView, stage: EngineSlot, edit: Callable[[View], View]) -> None:
        self._of = of
        self._stage = stage
        self._edit = edit
        self._made_at = -1

    @property
    def inner(self) -> View:
        whole = self._of.inner
        if self._made_at != self._stage.changes:
            self._view, self._made_at = self._edit(whole), self._stage.changes
        return self._view


class ImageViews:
    """An image under one change, or none, on one engine's stage; all methods share its views.

    `blank` makes a view without a picture, which is asked for priors.
    """

    def __init__(
        self,
        subject: Subject,
        memory: ImageAnswers,
        stage: EngineSlot,
        blank: Callable[[], View],
        abilities: Abilities,
        change: Perturbation | None = None,
    ) -> None:
        self.subject = subject
        self.meter = Meter(memory, Stopwatch(), abilities)
        self._stage = stage
        self._blank = blank
        self._abilities = abilities
        self._change = change
        self._views: dict[str, CachedView] = {}

    def look(self, frame: Frame, bill: set[Hashable]) -> Look:
        """What a method sees of a frame, with what it requests noted on its bill."""
        part, changed = frame_part(frame.index), partial(_itself, frame.picture)
        if self._change is not None:
            part, changed = f"{part}/{VERSION}:{self._change.label}", partial(self._change, frame.picture)
        noised = partial(_noised, changed)
        return Look(
            view=self._dressed(Metered(self._shared(part, changed), part, self.meter, bill)),
            noised=self._dressed(Metered(self._shared(f"{part}/noised", noised), f"{part}/noised", self.meter, bill)),
            blank=self._dressed(self._blank()),
        )

    def _shared(self, part: str, picture: Callable[[], Picture]) -> CachedView:
        if part not in self._views:
            staged = ReopenableView(self._stage, picture, self.meter.watch)
            # Looking is timed on the stage, where it really happens.
            self._views[part] = CachedView(self.meter.memory, part, lambda _: staged, Stopwatch(), self._abilities)
        return self._views[part]

    def _dressed(self, view: View) -> View:
        text = self.subject.label.sentence
        return view if text is None else Beside(view, text)


def _itself(picture: Picture) -> Picture:
    return picture


def _noised(picture: Callable[[], Picture]) -> Picture:
    return gaussian(picture(), NOISE)
