"""What changed from one constitution to another, rule by rule and line by line.

Knows thresholds and rules and nothing else: descriptions, comments and the order of rules are no difference. It never
sees a file, and how a difference looks on a screen is not its business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from imagejudge.constitution.rules import THRESHOLD_NAMES, Constitution, Precondition, Rule, Statement, Thresholds


class Mark(StrEnum):
    """Where a line stands: in both constitutions, or in one of them."""

    BOTH = " "
    OLD = "-"
    NEW = "+"


@dataclass(frozen=True, slots=True)
class Line:
    """One fact about a rule, or about the thresholds: what it says of what."""

    label: str
    """The key of a value; for statements `if`, `or`, `and` or `unless`."""
    words: str
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one rule or of the thresholds."""

    name: str
    """The rule's id, or `thresholds`."""
    mark: Mark
    """Whether it is in one constitution only."""
    lines: tuple[tuple[Mark, Line], ...]
    """What is in one constitution only; where a chain changed, all of it."""
    disabled: bool = False
    """Whether neither constitution judges by the rule, so that no verdict depends on the change."""


def compare(old: Constitution, new: Constitution) -> tuple[Change, ...]:
    """Every difference in thresholds and rules: the digests differ if, and only if, not all are of disabled rules."""
    return (*_thresholds(old.thresholds, new.thresholds), *_rules(old, new))


def _thresholds(old: Thresholds, new: Thresholds) -> Iterator[Change]:
    lines = _compared(_limits(old), _limits(new))
    if _differ(lines):
        yield Change("thresholds", Mark.BOTH, _without_both(lines))


def _limits(thresholds: Thresholds) -> list[Line]:
    return [Line(name, str(getattr(thresholds, name))) for name in THRESHOLD_NAMES]


def _rules(old: Constitution, new: Constitution) -> Iterator[Change]:
    """In the order of `old`, then what is new."""
    olds, news = ({rule.id: rule for rule in each.rules} for each in (old, new))
    for rule in old.rules:
        if rule.id not in news:
            yield _whole(rule, old, Mark.OLD)
            continue
        values = _compared(_values(rule, old), _values(news[rule.id], new))
        chain = _compared(_chain(rule), _chain(news[rule.id]))
        # A statement says little without its neighbours: whether it is an alternative is told by the line above.
        if lines := (*_without_both(values), *(chain if _differ(chain) else ())):
            yield Change(rule.id, Mark.BOTH, lines, disabled=not (rule.enabled or news[rule.id].enabled))
    for rule in new.rules:
        if rule.id not in olds:
            yield _whole(rule, new, Mark.NEW)


def _whole(rule: Rule, constitution: Constitution, mark: Mark) -> Change:
    lines = (*_values(rule, constitution), *_chain(rule))
    return Change(rule.id, mark, tuple((mark, line) for line in lines), disabled=not rule.enabled)


def _values(rule: Rule, constitution: Constitution) -> list[Line]:
    lines = [Line("text", rule.text), Line("severity", rule.severity)]
    if rule.category:
        lines.append(Line("category", rule.category))
    if not rule.enabled:
        lines.append(Line("enabled", "false"))
    usual = _limits(constitution.thresholds)
    return [*lines, *(line for line in _limits(constitution.thresholds_of(rule)) if line not in usual)]


def _chain(rule: Rule) -> list[Line]:
    """A line for each statement, its label saying how it is joined to those before."""
    lines: list[Line] = []
    for item in rule.preconditions:
        lines += _alternatives("and" if lines else "if", item)
    return [*lines, *(_line("unless", statement) for statement in rule.unless)]


def _alternatives(joint: str, item: Precondition) -> Iterator[Line]:
    for statement in item.any:
        yield _line(joint, statement)
        joint = "or"


def _line(label: str, statement: Statement) -> Line:
    return Line(label, statement.ask, statement.objects)


def _compared(old: Sequence[Line], new: Sequence[Line]) -> list[tuple[Mark, Line]]:
    """As many lines as can be are in both. Takes the product of their numbers in time, whatever they say; `difflib`
    takes the cube where lines repeat.
    """
    left = _in_both(old, new)
    marked: list[tuple[Mark, Line]] = []
    at, other = 0, 0
    while at < len(old) or other < len(new):
        if at < len(old) and other < len(new) and old[at] == new[other]:
            marked.append((Mark.BOTH, old[at]))
            at, other = at + 1, other + 1
        elif other == len(new) or (at < len(old) and left[at + 1][other] >= left[at][other + 1]):
            marked.append((Mark.OLD, old[at]))
            at += 1
        else:
            marked.append((Mark.NEW, new[other]))
            other += 1
    return marked


def _in_both(old: Sequence[Line], new: Sequence[Line]) -> list[list[int]]:
    """By a place in each: how many lines from there on can be in both, in one order."""
    rows = [[0] * (len(new) + 1)]
    for line in reversed(old):
        below, row = rows[-1], [0]
        for place in range(len(new) - 1, -1, -1):
            row.append(below[place + 1] + 1 if line == new[place] else max(below[place], row[-1]))
        rows.append(row[::-1])
    return rows[::-1]


def _differ(lines: Sequence[tuple[Mark, Line]]) -> bool:
    return any(mark is not Mark.BOTH for mark, _ in lines)


def _without_both(lines: Sequence[tuple[Mark, Line]]) -> tuple[tuple[Mark, Line], ...]:
    return tuple((mark, line) for mark, line in lines if mark is not Mark.BOTH)
