"""The rules as far as verdict lines tell of them, for formats that name rules where no constitution is at hand."""

from __future__ import annotations

from collections.abc import Iterable

from imagejudge.constitution import Constitution, Precondition, Rule, Severity, Statement
from imagejudge.verdict import RuleResult, RuleStatus, Step, Verdict

MIXED = "mixed"
"""The name where lines are of several constitutions."""


def recalled(verdicts: Iterable[Verdict]) -> Constitution:
    """Every rule of some verdicts, in the order in which they come up, with its statements.

    Lines tell category and severity of a rule where it is violated: one that never is has none, and medium severity.
    They do not tell its text, of which the id takes the place.
    """
    names: set[str] = set()
    results: dict[str, RuleResult] = {}
    facts: dict[str, tuple[str, Severity]] = {}
    for verdict in verdicts:
        if len(names) < 2:
            names.add(verdict.constitution.partition("@")[0])
        for result in verdict.rules:
            results.setdefault(result.rule, result)
        for violation in verdict.violations:
            facts.setdefault(violation.rule, (violation.category, violation.severity))
            results.setdefault(violation.rule, RuleResult(rule=violation.rule, status=RuleStatus.VIOLATED, steps=()))
    name = names.pop() if len(names) == 1 else MIXED
    return Constitution(name, "", tuple(_rule(result, *facts.get(id_, ())) for id_, result in results.items()))


def _rule(result: RuleResult, category: str = "", severity: Severity = Severity.MEDIUM) -> Rule:
    items: dict[int, list[Statement]] = {}
    for step in result.steps:
        if step.item is not None:
            items.setdefault(step.item, []).append(_statement(step))
    return Rule(
        result.rule,
        result.rule,
        category,
        severity,
        tuple(Precondition(tuple(statements)) for _, statements in sorted(items.items())),
        tuple(_statement(step) for step in result.steps if step.item is None),
    )


def _statement(step: Step) -> Statement:
    return Statement(step.ask)
