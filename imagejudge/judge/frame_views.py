"""The sampled frames of an image as views, opened when something that is not known is first asked of one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial

from imagejudge.engine.base import Abilities, View
from imagejudge.judge.cached_view import CachedView, Stopwatch
from imagejudge.judge.opened_image import OpenedImage, R, SampledFrame
from imagejudge.judge.turn import Turn
from imagejudge.prompts import Question


def frame_views(
    image: OpenedImage[R], turn: Turn, abilities: Abilities, watch: Stopwatch
) -> Iterator[tuple[SampledFrame, CachedView]]:
    """Each frame with a view of it, which is good until the next one is opened."""
    opened = itertools.count()

    def look(frame: SampledFrame, first: Sequence[Question]) -> View:
        same = next(opened) > 0 and image.step is None  # each frame of a video has the time of an image
        return turn.view(frame.picture(), first, same_image=same)

    for frame in image.frames:
        yield frame, CachedView(image.answers, frame.part, partial(look, frame), watch, abilities)
