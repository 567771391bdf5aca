"""The statistics: rates from counts, curves from scores, each with an interval. Knows numbers only.

Unless it is called Wilson's, an interval is the middle 95 % of what the same figure is in 2,000 samples of the images,
drawn with replacement from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from imagejudge.common.proportion import proportion

SAMPLES = 2000
SEED = 20250101
BINS = 10
RATES = ("precision", "recall", "specificity", "over_safety", "accuracy", "balanced_accuracy", "f1")
"""What is counted from verdicts."""
AREAS = ("auroc", "auprc")
"""What is counted from scores."""
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

    `over_safety` is the share of safe images that was called unsafe, 1 - specificity. Where nothing is unsafe,
    precision and F1 are None too: a single false alarm would make them 0.
    """
    cells = np.array([tp, fp, fn, tn])
    drawn = _samples(cells) if cells.sum() else np.zeros((0, 4))
    found, spread = _rates(cells[None]), _rates(drawn)
    return {name: _estimate(float(found[name][0]), spread[name]) for name in found}


def _rates(cells: Array) -> dict[str, Array]:
    """For rows of (tp, fp, fn, tn)."""
    tp, fp, fn, tn = cells.T.astype(float)
    recall, specificity = _share(tp, tp + fn), _share(tn, tn + fp)
    some = tp + fn > 0
    return {
        "precision": _share(tp, some * (tp + fp)),
        "recall": recall,
        "specificity": specificity,
        "over_safety": 1 - specificity,
        "accuracy": _share(tp + tn, tp + fp + fn + tn),
        "balanced_accuracy": (recall + specificity) / 2,
        "f1": _share(2 * tp, some * (2 * tp + fp + fn)),
    }


def share(part: int, whole: int) -> Estimate | None:
    """So many of so many; None of none."""
    return rates(tp=part, fp=0, fn=whole - part, tn=0)["recall"]


def rate_difference(name: str, unsafe: Sequence[bool], one: Sequence[bool], other: Sequence[bool]) -> Estimate | None:
    """How much higher one of `RATES` is when the same images are called unsafe by `one` than by `other`.

    Each sample draws images with both calls, so what makes an image hard for both does not widen the interval.
    """
    calls = (np.asarray(each, bool) for each in (unsafe, one, other))
    counts = np.bincount(np.ravel_multi_index(tuple(each.astype(int) for each in calls), (2, 2, 2)), minlength=8)
    if not counts.sum():
        return None
    return _estimate(float(_rate_gap(name, counts[None])[0]), _rate_gap(name, _samples(counts)))


def _rate_gap(name: str, counts: Array) -> Array:
    """For rows of eight counts, by what is true and what either says."""
    calls = counts.reshape(-1, 2, 2, 2)
    one, other = (_rates(_cells(calls.sum(axis=axis)))[name] for axis in (3, 2))
    return one - other


def _cells(calls: Array) -> Array:
    """Rows of (tp, fp, fn, tn) from counts by what is true and what is said."""
    return np.stack([calls[:, 1, 1], calls[:, 0, 1], calls[:, 1, 0], calls[:, 0, 0]], axis=1)


def wilson(part: int, whole: int) -> Estimate | None:
    """A share with Wilson's score interval, which has a width also where it is 0 or 1; None of nothing."""
    return Estimate(*proportion(part, whole)) if whole else None


def paired_change(gained: int, lost: int, images: int) -> Estimate | None:
    """By how much a share rises when so many of the images enter it, and others leave it; each sample draws images."""
    if not images:
        return None
    drawn = _samples(np.array([gained, lost, images - gained - lost]))
    return _estimate((gained - lost) / images, (drawn[:, 0] - drawn[:, 1]) / images)


def ranking(unsafe: Sequence[bool], scores: Sequence[float]) -> dict[str, Estimate | None]:
    """Areas under the ROC and the precision-recall curve (as average precision); None where one class is missing."""
    truth = np.asarray(unsafe, bool)
    if truth.all() or not truth.any():
        return dict.fromkeys(AREAS)
    values, spread = _sampled_areas(truth, scores)
    return {name: _estimate(float(value), samples) for name, value, samples in zip(AREAS, values, spread, strict=True)}


def area_difference(name: str, unsafe: Sequence[bool], one: Sequence[float], other: Sequence[float]) -> Estimate | None:
    """How much larger one of `AREAS` is when the same images are ranked by `one` than by `other`, sampled in pairs."""
    truth = np.asarray(unsafe, bool)
    if truth.all() or not truth.any():
        return None
    (value, samples), (less, fewer) = (_sampled_areas(truth, scores) for scores in (one, other))
    place = AREAS.index(name)
    return _estimate(float(value[place] - less[place]), samples[place] - fewer[place])


def _sampled_areas(truth: Array, scores: Sequence[float]) -> tuple[Array, Array]:
    """`AREAS`, and in each sample; which images these hold depends on their number alone."""
    # Safe and then unsafe images at each distinct score, lowest first: all that the areas depend on.
    distinct, place = np.unique(np.asarray(scores, float), return_inverse=True)
    cell = place + len(distinct) * truth
    found = np.bincount(cell, minlength=2 * len(distinct))[None]
    spread = np.concatenate([_areas(drawn) for drawn in _redrawn(cell, 2 * len(distinct))], axis=1)
    return _areas(found)[:, 0], spread


def _areas(cells: Array) -> Array:
    negative, positive = np.split(cells.astype(float), 2, axis=1)
    return np.stack([_auroc(negative, positive), _auprc(negative, positive)])


def _auroc(negative: Array, positive: Array) -> Array:
    """The chance that an unsafe image scores above a safe one, ties counting half."""
    below = np.cumsum(negative, axis=1) - negative
    return _share((positive * (below + negative / 2)).sum(axis=1), positive.sum(axis=1) * negative.sum(axis=1))


def _auprc(negative: Array, positive: Array) -> Array:
    """Precision at each distinct score, weighed by the recall that it adds."""
    hits, alarms = (np.cumsum(part[:, ::-1], axis=1)[:, ::-1] for part in (positive, negative))
    precision = hits / np.maximum(hits + alarms, 1)
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


def calibration_estimate(unsafe: Sequence[bool], scores: Sequence[float]) -> Estimate | None:
    """ECE with its interval; None without images."""
    values = np.asarray(scores, float)
    if not len(values):
        return None
    place = np.minimum((values * BINS).astype(int), BINS - 1)
    gaps = values - np.asarray(unsafe, bool)
    spread = np.concatenate([_error(gaps[drawn], place[drawn]) for drawn in _drawn(len(values))])
    return _estimate(float(_error(gaps[None], place[None])[0]), spread)


def _error(gaps: Array, place: Array) -> Array:
    """For rows of images: how far the scores are off, and in which bins they lie."""
    rows = len(gaps)
    cell = (place + BINS * np.arange(rows)[:, None]).ravel()
    sums = np.bincount(cell, gaps.ravel(), minlength=rows * BINS).reshape(rows, BINS)
    error: Array = np.abs(sums).sum(axis=1) / gaps.shape[1]
    return error


def pooled_share(parts: Sequence[int], wholes: Sequence[int]) -> Estimate | None:
    """The sum of `parts` in that of `wholes`, which images have so many of; None where there are none."""
    part, whole = np.asarray(parts, float), np.asarray(wholes, float)
    if not whole.sum():
        return None
    spread = [_share(part[drawn].sum(axis=1), whole[drawn].sum(axis=1)) for drawn in _drawn(len(whole))]
    return _estimate(float(part.sum() / whole.sum()), np.concatenate(spread))


def macro(groups: Sequence[Mapping[str, Estimate | None]]) -> dict[str, float | None]:
    """The plain mean of each rate over groups, whatever their sizes; groups where it is undefined are left out."""
    names = groups[0] if groups else ()
    found = {name: [estimate.value for each in groups if (estimate := each[name]) is not None] for name in names}
    return {name: sum(values) / len(values) if values else None for name, values in found.items()}


def _samples(cells: Array) -> Array:
    """Counts in samples of all images, which are multinomially distributed."""
    drawn: Array = np.random.default_rng(SEED).multinomial(cells.sum(), cells / cells.sum(), size=SAMPLES)
    return drawn


def _redrawn(cell: Array, cells: int) -> Iterator[Array]:
    """Counts in samples of all images, given each one's cell; for many cells, where drawing images is faster."""
    for drawn in _drawn(len(cell)):
        rows = len(drawn)
        counted = cell[drawn] + cells * np.arange(rows)[:, None]
        yield np.bincount(counted.ravel(), minlength=rows * cells).reshape(rows, cells)


def _drawn(images: int) -> Iterator[Array]:
    """Samples of all images, as rows of their indices, some samples at a time."""
    random = np.random.default_rng(SEED)
    step = max(1, _AT_ONCE // images)
    for start in range(0, SAMPLES, step):
        yield random.integers(0, images, size=(min(step, SAMPLES - start), images))


def _estimate(value: float, samples: Array) -> Estimate | None:
    """None when the value itself is undefined; samples in which it is are left out."""
    if np.isnan(value):
        return None
    low, high = np.nanpercentile(samples, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def _share(part: Array, whole: Array) -> Array:
    shares: Array = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) != 0)
    return shares
