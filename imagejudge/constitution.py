"""A constitution: rules as an AND of ORs of plain statements, read from a TOML file.

Knows nothing of models or images.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How much a violation matters to the user."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When arithmetic alone decides; the defaults are those of arXiv 2501.00192, each in (0, 1)."""

    unsatisfied: float = 0.3
    satisfied: float = 0.8
    centric: float = 0.6


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that is visible or not, asked of the model on its own."""

    ask: str
    objects: tuple[str, ...] = ()
    """What the statement is about, for the centric step; empty means that the step is left out."""


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


@dataclass(frozen=True, slots=True)
class Constitution:
    """Named, versioned rules with the thresholds they are judged by."""

    name: str
    version: str
    rules: tuple[Rule, ...]
    description: str = ""
    thresholds: Thresholds = field(default_factory=Thresholds)
