"""Tables of paths and labels: CSV, JSON Lines, and JSON lists of objects."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imagejudge.errors import UsageError
from imagejudge.evaluate.labels import Columns, Dataset, Item, Label, Reading, missing

Row = Mapping[str, Any]


def load_csv(path: Path, reading: Reading) -> Dataset:
    """A CSV file with a line of column names; image paths count from its folder."""
    return dataset_of(path, read_csv(path), {"image": "path"}, reading)


def load_jsonl(path: Path, reading: Reading) -> Dataset:
    """A file with one JSON object a line; image paths count from its folder."""
    return dataset_of(path, read_jsonl(path), {"image": "path"}, reading)


def labels_in(path: Path, reading: Reading) -> list[Label]:
    """The labels in a table, by its name's ending; nothing is said of whether the images are there."""
    rows = read_rows(path)
    columns = Columns(str(path), found_in(rows), {"image": "path"}, reading)
    return [columns.label(row, str(path.parent / _path_in(columns, row, path))) for row in rows]


def dataset_of(path: Path, rows: Sequence[Row], usual: Mapping[str, str], reading: Reading) -> Dataset:
    """Labelled images from a table's rows. Raises `UsageError` for the first image that is not there."""
    if reading.split:
        raise UsageError("a table has no splits", "leave out --split")
    if not rows:
        return Dataset((), 0)
    columns = Columns(str(path), found_in(rows), usual, reading)
    items = []
    for row in rows:
        image = path.parent / _path_in(columns, row, path)
        if not image.is_file():
            raise missing(
                f"image {image.name!r}", str(image.parent), _names(image.parent), f"check the paths in {path}"
            )
        items.append(Item(columns.label(row, str(image)), image))
    return Dataset(items, len(items))


def read_rows(path: Path) -> list[Row]:
    """A table by its name's ending: .csv, .jsonl or .json."""
    readers = {".csv": read_csv, ".jsonl": read_jsonl, ".json": read_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path} is no table that is read", f"give a file that ends in {', '.join(readers)}")
    return reader(path)


def read_csv(path: Path) -> list[Row]:
    """The rows of a CSV file by the names in its first line."""
    rows: list[Row] = list(csv.DictReader(io.StringIO(_text(path), newline="")))
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():  # how the reader says that there are too many or too few
            raise UsageError(f"{path}: row {number} has not as many cells as the first one", "quote cells with commas")
    return rows


def read_jsonl(path: Path) -> list[Row]:
    """The objects in a file, one a line; empty lines are skipped."""
    rows: list[Row] = []
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            rows.append(_row(_json(line, f"{path}:{number}"), f"{path}:{number}"))
    return rows


def read_json(path: Path) -> list[Row]:
    """The objects in a file's one list."""
    rows = _json(_text(path), str(path))
    if not isinstance(rows, list):
        raise UsageError(f"{path} does not hold a list", "write the rows as a JSON list of objects")
    return [_row(row, f"{path}, row {number}") for number, row in enumerate(rows)]


def found_in(rows: Sequence[Row]) -> list[str]:
    """The names of all columns that any row has."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _path_in(columns: Columns, row: Row, path: Path) -> str:
    cell = columns.value(row, "image")
    if not isinstance(cell, str):
        raise UsageError(f"{path}: a row has no path in column {columns.names['image']!r}", f"it is {dict(row)}"[:200])
    return cell


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "name a file with the labels") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8", "save the file as UTF-8") from error


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: not JSON: {error}", "correct what stands there") from None


def _row(value: Any, where: str) -> Row:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: not a JSON object", 'write for example {"path": "a.png", "label": "unsafe"}')
    return value


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
