"""Constitutions: rules as an AND of ORs of plain statements, their TOML files, and advice on writing them."""

from imagejudge.constitution.file import load_constitution, parse_constitution
from imagejudge.constitution.lint import Remark, lint_constitution
from imagejudge.constitution.rules import (
    THRESHOLD_NAMES,
    Constitution,
    Precondition,
    Rule,
    Severity,
    Statement,
    Thresholds,
    rule_digest,
    select_rules,
)
from imagejudge.constitution.shipped import find_constitution, shipped_constitutions

__all__ = [
    "THRESHOLD_NAMES",
    "Constitution",
    "Precondition",
    "Remark",
    "Rule",
    "Severity",
    "Statement",
    "Thresholds",
    "find_constitution",
    "lint_constitution",
    "load_constitution",
    "parse_constitution",
    "rule_digest",
    "select_rules",
    "shipped_constitutions",
]
