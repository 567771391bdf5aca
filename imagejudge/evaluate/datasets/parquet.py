"""Parquet files with images in them, as Hugging Face data sets are kept. Knows no data set in particular."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from imagejudge.errors import UsageError
from imagejudge.evaluate.labels import Columns, Dataset, Item, Reading, missing
from imagejudge.existing import is_file

_ROWS = 16
"""Rows that are in memory at once, with their images."""

Check = Callable[[Mapping[str, Any], str], None]
"""Given a row and its name, raises `UsageError` when a cell says what it cannot."""


def load(path: Path, usual: Mapping[str, str], reading: Reading, check: Check = lambda row, name: None) -> Dataset:
    """The rows of all Parquet files at or below a path; images are read from them as they are needed."""
    parquet = _pyarrow()
    files = [(file, parquet.ParquetFile(file)) for file in files_of(path, reading.split)]
    columns = {file: Columns(str(file), table.schema_arrow.names, usual, reading) for file, table in files}
    for file, table in files:
        _check_labels(file, table, columns[file], reading)

    def items() -> Iterator[Item]:
        for file, table in files:
            names = _class_names(table, columns[file])
            for number, row in enumerate(_rows(table, columns[file])):
                name = f"{file}#{number}"
                check(row, name)
                row[columns[file].names["label"]] = _named(columns[file].value(row, "label"), names)
                yield Item(
                    columns[file].label(row, name), image_in(columns[file].value(row, "image"), file.parent, name)
                )

    return Dataset(items(), sum(table.metadata.num_rows for _, table in files))


def files_of(path: Path, split: str) -> list[Path]:
    """The Parquet files at or below a path; of one split, those whose name begins with it or whose folder is it."""
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    if not files:
        raise missing("*.parquet file", str(path), (entry.name for entry in path.iterdir()), "name their folder")
    chosen = [file for file in files if not split or file.name.startswith(split) or file.parent.name == split]
    if not chosen:
        raise missing(f"split {split!r}", str(path), (file.name for file in files), "correct --split")
    return chosen


def image_in(cell: object, folder: Path, name: str) -> Path | bytes:
    """An image from a cell: bytes, Hugging Face's `{bytes, path}`, a path below the file's folder, or Base64."""
    if isinstance(cell, Mapping):
        cell = cell.get("bytes") or cell.get("path")
    if isinstance(cell, bytes):
        return cell
    if isinstance(cell, str) and len(cell) < 1000 and is_file(folder / cell):
        return folder / cell
    if isinstance(cell, str):
        try:
            return base64.b64decode(cell, validate=True)
        except (binascii.Error, ValueError):
            raise UsageError(f"{name}: there is no image {cell[:80]!r} in {folder}", "put it there") from None
    raise UsageError(f"{name} holds no image", "name the right column with --column image=NAME")


def _rows(table: Any, columns: Columns) -> Iterator[dict[str, Any]]:
    for batch in table.iter_batches(batch_size=_ROWS, columns=sorted(set(columns.names.values()))):
        yield from batch.to_pylist()


def _check_labels(file: Path, table: Any, columns: Columns, reading: Reading) -> None:
    """Complain of labels before anything is judged: they are quickly read without the images."""
    column, names = columns.names["label"], _class_names(table, columns)
    values = [_named(value, names) for value in table.read(columns=[column]).column(column).unique().to_pylist()]
    for value in values:
        columns.label({column: value}, str(file))
    words = {word.lower() for word in reading.unsafe}
    if words and not words & {str(value).lower() for value in values}:
        raise missing(f"label {reading.unsafe[0]!r}", str(file), map(str, names or values), "correct --unsafe")


def _class_names(table: Any, columns: Columns) -> Sequence[str]:
    """Names of the whole numbers in the label column, which Hugging Face keeps beside the table; empty: none."""
    kept = (table.schema_arrow.metadata or {}).get(b"huggingface")
    features = json.loads(kept).get("info", {}).get("features", {}) if kept else {}
    names: Sequence[str] = features.get(columns.names["label"], {}).get("names", ())
    return names


def _named(value: object, names: Sequence[str]) -> object:
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _pyarrow() -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise UsageError("reading Parquet needs one more package", "pip install 'imagejudge[evaluate]'") from None
    return parquet
