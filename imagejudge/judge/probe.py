"""Probes: from an image's embedding, how likely the full judge would find each rule violated.

Probes only save questions. Below a threshold that promises a recall, a rule need not be asked; nothing is ever found by
a probe. Knows nothing of files, nor of how probes are fitted.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from imagejudge.common.text import counted, printable
from imagejudge.constitution import Constitution, rule_digest
from imagejudge.engine.embedding import Embedding
from imagejudge.errors import UsageError
from imagejudge.judge.clue import ARITHMETIC, Method

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE: Final = 0.95
"""How certain a promised recall is: of twenty sets of data to distil from, nineteen keep it."""
LEAST_SCALE: Final = 1e-30
"""Of what vectors are divided by, so that sums of products stay finite."""


class Figure(NamedTuple):
    """A figure on images that had no part in the fit, with its 95 % interval."""

    value: float
    low: float
    high: float


class Score(NamedTuple):
    """What a probe makes of one picture."""

    log_odds: float
    """What thresholds are compared with."""
    probability: float
    """The same, calibrated; in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One rule's."""

    rule: str
    digest: str
    """Of the rule as it was judged (`rule_digest`)."""
    weights: tuple[float, ...]
    """One for each of the `terms` of an embedding; with the bias they give log odds, Platt-scaled."""
    bias: float
    positives: int
    """Images by which it was fitted that violate the rule."""
    negatives: int
    held_out: tuple[float, ...]
    """Log odds of images that violate the rule, each by a probe that had not seen it, ascending: by these, recall is
    promised."""
    calibration: tuple[tuple[float, float], ...] = ()
    """Points (log odds, probability), both ascending, with straight lines between; empty: the logistic function."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """By name: `auroc`, `auprc`, `calibration_error`."""

    def promises(self, recall: float) -> bool:
        """Whether this rule's held-out images alone are enough to promise a recall."""
        return misses_allowed(len(self.held_out), recall) is not None

    def probability(self, log_odds: float) -> float:
        """Calibrated; in [0, 1]."""
        if not self.calibration:
            half = math.tanh(log_odds / 2) / 2  # the logistic function, which this way cannot overflow
            return 0.5 + half
        place = bisect_right(self.calibration, log_odds, key=lambda point: point[0])
        if place in (0, len(self.calibration)):
            return self.calibration[max(place - 1, 0)][1]
        (left, low), (right, high) = self.calibration[place - 1 : place + 1]
        return low + (high - low) * (log_odds - left) / (right - left)


@dataclass(frozen=True, slots=True)
class Origin:
    """What probes were made from."""

    model: str
    """As verdicts name it."""
    digest: str
    """Of the model's files."""
    settings: Mapping[str, str | int]
    """All else that decides the model's answers and vectors (`EngineSpec.settings`)."""
    constitution: str
    """As verdicts name it."""
    labels: str
    """What said which images violate which rules: `verdicts` or `labels`."""
    data: str
    """SHA-256 in hex over the images' digests and labels."""
    images: int
    method: str | None = None
    """By which the verdicts were given, as they name it; None where labels said what is violated."""
    arithmetic: int | None = None
    """Version of what followed from answers in them (`ARITHMETIC`); None where labels said what is violated."""


@dataclass(frozen=True)
class Probes:
    """Those of a constitution's rules, on the embeddings of one model."""

    origin: Origin
    pooling: str
    mean: tuple[float, ...]
    """Of each number of the embedding."""
    scale: tuple[float, ...]
    """What is divided by after the mean is subtracted; at least `LEAST_SCALE`."""
    directions: tuple[tuple[float, ...], ...]
    """Those in which the standardised embeddings differ most, each with as many numbers as an embedding."""
    probes: tuple[Probe, ...]

    @property
    def dimension(self) -> int:
        """Numbers of an embedding."""
        return len(self.mean)

    def check_model(self, model: str, digest: str, settings: Mapping[str, str | int]) -> None:
        """Raise `UsageError` where another model, or the same with other settings, is about to be used."""
        if (printable(model), digest) != (self.origin.model, self.origin.digest):
            raise UsageError(
                f"the probes were distilled from {self.origin.model}, and the model is {printable(model)}",
                "use that model, or distil probes from verdicts of this one",
            )
        names = sorted({*settings, *self.origin.settings})
        told = (
            f"{name}={self.origin.settings.get(name, 'none')}, not {settings.get(name, 'none')}"
            for name in names
            if self.origin.settings.get(name) != settings.get(name)
        )
        if differences := ", ".join(told):
            raise UsageError(
                f"the probes were distilled from this model with {differences}",
                "use the same settings and version, or distil again",
            )

    def check_method(self, method: Method) -> None:
        """Raise `UsageError` where rules are about to be judged by another method than those verdicts were.

        What labels say is true by any method.
        """
        origin, now = self.origin, method.label
        if origin.labels == "labels":
            return
        if origin.method != now:
            raise UsageError(
                f"the probes were distilled from verdicts by `{origin.method}`, and this scan judges by `{now}`",
                "use that method, or distil probes from verdicts by this one",
            )
        if origin.arithmetic != ARITHMETIC:
            raise UsageError(
                f"the probes were distilled from verdicts with arithmetic={origin.arithmetic}, not {ARITHMETIC}",
                "distil again, from verdicts of this version",
            )

    def within(self, constitution: Constitution, whole: Constitution) -> tuple[Probes, tuple[str, ...]]:
        """The probes of rules that are judged today as when they were made; and what is to be said of the others.

        `constitution` has the rules that were chosen of the `whole` one. Nothing is said of rules that were not, nor of
        those without a probe, which are asked as ever.
        """
        rules = {rule.id: rule for rule in constitution.rules if rule.enabled}
        known = {rule.id for rule in whole.rules}
        kept, remarks = [], []
        for probe in self.probes:
            if probe.rule not in known:
                remarks.append(f"the probe of {probe.rule} is not used: the constitution has no such rule")
            elif probe.rule in rules and rule_digest(constitution, rules[probe.rule]) != probe.digest:
                told = "it is judged otherwise than when the probe was made"
                remarks.append(f"the rule {probe.rule} is asked, not left to its probe: {told}")
            elif probe.rule in rules:
                kept.append(probe)
        return replace(self, probes=tuple(kept)), tuple(remarks)

    def scores(self, vector: Embedding) -> dict[str, Score]:
        """What each rule's probe makes of a picture. Raises `UsageError` for a vector of another dimension."""
        if vector.shape != (self.dimension,):
            raise UsageError(
                f"the probes take vectors of {self.dimension:,} numbers, and the model gives {vector.size:,}",
                "distil probes from verdicts of this model",
            )
        mean, scale, directions, weights, bias = self._arrays
        found = (weights @ terms(directions @ ((vector - mean) / scale)) + bias).tolist()
        return {
            probe.rule: Score(log_odds, probe.probability(log_odds))
            for probe, log_odds in zip(self.probes, found, strict=True)
        }

    def thresholds(self, recall: float) -> dict[str, float]:
        """Log odds by rule; a rule whose score is below need not be asked, and all others must.

        Of what the full judge would find, at least the share `recall`, in (0, 1), is still asked about, with
        `CONFIDENCE`. Rules with enough held-out images promise that each alone, the others all together. A probe whose
        weights are all 0 says the same of every image: its rule has no threshold. Raises `UsageError` where nothing can
        be promised.
        """
        found = {probe.rule: threshold(probe.held_out, recall) for probe in self._telling if probe.promises(recall)}
        rest = [probe for probe in self._telling if probe.rule not in found]
        together = [score for probe in rest for score in probe.held_out]
        if misses_allowed(len(together), recall) is not None:
            found |= dict.fromkeys((probe.rule for probe in rest), threshold(together, recall))
        if not found:
            lower = f", or ask for at most {self.highest_recall:g}" if together else ""
            raise UsageError(
                f"a recall of {recall:g} cannot be promised by {counted(len(together), 'image')} that violate a rule",
                f"distil from at least {needed(recall)}{lower}",
            )
        return found

    @property
    def highest_recall(self) -> float:
        """The highest that `thresholds` takes, in thousandths: the one that all rules promise together."""
        return highest(sum(len(probe.held_out) for probe in self._telling))

    @cached_property
    def _telling(self) -> tuple[Probe, ...]:
        return tuple(probe for probe in self.probes if any(probe.weights))

    @cached_property
    def _arrays(self) -> tuple[NDArray[Any], ...]:
        import numpy as np

        weights = np.array([probe.weights for probe in self.probes]).reshape(-1, terms_of(len(self.directions)))
        bias = np.array([probe.bias for probe in self.probes])
        return np.array(self.mean), np.array(self.scale), np.array(self.directions), weights, bias


def terms(components: NDArray[Any]) -> NDArray[Any]:
    """What log odds are a weighted sum of: an embedding's components (..., n), which are its lengths along the
    directions, and behind them the products of any two: 1·1, 1·2, ... 2·2, 2·3, ... (..., n + n (n + 1) / 2).
    """
    import numpy as np

    one, other = np.triu_indices(components.shape[-1])
    return np.concatenate([components, components[..., one] * components[..., other]], axis=-1)


def terms_of(components: int) -> int:
    """How many terms so many components have."""
    return components + components * (components + 1) // 2


def threshold(held_out: Iterable[float], recall: float) -> float:
    """The highest score below which a rule need not be asked, for scores by which `recall` can be promised."""
    scores = sorted(held_out)
    allowed = misses_allowed(len(scores), recall)
    if allowed is None:
        raise ValueError(f"{len(scores)} scores cannot promise {recall}")
    return scores[allowed]


def misses_allowed(count: int, recall: float) -> int | None:
    """How many of so many held-out images may score below the threshold; None where even 0 promise too little.

    The share of all images below the k+1st lowest of `count` scores is distributed as Beta(k + 1, count - k) or is
    smaller (arXiv 1209.2673 on training-conditional validity), so that it is at most 1 - recall unless at most k of
    `count` draws come out that each do with the chance 1 - recall.
    """
    chance, likely, allowed = 1 - recall, 0.0, None
    for misses in range(count):
        likely += _binomial(misses, count, chance)
        if likely > 1 - CONFIDENCE + 1e-12:
            break
        allowed = misses
    return allowed


def highest(count: int) -> float:
    """The highest recall that so many held-out images can promise, in thousandths: rounded up, it would be refused."""
    return math.floor((1 - CONFIDENCE) ** (1 / count) * 1000) / 1000 if count else 0.0


def needed(recall: float) -> int:
    """How many held-out images promise a recall at least."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(recall) - 1e-9)


def _binomial(hits: int, draws: int, chance: float) -> float:
    ways = math.lgamma(draws + 1) - math.lgamma(hits + 1) - math.lgamma(draws - hits + 1)
    return math.exp(ways + hits * math.log(chance) + (draws - hits) * math.log1p(-chance))
