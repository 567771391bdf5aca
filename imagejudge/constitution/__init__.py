"""Constitutions: rules as an AND of ORs of plain statements, their TOML files, and advice on writing them."""

from imagejudge.constitution.file import load, parse
from imagejudge.constitution.folder import find, shipped
from imagejudge.constitution.remarks import Remark, lint
from imagejudge.constitution.rules import Constitution, Precondition, Rule, Severity, Statement, Thresholds, select

__all__ = [
    "Constitution",
    "Precondition",
    "Remark",
    "Rule",
    "Severity",
    "Statement",
    "Thresholds",
    "find",
    "lint",
    "load",
    "parse",
    "select",
    "shipped",
]
