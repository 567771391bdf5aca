"""What an animated file paints: its frames as the file has them, before anyone lays them on each other.

`png`, `gif` and `webp` find them, `animation` plays them. Knows nothing of pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Dispose(Enum):
    """What becomes of a layer's place before the next one is painted."""

    KEEP = "keep"
    CLEAR = "clear"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Layer:
    """One frame of a file: a picture of its own, and its place on the canvas, which it may exceed."""

    file: Callable[[], bytes]
    """A file of one picture, in the format of the animation; made when it is wanted."""
    left: int
    top: int
    width: int
    height: int
    dispose: Dispose = Dispose.KEEP
    over: bool = True
    """Whether what was there shows through; otherwise it is replaced."""

    @property
    def area(self) -> int:
        """Pixels to unpack; 0 for a layer that paints nothing."""
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Animation:
    """All layers of a file, at least one, and the size of the canvas they are painted on, which begins empty."""

    width: int
    height: int
    layers: tuple[Layer, ...]
    exif: bytes = b""
