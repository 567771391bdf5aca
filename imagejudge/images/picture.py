"""Pixels in memory, and the edits that are made to them. Knows nothing of files, formats or models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np

FRAME_PIXELS: Final = 10_000_000
"""Larger frames of an animation or a video are scaled down."""


@dataclass(frozen=True, slots=True)
class Box:
    """A region in fractions of the image's sides, 0 <= left < right <= 1 and 0 <= top < bottom <= 1."""

    left: float
    top: float
    right: float
    bottom: float
    confidence: float = 1.0
    """How sure the model was of the region, in [0, 1]."""

    @property
    def area(self) -> float:
        """Share of the image's area, in (0, 1]."""
        return (self.right - self.left) * (self.bottom - self.top)

    def grown(self, factor: float) -> Box:
        """The same centre with both sides `factor` times as long, cut at the image's edges."""
        dx = (self.right - self.left) * (factor - 1) / 2
        dy = (self.bottom - self.top) * (factor - 1) / 2
        return Box(
            max(0.0, self.left - dx),
            max(0.0, self.top - dy),
            min(1.0, self.right + dx),
            min(1.0, self.bottom + dy),
            self.confidence,
        )


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded frame: 8-bit RGB, upright, row by row from the top left."""

    width: int
    height: int
    rgb: bytes
    """width * height * 3 bytes."""

    def without(self, box: Box) -> Picture:
        """The picture with the box filled by the mean colour of the whole."""
        pixels = self._array().copy()
        pixels[self._slices(box)] = pixels.reshape(-1, 3).mean(axis=0).round().astype(pixels.dtype)
        return Picture(self.width, self.height, pixels.tobytes())

    def crop(self, box: Box) -> Picture:
        """Only what lies in the box, at least one pixel."""
        pixels = self._array()[self._slices(box)]
        height, width, _ = pixels.shape
        return Picture(width, height, pixels.tobytes())

    def scaled(self, width: int, height: int) -> Picture:
        """The whole at another size, in pixels."""
        if (width, height) == (self.width, self.height):
            return self
        from PIL import Image  # most pictures are never scaled

        image = Image.frombuffer("RGB", (self.width, self.height), self.rgb)
        return Picture(
            width, height, image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0).tobytes()
        )

    def reduced(self, factor: int) -> Picture:
        """The whole with its sides divided by a number that divides them: each pixel is the mean of a square."""
        if factor == 1:
            return self
        from PIL import Image

        image = Image.frombuffer("RGB", (self.width, self.height), self.rgb).reduce(factor)
        return Picture(image.width, image.height, image.tobytes())

    def _array(self) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
        import numpy as np  # a tenth of a second, and `--help` or a scan of known images needs none of it

        return np.frombuffer(self.rgb, np.uint8).reshape(self.height, self.width, 3)

    def _slices(self, box: Box) -> tuple[slice, slice]:
        return _span(box.top, box.bottom, self.height), _span(box.left, box.right, self.width)


def _span(start: float, end: float, length: int) -> slice:
    first = min(math.floor(start * length), length - 1)
    return slice(first, max(math.ceil(end * length), first + 1))
