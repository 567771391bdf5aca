"""Verdicts as CSV for spreadsheets: one row an image, one column a rule.

Made for people: programs read JSON Lines. No cell can become a formula, and every cell is one line, also where a
spreadsheet takes semicolons for the ends of cells, as those of many languages do.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import BinaryIO, Final, Literal

from imagejudge.common.text import printable
from imagejudge.constitution import Constitution
from imagejudge.verdict import RuleStatus, Verdict

_COLUMNS = (
    *("path", "verdict", "severity", "violated", "unsure", "accepted", "rationale", "error"),
    *("format", "width", "height", "frames", "frame", "time", "sha256", "model", "constitution", "method"),
)
_FORMULA: Final = re.compile(r"((?:^|;)[\s\"]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""Precedes what makes a spreadsheet compute a cell, also in the wide forms that East Asian versions take."""


class Csv:
    """Writes a header and then a row for each image."""

    note = ""

    def __init__(self, stream: BinaryIO, constitution: Constitution) -> None:
        self._stream = stream
        self._rules = [rule.id for rule in constitution.rules if rule.enabled]
        self._begun = False

    def write(self, verdict: Verdict) -> None:
        """Write one row."""
        self._begin()
        self._row([*_facts(verdict), *self._statuses(verdict)])

    def _begin(self) -> None:
        if not self._begun:
            # Excel takes UTF-8 for something else unless this mark comes first.
            self._stream.write(b"\xef\xbb\xbf")
            self._row([*_COLUMNS, *(f"rule {rule}" for rule in self._rules)], csv.QUOTE_MINIMAL)
            self._begun = True

    def _statuses(self, verdict: Verdict) -> Iterator[str]:
        found = {result.rule: f"{result.status} by probe" if result.by else result.status for result in verdict.rules}
        for rule in self._rules:
            yield found.get(rule, "")

    def _row(self, cells: list[object], quoting: Literal[0, 1] = csv.QUOTE_ALL) -> None:
        line = io.StringIO()
        csv.writer(line, quoting=quoting).writerow([_cell(cell) for cell in cells])
        self._stream.write(line.getvalue().encode())
        self._stream.flush()

    def close(self) -> None:
        """Write the header, if nothing else was written; the stream stays open for its owner."""
        self._begin()


def _facts(verdict: Verdict) -> Iterator[object]:
    """The cells of `_COLUMNS`."""
    yield verdict.path
    yield verdict.verdict
    yield max((violation.severity for violation in verdict.violations), key=lambda severity: severity.rank, default="")
    yield "; ".join(violation.rule for violation in verdict.violations)
    yield "; ".join(result.rule for result in verdict.rules if result.status is RuleStatus.UNSURE)
    yield "; ".join(result.rule for result in verdict.rules if result.accepted)
    yield verdict.rationale
    yield verdict.error and verdict.error.kind
    image = verdict.image
    yield from (image.format, image.width, image.height, image.frames) if image else ("", "", "", "")
    yield from (verdict.frame, verdict.time, verdict.sha256, verdict.model, verdict.constitution, verdict.method)


def _cell(value: object) -> str:
    return "" if value is None else _FORMULA.sub(r"\1'", printable(value))
