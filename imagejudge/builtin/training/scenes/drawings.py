"""Single drawings as people keep them in files: an emoji or an icon alone on white or on a plain colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from imagejudge.builtin.training.scenes.scene import SIZE, Pixels
from imagejudge.builtin.training.scenes.sprites import HELD_OUT_STYLE, STYLES, fetch, render

Random = np.random.Generator
OF_EACH_SET = 40
"""Icons of each set that need show nothing the model knows."""


class Drawings:
    """Drawings of known concepts, and icons of whatever else the sets have; none of the held-out style."""

    def __init__(self, sprites: Path, assets: Path, random: Random) -> None:
        arrays = np.load(sprites)
        shown = np.flatnonzero(arrays["style"] != STYLES.index(HELD_OUT_STYLE))
        self._known = [Image.fromarray(rgba, "RGBA") for rgba in arrays["rgba"][shown]]
        self._others: list[Image.Image] = []
        for style in STYLES:
            if style == HELD_OUT_STYLE or not any(assets.glob(f"*-{style}-[0-9]*.tgz")):
                continue
            icons = fetch(style, assets)
            names = random.permutation(sorted(icons["icons"]))[:OF_EACH_SET]
            rendered = (Image.fromarray(render(icons, str(name)), "RGBA") for name in names)
            self._others += [icon for icon in rendered if icon.getchannel("A").getextrema() != (0, 0)]

    def picture(self, random: Random) -> Pixels:
        """One of them, a little smaller than the picture or as large."""
        drawings = self._others if self._others and random.random() < 0.5 else self._known
        side = int(random.choice([48, 64, 90, 110, 120, 128, 128, 128]))
        drawing = drawings[random.integers(len(drawings))].resize((side, side), Image.Resampling.BILINEAR)
        ground = (255, 255, 255) if random.random() < 0.7 else tuple(random.integers(0, 256, 3).tolist())
        sheet = Image.new("RGB", (SIZE, SIZE), ground)
        middle = ((SIZE - side) // 2, (SIZE - side) // 2)
        left, top = middle if random.random() < 0.6 else random.integers(0, SIZE - side + 1, 2).tolist()
        sheet.paste(drawing, (left, top), drawing)
        return np.asarray(sheet)
