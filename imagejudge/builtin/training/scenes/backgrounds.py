"""What lies behind the things in a scene, and what happens to a picture after it was drawn."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from imagejudge.builtin.training.scenes.scene import SIZE, Pixels


def draw_background(random: np.random.Generator, hard: float) -> NDArray[np.float32]:
    """A background: plain, a gradient, blotches, stripes, dots, or land and sky."""
    draw = random.random()
    first = np.ones(3) if draw < 0.22 else random.random(3)
    second = np.clip(first + random.normal(0, 0.3, 3), 0, 1)
    place = np.linspace(0, 1, SIZE, dtype=np.float32)
    if draw < 0.6 - 0.2 * hard:
        mix = np.zeros((SIZE, SIZE), np.float32)
    elif draw < 0.72:
        across = random.uniform(-1, 1, 2)
        mix = np.clip((place[:, None] - 0.5) * across[0] + (place[None] - 0.5) * across[1] + 0.5, 0, 1)
    elif draw < 0.84:
        size = int(random.integers(2, 9))
        mix = np.asarray(
            Image.fromarray(random.random((size, size)).astype(np.float32), "F").resize(
                (SIZE, SIZE), Image.Resampling.BILINEAR
            )
        )
    elif draw < 0.9:
        angle, period = random.uniform(0, math.pi), random.uniform(6, 30)
        wave = np.cos((place[:, None] * math.cos(angle) + place[None] * math.sin(angle)) * SIZE * 2 * math.pi / period)
        mix = (wave > 0).astype(np.float32) * random.uniform(0.1, 0.6)
    elif draw < 0.94:
        period = int(random.integers(8, 24))
        cell = (np.arange(SIZE) % period - period / 2) ** 2
        mix = (cell[:, None] + cell[None] < (period * 0.28) ** 2).astype(np.float32) * random.uniform(0.1, 0.6)
    else:
        line = random.uniform(0.4, 0.85) + 0.05 * np.sin(place * random.uniform(3, 9) + random.uniform(0, 6))
        mix = (place[:, None] > line[None]).astype(np.float32)
    return (first + (second - first) * mix[..., None]).astype(np.float32)


def degrade(random: np.random.Generator, canvas: NDArray[np.float32], hard: float) -> Pixels:
    """What cameras, screens and compressors do to pictures, mildly."""
    draw = random.random()
    if draw < 0.12 * hard:
        canvas = canvas + random.normal(0, random.uniform(0.01, 0.06), canvas.shape).astype(np.float32)
    elif draw < 0.15 * hard:
        canvas = np.repeat(canvas.mean(-1, keepdims=True), 3, -1)
    pixels = (np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8)
    if 0.15 * hard <= draw < 0.24 * hard:
        pixels = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(random.uniform(0.4, 1.1))))
    elif 0.24 * hard <= draw < 0.36 * hard:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=int(random.integers(35, 85)))
        pixels = np.asarray(Image.open(stream))
    return pixels


def nothing_known(random: np.random.Generator) -> Pixels:
    """A picture that shows nothing the model knows: clouds of noise, smooth shades and facets, in the colours and
    textures of photographs."""
    canvas = np.zeros((SIZE, SIZE, 3), np.float32)
    hue = random.random(3).astype(np.float32)
    steep = random.uniform(0.4, 1.2)
    size = 2
    while size <= SIZE:
        layer = random.normal(0, 1, (size, size, 3)).astype(np.float32) * (0.3 + 0.7 * (random.random() < 0.5))
        layer = layer.mean(-1, keepdims=True) + 0.35 * layer
        grown = np.stack(
            [
                np.asarray(Image.fromarray(layer[..., c], "F").resize((SIZE, SIZE), Image.Resampling.BICUBIC))
                for c in range(3)
            ],
            -1,
        )
        canvas += grown / size**steep
        size *= 2
    canvas = canvas / (canvas.std() + 1e-6) * random.uniform(0.08, 0.25) + hue
    for _ in range(int(random.integers(0, 6))):  # shaded patches with soft edges
        place = np.arange(SIZE, dtype=np.float32)
        x, y, wide, tall = random.uniform(0, SIZE, 2).tolist() + random.uniform(8, 60, 2).tolist()
        inside = (
            ((place[None] - x) / wide) ** 2 + ((place[:, None] - y) / tall) ** 2
            if random.random() < 0.6
            else np.maximum(abs(place[None] - x) / wide, abs(place[:, None] - y) / tall)
        )
        mix = np.clip((1 - inside) * random.uniform(1, 8), 0, 1)[..., None] * random.uniform(0.4, 1)
        shade = random.random(3).astype(np.float32) * 0.7 + 0.3 * hue + 0.3 * (place[:, None, None] / SIZE - 0.5)
        canvas = canvas * (1 - mix) + (shade + random.normal(0, 0.03, (SIZE, SIZE, 1)).astype(np.float32)) * mix
    return degrade(random, canvas.astype(np.float32), 1.0)
