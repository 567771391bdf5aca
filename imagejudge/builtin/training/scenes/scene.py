"""What a scene is: its pixels, the things in it, and the truth about them, read off the pixels that remain visible."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imagejudge.builtin.training.scenes.concepts import CONCEPTS

SIZE = 128
CELLS = 8  # the model sees a scene as 8 x 8 cells
MOST = 5  # objects in a scene
FAR = 40  # gaps are not measured beyond this many pixels
APART = 6  # pixels of gap from which two things certainly do not touch; less is left unasked
NEAR, DISTANT = 14, 28  # next to each other up to the first, not any more from the second
Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Thing:
    """One object as far as it can be seen. The box is (left, top, right, bottom) in pixels; `cells` is the share of
    every cell it fills."""

    concept: int
    box: tuple[int, int, int, int]
    cells: NDArray[np.float32]

    @property
    def name(self) -> str:
        """The name of its concept."""
        return CONCEPTS[self.concept].name

    @property
    def kinds(self) -> frozenset[str]:
        """The concept and its classes."""
        return frozenset({self.name, *CONCEPTS[self.concept].groups})


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and the truth about it. gap[i, j] is the distance in pixels (0: touching); holds[i, j] and on[i, j]
    read "i holds j", "i is on j"; `contact` says of every cell whether two things meet in it."""

    pixels: Pixels
    things: tuple[Thing, ...]
    gap: NDArray[np.uint8]
    holds: Mask
    on: Mask
    contact: Mask


HELD_OUT_PAIRS = {
    ("axe", "child"),
    ("baby", "knife"),
    ("gun", "woman"),
    ("baby", "cigarette"),
    ("balloon", "middle finger"),
    ("gift", "middle finger"),
}
"""Kept out by name, so that the benchmark has some for every rule; a checksum keeps out another tenth of all pairs."""


def held_out_pair(first: str, second: str) -> bool:
    """Is this pair of concepts kept out of all training scenes, for the split `composition`?"""
    one, other = sorted((first, second))
    if (one, other) in HELD_OUT_PAIRS:
        return True
    return one != other and zlib.crc32(f"{one}+{other}+4".encode()) % 10 == 0


def kept_apart(names: Iterable[str]) -> frozenset[str]:
    """The concepts that no training scene shows beside any of these.

    Their absence there says nothing about pictures, only about the training data: a model that was taught it would take
    one half of a held-out pair for proof that the other is missing.
    """
    return frozenset().union(*(PARTNERS[name] for name in names))


PARTNERS = {
    concept.name: frozenset(other.name for other in CONCEPTS if held_out_pair(concept.name, other.name))
    for concept in CONCEPTS
}


def labelled(pixels: Pixels, concepts: list[int], masks: list[Mask]) -> Scene:
    """Read the truth off the visible shapes; what is almost hidden does not count as a thing."""
    seen = [(concept, mask) for concept, mask in zip(concepts, masks, strict=True) if mask.sum() >= 60][:MOST]
    things, count = [], len(seen)
    for concept, mask in seen:
        things.append(Thing(concept, box_of(mask), _by_cell(mask).mean(1, dtype=np.float32)))
    gap = np.full((count, count), FAR, np.uint8)
    holds, on = np.zeros((count, count), np.bool_), np.zeros((count, count), np.bool_)
    contact = np.zeros(CELLS * CELLS, np.bool_)
    for i in range(count):
        for j in range(i):
            gap[i, j] = gap[j, i] = distance(seen[i][1], seen[j][1])
            if gap[i, j] == 0:
                contact |= _by_cell(grow(seen[i][1], 1) & seen[j][1]).any(1)
    for i in range(count):
        for j in range(count):
            if i != j and gap[i, j] == 0:
                holds[i, j] = _holds(things[i], things[j])
                on[i, j] = _on(things[i], things[j])
    return Scene(pixels, tuple(things), gap, holds, on, contact)


def _by_cell(mask: Mask) -> Mask:
    """[cells, pixels of a cell]."""
    side = SIZE // CELLS
    return mask.reshape(CELLS, side, CELLS, side).swapaxes(1, 2).reshape(CELLS * CELLS, side * side)


def _holds(holder: Thing, held: Thing) -> bool:
    """A touching, clearly smaller thing whose middle is beside or before the body, not over the head."""
    left, top, right, bottom = holder.box
    x, y = (held.box[0] + held.box[2]) / 2, (held.box[1] + held.box[3]) / 2
    small = max(held.box[2] - held.box[0], held.box[3] - held.box[1]) <= 0.75 * max(right - left, bottom - top)
    wide, tall = right - left, bottom - top
    return small and left - 0.3 * wide <= x <= right + 0.3 * wide and top + 0.25 * tall <= y <= bottom + 0.1 * tall


def _on(upper: Thing, lower: Thing) -> bool:
    """A touching thing whose foot is near the other's top and whose middle is above it."""
    x = (upper.box[0] + upper.box[2]) / 2
    tall = lower.box[3] - lower.box[1]
    return (
        lower.box[0] <= x <= lower.box[2] and upper.box[3] <= lower.box[1] + 0.45 * tall and upper.box[1] < lower.box[1]
    )


def distance(one: Mask, other: Mask) -> int:
    """Pixels between two visible shapes: 0 when they touch, at most FAR."""
    if (grow(one, 1) & other).any():
        return 0
    a, b = _edge(one), _edge(other)
    return int(min(FAR, max(1, math.sqrt(((a[:, None] - b[None]) ** 2).sum(-1).min()) - 1)))


def grow(mask: Mask, radius: int) -> Mask:
    """The mask and all within `radius` pixels of it, square."""
    grown = mask
    for axis in (0, 1):
        wide = grown.copy()
        for step in range(1, radius + 1):
            if axis == 0:
                wide[step:] |= grown[:-step]
                wide[:-step] |= grown[step:]
            else:
                wide[:, step:] |= grown[:, :-step]
                wide[:, :-step] |= grown[:, step:]
        grown = wide
    return grown


def _edge(mask: Mask) -> NDArray[np.float32]:
    """Points of the outline, at most about a hundred."""
    inner = mask.copy()
    inner[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    points = np.argwhere(mask & ~inner) if (mask & ~inner).any() else np.argwhere(mask)
    return points[:: max(1, len(points) // 100)].astype(np.float32)


def box_of(mask: Mask) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) around a shape, in pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
