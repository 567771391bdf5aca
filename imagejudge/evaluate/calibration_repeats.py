"""How far a calibration depends on which images chance put into the half that chooses.

The halves are drawn anew many times, thresholds chosen by one and measured on the other. All draws divide the same
images, so they show the spread that the division causes, not that of other images.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from imagejudge.errors import UsageError
from imagejudge.evaluate.calibration_split import Count, Sample, Target, count, split_samples
from imagejudge.evaluate.threshold_search import SearchMethod, choose_all
from imagejudge.judge.plan import Plan

HeldOutRate: TypeAlias = Literal["recall", "over_safety", "precision", "f1"]


@dataclass(frozen=True, slots=True)
class Spread:
    """A rate over several draws; each in [0, 1]."""

    mean: float
    low: float
    """5th percentile."""
    median: float
    high: float
    """95th percentile."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """What came of several draws."""

    target: Target
    draws: int
    held_out: tuple[Count, ...]
    """The other half of each draw whose first half gave thresholds that reach the target."""

    @property
    def held(self) -> int:
        """Draws in which the target is reached on the other half too."""
        return sum(each.rate(self.target.rate) >= self.target.least for each in self.held_out)

    def spread(self, rate: HeldOutRate) -> Spread | None:
        """Over the draws that have such a rate; None where none has."""
        values = [found.value for each in self.held_out if (found := each.rates[rate]) is not None]
        if not values:
            return None
        low, median, high = np.percentile(values, (5, 50, 95)).tolist()
        return Spread(float(np.mean(values)), low, median, high)


def repeat(
    images: Sequence[Sample],
    plan: Plan,
    target: Target,
    way: SearchMethod,
    *,
    draws: int,
    seed: int,
    watch: Callable[[range], Iterable[int]] = iter,
) -> Repeats:
    """Draw the halves so many times, alike in labels, and choose thresholds for each as `choose_all` does.

    `watch` sees the draws go by. Raises `UsageError` for too few images.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    found = (_draw(images, plan, target, way, chance) for _ in watch(range(draws)))
    return Repeats(target, draws, tuple(each for each in found if each is not None))


def _draw(
    images: Sequence[Sample], plan: Plan, target: Target, way: SearchMethod, chance: random.Random
) -> Count | None:
    """How the other half comes out; None where no thresholds reach the target."""
    parts = split_samples(images, target, chance)
    try:
        chosen = choose_all(parts, plan, target, way).constitution
    except UsageError:
        return None
    return count(parts.held_out, replace(plan, constitution=chosen), chosen.thresholds)
