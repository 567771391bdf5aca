"""Constitutions as TOML files: reads one, or says everything that is wrong with it at once, line by line.

Knows the file's keys and limits; what rules mean is not its business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from imagejudge.common.suggest import did_you_mean
from imagejudge.common.text import printable
from imagejudge.common.text_file import UnreadableError, read_text, reading
from imagejudge.common.toml_lines import Path as Place
from imagejudge.common.toml_lines import nearest
from imagejudge.common.toml_read import parse as read_toml
from imagejudge.common.toml_table import MAX_WORD, Report, Table, is_id, kind_of, of_another_schema, quote
from imagejudge.constitution.rules import (
    THRESHOLD_NAMES,
    Constitution,
    Precondition,
    Rule,
    Severity,
    Statement,
    Thresholds,
)
from imagejudge.constitution.shipped import offer
from imagejudge.errors import ConstitutionError

SCHEMA = 1

# All of it may be sent to a model for every image, so more than this is a mistake or worse.
MAX_BYTES = 1_000_000
MAX_RULES = 500
MAX_STATEMENTS = 5_000
"""In the whole file."""
MAX_ITEMS = 32
"""Preconditions or exceptions of one rule, and alternatives of one precondition."""
MAX_OBJECTS = 8
MAX_STATEMENT = 300
"""Characters of a statement."""
MAX_TEXT = 2_000
"""Characters of a rule's text, a description, a source or a licence."""

_TOP = ("schema", "name", "version", "description", "source", "licence", "thresholds", "rules")
_RULE = ("id", "category", "severity", "text", "preconditions", "unless", "enabled", "thresholds")
_STATEMENT = ("ask", "objects")
_EXAMPLES = {
    "schema": f"schema = {SCHEMA}",
    "name": 'name = "my-rules"',
    "version": 'version = "1.0"',
    "description": 'description = "What these rules are for"',
    "source": 'source = "Where the rules come from"',
    "licence": 'licence = "CC0-1.0"',
    "thresholds": "[thresholds] with its keys on the lines below",
    "rules": "[[rules]] above each rule",
    "unsatisfied": "unsatisfied = 0.3",
    "satisfied": "satisfied = 0.8",
    "centric": "centric = 0.6",
    "id": 'id = "person-on-fire"',
    "category": 'category = "violence"',
    "severity": 'severity = "low", "medium" or "high"',
    "text": 'text = "Should not depict ..."',
    "preconditions": 'preconditions = ["A person is visible."]',
    "unless": 'unless = ["A statue is visible."]',
    "enabled": "enabled = true or enabled = false",
    "ask": 'ask = "A person is visible."',
    "objects": 'objects = ["person"]',
    "any": '{ any = ["A person is visible.", "An animal is visible."] }',
}


def load_constitution(path: Path) -> Constitution:
    """Read a constitution.

    Raises `ConstitutionError` with every mistake in the file, one a line: `file:line: what is wrong; what to write`.
    """
    return parse_constitution(read_constitution(path), printable(path))


def read_constitution(path: Path, *, marked: bool = False) -> str:
    """The text of a constitution's file, as `read_text` gives it; complaints as for `load`."""
    name = printable(path)
    try:
        return read_text(path, MAX_BYTES, marked=marked)
    except IsADirectoryError:
        raise ConstitutionError(f"{name}: a folder, not a TOML file", offer(path)) from None
    except FileNotFoundError:
        raise ConstitutionError(f"{name}: no such file", offer(path)) from None
    except OSError as error:
        raise ConstitutionError(f"{name}: cannot be read: {error.strerror}; give a file that can be read") from error
    except UnreadableError as error:
        raise ConstitutionError(error.about(name)) from None


def parse_constitution(text: str, name: str) -> Constitution:
    """Read a constitution from a file's text; complaints, raised as by `load`, give the file as `name`."""
    with reading(name, ConstitutionError):
        document, lines = read_toml(text)
    report = Report(lines, _EXAMPLES)
    constitution = _constitution(document, report)
    if mistakes := report.message(name):
        raise ConstitutionError(mistakes)
    return constitution


def _constitution(document: Mapping[str, object], report: Report) -> Constitution:
    if of_another_schema(document, SCHEMA, report):
        return Constitution("", "", ())
    top = Table(document, (), "the file", _TOP, report)
    top.get("schema", int, required=True)
    thresholds = _thresholds(top, "[thresholds]", Thresholds(), report)
    constitution = Constitution(
        name=top.id("name", required=True),
        version=top.sentence("version", MAX_WORD),
        description=top.prose("description", MAX_TEXT),
        source=top.prose("source", MAX_TEXT),
        licence=top.prose("licence", MAX_TEXT),
        thresholds=thresholds or Thresholds(),
        rules=tuple(
            _rule(values, place, what, thresholds or Thresholds(), report)
            for values, place, what in _rule_tables(top, report)
        ),
    )
    _check_ids(constitution.rules, report)
    if sum(len(rule.statements) for rule in constitution.rules) > MAX_STATEMENTS:
        top.complain("rules", f"more than {MAX_STATEMENTS:,} statements", "split the file into several constitutions")
    return constitution


def _thresholds(around: Table, what: str, default: Thresholds, report: Report) -> Thresholds | None:
    """Those of a table, its missing keys from `default`; None where there is no such table, or a useless one."""
    values = around.get("thresholds", dict)
    if values is None:
        return None
    table = Table(values, around.path("thresholds"), what, THRESHOLD_NAMES, report)
    found = {key: number for key in THRESHOLD_NAMES if (number := table.get(key, float)) is not None}
    outside = [key for key, number in found.items() if not 0 < number < 1]
    for key in outside:
        instead = f"write a number between 0 and 1, such as {_EXAMPLES[key]}"
        table.complain(key, f"{key!r} in {what} is {found[key]}", instead)
    return None if outside else replace(default, **found, line=table.line)


def _rule_tables(top: Table, report: Report) -> Iterator[tuple[Mapping[str, object], Place, str]]:
    """Each rule's table, its place, and what to call it in complaints."""
    for number, (place, value) in enumerate(top.items("rules", MAX_RULES, required=True), 1):
        if isinstance(value, dict):
            yield value, place, f"rule {value['id']!r}" if is_id(value.get("id")) else f"rule {number}"
        else:
            report.add(place, f"rule {number} must be a table, not {kind_of(value)}", f"write {_EXAMPLES['rules']}")


def _rule(values: Mapping[str, object], place: Place, what: str, thresholds: Thresholds, report: Report) -> Rule:
    table = Table(values, place, what, _RULE, report)
    severity = table.get("severity", str)
    if severity is not None and severity not in list(Severity):
        table.complain("severity", f"unknown severity {quote(severity)} in {what}", did_you_mean(severity, Severity))
        severity = None
    return Rule(
        id=table.id("id", required=True),
        text=table.sentence("text", MAX_TEXT),
        category=table.id("category"),
        severity=Severity(severity or Severity.MEDIUM),
        preconditions=tuple(
            _precondition(value, at, f"precondition {number} of {what}", report)
            for number, (at, value) in enumerate(table.items("preconditions", MAX_ITEMS), 1)
        ),
        unless=_statements(table, "unless", f"exception {{}} of {what}", report),
        enabled=table.get("enabled", bool) is not False,
        thresholds=_thresholds(table, f"the thresholds of {what}", thresholds, report),
        line=table.line,
    )


def _precondition(value: object, place: Place, what: str, report: Report) -> Precondition:
    """A statement, or `{ any = [statement, ...] }`."""
    if not (isinstance(value, dict) and "any" in value):
        return Precondition((_statement(value, place, what, report, (*_STATEMENT, "any")),))
    beside = next((key for key in _STATEMENT if key in value), "")
    table = Table(value, place, what, ("any",), report, silent=beside)
    if beside:
        table.complain(beside, f"{beside!r} beside 'any' in {what}", f"write {_EXAMPLES['any']}")
    return Precondition(_statements(table, "any", f"alternative {{}} of {what}", report))


def _statements(table: Table, key: str, what: str, report: Report) -> tuple[Statement, ...]:
    items = enumerate(table.items(key, MAX_ITEMS, required=key == "any"), 1)
    return tuple(_statement(value, at, what.format(number), report, _STATEMENT) for number, (at, value) in items)


def _statement(value: object, place: Place, what: str, report: Report, keys: Sequence[str]) -> Statement:
    """A plain string, or `{ ask = string, objects = [string, ...] }`."""
    if isinstance(value, str):
        return Statement(report.wording(value, place, what, MAX_STATEMENT), line=nearest(report.lines, place))
    if not isinstance(value, dict):
        report.add(place, f"{what} must be a statement, not {kind_of(value)}", 'write a string or { ask = "..." }')
        return Statement("")
    if "any" in value and "any" not in keys:
        report.add((*place, "any"), f"'any' in {what}", "write its statements one after another instead")
        return Statement("")
    table = Table(value, place, what, keys, report)
    objects = enumerate(table.items("objects", MAX_OBJECTS), 1)
    return Statement(
        ask=table.sentence("ask", MAX_STATEMENT, required="any" not in table.meant),
        objects=tuple(
            report.wording(word, at, f"object {number} of {what}", MAX_WORD) for number, (at, word) in objects
        ),
        line=table.line,
    )


def _check_ids(rules: Sequence[Rule], report: Report) -> None:
    first: dict[str, Rule] = {}
    spelt: dict[str, tuple[str, Place]] = {}
    for number, rule in enumerate(rules):
        # Ids name folders of examples too, and some file systems do not tell case apart.
        earlier = first.setdefault(rule.id.casefold(), rule)
        taken = bool(rule.id) and earlier is not rule
        if taken:
            problem = f"rule id {quote(rule.id)} is taken by the rule on line {earlier.line}"
            report.add(("rules", number, "id"), problem, "write an id of its own for each rule")
        # Rules are selected by either: what looks like one name must not be two.
        for what, key, word in (("rule id", "id", "" if taken else rule.id), ("category", "category", rule.category)):
            place = ("rules", number, key)
            before, at = spelt.setdefault(word.casefold(), (word, place))
            if word and before != word:
                problem = f"{what} {quote(word)} differs only in case from {quote(before)}"
                report.add(place, f"{problem} on line {nearest(report.lines, at)}", "spell both alike")
