"""Which frames of a video are judged: those that are on the screen at even steps of time. Knows times, not files.

Times are seconds from the first frame on. A frame is there until the next one comes, so that whatever is shown for as
long as a step is shown at one of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image

MOST: Final = 600
"""Frames that are sampled of one video: of a longer one, the step is doubled until it has no more."""
_SAME: Final = 2
"""Steps of 255 by which the small pictures of two frames may differ, in any place and colour, to be judged as one."""
_INSTANT: Final = 1e-6
"""Seconds by which sums of times may be off."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame that is judged."""

    index: int
    """Of all frames of the video, in the order in which they are shown."""
    start: float
    end: float
    digest: str
    """Of its size and pixels."""
    small: Image.Image
    """The whole frame in a few pixels."""


@dataclass(slots=True)
class Sampler:
    """Gathers frames in their order, at `step` seconds, the first at `offset`."""

    step: float
    offset: float = 0.0
    samples: list[Sample] = field(default_factory=list)

    def wants(self, start: float, end: float) -> bool:
        """Whether a frame that is shown for this time is on the screen at one of the steps."""
        number = max(0, math.ceil((start - self.offset - _INSTANT) / self.step))
        return self.offset + number * self.step < end - _INSTANT

    def add(self, sample: Sample) -> None:
        """Take in a frame that is wanted."""
        self.samples.append(sample)
        while len(self.samples) > MOST:
            self.step *= 2
            self.samples = [each for each in self.samples if self.wants(each.start, each.end)]

    def judged(self) -> Iterator[tuple[Sample, str]]:
        """Each frame, and the digest of the one that it is judged by: an earlier one that looks the same, or itself.

        Frames are compared with the last one that is judged, so that slow changes add up.
        """
        judge: Sample | None = None
        for sample in self.samples:
            if judge is None or _differ(judge.small, sample.small):
                judge = sample
            yield sample, judge.digest


def _differ(one: Image.Image, other: Image.Image) -> bool:
    from PIL import ImageChops

    return any(most > _SAME for most in ImageChops.difference(one, other).tobytes())
