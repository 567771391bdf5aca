"""What a file of verdicts amounts to, line by line: what was found, where, by which questions, and how surely."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final

from imagejudge.constitution import Severity
from imagejudge.judge.scores import image_score
from imagejudge.judge.summary import unmeasured
from imagejudge.judge.world import is_outside
from imagejudge.output.probed import Probed
from imagejudge.verdict import By, Outcome, RuleResult, RuleStatus, Steps, StepStatus, Verdict, steps_in

BINS: Final = 10
"""Equal parts of [0, 1] in which scores are counted."""
_MOST_FOLDERS: Final = 10_000
"""Folders that are counted apart."""
ELSEWHERE: Final = "(other folders)"
UNMEASURED: Final = "unmeasured: the model said neither Yes nor No"
BETWEEN: Final = "between the thresholds"


@dataclass(slots=True)
class Question:
    """How often a statement made a rule what it came to."""

    violated: int = 0
    """It held in a rule that is violated."""
    unsure: int = 0
    """It stayed open in a rule that did."""
    cleared: int = 0
    """It did not hold, or as an exception did, in a rule that is not violated."""


@dataclass(slots=True)
class Rule:
    """How often a rule came to what."""

    statuses: Counter[RuleStatus] = field(default_factory=Counter)
    category: str = ""
    """As far as lines tell: where it was violated at least once; so too below."""
    severity: Severity | None = None


@dataclass(slots=True)
class Overview:
    """Counts, as verdicts come in. Memory grows with rules, questions and folders, not with images."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    accepted: int = 0
    """Images with something that a baseline accepts."""
    rules: dict[str, Rule] = field(default_factory=dict)
    categories: Counter[str] = field(default_factory=Counter)
    """Images by the categories of what they violate."""
    severities: Counter[Severity] = field(default_factory=Counter)
    """The same by severity; an image may count in several."""
    folders: dict[str, Counter[Outcome]] = field(default_factory=dict)
    questions: dict[str, Question] = field(default_factory=dict)
    decided_by: Counter[By] = field(default_factory=Counter)
    """Statements by what decided them."""
    unsure: Counter[str] = field(default_factory=Counter)
    """Statements that left a rule open, by why."""
    errors: Counter[str] = field(default_factory=Counter)
    """Images that could not be judged, by kind."""
    scores: dict[Outcome, list[int]] = field(default_factory=dict)
    """Images by score: tenths of [0, 1], the last with 1."""
    models: Counter[str] = field(default_factory=Counter)
    constitutions: Counter[str] = field(default_factory=Counter)
    shortened: int = 0
    """Images whose lines have not the steps of all rules: what decided is not counted of those."""
    probed: Probed = field(default_factory=Probed)
    out_of_world: int = 0
    """Images that the model was not made for, and so was not asked about."""

    def add(self, verdict: Verdict) -> None:
        """Count one more image."""
        self.outcomes[verdict.verdict] += 1
        self.probed.add(verdict)
        self.out_of_world += is_outside(verdict.out_of_world)
        self.models[verdict.model] += 1
        self.constitutions[verdict.constitution] += 1
        self.shortened += steps_in(verdict) in (Steps.FOUND, Steps.NONE)
        self.accepted += any(result.accepted for result in verdict.rules)
        self.categories.update({violation.category for violation in verdict.violations})
        self.severities.update({violation.severity for violation in verdict.violations})
        for result in verdict.rules:
            self._add_rule(result)
        for violation in verdict.violations:
            rule = self.rules.setdefault(violation.rule, Rule())
            rule.category, rule.severity = violation.category, violation.severity
        folder = os.path.dirname(verdict.path)  # noqa: PTH120 - of text, a million times
        if folder not in self.folders and len(self.folders) >= _MOST_FOLDERS:
            folder = ELSEWHERE
        self.folders.setdefault(folder, Counter())[verdict.verdict] += 1
        if verdict.error is not None:
            self.errors[verdict.error.kind] += 1
        if (score := image_score(verdict)) is not None:
            bins = self.scores.setdefault(verdict.verdict, [0] * BINS)
            bins[min(int(score * BINS), BINS - 1)] += 1

    def _add_rule(self, result: RuleResult) -> None:
        self.rules.setdefault(result.rule, Rule()).statuses[result.status] += 1
        for step in result.steps:
            if step.by is not None:
                self.decided_by[step.by] += 1
            held = step.status is StepStatus.SATISFIED
            match result.status:
                case RuleStatus.VIOLATED if held:
                    self._question(step.ask).violated += 1
                case RuleStatus.UNSURE if step.status is StepStatus.UNSURE:
                    self._question(step.ask).unsure += 1
                    self.unsure[UNMEASURED if unmeasured(step) else BETWEEN] += 1
                case RuleStatus.CLEAR if step.status is StepStatus.NOT_SATISFIED and step.item is not None:
                    self._question(step.ask).cleared += 1
                case RuleStatus.EXCEPTED if held and step.item is None:
                    self._question(step.ask).cleared += 1

    def _question(self, ask: str) -> Question:
        return self.questions.setdefault(ask, Question())

    @property
    def images(self) -> int:
        """How many images were counted."""
        return self.outcomes.total()

    def telling(self) -> list[tuple[str, Question]]:
        """The questions that decided something, those first by which most was found."""
        return sorted(
            self.questions.items(),
            key=lambda each: (-each[1].violated - each[1].unsure, -each[1].cleared, each[0]),
        )

    def top_folders(self) -> dict[str, Counter[Outcome]]:
        """Counts by the first folder below the one that holds all images; `.` for those that lie right in it."""
        known = {folder: PurePath(folder).parts for folder in self.folders if folder != ELSEWHERE}
        shared = len(_common(known.values()))
        found: dict[str, Counter[Outcome]] = {}
        for folder, counts in self.folders.items():
            parts = known.get(folder, (ELSEWHERE,))
            name = ELSEWHERE if folder == ELSEWHERE else (parts[shared] if len(parts) > shared else ".")
            found.setdefault(name, Counter()).update(counts)
        return found

    def document(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {
            "images": self.images,
            "verdicts": {outcome: self.outcomes[outcome] for outcome in Outcome},
            "accepted": self.accepted,
            "models": dict(self.models),
            "constitutions": dict(self.constitutions),
            "rules": {
                name: {"category": rule.category, "severity": rule.severity}
                | {status: rule.statuses[status] for status in RuleStatus}
                for name, rule in self.rules.items()
            },
            "categories": dict(self.categories),
            "severities": {severity: self.severities[severity] for severity in Severity},
            "folders": _by_outcome(self.folders),
            "questions": {
                ask: {"violated": found.violated, "unsure": found.unsure, "cleared": found.cleared}
                for ask, found in self.telling()
            },
            "decided_by": {by: self.decided_by[by] for by in By},
            "unsure": dict(self.unsure),
            "errors": dict(self.errors),
            "out_of_world": self.out_of_world,
            "probes": self.probed.document() if self.probed.images else None,
            "scores": {outcome: self.scores.get(outcome, [0] * BINS) for outcome in Outcome},
        }


def _common(paths: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    shared: tuple[str, ...] | None = None
    for parts in paths:
        if shared is None:
            shared = parts
        while shared != parts[: len(shared)]:
            shared = shared[:-1]
    return shared or ()


def _by_outcome(counts: Mapping[str, Counter[Outcome]]) -> dict[str, dict[str, int]]:
    return {name: {outcome: found[outcome] for outcome in Outcome} for name, found in counts.items()}
