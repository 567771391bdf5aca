"""What probes are fitted to: images with their vectors, and which rules each violates, as far as is known."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from imagejudge.engine.embedding import Embedding
from imagejudge.evaluate.labels import Label
from imagejudge.evaluate.statistics import Array
from imagejudge.judge.scores import rule_score
from imagejudge.verdict import Outcome, RuleStatus, StepStatus, Verdict, has_all_steps


@dataclass(frozen=True, slots=True)
class Examples:
    """Images, each once."""

    digests: tuple[str, ...]
    """SHA-256 of each file."""
    vectors: Array
    """(images, dimension), float32."""
    truths: tuple[Mapping[str, bool], ...]
    """Of each image, whether it violates a rule, by the rules of which that is known."""
    scores: tuple[Mapping[str, float], ...] = ()
    """Of each image, how strongly the judge said so (`rule_score`), by rule; empty where labels say what is true."""

    @property
    def rules(self) -> list[str]:
        """Those of which something is known."""
        return sorted({rule for truths in self.truths for rule in truths})

    @property
    def digest(self) -> str:
        """SHA-256 in hex over the files' digests and what is known of each, in whatever order they came."""
        rows = sorted(zip(self.digests, (sorted(truths.items()) for truths in self.truths), strict=True))
        return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()

    def truth(self, rule: str) -> Array:
        """Of each image: 1 where it violates a rule, 0 where it does not, -1 where that is not known."""
        return np.array([int(truths.get(rule, -1)) for truths in self.truths])

    def score(self, rule: str) -> Array:
        """Of each image, how strongly a rule is violated, in [0, 1]; NaN where only the truth is known, or nothing."""
        return np.array([scores.get(rule, np.nan) for scores in self.scores or [{}] * len(self.truths)])


@dataclass(slots=True)
class Truths:
    """What is known of files, by their SHA-256, gathered line by line."""

    known: dict[str, dict[str, bool]] = field(default_factory=dict)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    """How strongly the judge said so, as the first line of each file tells it."""
    paths: dict[str, str] = field(default_factory=dict)
    """Where the first file of each digest lies."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many lines tell nothing, by why."""
    _contradicted: set[tuple[str, str]] = field(default_factory=set)

    def add(self, verdict: Verdict) -> None:
        """Take in what the judge found."""
        if (digest := self._digest(verdict)) is not None:
            self._merge(digest, judged(verdict))
            self.scores.setdefault(digest, scored(verdict))

    def add_label(self, verdict: Verdict, label: Label, rules: Iterable[str]) -> None:
        """Take in what a label of the same image says, of which the verdict only tells the file."""
        if (digest := self._digest(verdict)) is not None:
            self._merge(digest, labelled(label, rules))

    def _digest(self, verdict: Verdict) -> str | None:
        """Of the file that a line is about; None where it has not one vector."""
        if verdict.verdict is Outcome.ERROR or verdict.sha256 is None:
            self.left_out["the image could not be judged"] += 1
            return None
        if verdict.frame is not None:
            self.left_out["an animation or a video, of which a line does not tell each frame"] += 1
            return None
        self.paths.setdefault(verdict.sha256, verdict.path)
        return verdict.sha256

    def _merge(self, digest: str, truths: Mapping[str, bool]) -> None:
        known = self.known.setdefault(digest, {})
        for rule, violated in truths.items():
            if known.setdefault(rule, violated) != violated:
                self._contradicted.add((digest, rule))

    def beside(self, vectors: Mapping[str, Embedding]) -> Examples:
        """The images whose vectors are there, without what was said and contradicted."""
        for digest, rule in self._contradicted:
            self.known[digest].pop(rule, None)
        digests = tuple(digest for digest in self.known if digest in vectors)
        stacked = np.array([vectors[digest] for digest in digests], np.float32)
        truths = tuple(self.known[digest] for digest in digests)
        return Examples(digests, stacked, truths, tuple(self.scores.get(digest, {}) for digest in digests))


def judged(verdict: Verdict) -> dict[str, bool]:
    """What the judge found of each rule that was asked; of one that stayed unsure, or was left to a probe, nothing."""
    return {
        result.rule: result.status is RuleStatus.VIOLATED
        for result in verdict.rules
        if result.status is not RuleStatus.UNSURE
        and result.by is None
        and (not has_all_steps(verdict) or any(step.status is not StepStatus.NOT_ASKED for step in result.steps))
    }


def scored(verdict: Verdict) -> dict[str, float]:
    """How strongly the judge said of each rule that it is violated, where a line tells that."""
    scores = {result.rule: rule_score(result) for result in verdict.rules}
    return {rule: score for rule, score in scores.items() if score is not None}


def labelled(label: Label, rules: Iterable[str]) -> dict[str, bool]:
    """What a label says of each rule. That of an unsafe image says nothing of rules it does not name."""
    if label.unsafe or label.rules:
        return dict.fromkeys(label.rules, label.unsafe)
    return dict.fromkeys(rules, False)
