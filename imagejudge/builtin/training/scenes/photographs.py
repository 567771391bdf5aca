"""Cuts of photographs that someone has in a folder; none comes with this project."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

from imagejudge.builtin.training.scenes.scene import SIZE, Pixels

Random = np.random.Generator
_LONGEST = 900
"""Pixels of the longer side that are kept of each."""


class Photographs:
    """The pictures in a folder and the folders in it."""

    def __init__(self, folder: Path) -> None:
        self._pictures = [_read(path) for path in sorted(folder.rglob("*")) if path.is_file()]

    def cut(self, random: Random) -> Pixels:
        """A square of any size from one of them; one time in four nearly the whole."""
        picture = self._pictures[random.integers(len(self._pictures))]
        share = random.uniform(0.8, 1) if random.random() < 0.25 else math.exp(random.uniform(math.log(0.15), 0))
        side = share * min(picture.size)
        left, top = random.uniform(0, picture.width - side), random.uniform(0, picture.height - side)
        box = (left, top, left + side, top + side)
        return np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box))


def _read(path: Path) -> Image.Image:
    with Image.open(path) as image:
        picture = image.convert("RGB")
    picture.thumbnail((_LONGEST, _LONGEST))
    return picture
