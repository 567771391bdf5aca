"""One labelled image as views: its frames, changed or not, opened once and shared by all methods.

Knows engines and kept answers, not what is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial

from imagejudge.engine.base import Abilities, View
from imagejudge.evaluate.labels import Item
from imagejudge.evaluate.methods import NOISE, FrameViews
from imagejudge.evaluate.perturbations import VERSION, Perturbation, noised
from imagejudge.evaluate.views import CaptionedView, Meter, Metered, WrappedView
from imagejudge.images.picture import Box, Picture
from imagejudge.judge.cached_view import CachedView, Stopwatch
from imagejudge.judge.opened_image import OpenedImage, SampledFrame
from imagejudge.judge.turn import Turn
from imagejudge.judge.world import World


@dataclass(slots=True)
class EngineState:
    """An engine, and which picture it holds: looking at another one may cost it all views of the one before."""

    engine: Turn
    shown: OnDemandView | None = None
    """Whose picture the engine holds; None after a failure, when no view is good any more."""
    changes: int = 0
    """How often it began to look at a picture."""


class OnDemandView(WrappedView):
    """A view of a picture, opened again when it is asked after its engine has looked at another one."""

    def __init__(self, state: EngineState, picture: Callable[[], Picture | None], watch: Stopwatch) -> None:
        self._state = state
        self._picture = picture
        self._watch = watch
        self._view: View

    @property
    def inner(self) -> View:
        """The engine's own view."""
        if self._state.shown is not self:
            started = time.perf_counter()
            self._view = self._state.engine.view(self._picture())
            self._watch.view += time.perf_counter() - started
            self._state.shown = self
            self._state.changes += 1
        return self._view

    def without(self, box: Box) -> View:
        """The edited picture."""
        return _Edited(self, self._state, lambda view: view.without(box))

    def crop(self, box: Box) -> View:
        """The box alone."""
        return _Edited(self, self._state, lambda view: view.crop(box))


class _Edited(WrappedView):
    """An edit of a view, made again whenever that was opened again."""

    def __init__(self, of: OnDemandView, state: EngineState, edit: Callable[[View], View]) -> None:
        self._of = of
        self._state = state
        self._edit = edit
        self._made_at = -1

    @property
    def inner(self) -> View:
        whole = self._of.inner
        if self._made_at != self._state.changes:
            self._view, self._made_at = self._edit(whole), self._state.changes
        return self._view


class ImageViews:
    """An image under one change, or none, on one engine; all methods share its views.

    `blank` is a view of no image, which is asked for priors. What chance decides in a change is drawn from `seed` and
    the image's SHA-256, alike for all frames.
    """

    def __init__(
        self,
        image: OpenedImage[Item],
        state: EngineState,
        blank: View,
        abilities: Abilities,
        change: Perturbation | None = None,
        seed: int = 0,
    ) -> None:
        self.image = image
        self.meter = Meter(image.answers, Stopwatch(), abilities)
        self._state = state
        self._blank = blank
        self._abilities = abilities
        self._change = change
        self._seed = seed
        self._views: dict[str, CachedView] = {}

    def look(self, frame: SampledFrame, bill: set[Hashable]) -> FrameViews:
        """What a method sees of a frame, with what it requests noted on its bill."""
        part, changed = self._as_changed(frame)
        noised = partial(_noised, changed)
        return FrameViews(
            view=self._dressed(Metered(self._shared(part, changed), part, self.meter, bill)),
            noised=self._dressed(Metered(self._shared(f"{part}/noised", noised), f"{part}/noised", self.meter, bill)),
            blank=self._dressed(self._blank),
        )

    def out_of_world(self, frame: SampledFrame, world: World) -> float:
        """How far the frame, as it is looked at, lies from what the model was made for; in [0, 1]."""
        part, changed = self._as_changed(frame)
        return self._shared(part, changed).out_of_world(world)

    def _as_changed(self, frame: SampledFrame) -> tuple[str, Callable[[], Picture]]:
        """Under what answers about the frame are kept, and its picture."""
        if self._change is None:
            return frame.part, frame.picture
        changed = partial(_changed, frame.picture, self._change, f"{self._seed}:{self.image.sha256}")
        return f"{frame.part}/{VERSION}:{self._seed}:{self._change.label}", changed

    def _shared(self, part: str, picture: Callable[[], Picture]) -> CachedView:
        if part not in self._views:
            view = OnDemandView(self._state, picture, self.meter.watch)
            # Looking is timed in the view, where it really happens.
            self._views[part] = CachedView(self.meter.memory, part, lambda _: view, Stopwatch(), self._abilities)
        return self._views[part]

    def _dressed(self, view: View) -> View:
        text = self.image.ref.label.sentence
        return view if text is None else CaptionedView(view, text)


def _changed(picture: Callable[[], Picture], change: Perturbation, chance: str) -> Picture:
    return change(picture(), chance)


def _noised(picture: Callable[[], Picture]) -> Picture:
    return noised(picture(), NOISE)
