"""Pictures that show no sticker: noise, gradients, patterns, shapes, text, and textures like those of photographs.

To everything that may be asked about them the true answer is that it is not there, and they are what the model is to
tell from the pictures it was made for.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from imagejudge.builtin.training.scenes.backgrounds import degrade, draw_background, nothing_known
from imagejudge.builtin.training.scenes.scene import SIZE, Pixels

Canvas = NDArray[np.float32]
Random = np.random.Generator


def _two_colours(random: Random, mix: NDArray[np.floating]) -> Canvas:
    """A picture between two colours, black and white one time in three."""
    first, second = (np.zeros(3), np.ones(3)) if random.random() < 0.33 else random.random((2, 3))
    return (first + (second - first) * np.asarray(mix, np.float32)[..., None]).astype(np.float32)


def noise(random: Random) -> Canvas:
    """Independent values in squares of one to sixteen pixels, in colour or grey."""
    side = SIZE // int(random.choice([1, 1, 2, 4, 8, 16]))
    channels = 3 if random.random() < 0.6 else 1
    values = (
        random.random((side, side, channels))
        if random.random() < 0.6
        else random.normal(0.5, 0.25, (side, side, channels))
    )
    if random.random() < 0.15:
        values = np.round(values)
    grown = np.repeat(np.repeat(values, SIZE // side, 0), SIZE // side, 1)
    mean = random.random(3) if random.random() < 0.3 else 0.5
    return np.broadcast_to((grown - 0.5) * random.uniform(0.3, 1.3) + mean, (SIZE, SIZE, 3)).astype(np.float32)


def gradient(random: Random) -> Canvas:
    """A linear or round gradient."""
    place = np.linspace(-1, 1, SIZE)
    angle = random.uniform(0, 2 * math.pi)
    straight = place[:, None] * math.sin(angle) + place[None] * math.cos(angle)
    x, y = random.uniform(-1, 1, 2)
    round_ = np.hypot(place[:, None] - y, place[None] - x)
    mix = (straight if random.random() < 0.6 else round_) * random.uniform(0.4, 1.5) + random.uniform(0, 0.5)
    return _two_colours(random, np.clip(mix, 0, 1))


def checks(random: Random) -> Canvas:
    """A chessboard or a grid of lines, upright or turned."""
    period = random.uniform(3, 40)
    angle = 0.0 if random.random() < 0.6 else random.uniform(0, math.pi)
    y, x = np.mgrid[:SIZE, :SIZE]
    a, b = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    if random.random() < 0.7:
        return _two_colours(random, (np.floor(a / period) + np.floor(b / period)) % 2)
    width = random.uniform(0.08, 0.4)
    return _two_colours(random, ((a / period % 1 < width) | (b / period % 1 < width)).astype(float))


def stripes(random: Random) -> Canvas:
    """Hard or soft stripes at any angle, straight or wavy."""
    period, angle = random.uniform(3, 50), random.uniform(0, math.pi)
    y, x = np.mgrid[:SIZE, :SIZE]
    wave = random.uniform(0, 8) * np.sin(y / random.uniform(5, 30)) if random.random() < 0.3 else 0.0
    value = np.cos(((x + wave) * math.cos(angle) + y * math.sin(angle)) * 2 * math.pi / period)
    return _two_colours(
        random, (value > random.uniform(-0.6, 0.6)).astype(float) if random.random() < 0.6 else value / 2 + 0.5
    )


def blobs(random: Random) -> Canvas:
    """Smooth blobs of two or three colours."""
    size = int(random.integers(3, 20))
    field = Image.fromarray(random.random((size, size)).astype(np.float32), "F").resize(
        (SIZE, SIZE), Image.Resampling.BICUBIC
    )
    value = np.asarray(field)
    if random.random() < 0.5:
        return _two_colours(random, np.clip((value - random.uniform(0.35, 0.65)) * random.uniform(2, 60) + 0.5, 0, 1))
    colours = random.random((3, 3))
    canvas: Canvas = colours[np.digitize(value, np.sort(random.random(2)))].astype(np.float32)
    return canvas


def shapes(random: Random) -> Canvas:
    """One to a dozen ellipses, rectangles, polygons and lines on a plain or shaded ground."""
    picture = Image.fromarray((np.clip(draw_background(random, 0.5), 0, 1) * 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(1 if random.random() < 0.5 else int(random.integers(2, 13))):
        colour = tuple(random.integers(0, 256, 3).tolist())
        x, y = np.sort(random.uniform(-10, SIZE + 10, (2, 2)), 1).tolist()
        width = int(random.integers(1, 8))
        fill, line = (colour, None) if random.random() < 0.7 else (None, colour)
        kind = random.integers(4)
        if kind == 0:
            draw.ellipse((x[0], y[0], x[1], y[1]), fill, line, width)
        elif kind == 1:
            draw.rectangle((x[0], y[0], x[1], y[1]), fill, line, width)
        elif kind == 2:
            corners = random.uniform(0, SIZE, (int(random.integers(3, 6)), 2))
            draw.polygon([tuple(corner) for corner in corners.tolist()], fill, line, width)
        else:
            draw.line((x[0], y[0], x[1], y[1]), colour, width)
    return np.asarray(picture, np.float32) / np.float32(255)


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?&%$"


def text(random: Random) -> Canvas:
    """Lines of letters, large or small, like a page or a sign."""
    light = bool(random.random() < 0.7)
    paper = random.uniform(0.7, 1, 3) if light else random.uniform(0, 0.35, 3)
    picture = Image.new("RGB", (SIZE, SIZE), tuple((paper * 255).astype(int).tolist()))
    draw = ImageDraw.Draw(picture)
    size = float(random.choice([7, 9, 12, 16, 24, 40, 70]))
    font = ImageFont.load_default(size)
    ink = random.uniform(0, 0.4, 3) if light else random.uniform(0.6, 1, 3)
    y = random.uniform(0, 10)
    letters = np.array(list(LETTERS))
    while y < SIZE:
        words = [
            "".join(random.choice(letters, int(random.integers(1, 9)))) for _ in range(max(1, int(SIZE / size / 3)))
        ]
        draw.text((random.uniform(0, 12), y), " ".join(words), tuple((ink * 255).astype(int).tolist()), font)
        y += size * random.uniform(1.1, 1.6)
        if random.random() < 0.1:
            break
    return np.asarray(picture, np.float32) / np.float32(255)


def screen(random: Random) -> Canvas:
    """Panels, bars and grey lines, like a window of a program."""
    canvas = np.full((SIZE, SIZE, 3), random.uniform(0.75, 1), np.float32)
    for _ in range(int(random.integers(3, 14))):
        left, top = random.integers(0, SIZE - 8, 2)
        wide, tall = (int(random.integers(8, 100)), int(random.integers(2, 40)))
        canvas[top : top + tall, left : left + wide] = (
            random.random(3) if random.random() < 0.5 else random.uniform(0.5, 1)
        )
    return canvas


def facets(random: Random) -> Canvas:
    """A mosaic of cells, as glass or cracked earth has."""
    points = random.uniform(0, SIZE, (int(random.integers(4, 60)), 2))
    y, x = np.mgrid[:SIZE, :SIZE]
    owner = ((x[..., None] - points[:, 0]) ** 2 + (y[..., None] - points[:, 1]) ** 2).argmin(-1)
    canvas: Canvas = random.random((len(points), 3))[owner].astype(np.float32)
    return canvas


def rings(random: Random) -> Canvas:
    """Rings around one place, or a spiral."""
    y, x = np.mgrid[:SIZE, :SIZE]
    centre = random.uniform(0.2, 0.8, 2) * SIZE
    far, turn = np.hypot(x - centre[0], y - centre[1]), np.arctan2(y - centre[1], x - centre[0])
    return _two_colours(random, np.cos(far * 2 * math.pi / random.uniform(6, 40) + turn * random.integers(0, 4)) > 0)


TAUGHT: tuple[Callable[[Random], Canvas], ...] = (noise, gradient, checks, stripes, blobs, shapes, text, screen)
KEPT_BACK: tuple[Callable[[Random], Canvas], ...] = (facets, rings)
"""Never shown in training: they tell whether what was learnt holds for other pictures."""


def unlike(random: Random, families: tuple[Callable[[Random], Canvas], ...] = TAUGHT) -> Pixels:
    """A picture of one of these families; one in five is like a photograph."""
    if families is TAUGHT and random.random() < 0.2:
        return nothing_known(random)
    return degrade(random, families[int(random.integers(len(families)))](random), 1.0)
