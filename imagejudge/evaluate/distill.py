"""Probes fitted to what a judge said of images, or to labels: weights, calibration, and what may be promised.

A probe is learnt from how strongly the judge said that a rule is violated, which tells more of an image than whether.
All figures and promises rest on scores by fits that had not seen the image: those to all images but one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from imagejudge.common.extras import how_to_install
from imagejudge.common.text import counted
from imagejudge.constitution import Constitution, rule_digest
from imagejudge.engine.embedding import POOLING
from imagejudge.errors import UsageError
from imagejudge.evaluate.distill_data import Examples
from imagejudge.evaluate.statistics import Array, Estimate, calibration_estimate, pooled_share, ranking
from imagejudge.judge.probe import LEAST_SCALE, Figure, Origin, Probe, Probes, terms, terms_of

LEAST: Final = 10
"""Images that violate a rule, and as many that do not: with fewer, Platt's scaling would have hardly any to go by."""
RECALLS: Final = (0.99, 0.95, 0.9)
"""Those the report tells of; a scan may ask for any other."""
ISOTONIC: Final = 200
"""Images of either class from which on probabilities are an isotonic function of the score, not Platt's alone."""
COMPONENTS: Final = 64
"""Directions of the vectors that probes look at, at most."""
PENALTIES: Final = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Strengths of the penalty that are tried, of which each rule has the one that is best for images left out."""
SURE: Final = 0.9
"""Stands for the judge's score where only the truth is known, and 1 - SURE where it does not violate the rule."""
_BOUNDS: Final = (0.02, 0.98)
"""Of scores: beyond, they tell how decided the judge was, and nothing of how near the rule is to be violated."""
_FOLDS: Final = 5
_SEED: Final = 20250101


@dataclass(frozen=True, slots=True)
class RuleReport:
    """What became of one rule."""

    rule: str
    positives: int
    """Images known to violate it."""
    negatives: int
    figures: Mapping[str, Estimate | None] = field(default_factory=dict)
    """By name: `auroc`, `auprc`, `calibration_error`."""
    left_out: str = ""
    """Why there is no probe; empty where there is one."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a recall costs and saves, on images that the probes had not seen."""

    recall: float
    alone: int
    """Rules that promise it each by its own images."""
    together: int
    """Rules that promise it together."""
    skipped: Estimate | None = None
    """Share of all rules of all images that need not be asked; None where nothing can be promised."""
    found: Estimate | None = None
    """Share of what violates a rule that is still asked about. It is these images that set the thresholds."""


@dataclass(frozen=True, slots=True)
class Distilled:
    """Probes, and how good they are."""

    probes: Probes
    rules: tuple[RuleReport, ...]
    promises: tuple[Promise, ...]


def check_installed() -> None:
    """Raise `UsageError` where what fits probes is not there."""
    if find_spec("sklearn") is None:
        raise UsageError("probes cannot be fitted without scikit-learn", how_to_install("evaluate"))


def distil(
    examples: Examples,
    constitution: Constitution,
    origin: Origin,
    watch: Callable[[Sequence[str]], Iterable[str]] = iter,
) -> Distilled:
    """Fit a probe for each rule of which enough images are known.

    `watch` sees the rules go by. Raises `UsageError` where no rule has enough, or scikit-learn is not installed.
    """
    check_installed()
    import sklearn.linear_model  # noqa: F401 - only what is loaded can be limited
    from threadpoolctl import threadpool_limits  # which scikit-learn cannot be installed without

    with threadpool_limits(1):  # in matrices as small as these, threads mostly wait for each other
        return _distil(examples, constitution, origin, watch)


def _distil(
    examples: Examples,
    constitution: Constitution,
    origin: Origin,
    watch: Callable[[Sequence[str]], Iterable[str]],
) -> Distilled:
    rules = {rule.id: rule for rule in constitution.rules if rule.enabled}
    counts = {}
    for rule in rules:
        truth = examples.truth(rule)
        counts[rule] = int((truth == 1).sum()), int((truth == 0).sum())
    enough = [rule for rule in rules if min(counts[rule]) >= LEAST]
    if not enough:
        most = max(rules, key=lambda rule: min(counts[rule]), default=None)
        nearest = f"; {most} has {counts[most][0]:,} and {counts[most][1]:,}" if most else ""
        raise UsageError(
            f"no rule has {LEAST} images that violate it and {LEAST} that do not{nearest}",
            "scan more images in full, or others",
        )
    vectors = examples.vectors.astype(np.float64)
    mean, scale = vectors.mean(axis=0), vectors.std(axis=0)
    scale[scale < LEAST_SCALE] = 1.0
    standardised = (vectors - mean) / scale
    directions = _directions(standardised)
    fits = _fits(standardised @ directions.T, examples, enough)
    reports = tuple(
        RuleReport(rule, *counts[rule], figures=fits[rule].figures)
        if rule in fits
        else RuleReport(rule, *counts[rule], left_out=_why_none(*counts[rule]))
        for rule in watch(list(rules))
    )
    made = tuple(fit.probe(rule, rule_digest(constitution, rules[rule])) for rule, fit in fits.items())
    numbers = tuple(mean.tolist()), tuple(scale.tolist()), tuple(map(tuple, directions.tolist()))
    probes = Probes(origin, POOLING, *numbers, made)
    promises = tuple(_promise(probes, fits, examples, len(rules), recall) for recall in RECALLS)
    return Distilled(probes, reports, promises)


def _why_none(positives: int, negatives: int) -> str:
    if positives < LEAST:
        return f"{counted(positives, 'image violates', 'images violate')} it, fewer than {LEAST}"
    if negatives < LEAST:
        return f"{counted(negatives, 'image does', 'images do')} not violate it, fewer than {LEAST}"
    return "the vectors tell nothing of it"


@dataclass(frozen=True)
class _Fit:
    """One rule's."""

    known: Array
    """Of all images, those of which it is known whether they violate the rule; bool."""
    violated: Array
    """Of those that are known; bool."""
    weights: Array
    bias: float
    held_out: Array
    """Log odds of the known images, each by weights that had not seen it, on the scale of the probe: with a scale of
    its own, a score could not be held against the probe's threshold."""
    cross_fitted: Array
    """The same, each on a scale that had not seen it either."""

    @cached_property
    def calibration(self) -> tuple[tuple[float, float], ...]:
        """As a probe has it."""
        if not self._is_isotonic:
            return ()
        points = (part.tolist() for part in _isotonic(self.held_out, self.violated))
        return tuple(zip(*points, strict=True))

    @cached_property
    def figures(self) -> dict[str, Estimate | None]:
        truth = self.violated.tolist()
        error = calibration_estimate(truth, self._probabilities.tolist())
        return {**ranking(truth, self.held_out.tolist()), "calibration_error": error}

    @property
    def _is_isotonic(self) -> bool:
        return bool(min(self.violated.sum(), (~self.violated).sum()) >= ISOTONIC)

    @property
    def _probabilities(self) -> Array:
        """Calibrated, each without having seen the image."""
        if not self._is_isotonic:
            return 1 / (1 + np.exp(-self.cross_fitted))
        found = np.zeros(len(self.violated))
        for seen, unseen in _folds(self.violated):
            found[unseen] = np.interp(self.held_out[unseen], *_isotonic(self.held_out[seen], self.violated[seen]))
        return found

    def probe(self, rule: str, digest: str) -> Probe:
        return Probe(
            rule,
            digest,
            tuple(self.weights.tolist()),
            self.bias,
            positives=int(self.violated.sum()),
            negatives=int((~self.violated).sum()),
            held_out=tuple(sorted(self.held_out[self.violated].tolist())),
            calibration=self.calibration,
            figures={
                name: Figure(each.value, each.low, each.high) for name, each in self.figures.items() if each is not None
            },
        )


def _directions(standardised: Array) -> Array:
    """Those in which vectors differ most (count, dimension), short enough that a vector's components have a length near
    1.
    """
    from sklearn.decomposition import PCA

    images, dimension = standardised.shape
    with np.errstate(invalid="ignore"):  # of vectors that are all the same
        found = PCA(min(COMPONENTS, dimension, images), random_state=_SEED).fit(standardised)
    return np.asarray(found.components_ / np.sqrt(dimension))


def _fits(components: Array, examples: Examples, rules: Sequence[str]) -> dict[str, _Fit]:
    """Of each rule of which the vectors tell something. Rules of which the same images are known share the costly
    part."""
    groups: dict[bytes, list[str]] = {}
    for rule in rules:
        groups.setdefault((examples.truth(rule) >= 0).tobytes(), []).append(rule)
    found = {}
    for group in groups.values():
        known = examples.truth(group[0]) >= 0
        violated = np.stack([examples.truth(rule)[known] == 1 for rule in group], axis=1)
        scores = np.stack([examples.score(rule)[known] for rule in group], axis=1)
        scores = np.where(np.isnan(scores), np.where(violated, SURE, 1 - SURE), scores).clip(*_BOUNDS)
        weights, bias, left_out = _ridge(components[known], np.log(scores / (1 - scores)))
        for number, rule in enumerate(group):
            raw, truth = left_out[:, number], violated[:, number]
            slope, shift = _platt(raw, truth)
            if slope == 0:
                continue
            cross_fitted = np.zeros(len(truth))
            for seen, unseen in _folds(truth):
                part, moved = _platt(raw[seen], truth[seen])
                cross_fitted[unseen] = part * raw[unseen] + moved
            made = slope * weights[number], float(slope * bias[number] + shift)
            found[rule] = _Fit(known, truth, *made, slope * raw + shift, cross_fitted)
    return found


def _ridge(components: Array, targets: Array) -> tuple[Array, Array, Array]:
    """For targets (images, rules): weights (rules, terms), bias (rules), and of each image what the fit to all others
    says (images, rules).

    The penalty on a product of two different components, and on a component itself, is half as strong as on a square.
    Then it is that of the kernel (1 + x·y)², and does not hang on how the components are turned.
    """
    from sklearn.linear_model import RidgeCV

    count = components.shape[1]
    root = np.full(terms_of(count), np.sqrt(2))
    root[count:][np.equal(*np.triu_indices(count))] = 1
    scaled = terms(components)
    scaled *= root
    model = RidgeCV(PENALTIES, scoring="neg_mean_squared_error", alpha_per_target=True, store_cv_results=True)
    model.fit(scaled, targets)
    best = np.searchsorted(PENALTIES, np.atleast_1d(model.alpha_))
    left_out = np.take_along_axis(model.cv_results_, best[None, :, None], axis=2)[:, :, 0]
    return model.coef_.reshape(-1, len(root)) * root, np.atleast_1d(model.intercept_), left_out


def _platt(scores: Array, violated: Array) -> tuple[float, float]:
    """Slope and shift of Platt's scaling, with his targets, which are not quite 0 and 1: no classes are so far apart
    that the slope has no end.

    Scores of images left out fall with the truth where nothing can be told: the mean of all others is lower for an
    image that violates the rule. Such scores are worth nothing, so the slope is never negative.
    """
    from sklearn.linear_model import LogisticRegression

    positives, negatives = violated.sum(), (~violated).sum()
    target = np.where(violated, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    twice = np.concatenate([scores, scores])[:, None]
    sides = np.repeat([True, False], len(scores))
    model = LogisticRegression(C=1e6).fit(twice, sides, np.concatenate([target, 1 - target]))
    slope, shift = float(model.coef_[0, 0]), float(model.intercept_[0])
    return (slope, shift) if slope > 0 else (0.0, float(np.log(target.sum() / (1 - target).sum())))


def _folds(violated: Array) -> Iterable[tuple[Array, Array]]:
    """Indices of images, seen and unseen, of each fold in turn; each has its share of either class."""
    from sklearn.model_selection import StratifiedKFold

    folds: Iterable[tuple[Array, Array]] = StratifiedKFold(_FOLDS, shuffle=True, random_state=_SEED).split(
        np.zeros(len(violated)), violated
    )
    return folds


def _isotonic(scores: Array, violated: Array) -> tuple[Array, Array]:
    """Points of the rising function of the score that is nearest to the shares of images that violate the rule."""
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(y_min=0, y_max=1).fit(scores, violated)
    return model.X_thresholds_, model.y_thresholds_


def _promise(probes: Probes, fits: Mapping[str, _Fit], examples: Examples, rules: int, recall: float) -> Promise:
    try:
        thresholds = probes.thresholds(recall)
    except UsageError:
        return Promise(recall, 0, 0)
    alone = sum(probe.promises(recall) for probe in probes.probes)
    images = len(examples.vectors)
    skipped, missed, violated = (np.zeros(images, int) for _ in range(3))
    for rule in examples.rules:
        violated += examples.truth(rule) == 1
    for rule, threshold in thresholds.items():
        fit = fits[rule]
        below = fit.held_out < threshold
        skipped[fit.known] += below
        missed[fit.known] += below & fit.violated
    asked: dict[str, Any] = {
        "skipped": pooled_share(skipped.tolist(), [rules] * images),
        "found": pooled_share((violated - missed).tolist(), violated.tolist()),
    }
    return Promise(recall, alone, len(thresholds) - alone, **asked)
