"""Tables of paths and labels: CSV, JSON Lines, and JSON lists of objects.

A row that cannot be used is left out and said; where it is more than a few, the table is refused.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from imagejudge.common.text import counted
from imagejudge.common.text_file import reading
from imagejudge.errors import UsageError
from imagejudge.evaluate.labels import Columns, Dataset, Item, Label, Reading, listed
from imagejudge.evaluate.place import Address, Place, is_file, is_folder
from imagejudge.images.text import text_at

_DELIMITERS = ",;\t"
"""Of CSV: a spreadsheet writes semicolons where the comma stands in decimal fractions."""
_FEW = 2
_SHARE = 10
"""So many rows, or one in so many, may be unusable before the table is refused."""
_SHOWN = 5
"""Unusable rows that are shown."""
_MAX_CELL = 10_000_000
_MAX_BYTES = 200_000_000

Row = Mapping[str, Any]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file, each with its place for complaints, and complaints about those that cannot be read."""

    rows: Sequence[tuple[str, Row]]
    lost: list[UsageError] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        """The names of all columns that any row has."""
        return list(dict.fromkeys(name for _, row in self.rows for name in row))


def load_csv(path: Place, reading: Reading) -> Dataset:
    """A CSV file with a line of column names; image paths count from its folder."""
    return dataset_of(path, read_csv(path), {"image": "path"}, reading)


def load_jsonl(path: Place, reading: Reading) -> Dataset:
    """A file with one JSON object a line; image paths count from its folder."""
    return dataset_of(path, read_jsonl(path), {"image": "path"}, reading)


def labels_in(path: Place, reading: Reading) -> tuple[list[Label], tuple[str, ...]]:
    """The labels in a table, by its name's ending, and what was left out; whether the images are there is not asked."""
    table = read_rows(path)
    columns = _columns(path, table, {"image": "path"}, reading)

    def label(where: str, row: Row) -> Label:
        return columns.label(row, str(_place(path.parent, _path_in(columns, row, where))), where)

    labels, notes = _usable(table, label, lambda label: label, path)
    return labels, notes


def dataset_of(path: Place, table: Table, usual: Mapping[str, str], reading: Reading) -> Dataset:
    """Labelled images from a table's rows. Raises `UsageError` where more than a few of them cannot be used."""
    if reading.split:
        raise UsageError("a table has no splits", "leave out `split`")
    if not table.rows and not table.lost:
        return Dataset((), 0)
    columns = _columns(path, table, usual, reading) if table.rows else None

    @cache  # as many rows may miss what a large folder lacks
    def found(folder: Place) -> str:
        return listed([entry.name for entry in folder.iterdir()] if is_folder(folder) else [])

    def item(where: str, row: Row) -> Item:
        assert columns is not None  # noqa: S101 - there is a row
        image = _place(path.parent, _path_in(columns, row, where))
        if not is_file(image):
            folder = f"{where}: {image.parent}"[:1000]
            problem = f"{folder} has no image {image.name[:80]!r}; found: {found(image.parent)}"
            raise UsageError(problem, f"check the paths in {path}")
        return Item.of(columns.label(row, str(image), where), image)

    items, notes = _usable(table, item, lambda item: item.label, path)
    return Dataset(items, len(items), notes)


def read_rows(path: Place) -> Table:
    """A table by its name's ending: .csv, .jsonl or .json."""
    readers = {".csv": read_csv, ".jsonl": read_jsonl, ".json": read_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path} is no table that is read", f"give a file that ends in {', '.join(readers)}")
    return reader(path)


def read_csv(path: Place) -> Table:
    """The rows of a CSV file by the names in its first line, with commas, semicolons or tabs between cells."""
    text = _text(path)
    first, _, rest = text.partition("\n")
    if first.rstrip("\r").lower() in [f"sep={mark}" for mark in _DELIMITERS]:  # told to the spreadsheet
        text, first = rest, rest.partition("\n")[0]
    csv.field_size_limit(_MAX_CELL)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(first))
    table = Table(rows := [], [])
    try:
        for number, row in enumerate(reader, 2):
            where = f"{path}: row {number}"
            if None in row or None in row.values():  # how the reader says that there are too many or too few
                table.lost.append(
                    UsageError(f"{where} has not as many cells as the first one", "quote cells with commas")
                )
            else:
                rows.append((where, row))
    except csv.Error as error:
        where = f"{path}: row {len(rows) + len(table.lost) + 2}"
        raise UsageError(f"{where} cannot be read: {error}", "look for a quote that is not closed") from None
    return table


def _delimiter(first: str) -> str:
    """What stands between the names in the first line: whatever makes the most of them."""
    try:
        return max(_DELIMITERS, key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))
    except csv.Error:  # said when the rows are read
        return ","


def read_jsonl(path: Place) -> Table:
    """The objects in a file, one a line; empty lines are skipped."""
    table = Table(rows := [], [])
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            where = f"{path}:{number}"
            try:
                rows.append((where, _row(_json(line, where), where)))
            except UsageError as error:
                table.lost.append(error)
    return table


def read_json(path: Place) -> Table:
    """The objects in a file's one list."""
    values = read_document(path)
    if not isinstance(values, list):
        raise UsageError(f"{path} does not hold a list", "write the rows as a JSON list of objects")
    table = Table(rows := [], [])
    for number, value in enumerate(values):
        where = f"{path}, row {number}"
        try:
            rows.append((where, _row(value, where)))
        except UsageError as error:
            table.lost.append(error)
    return table


def read_document(path: Place) -> Any:
    """What a JSON file holds. Raises `UsageError` for anything else."""
    return _json(_text(path), str(path))


def _columns(path: Place, table: Table, usual: Mapping[str, str], reading: Reading) -> Columns:
    columns = Columns(str(path), table.columns, usual, reading)
    columns.refuse_unmet(row for _, row in table.rows)
    return columns


def _usable(
    table: Table, read: Callable[[str, Row], _T], label_of: Callable[[_T], Label], path: Place
) -> tuple[list[_T], tuple[str, ...]]:
    """What can be made of the rows, and a note on those of which nothing can."""
    lost = list(table.lost)
    found: list[tuple[str, _T]] = []
    for where, row in table.rows:
        try:
            found.append((where, read(where, row)))
        except UsageError as error:
            lost.append(error)
    contradictions = list(_contradictions([(where, label_of(each)) for where, each in found]))
    for one, other in contradictions:
        lost += [
            UsageError(f"{found[one][0]} and {found[other][0]} say the opposite of one image", "correct one of them")
        ]
    wrong = {number for pair in contradictions for number in pair}
    left = [each for number, (_, each) in enumerate(found) if number not in wrong]
    total = len(table.rows) + len(table.lost)
    gone = total - len(left)
    if gone and (not left or gone > max(_FEW, total // _SHARE)):
        raise UsageError(
            f"{gone:,} of {counted(total, 'row')} of {path} cannot be used: {lost[0].message}", lost[0].hint
        )
    shown = "; ".join(error.message[:300] for error in lost[:_SHOWN]) + "; ..." * (len(lost) > _SHOWN)
    return left, (f"left out: {gone:,} of {counted(total, 'row')} of {path}: {shown}",) if gone else ()


def _contradictions(labels: Sequence[tuple[str, Label]]) -> Iterator[tuple[int, int]]:
    """Pairs of rows that say unsafe and safe of the same image for the same reason."""
    first: dict[object, int] = {}
    for number, (_, label) in enumerate(labels):
        about = (label.name, label.rules, label.sentence, label.exception)
        earlier = first.setdefault(about, number)
        if labels[earlier][1].unsafe != label.unsafe:
            yield earlier, number


def _place(folder: Place, written: str) -> Place:
    """The file that a cell means: as it is written, with the slashes of Windows, or with accents composed otherwise."""
    slashed = written.replace("\\", "/")
    ways = [
        slashed if isinstance(folder, Address) else written,
        slashed,
        *(unicodedata.normalize(form, slashed) for form in ("NFC", "NFD")),
    ]
    return next((folder / way for way in ways if is_file(folder / way)), folder / slashed)


def _path_in(columns: Columns, row: Row, where: str) -> str:
    cell = columns.value(row, "image")
    if not isinstance(cell, str) or "\0" in cell:
        raise UsageError(f"{where} has no path in column {columns.names['image']!r}", f"it is {dict(row)}"[:200])
    return cell


def _text(path: Place) -> str:
    # Of what lies in a network, the reason itself says that it cannot be read.
    remote = isinstance(path, Address)
    hint = "check the address of the table" if remote else "name a file with the labels"
    wrong = "a table is UTF-8 (a spreadsheet calls it `CSV UTF-8`)"
    with reading(path, UsageError, hint, wrong, problem=str(path) if remote else ""):
        return text_at(str(path), _MAX_BYTES)


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: not JSON: {error}"[:300], "correct what stands there") from None


def _row(value: Any, where: str) -> Row:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: not a JSON object", 'write for example {"path": "a.png", "label": "unsafe"}')
    return value
