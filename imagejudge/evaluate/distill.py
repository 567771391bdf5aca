"""Linear probes fitted to what a judge said of images, or to labels: weights, calibration, and what may be promised.

All figures and promises rest on scores by fits that had not seen the image: the whole procedure is repeated on four
fifths of the images, five times, and the last fifth is scored. The probe that is kept is fitted to all of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from imagejudge.common.text import counted
from imagejudge.constitution import Constitution, rule_digest
from imagejudge.engine.embedding import POOLING
from imagejudge.errors import UsageError
from imagejudge.evaluate.distill_data import Examples
from imagejudge.evaluate.statistics import Array, Estimate, calibration_estimate, pooled_share, ranking
from imagejudge.judge.probe import Figure, Origin, Probe, Probes

LEAST: Final = 10
"""Images that violate a rule, and as many that do not: with fewer, a fold of a fold would be without any."""
RECALLS: Final = (0.99, 0.95, 0.9)
"""Those the report tells of; a scan may ask for any other."""
ISOTONIC: Final = 200
"""Images of either class from which on probabilities are an isotonic function of the score, not Platt's alone."""
STRENGTHS: Final = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""Inverse strengths of regularisation that are tried (scikit-learn's C)."""
_FOLDS: Final = 5
_INNER: Final = 3
"""Folds of the images a fit may see, by which it chooses the regularisation and scales its scores."""
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
        raise UsageError("probes cannot be fitted without scikit-learn", "pip install 'imagejudge[evaluate]'")


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
    vectors = examples.vectors.astype(np.float64)
    mean, scale = vectors.mean(axis=0), vectors.std(axis=0)
    scale[scale == 0] = 1.0
    standardised = (vectors - mean) / scale
    fits: dict[str, _Fit] = {}
    reports = []
    rules = {rule.id: rule for rule in constitution.rules if rule.enabled}
    for rule in watch(list(rules)):
        truth = examples.truth(rule)
        known = truth >= 0
        violated = truth[known] == 1
        counts = int(violated.sum()), int((~violated).sum())
        if min(counts) < LEAST:
            reports.append(RuleReport(rule, *counts, left_out=_too_few(*counts)))
            continue
        fits[rule] = fit = _Fit.of(standardised[known], violated, known)
        reports.append(RuleReport(rule, *counts, fit.figures))
    if not fits:
        most = max(reports, key=lambda report: min(report.positives, report.negatives), default=None)
        nearest = f"; {most.rule} has {most.positives:,} and {most.negatives:,}" if most else ""
        raise UsageError(
            f"no rule has {LEAST} images that violate it and {LEAST} that do not{nearest}",
            "scan more images in full, or others",
        )
    made = tuple(fit.probe(rule, rule_digest(constitution, rules[rule])) for rule, fit in fits.items())
    probes = Probes(origin, POOLING, tuple(mean.tolist()), tuple(scale.tolist()), made)
    promises = tuple(_promise(probes, fits, examples, len(rules), recall) for recall in RECALLS)
    return Distilled(probes, tuple(reports), promises)


def _too_few(positives: int, negatives: int) -> str:
    if positives < LEAST:
        return f"{counted(positives, 'image violates', 'images violate')} it, fewer than {LEAST}"
    return f"{counted(negatives, 'image does', 'images do')} not violate it, fewer than {LEAST}"


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
    """Log odds of the known images, each by a fit that had not seen it."""
    probabilities: Array
    """The same calibrated, without having seen it."""
    calibration: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, vectors: Array, violated: Array, known: Array) -> _Fit:
        folds = list(_split(_FOLDS, vectors, violated))
        held_out = np.zeros(len(violated))
        for seen, unseen in folds:
            weights, bias = _fit(vectors[seen], violated[seen])
            held_out[unseen] = vectors[unseen] @ weights + bias
        weights, bias = _fit(vectors, violated)
        probabilities = 1 / (1 + np.exp(-held_out))
        calibration: tuple[tuple[float, float], ...] = ()
        if min(violated.sum(), (~violated).sum()) >= ISOTONIC:
            for seen, unseen in folds:
                probabilities[unseen] = np.interp(held_out[unseen], *_isotonic(held_out[seen], violated[seen]))
            calibration = tuple(zip(*(part.tolist() for part in _isotonic(held_out, violated)), strict=True))
        return cls(known, violated, weights, bias, held_out, probabilities, calibration)

    @cached_property
    def figures(self) -> dict[str, Estimate | None]:
        truth = self.violated.tolist()
        error = calibration_estimate(truth, self.probabilities.tolist())
        return {**ranking(truth, self.held_out.tolist()), "calibration_error": error}

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


def _fit(vectors: Array, violated: Array) -> tuple[Array, float]:
    """Weights and bias that give log odds: a class-weighted logistic regression, its scores then scaled by Platt's
    method. The regularisation is the one with the least loss on images that were left out of the fit.
    """
    scores = np.zeros((len(STRENGTHS), len(violated)))
    for seen, unseen in _split(_INNER, vectors, violated):
        for number, (weights, bias) in enumerate(_regressions(vectors[seen], violated[seen], STRENGTHS)):
            scores[number, unseen] = vectors[unseen] @ weights + bias
    balance = np.where(violated, 1 / violated.sum(), 1 / (~violated).sum())
    losses = (np.logaddexp(0, np.where(violated, -scores, scores)) * balance).sum(axis=1)
    best = int(losses.argmin())
    *_, (weights, bias) = _regressions(vectors, violated, STRENGTHS[: best + 1])
    slope, shift = _platt(scores[best], violated)
    return slope * weights, slope * bias + shift


def _regressions(vectors: Array, violated: Array, strengths: Sequence[float]) -> Iterator[tuple[Array, float]]:
    """For each strength, beginning with what was found for the one before."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(class_weight="balanced", max_iter=1000, warm_start=True)
    for strength in strengths:
        model.set_params(C=strength)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is measured on other images all the same
            model.fit(vectors, violated)
        yield model.coef_[0].copy(), float(model.intercept_[0])


def _platt(scores: Array, violated: Array) -> tuple[float, float]:
    """Slope and shift of Platt's scaling, with his targets, which are not quite 0 and 1: no classes are so far apart
    that the slope has no end.
    """
    from sklearn.linear_model import LogisticRegression

    positives, negatives = violated.sum(), (~violated).sum()
    target = np.where(violated, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    twice = np.concatenate([scores, scores])[:, None]
    sides = np.repeat([True, False], len(scores))
    model = LogisticRegression(C=1e6).fit(twice, sides, np.concatenate([target, 1 - target]))
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _isotonic(scores: Array, violated: Array) -> tuple[Array, Array]:
    """Points of the rising function of the score that is nearest to the shares of images that violate the rule."""
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(y_min=0, y_max=1).fit(scores, violated)
    return model.X_thresholds_, model.y_thresholds_


def _split(folds: int, vectors: Array, violated: Array) -> Iterable[tuple[Array, Array]]:
    from sklearn.model_selection import StratifiedKFold

    found: Iterable[tuple[Array, Array]] = StratifiedKFold(folds, shuffle=True, random_state=_SEED).split(
        vectors, violated
    )
    return found


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
