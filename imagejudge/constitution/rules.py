"""A constitution: rules as an AND of ORs of plain statements, its digest, and a choice among its rules.

Knows nothing of models or images, nor of how constitutions are written in files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from imagejudge.common.suggest import did_you_mean
from imagejudge.errors import UsageError


class Severity(StrEnum):
    """How much a violation matters to the user."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """The more it matters, the higher; from 1."""
        return _RANKS[self]


_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity, 1)}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When arithmetic alone decides; the defaults are those of arXiv 2501.00192, each in (0, 1)."""

    unsatisfied: float = 0.3
    satisfied: float = 0.8
    centric: float = 0.6
    line: int | None = field(default=None, compare=False, repr=False)
    """Where the file sets them, counted from 1; so too below. None: not from a file, or left at the defaults."""


THRESHOLD_NAMES: Final = ("unsatisfied", "satisfied", "centric")
"""What a file calls them, as `Thresholds` does."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that is visible or not, asked of the model on its own."""

    ask: str
    objects: tuple[str, ...] = ()
    """What the statement is about, for the centric step; empty means that the step is left out."""
    line: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Precondition:
    """Holds when at least one of its statements does."""

    any: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """Violated when every precondition holds and no exception does."""

    id: str
    text: str
    category: str = ""
    severity: Severity = Severity.MEDIUM
    preconditions: tuple[Precondition, ...] = ()
    """Empty: the rule is asked whole, from its text."""
    unless: tuple[Statement, ...] = ()
    enabled: bool = True
    thresholds: Thresholds | None = None
    """Its own; None: those of the constitution."""
    line: int | None = field(default=None, compare=False, repr=False)

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Every statement, those of the preconditions first, then the exceptions."""
        return (*(statement for precondition in self.preconditions for statement in precondition.any), *self.unless)


@dataclass(frozen=True, slots=True)
class Constitution:
    """Named, versioned rules with the thresholds they are judged by."""

    name: str
    version: str
    rules: tuple[Rule, ...]
    description: str = ""
    thresholds: Thresholds = field(default_factory=Thresholds)
    """For every rule that has none of its own."""
    source: str = ""
    """Where the rules were taken from."""
    licence: str = ""
    """What the source allows."""
    digest: str = field(init=False, compare=False, repr=False)
    """SHA-256 in hex over all that verdicts depend on.

    Names, descriptions, disabled rules, the order of rules, and how the file spells it all do not count.
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", _digest(self))

    def __hash__(self) -> int:
        """Of the digest, since going over all rules each time would take longer than what is looked up by it."""
        return hash(self.digest)

    @property
    def label(self) -> str:
        """Name and the start of the digest, as verdicts carry it: `stickers@77b0c1a2d3e4`."""
        return f"{self.name}@{self.digest[:12]}"

    @property
    def rule_names(self) -> list[str]:
        """What its rules can be named by, sorted: ids and categories, also of rules that are disabled."""
        return sorted({name for rule in self.rules for name in (rule.id, rule.category) if name})

    def thresholds_of(self, rule: Rule) -> Thresholds:
        """Those that a rule is judged by."""
        return rule.thresholds or self.thresholds


def select_rules(constitution: Constitution, chosen: Sequence[str] = (), ignored: Sequence[str] = ()) -> Constitution:
    """Keep the enabled rules whose id or category is chosen (none chosen: all) and not ignored.

    Raises `UsageError` for a name that is neither, for a disabled rule chosen by its id, and when no rule is left.
    """
    for name in (*chosen, *ignored):
        _check_known(name, constitution.rule_names)
    for rule in constitution.rules:
        if rule.id in chosen and not rule.enabled:
            raise UsageError(f"rule {rule.id!r} is disabled", "remove 'enabled = false' from the constitution")
    rules = tuple(
        rule
        for rule in constitution.rules
        if rule.enabled and (not chosen or _named(rule, chosen)) and not _named(rule, ignored)
    )
    if not rules:
        raise UsageError(f"no rule of {constitution.name!r} is left to judge by", "select more rules or ignore fewer")
    return replace(constitution, rules=rules)


def _named(rule: Rule, names: Sequence[str]) -> bool:
    return rule.id in names or bool(rule.category and rule.category in names)


def _check_known(name: str, known: Collection[str]) -> None:
    if name not in known:
        raise UsageError(
            f"no rule or category is called {name!r}", did_you_mean(name, known, f"there are: {', '.join(known)}")
        )


def rule_digest(constitution: Constitution, rule: Rule) -> str:
    """SHA-256 in hex over all that decides whether one rule is violated: other rules and its severity do not count."""
    meaning = {"text": rule.text, **_conditions(rule), "thresholds": _numbers(constitution.thresholds_of(rule))}
    return _sha256(meaning)


def _digest(constitution: Constitution) -> str:
    rules = [_rule_meaning(rule) | _own_thresholds(constitution, rule) for rule in constitution.rules if rule.enabled]
    meaning = {
        "thresholds": _numbers(constitution.thresholds),
        "rules": sorted(rules, key=lambda rule: str(rule["id"])),
    }
    return _sha256(meaning)


def _sha256(meaning: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(meaning, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _numbers(thresholds: Thresholds) -> list[float]:
    return [thresholds.unsatisfied, thresholds.satisfied, thresholds.centric]


def _own_thresholds(constitution: Constitution, rule: Rule) -> dict[str, list[float]]:
    """Nothing where they make no difference: a rule that spells out the constitution's is judged as before."""
    own = constitution.thresholds_of(rule)
    return {} if own == constitution.thresholds else {"thresholds": _numbers(own)}


def _rule_meaning(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "category": rule.category,
        "severity": rule.severity,
        "text": rule.text,
        **_conditions(rule),
        "enabled": rule.enabled,
    }


def _conditions(rule: Rule) -> dict[str, Any]:
    return {
        "preconditions": [_meanings(precondition.any) for precondition in rule.preconditions],
        "unless": _meanings(rule.unless),
    }


def _meanings(statements: Iterable[Statement]) -> list[Any]:
    return [[statement.ask, statement.objects] for statement in statements]
