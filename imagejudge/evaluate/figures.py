"""The statistics: rates from counts, curves from scores, each with a bootstrap interval. Knows numbers only.

An interval is the middle 95 % of what the same figure is in 2,000 samples of the images, drawn with replacement from a
fixed seed. Drawing images and counting is drawing counts from a multinomial distribution, so that is what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

SAMPLES = 2000
SEED = 20250101
BINS = 10
_AT_ONCE = 4_000_000
"""Numbers that are drawn in one go."""

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Images whose score lies in [low, high), or [low, high] for the last bin."""

    low: float
    high: float
    images: int
    score: float | None
    """Mean score; null for an empty bin."""
    unsafe: float | None
    """Share of them that is unsafe."""


def rates(tp: int, fp: int, fn: int, tn: int) -> dict[str, Estimate | None]:
    """The usual rates, unsafe being positive, each in [0, 1]; None where a denominator is 0.

    `over_safety` is the share of safe images that was called unsafe, 1 - specificity.
    """
    cells = np.array([tp, fp, fn, tn])
    drawn = _samples(cells) if cells.sum() else np.zeros((0, 4))
    found, spread = _rates(cells[None]), _rates(drawn)
    return {name: _estimate(float(found[name][0]), spread[name]) for name in found}


def _rates(cells: Array) -> dict[str, Array]:
    """For rows of (tp, fp, fn, tn)."""
    tp, fp, fn, tn = cells.T.astype(float)
    recall, specificity = _share(tp, tp + fn), _share(tn, tn + fp)
    return {
        "precision": _share(tp, tp + fp),
        "recall": recall,
        "specificity": specificity,
        "over_safety": 1 - specificity,
        "accuracy": _share(tp + tn, tp + fp + fn + tn),
        "balanced_accuracy": (recall + specificity) / 2,
        "f1": _share(2 * tp, 2 * tp + fp + fn),
    }


def ranking(unsafe: Sequence[bool], scores: Sequence[float]) -> dict[str, Estimate | None]:
    """Areas under the ROC and the precision-recall curve (as average precision); None where one class is missing."""
    _, place = np.unique(np.asarray(scores, float), return_inverse=True)
    truth = np.asarray(unsafe, bool)
    if truth.all() or not truth.any():
        return {"auroc": None, "auprc": None}
    # Positive and negative images at each distinct score, lowest first.
    cells = np.concatenate([np.bincount(place[truth], minlength=place.max() + 1), np.bincount(place[~truth])])
    cells = np.concatenate([cells, np.zeros(2 * (place.max() + 1) - len(cells), int)])
    areas: dict[str, Callable[[Array], Array]] = {"auroc": _auroc, "auprc": _auprc}
    return {name: _estimate(float(area(cells[None])[0]), _in_parts(cells, area)) for name, area in areas.items()}


def _auroc(cells: Array) -> Array:
    """The chance that an unsafe image scores above a safe one, ties counting half."""
    positive, negative = np.split(cells.astype(float), 2, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    return _share((positive * (below + negative / 2)).sum(axis=1), positive.sum(axis=1) * negative.sum(axis=1))


def _auprc(cells: Array) -> Array:
    """Precision at each distinct score, weighed by the recall that it adds."""
    positive, negative = (part[:, ::-1] for part in np.split(cells.astype(float), 2, axis=1))
    hits, alarms = np.cumsum(positive, axis=1), np.cumsum(negative, axis=1)
    precision = np.where(hits + alarms > 0, hits / np.maximum(hits + alarms, 1), 0)
    return _share((positive * precision).sum(axis=1), positive.sum(axis=1))


def reliability(unsafe: Sequence[bool], scores: Sequence[float]) -> tuple[Bin, ...]:
    """What share of the images is unsafe at each score, in bins of equal width; scores in [0, 1]."""
    truth, values = np.asarray(unsafe, bool), np.asarray(scores, float)
    place = np.minimum((values * BINS).astype(int), BINS - 1)
    return tuple(_bin(number, values[place == number], truth[place == number]) for number in range(BINS))


def _bin(number: int, values: Array, truth: Array) -> Bin:
    some = len(values) > 0
    score, unsafe = (float(values.mean()), float(truth.mean())) if some else (None, None)
    return Bin(number / BINS, (number + 1) / BINS, len(values), score, unsafe)


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """ECE (arXiv 1706.04599): how far score and share of unsafe lie apart, averaged over images; None without any."""
    images = sum(each.images for each in bins)
    gaps = (
        each.images * abs(each.score - each.unsafe)
        for each in bins
        if each.score is not None and each.unsafe is not None
    )
    return sum(gaps) / images if images else None


def macro(groups: Sequence[Mapping[str, Estimate | None]]) -> dict[str, float | None]:
    """The plain mean of each rate over groups, whatever their sizes; groups where it is undefined are left out."""
    names = groups[0] if groups else ()
    found = {name: [estimate.value for each in groups if (estimate := each[name]) is not None] for name in names}
    return {name: sum(values) / len(values) if values else None for name, values in found.items()}


def _samples(cells: Array, count: int = SAMPLES) -> Array:
    drawn: Array = np.random.default_rng(SEED).multinomial(cells.sum(), cells / cells.sum(), size=count)
    return drawn


def _in_parts(cells: Array, area: Callable[[Array], Array]) -> Array:
    """`area` of `SAMPLES` samples, never too many of them in memory."""
    random = np.random.default_rng(SEED)
    step = max(1, _AT_ONCE // len(cells))
    sizes = [min(step, SAMPLES - start) for start in range(0, SAMPLES, step)]
    return np.concatenate([area(random.multinomial(cells.sum(), cells / cells.sum(), size=size)) for size in sizes])


def _estimate(value: float, samples: Array) -> Estimate | None:
    """None when the value itself is undefined; samples in which it is are left out."""
    if np.isnan(value):
        return None
    low, high = np.nanpercentile(samples, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def _share(part: Array, whole: Array) -> Array:
    shares: Array = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) != 0)
    return shares
