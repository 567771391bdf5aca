"""What is drawn of scores: histograms and precision-recall curves. Knows numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

COLUMNS = 20
"""Of a histogram, of equal width over [0, 1]."""
_POINTS = 250
"""Most points of a curve: more than a drawing can show."""


@dataclass(frozen=True, slots=True)
class Column:
    """How many images have a score in [low, low + 1 / COLUMNS)."""

    low: float
    safe: int
    unsafe: int


@dataclass(frozen=True, slots=True)
class Point:
    """What would be found, and how rightly, if images were called unsafe from some score on."""

    recall: float
    precision: float


def histogram(unsafe: Sequence[bool], scores: Sequence[float]) -> tuple[Column, ...]:
    """Safe and unsafe images by score."""
    place = np.minimum((np.asarray(scores, float) * COLUMNS).astype(int), COLUMNS - 1)
    counts = np.bincount(place * 2 + np.asarray(unsafe, int), minlength=2 * COLUMNS).reshape(COLUMNS, 2)
    return tuple(Column(number / COLUMNS, int(safe), int(found)) for number, (safe, found) in enumerate(counts))


def precision_recall(unsafe: Sequence[bool], scores: Sequence[float]) -> tuple[Point, ...]:
    """The curve that AUPRC is the area below, from the highest score to the lowest; empty where a class is missing."""
    truth = np.asarray(unsafe, bool)
    if truth.all() or not truth.any():
        return ()
    distinct, place = np.unique(np.asarray(scores, float), return_inverse=True)
    positive = np.bincount(place, truth, minlength=len(distinct))[::-1].cumsum()
    called = np.bincount(place, minlength=len(distinct))[::-1].cumsum()
    shown = np.unique(np.linspace(0, len(distinct) - 1, min(len(distinct), _POINTS)).round().astype(int))
    return tuple(Point(float(positive[at] / truth.sum()), float(positive[at] / called[at])) for at in shown)
