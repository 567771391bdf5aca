"""More pictures that show no sticker, of many kinds: by their variety a detector learns what is unlike scenes, rather
than a few kinds by heart.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from imagejudge.builtin.training.scenes import sheets, textures
from imagejudge.builtin.training.scenes.backgrounds import degrade
from imagejudge.builtin.training.scenes.scene import SIZE, Pixels
from imagejudge.builtin.training.scenes.sheets import finished
from imagejudge.builtin.training.scenes.textures import Canvas, Random, grid

PATTERNS: tuple[Callable[[Random], Canvas], ...] = (
    *(textures.spectrum, textures.cellular, textures.wood, textures.marble, textures.plasma, textures.moire),
    *(textures.fractal, sheets.facet_mesh, sheets.polygons, sheets.scribbles, sheets.chart, sheets.page),
    *(sheets.lettering, sheets.window, sheets.code, textures.shades, textures.landscape, textures.surface),
    *(textures.tiling, sheets.strokes, textures.lights, textures.contours, sheets.streets, sheets.ornament),
)  # fmt: skip


def altered(random: Random, canvas: Canvas, other: Callable[[], Canvas]) -> Canvas:
    """The picture turned, magnified, blurred, or mixed with another one."""
    draw = random.random()
    sheet = Image.fromarray((np.clip(canvas, 0, 1) * 255).astype(np.uint8))
    if draw < 0.2:
        sheet = sheet.filter(ImageFilter.GaussianBlur(random.uniform(0.7, 4)))
    elif draw < 0.45:
        side = random.uniform(0.35, 0.9) * SIZE
        left, top = random.uniform(0, SIZE - side, 2)
        sheet = sheet.resize((SIZE, SIZE), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
        if random.random() < 0.5:
            sheet = sheet.rotate(90 * int(random.integers(4)))
    elif draw < 0.6:
        large = sheet.resize((2 * SIZE, 2 * SIZE)).rotate(random.uniform(0, 360), Image.Resampling.BILINEAR)
        sheet = large.crop((SIZE // 2, SIZE // 2, SIZE * 3 // 2, SIZE * 3 // 2))
    elif draw < 0.75:
        mix = np.float32(random.uniform(0.25, 0.75))
        return finished(sheet) * mix + other() * (1 - mix)
    else:
        y, x = grid()
        a, b, c = random.normal(0, 1, 3)
        return np.where((a * (x - 64) + b * (y - 64) > 20 * c)[..., None], finished(sheet), other()).astype(np.float32)
    return finished(sheet)


def drawn(random: Random, families: tuple[Callable[[Random], Canvas], ...]) -> Pixels:
    """A picture of one of these families, in two of five cases altered."""
    canvas = families[int(random.integers(len(families)))](random)
    if random.random() < 0.4:
        canvas = altered(random, canvas, lambda: families[int(random.integers(len(families)))](random))
    return degrade(random, canvas, 1.0)
