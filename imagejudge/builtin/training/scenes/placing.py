"""Where a thing can be put, so that it touches, holds, stands on or keeps away from those that are there."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from imagejudge.builtin.training.scenes.scene import SIZE, Mask, box_of, grow


def place(
    random: np.random.Generator, tile: NDArray[np.float32], masks: list[Mask], relation: str
) -> tuple[NDArray[np.float32], Mask] | None:
    """Put a tile on the canvas so that the relation to one earlier thing holds; None when there is no room."""
    height, width = tile.shape[:2]
    if max(height, width) > SIZE * 1.08:
        return None
    solid = tile[..., 3] > 0.5
    anchor = (
        None
        if relation == "apart" or not masks
        else masks[0]
        if relation == "hold"
        else masks[int(random.integers(len(masks)))]
    )
    if anchor is None:
        spots = [(random.uniform(-0.04, 1.04), random.uniform(-0.04, 1.04)) for _ in range(6)]
        corners = [(round(x * (SIZE - width)), round(y * (SIZE - height))) for x, y in spots]
    else:
        corners = _beside(random, anchor, width, height, relation, solid)
    for left, top in corners:
        if (
            left < -0.1 * width
            or top < -0.1 * height
            or left + width > SIZE + 0.1 * width
            or top + height > SIZE + 0.1 * height
        ):
            continue
        mask = np.zeros((SIZE, SIZE), np.bool_)
        x, y = max(0, left), max(0, top)
        inner = solid[y - top : SIZE - top, x - left : SIZE - left]
        mask[y : y + inner.shape[0], x : x + inner.shape[1]] = inner
        covered = [(mask & earlier).sum() / max(1, earlier.sum()) for earlier in masks]
        if not inner.any() or (covered and max(covered) > (0.38 if anchor is not None else 0.0)):
            continue
        if relation == "apart" and masks and (grow(mask, 3) & np.logical_or.reduce(masks)).any():
            continue
        layer = np.zeros((SIZE, SIZE, 4), np.float32)
        layer[y : y + inner.shape[0], x : x + inner.shape[1]] = tile[y - top : SIZE - top, x - left : SIZE - left]
        return layer, mask
    return None


def _beside(
    random: np.random.Generator, anchor: Mask, width: int, height: int, relation: str, solid: Mask
) -> list[tuple[int, int]]:
    """Corners at which a tile touches, nearly touches, is held by or stands on the anchor."""
    left, top, right, bottom = box_of(anchor)
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    if relation == "hold":  # in front of the lower half, towards one side
        wide, tall = right - left, bottom - top
        return [
            (
                round(middle_x + side * random.uniform(0.25, 0.5) * wide - width / 2),
                round(middle_y + random.uniform(0.0, 0.35) * tall - height / 2),
            )
            for side in random.choice([-1, 1], 4)
        ]
    corners = []
    for _ in range(3):
        angle = (
            random.uniform(0, 2 * math.pi)
            if relation != "on"
            else random.uniform(-math.pi / 2 - 0.35, -math.pi / 2 + 0.35)
        )
        across, down = math.cos(angle), math.sin(angle)
        reach = 0.5 * (right - left + width + bottom - top + height)
        while reach > 0:  # walk in from outside until the things meet
            x, y = round(middle_x + across * reach - width / 2), round(middle_y + down * reach - height / 2)
            if (
                0 <= x <= SIZE - width
                and 0 <= y <= SIZE - height
                and (anchor[y : y + height, x : x + width] & solid).any()
            ):
                deeper = reach - random.uniform(2, 10) if relation != "near" else reach + random.uniform(4, 12)
                corners.append(
                    (round(middle_x + across * deeper - width / 2), round(middle_y + down * deeper - height / 2))
                )
                break
            reach -= 3
    return corners


def extent(mask: Mask) -> float:
    """The longer side of the box around a shape, in pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(max(rows[-1] - rows[0], columns[-1] - columns[0])) + 1
