"""Pictures that show no sticker, made of noise and waves: clouds, stone, wood, cells, hills, lights out of focus.

Each drawing function gives one picture, SIZE x SIZE x 3 in about 0..1.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from imagejudge.builtin.training.scenes.scene import SIZE

Canvas = NDArray[np.float32]
Random = np.random.Generator


def field(random: Random, steep: float, stretch: float = 1.0) -> Canvas:
    """Noise whose strength falls with frequency as its power `steep`: from 0 (white) to 3 (clouds); in 0..1."""
    y, x = np.fft.fftfreq(SIZE)[:, None], np.fft.fftfreq(SIZE)[None]
    turn = random.uniform(0, math.pi)
    along, across = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    frequency = np.hypot(along * stretch, across)
    frequency[0, 0] = 1
    waves = np.fft.fft2(random.normal(size=(SIZE, SIZE))) / frequency**steep
    waves[0, 0] = 0
    value = np.fft.ifft2(waves).real
    low, high = np.quantile(value, [0.01, 0.99])
    shade: Canvas = np.clip((value - low) / (high - low + 1e-9), 0, 1).astype(np.float32)
    return shade


def palette(random: Random, value: NDArray[np.floating]) -> Canvas:
    """A picture in two to five colours for values in 0..1, with smooth steps between them."""
    count = int(random.integers(2, 6))
    colours = random.random((count, 3)) if random.random() < 0.75 else np.repeat(random.random((count, 1)), 3, 1)
    at = np.linspace(0, 1, count)
    return np.stack([np.interp(value, at, colours[:, c]) for c in range(3)], -1).astype(np.float32)


def grid() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of every pixel."""
    y, x = np.mgrid[:SIZE, :SIZE]
    return y, x


def spectrum(random: Random) -> Canvas:
    """Noise of every spectrum, grey or coloured, even or drawn out in one direction."""
    steep, stretch = random.uniform(0, 2.5), 1.0 if random.random() < 0.6 else random.uniform(2, 12)
    if random.random() < 0.5:
        return palette(random, field(random, steep, stretch))
    return np.stack([field(random, steep, stretch) for _ in range(3)], -1) * np.float32(random.uniform(0.3, 1))


def cellular(random: Random) -> Canvas:
    """Distances to the nearest of some points, or to the border between two: skin, cells, cracks."""
    points = random.uniform(-10, SIZE + 10, (int(random.integers(6, 120)), 2))
    y, x = grid()
    far = np.sqrt((y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2)
    near = np.partition(far, 1, -1)[..., :2]
    value = near[..., 0] if random.random() < 0.5 else near[..., 1] - near[..., 0]
    return palette(random, np.clip(value / np.quantile(value, 0.98), 0, 1))


def wood(random: Random) -> Canvas:
    """Wavy rings or fibres."""
    y, x = grid()
    warp = field(random, random.uniform(1.5, 2.5)) * random.uniform(5, 60)
    a, b = random.uniform(-1, 1, 2)
    way = np.hypot(x - SIZE * a * 2, (y - SIZE * b * 2) * random.uniform(0.1, 1)) + warp
    value = way / random.uniform(4, 30) % 1
    return palette(random, value * 0.8 + field(random, 0.6, 8) * 0.2)


def marble(random: Random) -> Canvas:
    """Veins: waves that noise has bent."""
    y, x = grid()
    angle = random.uniform(0, math.pi)
    way = (x * math.cos(angle) + y * math.sin(angle)) / random.uniform(5, 40)
    value = np.sin(way + field(random, random.uniform(1.2, 2.2)) * random.uniform(3, 20))
    return palette(random, np.abs(value) ** random.uniform(0.3, 1.5))


def plasma(random: Random) -> Canvas:
    """Sums of waves in bright colours."""
    y, x = grid()
    value = np.zeros((SIZE, SIZE))
    for _ in range(int(random.integers(2, 6))):
        (a, b), phase = random.normal(0, 0.08, 2), random.uniform(0, 6)
        value += np.sin(x * a + y * b + phase) if random.random() < 0.6 else np.sin(np.hypot(x * a, y * b) * 4 + phase)
    return palette(random, (value - value.min()) / (np.ptp(value) + 1e-9))


def moire(random: Random) -> Canvas:
    """Two gratings over each other, straight or round."""
    y, x = grid()
    value = np.ones((SIZE, SIZE))
    for _ in range(2):
        period, angle = random.uniform(2.5, 16), random.uniform(0, math.pi)
        straight = x * math.cos(angle) + y * math.sin(angle)
        centre = random.uniform(-0.5, 1.5, 2) * SIZE
        way = straight if random.random() < 0.6 else np.hypot(x - centre[0], y - centre[1])
        value *= 0.5 + 0.5 * np.cos(way * 2 * math.pi / period)
    return palette(random, value)


def fractal(random: Random) -> Canvas:
    """A cut of a Julia set."""
    y, x = grid()
    zoom, centre = random.uniform(0.2, 2), random.uniform(-0.7, 0.7, 2)
    z = (x / SIZE - 0.5) * zoom + centre[0] + 1j * ((y / SIZE - 0.5) * zoom + centre[1])
    turn = random.uniform(0, 2 * math.pi)
    c = 0.7885 * complex(math.cos(turn), math.sin(turn))
    steps = np.zeros((SIZE, SIZE))
    for _ in range(40):
        inside = np.abs(z) < 2
        steps += inside
        z = np.where(inside, z * z + c, z)
    return palette(random, (steps / 40) ** random.uniform(0.3, 1))


def shades(random: Random) -> Canvas:
    """Gradients of several colours: straight, round, around a point, or bent."""
    y, x = grid()
    centre, angle = random.uniform(-0.2, 1.2, 2) * SIZE, random.uniform(0, 2 * math.pi)
    kind = int(random.integers(3))
    if kind == 0:
        way = (x * math.cos(angle) + y * math.sin(angle)) / SIZE
    elif kind == 1:
        way = np.hypot(x - centre[0], (y - centre[1]) * random.uniform(0.5, 2)) / SIZE
    else:
        way = np.arctan2(y - centre[1], x - centre[0]) / math.pi
    if random.random() < 0.4:
        way = way + field(random, 2.5) * random.uniform(0.2, 1)
    value = (way - way.min()) / (np.ptp(way) + 1e-9)
    return palette(random, value if random.random() < 0.7 else np.floor(value * 8) / 8)


def landscape(random: Random) -> Canvas:
    """Sky, ridges of hills behind each other, and ground with grain, in the manner of photographs."""
    y, _ = grid()
    canvas = palette(random, (y / SIZE * 0.7 + field(random, 2.0) * random.uniform(0, 0.6)).clip(0, 1))
    line, hue = random.uniform(20, 60), random.random(3)
    for _ in range(int(random.integers(1, 5))):
        ridge = line + field(random, random.uniform(1.2, 2))[0] * random.uniform(5, 40)
        inside = (y > ridge[None])[..., None]
        hue = np.clip(hue + random.normal(0, 0.2, 3), 0, 1)
        grain = field(random, random.uniform(0.3, 1.6), random.uniform(1, 4))[..., None] - 0.5
        canvas = np.where(inside, hue * random.uniform(0.5, 1) + grain * random.uniform(0.1, 0.6), canvas)
        line += random.uniform(8, 40)
    return canvas.astype(np.float32)


def surface(random: Random) -> Canvas:
    """A rough ground lit from one side: stone, plaster, cloth, hills from above."""
    height = field(random, random.uniform(0.7, 2), 1.0 if random.random() < 0.6 else random.uniform(2, 8))
    down, across = np.gradient(height)
    angle = random.uniform(0, 2 * math.pi)
    slope = np.asarray(down * math.sin(angle) + across * math.cos(angle))
    light = np.float32(0.8) + slope[..., None] * np.float32(random.uniform(2, 14))
    return palette(random, height) * light


def tiling(random: Random) -> Canvas:
    """Bricks, tiles, planks or a weave, each a little different."""
    y, x = grid()
    wide, tall = random.uniform(6, 50), random.uniform(6, 40)
    row = np.floor(y / tall)
    shifted = x + row * wide * random.choice([0, 0.5, 0.3])
    column = np.floor(shifted / wide)
    joint = (y % tall < random.uniform(0.5, 3)) | (shifted % wide < random.uniform(0.5, 3))
    shade = np.sin(row * 12.9898 + column * 78.233) * 43758.5453 % 1
    value = shade * random.uniform(0.1, 0.8) + field(random, random.uniform(0.3, 1.5)) * random.uniform(0.1, 0.5)
    canvas = palette(random, value.clip(0, 1))
    canvas[joint] = random.random(3)
    return canvas


def lights(random: Random) -> Canvas:
    """Soft discs before a dark or light ground, as lamps out of focus, or many points, as stars."""
    canvas = palette(random, field(random, 2.2)) * np.float32(random.uniform(0.1, 1))
    y, x = grid()
    small = random.random() < 0.4
    for _ in range(int(random.integers(40, 200)) if small else int(random.integers(4, 40))):
        row, column = random.uniform(0, SIZE, 2)
        radius = random.uniform(0.5, 2) if small else random.uniform(4, 22)
        inside = np.clip((radius - np.hypot(y - row, x - column)) / random.uniform(0.5, 4), 0, 1)
        canvas = canvas + inside[..., None] * random.random(3) * random.uniform(0.2, 1)
    return canvas.astype(np.float32)


def contours(random: Random) -> Canvas:
    """Lines of equal height, as on a map, with or without colours between them."""
    height = field(random, random.uniform(1.6, 2.6)) * random.uniform(3, 14)
    line = height % 1 < random.uniform(0.08, 0.3)
    canvas = palette(random, np.floor(height) / 14) if random.random() < 0.5 else np.ones((SIZE, SIZE, 3), np.float32)
    canvas[line] = random.random(3) * 0.6
    return canvas.astype(np.float32)
