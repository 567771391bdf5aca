"""Images as vectors: what a model's image encoder makes of each sampled frame. No rule plays a part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from imagejudge.constitution import Constitution
from imagejudge.engine.embedding import Embedding
from imagejudge.images.read import Limits, Unreadable
from imagejudge.images.ref import ImageRef
from imagejudge.judge.cached_view import Stopwatch
from imagejudge.judge.clue import Method
from imagejudge.judge.conclusion import Trouble
from imagejudge.judge.frame_views import frame_views
from imagejudge.judge.loop import Loop
from imagejudge.judge.opened_image import OpenedImage
from imagejudge.judge.plan import Plan
from imagejudge.judge.turn import Turn
from imagejudge.verdict import Failure

_NO_RULES: Final = Constitution("none", "0", ())


def embedding_plan(model: str, answers: str, limits: Limits) -> Plan:
    """A plan without rules: the model's label, under what its answers are kept, and what files may cost."""
    return Plan(_NO_RULES, Method(), model, answers, limits)


@dataclass(frozen=True, slots=True)
class VectorSource:
    """What vectors come from: those of two can only be compared where these are the same."""

    model: str
    """As verdicts name it."""
    digest: str
    """Of the model's files."""
    settings: Mapping[str, str | int]
    """All else that decides the model's answers (`EngineSpec.settings`), and for a file of vectors, which frames it has
    of an animation or a video.
    """


@dataclass(frozen=True, slots=True)
class FrameEmbedding:
    """One sampled frame and its vector."""

    frame: int
    """Its index; 0 for a still image."""
    time: float | None
    """When it is shown, in seconds from the first frame of a video on; None for images."""
    vector: Embedding


@dataclass(frozen=True, slots=True)
class Embedded:
    """One image file with the vectors of its sampled frames, or with why there are none."""

    path: str
    sha256: str | None
    """Of the file's bytes; None where they could not be read."""
    frames: tuple[FrameEmbedding, ...] = ()
    error: Failure | None = None


class Embedder(Loop[ImageRef, tuple[FrameEmbedding, ...], Embedded]):
    """Gives the vectors of each image. An engine is only used for those that are not known.

    Raises `ModelError` when an engine cannot start.
    """

    def ask(self, image: OpenedImage[ImageRef], turn: Turn) -> tuple[FrameEmbedding, ...]:
        """The vector of each frame."""
        views = frame_views(image, turn, self.plan.abilities, Stopwatch())
        return tuple(FrameEmbedding(frame.index, frame.time, view.embedding()) for frame, view in views)

    def conclude(self, image: OpenedImage[ImageRef], found: tuple[FrameEmbedding, ...]) -> Embedded:
        """All of them together."""
        return Embedded(image.ref.path, image.sha256, found)

    def fail(self, ref: ImageRef, why: Trouble, image: OpenedImage[ImageRef] | None) -> Embedded:
        """No vector, and why."""
        file = image or (why if isinstance(why, Unreadable) else None)
        return Embedded(ref.path, file.sha256 if file else None, error=Failure(kind=why.kind, message=why.message))
