"""Parquet files with images in them, as Hugging Face data sets are kept. Knows no data set in particular."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from imagejudge.common.existing import is_file
from imagejudge.errors import UsageError
from imagejudge.evaluate.labels import Columns, Dataset, Item, Reading, missing

_SHOWN = 5
"""Rows without a label that are named."""
_ROWS = 16
"""Rows that are in memory at once, with their images."""

Check = Callable[[Mapping[str, Any], str], None]
"""Given a row and its name, raises `UsageError` when a cell says what it cannot."""


def load(path: Path, usual: Mapping[str, str], reading: Reading, check: Check = lambda row, name: None) -> Dataset:
    """The rows of all Parquet files at or below a path; images are read from them as they are needed."""
    parquet = _pyarrow()
    files = [(file, _opened(file, parquet)) for file in files_of(path, reading.split)]
    columns = {file: Columns(str(file), table.schema_arrow.names, usual, reading) for file, table in files}
    unlabelled = {file: _check_labels(file, table, columns[file], reading) for file, table in files}
    for file, table in files:
        _check_rows(file, table, columns[file], unlabelled[file], check)

    def items() -> Iterator[Item]:
        for file, table in files:
            names = _class_names(table, columns[file])
            for number, row in enumerate(_rows(file, table, columns[file])):
                name = f"{file}#{number}"
                if number in unlabelled[file]:
                    continue
                row[columns[file].names["label"]] = _named(columns[file].value(row, "label"), names)
                yield Item.of(
                    columns[file].label(row, name), image_in(columns[file].value(row, "image"), file.parent, name)
                )

    rows, lost = sum(table.metadata.num_rows for _, table in files), sum(map(len, unlabelled.values()))
    names = [f"{file}#{number}" for file, numbers in unlabelled.items() for number in numbers]
    shown = ", ".join(names[:_SHOWN]) + ", ..." * (lost > _SHOWN)
    notes = (f"{lost:,} of {rows:,} rows have no label and are left out: {shown}",) if lost else ()
    return Dataset(items(), rows - lost, notes)


def _opened(file: Path, parquet: Any) -> Any:
    if not is_file(file):  # a pipe or a device has no end to begin at
        raise UsageError(f"{file} cannot be read as Parquet: it is no file", "give a file")
    with _whole(file):
        return parquet.ParquetFile(file)


@contextlib.contextmanager
def _whole(file: Path) -> Iterator[None]:
    """Say of which file it is that something in it cannot be read: damage may show only when rows are."""
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError, ValueError) as error:
        problem = f"{file} cannot be read as Parquet: {error}"[:300].strip()
        raise UsageError(problem, "fetch it again, or leave it out") from None


def files_of(path: Path, split: str, endings: tuple[str, ...] = (".parquet",)) -> list[Path]:
    """The files at or below a path whose names end so; of one split, those whose name begins with it or whose folder
    is it.
    """
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.name.endswith(endings))
    if not files:
        found = (entry.name for entry in path.iterdir())
        raise missing(f"*{endings[0]} file", str(path), found, "name their folder")
    chosen = [file for file in files if not split or file.name.startswith(split) or file.parent.name == split]
    if not chosen:
        raise missing(f"split {split!r}", str(path), (file.name for file in files), "correct `split`")
    return chosen


def image_in(cell: object, folder: Path, name: str) -> Path | bytes:
    """An image from a cell: bytes, Hugging Face's `{bytes, path}`, a path below the file's folder, or Base64.

    A path at which there is nothing is given too: reading it will say so, at the cost of this row.
    """
    if isinstance(cell, Mapping):
        path, cell = cell.get("path"), cell.get("bytes")
        if not cell and isinstance(path, str) and path:
            return folder / path
    if cell is None:
        return b""  # judged as the empty file it is, so that its row is counted among the errors
    if isinstance(cell, bytes):
        return cell
    if isinstance(cell, str) and len(cell) < 1000 and is_file(folder / cell):
        return folder / cell
    if isinstance(cell, str):
        try:
            return base64.b64decode(cell, validate=True)
        except (binascii.Error, ValueError):
            return folder / cell
    raise UsageError(f"{name} holds no image", "name the right column with `column` image=NAME")


def _rows(file: Path, table: Any, columns: Columns) -> Iterator[dict[str, Any]]:
    batches = table.iter_batches(batch_size=_ROWS, columns=sorted(set(columns.names.values())))
    while True:
        with _whole(file):
            batch = next(batches, None)
            rows = [] if batch is None else batch.to_pylist()
        if batch is None:
            return
        yield from rows


def _check_labels(file: Path, table: Any, columns: Columns, reading: Reading) -> list[int]:
    """Complain of labels before anything is judged: they are quickly read without images. Gives the rows without."""
    column, names = columns.names["label"], _class_names(table, columns)
    with _whole(file):
        rows = table.read(columns=[column]).column(column).to_pylist()
    if rows and all(value is None for value in rows):
        raise UsageError(f"{file}: no row has a label in {column!r}", "name the right column with `column` label=NAME")
    values = list({str(value): _named(value, names) for value in rows if value is not None}.values())
    for value in values:
        columns.label({column: value}, str(file))
    words = {word.lower() for word in reading.unsafe}
    if words and not words & {str(value).lower() for value in values}:
        raise missing(f"label {reading.unsafe[0]!r}", str(file), map(str, names or values), "correct `unsafe`")
    return [number for number, value in enumerate(rows) if value is None]


def _check_rows(file: Path, table: Any, columns: Columns, unlabelled: Container[int], check: Check) -> None:
    """Complain of all other cells before anything is judged, too."""
    names = set(columns.names.values()) - {columns.names["image"]}
    with _whole(file):
        rows = table.read(columns=sorted(names)).to_pylist()
    for number, row in enumerate(rows):
        if number not in unlabelled:
            check(row, f"{file}#{number}")


def _class_names(table: Any, columns: Columns) -> Sequence[str]:
    """Names of the whole numbers in the label column, which Hugging Face keeps beside the table; empty: none."""
    kept = (table.schema_arrow.metadata or {}).get(b"huggingface")
    try:
        found = json.loads(kept) if kept else {}
    except (ValueError, RecursionError):  # not what Hugging Face writes: the column speaks for itself
        return ()
    for key in ("info", "features", columns.names["label"], "names"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, list) and all(isinstance(name, str) for name in found) else ()


def _named(value: object, names: Sequence[str]) -> object:
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _pyarrow() -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise UsageError("reading Parquet needs one more package", "pip install 'imagejudge[evaluate]'") from None
    return parquet
