"""Which frames of a video are judged: those that are on the screen at some moments. Knows times, not files.

Times are seconds from the first frame on. A frame is there until the next one comes, and no two moments are further
apart than the step, so that whatever is shown for as long as a step is shown at one of them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image

MOST: Final = 600
"""Frames that are sampled of one video: of a longer one, the step is doubled until it has no more."""
LONGEST_PART: Final = 3.0
"""Seconds of a scene that one frame stands for at most. Frames that look the same are judged once, so that a still
scene costs nothing more for being looked at often."""
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
    """Gathers frames in their order: those on the screen at each of some moments, or at each multiple of a step."""

    step: float
    """Seconds between two moments, at most."""
    moments: Sequence[float] | None = None
    """In order, at most `MOST`; None: the multiples of the step."""
    samples: list[Sample] = field(default_factory=list)

    def wants(self, start: float, end: float) -> bool:
        """Whether a frame that is shown for this time is on the screen at one of the moments."""
        return self._next(start - _INSTANT) < end - _INSTANT

    def _next(self, time: float) -> float:
        """The first moment that is not before a time."""
        if self.moments is None:
            return self.step * max(0, math.ceil(time / self.step))
        number = bisect_left(self.moments, time)
        return self.moments[number] if number < len(self.moments) else math.inf

    def add(self, sample: Sample) -> None:
        """Take in a frame that is wanted. Too many are only there at multiples of the step."""
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


def of_equal_parts(count: int, duration: float) -> Sampler:
    """Samples the middle of each of so many equal parts of a video."""
    return Sampler(duration / count, list(_middles(0, duration, count)))


def of_scenes(starts: Sequence[float], duration: float) -> Sampler:
    """Samples the middle of each scene, and of one that is long, of each of its equal parts.

    `starts` are the times at which scenes begin, the first at 0. Where they are too many, neighbours are taken for one
    scene, and the parts may be twice as long.
    """
    longest = LONGEST_PART
    while True:
        scenes = list(zip(starts, (*starts[1:], duration), strict=True))
        counts = [max(1, math.ceil((end - start) / longest - _INSTANT)) for start, end in scenes]
        if sum(counts) <= MOST:
            break
        longest *= 2
        starts = starts[::2] if len(starts) > MOST else starts
    parts = [(*scene, count) for scene, count in zip(scenes, counts, strict=True)]
    step = max((end - start) / count for start, end, count in parts)
    return Sampler(step, [moment for part in parts for moment in _middles(*part)])


def _middles(start: float, end: float, count: int) -> Iterator[float]:
    part = (end - start) / count
    return (start + part * (number + 0.5) for number in range(count))


def _differ(one: Image.Image, other: Image.Image) -> bool:
    from PIL import ImageChops

    return any(most > _SAME for most in ImageChops.difference(one, other).tobytes())
