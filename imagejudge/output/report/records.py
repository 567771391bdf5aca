"""Verdicts as the page holds them: about a tenth of a line each, what lines have in common stored once.

What stands where in a row is said here, and read by `page/data.js`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any, Final

from imagejudge.constitution import Constitution, Rule, select_rules
from imagejudge.judge.frames import where
from imagejudge.judge.scores import image_score
from imagejudge.judge.summary import unmeasured
from imagejudge.output.choice import Choice
from imagejudge.output.findings import is_of_its_frame, located, settled
from imagejudge.output.overview import Overview
from imagejudge.verdict import By, Outcome, Region, RuleResult, RuleStatus, Step, StepStatus, Verdict

OUTCOMES: Final = (Outcome.UNSAFE, Outcome.UNSURE, Outcome.ERROR, Outcome.SAFE)
"""The worst first; rows hold places in these four."""
STATUSES: Final = tuple(RuleStatus)
STEP_STATUSES: Final = tuple(StepStatus)
WAYS: Final = tuple(By)
MOST: Final = 200_000
"""Images on a page: 250 MB, which a browser takes 4 s to show."""

ALL: Final = Choice()
_DIGITS: Final = 3
_DEFAULT_FRAMES: Final = 4


@dataclass(frozen=True, slots=True)
class Subject:
    """What a thumbnail is made of: a file, if its bytes still are those that were judged, and one of its frames."""

    path: str
    sha256: str | None
    frame: int
    frames: int
    """How many were sampled when it was judged."""
    source: int = 0
    """Place of its model, constitution and method among `Records.sources`."""


@dataclass(frozen=True, slots=True)
class Records:
    """All that a page tells of a file of verdicts but the pictures."""

    rows: list[str]
    """The worst image first, each as JSON: many of them are held, and lists take five times as much memory."""
    subjects: list[Subject]
    """Of each row."""
    sources: list[dict[str, str]]
    """Model, constitution and method: rows hold places in these."""
    rules: list[dict[str, Any]]
    """The questions of each rule, once: rows hold places in these."""
    overview: Overview
    """Counts of all verdicts, also of those that are on no row."""
    left_out: int
    """How many of those that were chosen are on no row."""


@dataclass(slots=True)
class _Tables:
    """What rows refer to by its place."""

    constitutions: Collection[Constitution]
    sources: dict[tuple[str, str, str], int] = field(default_factory=dict)
    rules: dict[tuple[Any, ...], int] = field(default_factory=dict)
    told: list[dict[str, Any]] = field(default_factory=list)
    written: dict[tuple[str, frozenset[str]], dict[str, tuple[Constitution, Rule]]] = field(default_factory=dict)

    def source(self, verdict: Verdict) -> int:
        return self.sources.setdefault((verdict.model, verdict.constitution, verdict.method), len(self.sources))

    def rule(self, verdict: Verdict, result: RuleResult) -> int:
        key = (verdict.constitution, result.rule, tuple((step.ask, step.item) for step in result.steps))
        if key not in self.rules:
            self.rules[key] = len(self.rules)
            self.told.append(self._told(verdict, result))
        told = self.told[self.rules[key]]
        if result.status is RuleStatus.VIOLATED and "severity" not in told:
            violation = next((each for each in verdict.violations if each.rule == result.rule), None)
            if violation is not None:
                told |= {"category": violation.category, "severity": violation.severity.value}
        return self.rules[key]

    def _told(self, verdict: Verdict, result: RuleResult) -> dict[str, Any]:
        told: dict[str, Any] = {"id": result.rule, "steps": [[step.ask, step.item] for step in result.steps]}
        if found := self._rules_of(verdict).get(result.rule):
            constitution, rule = found
            cuts = constitution.thresholds_of(rule)
            told |= {"text": rule.text, "category": rule.category, "severity": rule.severity.value}
            told["cuts"] = [cuts.unsatisfied, cuts.satisfied]
        return told

    def _rules_of(self, verdict: Verdict) -> dict[str, tuple[Constitution, Rule]]:
        """The rules as they were written, where a constitution that is at hand is the one that was judged by."""
        ids = frozenset(result.rule for result in verdict.rules)
        key = verdict.constitution, ids
        if key not in self.written:
            fitting = (_judged_by(each, ids) for each in self.constitutions)
            one = next((each for each in fitting if each is not None and each.label == verdict.constitution), None)
            self.written[key] = {} if one is None else {rule.id: (one, rule) for rule in one.rules}
        return self.written[key]


def records(
    verdicts: Iterable[Verdict], *, choice: Choice = ALL, constitutions: Collection[Constitution] = ()
) -> Records:
    """What a page tells of the verdicts that are chosen; of more than 200,000, the worst.

    Rules have their text, category, severity and thresholds from `constitutions`, as far as the verdicts are by one of
    them, unchanged. Else a rule's category and severity are known only where it was violated.
    """
    overview = Overview()
    tables = _Tables(constitutions)
    kept: list[tuple[tuple[float, ...], str, Subject]] = []
    chosen = 0
    for number, verdict in enumerate(verdicts):
        overview.add(verdict)
        if not choice.takes(verdict):
            continue
        chosen += 1
        score = image_score(verdict)
        kept.append(((*_badness(verdict, score), number), _row(verdict, score, tables), _subject(verdict, tables)))
        if len(kept) >= 1.25 * MOST:
            kept = nsmallest(MOST, kept)
    kept = nsmallest(MOST, kept)
    sources = [dict(zip(("model", "constitution", "method"), each, strict=True)) for each in tables.sources]
    return Records(
        rows=[row for _, row, _ in kept],
        subjects=[subject for *_, subject in kept],
        sources=sources,
        rules=tables.told,
        overview=overview,
        left_out=chosen - len(kept),
    )


def _badness(verdict: Verdict, score: float | None) -> tuple[float, ...]:
    """Sorts the worst first: by outcome, severity, score; what a baseline accepts right before the safe."""
    rank: float = OUTCOMES.index(verdict.verdict)
    if verdict.verdict is not Outcome.SAFE and settled(verdict):
        rank = OUTCOMES.index(Outcome.SAFE) - 0.5
    severity = max((each.severity.rank for each in verdict.violations if not each.accepted), default=0)
    return rank, -severity, -(score or 0.0)


def _subject(verdict: Verdict, tables: _Tables) -> Subject:
    frames = (verdict.settings or {}).get("frames", _DEFAULT_FRAMES)
    wanted = frames if isinstance(frames, int) and 0 < frames <= 64 else _DEFAULT_FRAMES
    return Subject(verdict.path, verdict.sha256, verdict.frame or 0, wanted, tables.source(verdict))


def _row(verdict: Verdict, score: float | None, tables: _Tables) -> str:
    facts = verdict.image
    row = [
        verdict.path,
        verdict.sha256,
        OUTCOMES.index(verdict.verdict),
        None if score is None else round(score, _DIGITS),
        tables.source(verdict),
        verdict.rationale if verdict.error is None else f"{verdict.error.kind}: {verdict.error.message}",
        None if facts is None else [facts.width, facts.height, facts.format, facts.frames],
        verdict.frame,
        [_rule(verdict, result, tables) for result in verdict.rules],
    ]
    return json.dumps(row, separators=(",", ":"))


def _rule(verdict: Verdict, result: RuleResult, tables: _Tables) -> list[Any]:
    """Its place among the rules, its status, its steps; then 1 where a baseline accepts it, the regions in the frame
    that is shown, what its probe gives it where it was left to that, and which other frame it is of, as far as there
    are any."""
    row: list[Any] = [
        tables.rule(verdict, result),
        STATUSES.index(result.status),
        [_step(step) for step in result.steps],
        1 if result.accepted else None,
        [_region(region, result.steps) for region in located(verdict, result)] or None,
        _rounded(result.probe.p) if result.by and result.probe else None,
        None if is_of_its_frame(verdict, result) else where(result.frame, result.time),
    ]
    while row[-1] is None:
        row.pop()
    return row


def _region(region: Region, steps: Sequence[Step]) -> list[float]:
    """The place of its statement among the steps, -1 where there is none, and its sides."""
    asks = [step.ask for step in steps]
    sides = (region.left, region.top, region.right, region.bottom)
    return [asks.index(region.ask) if region.ask in asks else -1, *(round(side, _DIGITS) for side in sides)]


def _step(step: Step) -> list[Any] | int:
    """0 when it was not asked; a probability of -1 means that the model said neither Yes nor No."""
    if step.status is StepStatus.NOT_ASKED:
        return 0
    p_yes = -1 if unmeasured(step) else _rounded(step.p_yes)
    by = None if step.by is None else WAYS.index(step.by)
    row = [STEP_STATUSES.index(step.status), by, p_yes, _rounded(step.prior), _rounded(step.centric), step.rationale]
    while row[-1] is None:
        row.pop()
    return row


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _judged_by(constitution: Constitution, ids: Set[str]) -> Constitution | None:
    """The constitution with the rules that a verdict tells of, which a choice of rules may have been."""
    if not ids or not ids <= {rule.id for rule in constitution.rules if rule.enabled}:
        return None
    chosen = select_rules(constitution, sorted(ids))
    return chosen if {rule.id for rule in chosen.rules} == ids else None
