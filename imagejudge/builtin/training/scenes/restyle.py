"""Draw a sprite in another manner than its set does: outlined, as a silhouette, in other colours, as line art.

Tiles are premultiplied RGBA in 0..1. None of it changes what a thing is, or by more than an outline where it is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from imagejudge.builtin.training.scenes.concepts import CONCEPTS

Tile = NDArray[np.float32]
Random = np.random.Generator

BY_COLOUR = frozenset(
    {"blood", "water", "flames", "explosion", "apple", "leaf", "tea", "milk", "wine", "beer", "smiley", "angry face"}
)
"""Known by their colours: these keep them."""
BY_INSIDE = BY_COLOUR | {"die", "playing card", "slot machine", "clock", "crying face", "skull", "robot", "alien"} | {
    "man", "woman", "child", "baby", "police officer", "money", "ball", "teddy bear", "book", "phone", "gift", "hand",
}  # fmt: skip
"""Known by what is drawn inside their outline: these are no silhouettes."""


def restyled(random: Random, tile: Tile, concept: int, *, inked: bool) -> Tile:
    """The tile as it is, two times in three; else in one or two other manners. Inked tiles always get colours."""
    name = CONCEPTS[concept].name
    if inked:
        tile = coloured(random, tile, name)
    for _ in range(2 if random.random() < 0.15 else 1):
        if random.random() < 0.35:
            able = [manner for manner, barred in MANNERS if name not in barred]
            tile = able[int(random.integers(len(able)))](random, tile)
    return tile


def coloured(random: Random, tile: Tile, name: str) -> Tile:
    """Black ink on white paper as some ink on some paper, one much darker than the other."""
    alpha = tile[..., 3:]
    grey = tile[..., :1] / np.maximum(alpha, 1e-3)
    ink, paper = random.random(3) * 0.4, 0.55 + 0.45 * random.random(3)
    if random.random() < 0.5:
        paper = np.ones(3)
    if name == "flames":
        paper = np.array([1.0, random.uniform(0.4, 0.9), 0.1])
    elif random.random() < 0.25:
        ink, paper = paper, ink
    mixed = (ink + (paper - ink) * np.clip(grey, 0, 1)) * alpha
    return np.concatenate([mixed, alpha], -1).astype(np.float32)


def outlined(tile: Tile, width: int, colour: NDArray[np.float32]) -> Tile:
    """The same drawing with a line around it."""
    room = np.pad(tile, ((width, width), (width, width), (0, 0)))
    halo = Image.fromarray((room[..., 3] * 255).astype(np.uint8)).filter(ImageFilter.MaxFilter(2 * width + 1))
    ring: Tile = np.asarray(halo, np.float32)[..., None] / np.float32(255)
    under = np.concatenate([ring * colour, ring], -1)
    result: Tile = (room + (1 - room[..., 3:]) * under).astype(np.float32)
    return result


def bordered(random: Random, tile: Tile) -> Tile:
    """With the white border of a sticker that was cut out."""
    return outlined(tile, int(random.integers(2, 5)), np.full(3, random.uniform(0.88, 1), np.float32))


def turned(random: Random, tile: Tile) -> Tile:
    """In other hues: the colour channels mixed by a turn around grey."""
    angle = random.uniform(0.5, 5.8)
    axis = np.full((3, 3), 1 / 3)
    skew = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    mix = np.cos(angle) * np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * axis
    return _with(tile, tile[..., :3] @ mix.T)


def silhouette(random: Random, tile: Tile) -> Tile:
    """In one colour, mostly a dark one."""
    colour = random.random(3) * (0.3 if random.random() < 0.6 else 1.0)
    return _with(tile, colour * tile[..., 3:])


def posterised(random: Random, tile: Tile) -> Tile:
    """In few shades."""
    steps = int(random.integers(2, 5))
    return _with(tile, np.round(tile[..., :3] * steps) / steps)


def line_art(random: Random, tile: Tile) -> Tile:
    """As dark lines on light paper, where the drawing has edges."""
    alpha = tile[..., 3]
    light = tile[..., :3].mean(-1) + 0.5 * alpha
    down, across = np.gradient(light)
    edge = np.clip(np.hypot(down, across) * random.uniform(3, 6), 0, 1)[..., None]
    ink, paper = random.random(3) * 0.35, 0.75 + 0.25 * random.random(3)
    return _with(tile, (paper + (ink - paper) * edge) * alpha[..., None])


def grey(random: Random, tile: Tile) -> Tile:
    """In shades of one hue."""
    tint = 0.75 + 0.5 * random.random(3)
    return _with(tile, tile[..., :3].mean(-1, keepdims=True) * tint)


def pixelated(random: Random, tile: Tile) -> Tile:
    """In squares of two or three pixels."""
    block = int(random.integers(2, 4))
    high, wide = tile.shape[0] // block * block, tile.shape[1] // block * block
    if min(high, wide) < 8 * block:
        return tile
    small = tile[:high, :wide].reshape(high // block, block, wide // block, block, 4).mean((1, 3))
    return np.repeat(np.repeat(small, block, 0), block, 1).astype(np.float32)


def textured(random: Random, tile: Tile) -> Tile:
    """With the grain of paper, cloth or chalk."""
    coarse = int(random.integers(1, 4))
    grain = random.normal(0, random.uniform(0.06, 0.2), (tile.shape[0] // coarse + 1, tile.shape[1] // coarse + 1))
    grown = np.repeat(np.repeat(grain, coarse, 0), coarse, 1)[: tile.shape[0], : tile.shape[1]]
    return _with(tile, tile[..., :3] + grown[..., None] * tile[..., 3:])


def shaded(random: Random, tile: Tile) -> Tile:
    """Lit from one side."""
    slope = random.uniform(-0.45, 0.45, 2)
    light = 1 + slope[0] * np.linspace(-1, 1, tile.shape[0])[:, None] + slope[1] * np.linspace(-1, 1, tile.shape[1])
    return _with(tile, tile[..., :3] * light[..., None])


def leaning(random: Random, tile: Tile) -> Tile:
    """Seen from the side: one edge is shorter than the other."""
    high, wide = tile.shape[:2]
    if min(high, wide) < 12:
        return tile
    left, right = random.uniform(0, 0.22, 2) * high
    corners = [(0, -left), (0, high + left), (wide, high + right), (wide, -right)]  # where each output corner looks
    return _projected(tile, corners)


def _projected(tile: Tile, corners: list[tuple[float, float]]) -> Tile:
    """The tile so drawn that its corners (top left, bottom left, bottom right, top right) show these places of it."""
    high, wide = tile.shape[:2]
    outer = [(0, 0), (0, high), (wide, high), (wide, 0)]
    rows, goal = [], []
    for (x, y), (u, v) in zip(outer, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        goal += [u, v]
    bend = np.linalg.solve(np.array(rows, float), np.array(goal, float)).tolist()
    picture = Image.fromarray((np.clip(tile, 0, 1) * 255 + 0.5).astype(np.uint8), "RGBa")
    bent = picture.transform((wide, high), Image.Transform.PERSPECTIVE, bend, Image.Resampling.BILINEAR)
    return np.asarray(bent, np.float32) / np.float32(255)


def _with(tile: Tile, colour: NDArray[np.floating]) -> Tile:
    """The tile in another colour, which is premultiplied, too."""
    alpha = tile[..., 3:]
    return np.concatenate([np.clip(colour, 0, alpha), alpha], -1).astype(np.float32)


MANNERS: tuple[tuple[Callable[[Random, Tile], Tile], frozenset[str]], ...] = (
    (bordered, frozenset()),
    (bordered, frozenset()),
    (turned, BY_COLOUR),
    (turned, BY_COLOUR),
    (silhouette, BY_INSIDE),
    (posterised, frozenset()),
    (line_art, BY_COLOUR),
    (grey, BY_COLOUR),
    (pixelated, frozenset()),
    (textured, frozenset()),
    (shaded, frozenset()),
    (leaning, frozenset()),
)
"""Each with the concepts it would make unrecognisable."""
