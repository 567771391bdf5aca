"""Accepted findings: which rule may find something in which image, known by its bytes, and why. A file for review.

Knows the file and the mark in the verdict; that accepted findings do not count is `stats`' business.
"""

from __future__ import annotations

import datetime
import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from imagejudge.common.atomic_write import write_atomically
from imagejudge.common.existing import exists
from imagejudge.common.text import printable
from imagejudge.common.text_file import read_text, reading
from imagejudge.common.toml_read import parse as read_toml
from imagejudge.common.toml_table import Report, Table, kind_of, of_another_schema, quote
from imagejudge.errors import OutputError, UsageError
from imagejudge.output.decisions import Decisions
from imagejudge.verdict import Outcome, RuleStatus, Verdict

DEFAULT = Path(".imagejudge-baseline.toml")
SCHEMA = 1

_HEAD = f"""# Findings of imagejudge that someone looked at and accepted: they stay in the verdicts but fail no scan.
# `imagejudge baseline add` adds entries. Write reasons and comments as you like, and delete what is not needed.
schema = {SCHEMA}
"""
_MAX_BYTES = 100_000_000
_MAX_ENTRIES = 1_000_000
_MAX_TEXT = 2_000
"""Characters of a reason."""
_MAX_PATH = 10_000
_TOP = ("schema", "accepted")
_ENTRY = ("sha256", "rule", "reason", "date", "path")
_EXAMPLES = {
    "schema": f"schema = {SCHEMA}",
    "accepted": "[[accepted]] above each entry",
    "sha256": 'sha256 = "..." with the 64 digits of the verdict',
    "rule": 'rule = "no-faces"',
    "reason": 'reason = "A drawing, not a person"',
    "date": "date = 2026-11-21",
    "path": 'path = "icons/face.png"',
}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FOUND = (RuleStatus.VIOLATED, RuleStatus.UNSURE)

Key = tuple[str, str]
"""SHA-256 of an image, and a rule's id."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule accepted in one image."""

    sha256: str
    rule: str
    reason: str = ""
    date: datetime.date | None = None
    path: str = ""
    """Where the image was when it was accepted: only a hint for readers."""
    line: int = 1

    @property
    def key(self) -> Key:
        """What makes two entries the same."""
        return self.sha256, self.rule


@dataclass(frozen=True, slots=True)
class Unused:
    """An entry that nothing needs any more."""

    entry: Entry
    why: str


class Baseline:
    """The entries of one file."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = tuple(entries)
        self._keys = {entry.key for entry in self.entries}

    def __contains__(self, key: Key) -> bool:
        return key in self._keys

    def mark(self, verdict: Verdict) -> Verdict:
        """The verdict with its accepted findings marked, and no others. What it says of the image stays."""
        rules = {
            result.rule
            for result in verdict.rules
            if (verdict.sha256, result.rule) in self._keys and result.status in _FOUND
        }
        if rules == {result.rule for result in verdict.rules if result.accepted}:
            return verdict
        return verdict.model_copy(
            update={
                "violations": tuple(_marked(violation, rules) for violation in verdict.violations),
                "rules": tuple(_marked(result, rules) for result in verdict.rules),
            }
        )

    def unused(self, verdicts: Iterable[Verdict]) -> list[Unused]:
        """The entries that match nothing among the verdicts of everything there is."""
        judged: set[str] = set()
        needed: set[Key] = set()
        for verdict in verdicts:
            if verdict.sha256 is None or verdict.verdict is Outcome.ERROR:
                continue
            judged.add(verdict.sha256)
            needed.update((verdict.sha256, result.rule) for result in verdict.rules if result.status in _FOUND)
        failed = "the rule finds nothing in this image any more", "no image with these bytes was judged"
        return [Unused(entry, failed[entry.sha256 not in judged]) for entry in self.entries if entry.key not in needed]


def _marked(row: Any, rules: Collection[str]) -> Any:
    return row.model_copy(update={"accepted": row.rule in rules})


def accept(
    verdicts: Iterable[Verdict],
    known: Baseline,
    *,
    reason: str,
    today: datetime.date,
    rules: Collection[str] = (),
    unsure: bool = False,
    decisions: Decisions | None = None,
) -> list[Entry]:
    """New entries for all that is violated (and undecided, if `unsure`), of these rules only where some are named.

    With decisions, only for what people say is not there; what they noted is the reason then.
    """
    wanted = _FOUND if unsure else (RuleStatus.VIOLATED,)
    new: dict[Key, Entry] = {}
    for verdict in verdicts:
        for result in verdict.rules:
            if verdict.sha256 is None or result.status not in wanted or (rules and result.rule not in rules):
                continue
            why = reason
            if decisions is not None:
                note = decisions.refuted(verdict, result.rule)
                if note is None:
                    continue
                why = printable(note) or reason
            entry = Entry(verdict.sha256, result.rule, why[:_MAX_TEXT], today, printable(verdict.path)[:_MAX_PATH])
            if entry.key not in known:
                new.setdefault(entry.key, entry)
    return list(new.values())


def load_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises `UsageError` with every mistake in the file, one a line: `file:line: what is wrong; what to write`.
    """
    return Baseline(_parse(_text(path), printable(path)))


def add(path: Path, entries: Sequence[Entry]) -> None:
    """Write entries into a file, made if need be, each before the first one that sorts behind it.

    All that stands in the file stays as it is, comments too. Raises `OutputError` when the file cannot be written.
    """
    text = _text(path) if exists(path) else _HEAD
    held = _parse(text, printable(path))
    new = _inserted(text, held, entries)
    if _keys(new) != {entry.key for entry in (*held, *entries)}:
        raise OutputError(f"{printable(path)} is written in a way that cannot be added to", _EXAMPLES["accepted"])
    write_atomically(path, new, "name another with -b")


def _keys(text: str) -> set[Key] | None:
    """What a file would say; None when it could not be read."""
    try:
        return {entry.key for entry in _parse(text, "")}
    except UsageError:
        return None


def _text(path: Path) -> str:
    name = printable(path)
    hint = f"check the name, or begin it with the line `schema = {SCHEMA}`: `imagejudge baseline add` adds to it"
    with reading(name, UsageError, hint, problem=f"the baseline {name} cannot be read"):
        return read_text(path, _MAX_BYTES)


def _parse(text: str, name: str) -> list[Entry]:
    with reading(name, UsageError):
        document, lines = read_toml(text)
    report = Report(lines, _EXAMPLES)
    entries = list(_entries(document, report))
    if mistakes := report.message(name):
        raise UsageError(mistakes)
    return entries


def _entries(document: Mapping[str, Any], report: Report) -> Iterator[Entry]:
    if of_another_schema(document, SCHEMA, report):
        return
    top = Table(document, (), "the file", _TOP, report)
    top.get("schema", int, required=True)
    if document.get("accepted") == []:
        return
    first: dict[Key, Entry] = {}
    for number, (place, values) in enumerate(top.items("accepted", _MAX_ENTRIES), 1):
        if not isinstance(values, dict):
            report.add(place, f"entry {number} must be a table, not {kind_of(values)}", _EXAMPLES["accepted"])
            continue
        table = Table(values, place, f"entry {number}", _ENTRY, report)
        entry = Entry(
            sha256=_sha256(table),
            rule=table.id("rule", required=True),
            reason=table.prose("reason", _MAX_TEXT),
            date=_date(table, values),
            path=table.prose("path", _MAX_PATH),
            line=table.line,
        )
        earlier = first.setdefault(entry.key, entry)
        if earlier is not entry and all(entry.key):
            table.complain("rule", f"{table.what} says what line {earlier.line} says", "remove one of them")
        yield entry


def _sha256(table: Table) -> str:
    digits = table.get("sha256", str, required=True) or ""
    if digits and not _SHA256.fullmatch(digits):
        table.complain("sha256", f"'sha256' in {table.what} is {quote(digits)}")
        return ""
    return digits


def _date(table: Table, values: Mapping[str, Any]) -> datetime.date | None:
    date = values.get("date")
    if date is None or type(date) is datetime.date:
        return date
    table.complain("date", f"'date' in {table.what} must be a date, not {kind_of(date)}")
    return None


def _inserted(text: str, held: Sequence[Entry], entries: Iterable[Entry]) -> str:
    """The text with a block for each new entry. What stands right above a `[[header]]` belongs to it."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    end = "\r\n" if "\r\n" in text else "\n"
    # A person may have written entries in any order; these rise with the first that sort behind anything.
    highest = list(accumulate(map(_order, held), max))
    blocks: dict[int, list[str]] = {}
    for entry in sorted(entries, key=_order):
        after = bisect_right(highest, _order(entry))
        at = _start(lines, held[after].line - 1) if after < len(held) else len(lines)
        blocks.setdefault(at, []).append(_block(entry).replace("\n", end))
    parts: list[str] = []
    for number in range(len(lines) + 1):
        for block in blocks.get(number, ()):
            parts += [*_gap(parts, end), block, *([end] if number < len(lines) else [])]
        parts += lines[number : number + 1]
    return "".join(parts)


def _start(lines: Sequence[str], header: int) -> int:
    while header and lines[header - 1].lstrip().startswith("#"):
        header -= 1
    return header


def _gap(parts: Sequence[str], end: str) -> Iterator[str]:
    """What keeps a block an empty line away from what stands above it."""
    if parts and not parts[-1].endswith("\n"):
        yield end
    if parts and parts[-1].strip():
        yield end


def _order(entry: Entry) -> tuple[str, str, str]:
    return entry.path, entry.rule, entry.sha256


def _block(entry: Entry) -> str:
    import tomlkit  # not needed to scan with a baseline

    table = tomlkit.table()
    for name in _ENTRY:
        if (value := getattr(entry, name)) is not None:
            table.add(name, value)
    return f"[[accepted]]\n{tomlkit.dumps(table)}"
