"""Parquet and Arrow files with labelled images, as Hugging Face data sets are kept. Knows no data set in particular."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, BinaryIO

from imagejudge.common.extras import how_to_install
from imagejudge.common.text import counted
from imagejudge.errors import UsageError
from imagejudge.evaluate.labels import PARTS, Columns, Dataset, Item, Reading, missing, refuse_unmet
from imagejudge.evaluate.place import Address, Place, all_below
from imagejudge.images.names import ARROW_ENDINGS, SEPARATOR, TABLE_ENDINGS, is_found_shard
from imagejudge.images.read import NOT_FETCHED, Unreadable, open_ranges
from imagejudge.images.remote import RangeFile
from imagejudge.images.shards.table import BrokenPart, BrokenTable, Cell, Schema, TableReader, Wanted

_SHOWN = 5
"""Rows without a label that are named."""
_LARGEST = 2**31
"""Bytes of an image; what the scan's limit is, is asked when it is judged."""

Check = Callable[[Mapping[str, Any], str], None]
"""Given a row and its name, raises `UsageError` when a cell says what it cannot."""


@dataclass(frozen=True, slots=True)
class _Labelled:
    """A file whose labels were looked at."""

    path: Place
    columns: Columns
    rows: int
    unlabelled: Collection[int]
    labels: Collection[object]
    """All that there are; by name where the file names them, also those that no row has."""


def load(path: Place, usual: Mapping[str, str], reading: Reading, check: Check = lambda row, name: None) -> Dataset:
    """The rows of all files at or below a path; images are read from them as they are needed."""
    if find_spec("pyarrow") is None:
        raise UsageError("reading Parquet needs one more package", how_to_install("evaluate"))
    files = [_labelled(file, usual, reading, check) for file in files_of(path, reading.split)]
    refuse_unmet(reading, str(path), (label for file in files for label in file.labels))
    rows = sum(file.rows for file in files)
    lost = [_name(file.path, row) for file in files for row in sorted(file.unlabelled)]
    shown = ", ".join(lost[:_SHOWN]) + ", ..." * (len(lost) > _SHOWN)
    notes = (f"left out, without a label: {len(lost):,} of {counted(rows, 'row')}: {shown}",) if lost else ()
    return Dataset((item for file in files for item in _items(file)), rows - len(lost), notes)


def files_of(path: Place, split: str, endings: tuple[str, ...] = TABLE_ENDINGS) -> list[Place]:
    """The files at or below a path whose names end so; of one split, those whose name begins with it or whose folder
    is it.
    """
    files = [path] if path.is_file() else files_below(path, endings)
    if not files:
        found = (entry.name for entry in path.iterdir())
        raise missing(f"*{endings[0]} file", str(path), found, "name their folder")
    chosen = [file for file in files if not split or file.name.startswith(split) or file.parent.name == split]
    if not chosen:
        raise missing(f"split {split!r}", str(path), (file.name for file in files), "correct `split`")
    return chosen


def files_below(folder: Place, endings: tuple[str, ...] = TABLE_ENDINGS) -> list[Place]:
    """All files in a folder whose names end so and that hold data, in order."""
    found = all_below(folder)
    return sorted(file for file in found if file.name.endswith(endings) and is_found_shard(file.name))


def _labelled(file: Place, usual: Mapping[str, str], reading: Reading, check: Check) -> _Labelled:
    """Complain of labels and all other cells before anything is judged: they are quickly read without images."""
    wanted = {*PARTS, *usual.values(), *reading.columns.values()}
    with _opened(file, Wanted(images=(), fields=tuple(sorted(wanted)))) as table:
        columns = Columns(str(file), table.schema.columns, usual, reading)
        _check_images(file, columns, table.schema)
        rows = [cell.fields for cell in _cells(file, table)]
    label = columns.names["label"]
    labels = [columns.value(row, "label") for row in rows]
    if labels and all(value is None for value in labels):
        raise UsageError(f"{file}: no row has a label in {label!r}", "name the right column with `column` label=NAME")
    values = list({str(value): value for value in labels if value is not None}.values())
    for value in values:
        columns.label({label: value}, str(file))
    unlabelled = {number for number, value in enumerate(labels) if value is None}
    for number, row in enumerate(rows):
        if number not in unlabelled:
            check(row, _name(file, number))
    return _Labelled(file, columns, len(rows), unlabelled, table.schema.classes.get(label, values))


def _check_images(file: Place, columns: Columns, schema: Schema) -> None:
    name = columns.names["image"]
    if name not in schema.single:
        raise UsageError(
            f"{file}: {name!r} does not hold one image a row", "name the right column with `column` image=NAME"
        )


def _items(file: _Labelled) -> Iterator[Item]:
    image = file.columns.names["image"]
    fields = tuple(name for part, name in file.columns.names.items() if part != "image")
    with _opened(file.path, Wanted(images=(image,), fields=fields, most_bytes=_LARGEST)) as table:
        for cell in _cells(file.path, table):
            if cell.row not in file.unlabelled:
                label = file.columns.label(cell.fields, _name(file.path, cell.row))
                # A row without an image is judged as the empty file, so that it is counted among the errors; a path at
                # which there is nothing is given too: reading it will say so, at the cost of this row.
                if cell.path is None:
                    yield Item.of(label, cell.data)
                elif isinstance(file.path, Address):
                    yield Item(label.name, trouble=NOT_FETCHED, label=label)
                else:
                    yield Item.of(label, file.path.parent / cell.path)


@contextlib.contextmanager
def _opened(file: Place, wanted: Wanted) -> Iterator[TableReader]:
    stream: BinaryIO | RangeFile | Unreadable = open_ranges(str(file))
    if isinstance(stream, Unreadable):
        raise UsageError(f"{file} cannot be read as Parquet: {stream.message}", "fetch it again, or leave it out")
    with stream:
        try:
            reader = TableReader(stream, arrow=file.name.endswith(ARROW_ENDINGS), wanted=wanted)
        except BrokenTable as broken:
            raise UsageError(f"{file} cannot be read as Parquet: {broken}", "fetch it again, or leave it out") from None
        with reader:
            yield reader


def _cells(file: Place, table: TableReader) -> Iterator[Cell]:
    """Rows and images. Damage may show only when they are read."""
    for found in table:
        if isinstance(found, BrokenPart):
            problem = f"{file} cannot be read as Parquet: {found.message}"
            raise UsageError(problem, "fetch it again, or leave it out")
        yield found


def _name(file: Place, row: int) -> str:
    return f"{file}{SEPARATOR}{row}"
