"""Counts, and what counts as found."""

from __future__ import annotations

import pytest

from imagejudge.constitution import Severity
from imagejudge.output.stats import FailOn, Stats
from imagejudge.verdict import Outcome, RuleResult, RuleStatus, Verdict, Violation


def verdict(outcome: Outcome, *severities: Severity, accepted: bool = False, doubt: bool | None = None) -> Verdict:
    violations = tuple(Violation(rule=s, category="", severity=s, rationale="", accepted=accepted) for s in severities)
    violated = [RuleResult(rule=s, status=RuleStatus.VIOLATED, steps=(), accepted=accepted) for s in severities]
    undecided = [RuleResult(rule="doubt", status=RuleStatus.UNSURE, steps=(), accepted=bool(doubt))]
    return Verdict(
        path="a.png",
        sha256=None,
        verdict=outcome,
        rationale="",
        violations=violations,
        rules=(*violated, *(undecided if doubt is not None else [])),
        model="m",
        constitution="c",
        method="clue",
        imagejudge="0",
    )


UNSURE = verdict(Outcome.UNSURE, doubt=False)
LOW, MIXED = verdict(Outcome.UNSAFE, Severity.LOW), verdict(Outcome.UNSAFE, Severity.LOW, Severity.HIGH)


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (verdict(Outcome.SAFE), []),
        (verdict(Outcome.ERROR), []),
        (UNSURE, [FailOn.UNSURE]),
        (LOW, [FailOn.UNSURE, FailOn.UNSAFE]),
        (verdict(Outcome.UNSAFE, Severity.MEDIUM), [FailOn.UNSURE, FailOn.UNSAFE, FailOn.MEDIUM]),
        (MIXED, list(FailOn)),
        (verdict(Outcome.UNSAFE, Severity.HIGH, accepted=True), []),
        (verdict(Outcome.UNSAFE, Severity.HIGH, accepted=True, doubt=False), [FailOn.UNSURE]),
        (verdict(Outcome.UNSURE, doubt=True), []),
    ],
)
def test_the_least_that_counts(seen: Verdict, found: list[FailOn]) -> None:
    stats = Stats()
    stats.add(seen)
    assert [level for level in FailOn if stats.found(level)] == found


def test_counts() -> None:
    stats = Stats()
    for seen in (UNSURE, LOW, MIXED, LOW):
        stats.add(seen)
    assert stats.images == 4
    assert stats.outcomes == {Outcome.UNSURE: 1, Outcome.UNSAFE: 3}
    assert stats.rules["low", RuleStatus.VIOLATED] == 3
    assert not stats.accepted


def test_accepted_findings_are_counted_apart() -> None:
    stats = Stats()
    stats.add(verdict(Outcome.UNSAFE, Severity.LOW, Severity.HIGH, accepted=True, doubt=True))
    stats.add(verdict(Outcome.UNSAFE, Severity.LOW, accepted=True, doubt=False))
    stats.add(verdict(Outcome.UNSURE, doubt=True))
    stats.add(verdict(Outcome.SAFE))
    assert stats.accepted == {Outcome.UNSAFE: 1, Outcome.UNSURE: 1}, "one is left undecided"
    assert stats.outcomes == {Outcome.UNSAFE: 2, Outcome.UNSURE: 1, Outcome.SAFE: 1}
