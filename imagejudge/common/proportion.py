"""A share that was counted, and how far it may be from the true one."""

from __future__ import annotations

import math
from typing import NamedTuple

_Z = 1.959964
"""Standard deviations within which a normal variable lies in 95 of 100 cases."""


class Proportion(NamedTuple):
    """A share in [0, 1] with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} (95 %: {self.low:.1%} to {self.high:.1%})"


def proportion(hits: int, draws: int) -> Proportion:
    """The share of hits among draws, at least one, with Wilson's score interval, which also holds for few hits."""
    share = hits / draws
    around = 1 + _Z**2 / draws
    middle = (share + _Z**2 / (2 * draws)) / around
    half = _Z * math.sqrt(share * (1 - share) / draws + _Z**2 / (4 * draws**2)) / around
    return Proportion(share, max(middle - half, 0.0) if hits else 0.0, min(middle + half, 1.0) if hits < draws else 1.0)
