"""WebDataset: tars of samples, each an image with its label beside it, in `KEY.cls` or in the object of `KEY.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from imagejudge.common.text import counted
from imagejudge.errors import UsageError
from imagejudge.evaluate.datasets.parquet import files_of
from imagejudge.evaluate.labels import PARTS, Columns, Dataset, Item, Label, Reading
from imagejudge.evaluate.place import Place
from imagejudge.images.names import TAR_ENDINGS
from imagejudge.images.read import Limits
from imagejudge.images.ref import Fields, ImageRef
from imagejudge.images.shards import expand

_CLASS, _OBJECT = "cls", "json"
_SHOWN: Final = 5
"""Images without a label that are named."""


def load(path: Place, reading: Reading) -> Dataset:
    """The images of all tars at or below a place.

    They are read twice: once for the labels, once as they are needed.
    """
    if "image" in reading.columns:
        raise UsageError("images in tars are known by their names", "leave out `column` image=...")
    files = [str(file) for file in files_of(path, reading.split, TAR_ENDINGS)]
    wanted = {_CLASS, _OBJECT, *PARTS, *reading.columns.values()}
    rows = {ref.path: _row(ref.fields or {}, wanted) for ref in _images(files, sorted(wanted))}
    found = {name for row in rows.values() for name in row}
    usual = {} if "label" in found else {"label": _CLASS}
    labels, lost = _labels(rows, Columns(str(path), found, usual, reading)) if rows else ({}, [])
    if rows and not labels:
        raise UsageError(f"{path}: no image has a label", "name the field with `column` label=NAME")

    def items() -> Iterator[Item]:
        for ref in _images(files):
            if (label := labels.get(ref.path)) is not None:
                yield Item(ref.path, ref.data, ref.stamp, ref.trouble, label=label)

    shown = ", ".join(lost[:_SHOWN]) + ", ..." * (len(lost) > _SHOWN)
    notes = (f"left out, without a label: {len(lost):,} of {counted(len(rows), 'image')}: {shown}",) if lost else ()
    return Dataset(items(), len(labels), notes)


def _labels(rows: Mapping[str, Mapping[str, Any]], columns: Columns) -> tuple[dict[str, Label], list[str]]:
    """By the name of the image; and those that have none."""
    labels, lost = {}, []
    columns.refuse_unmet(rows.values())
    for name, row in rows.items():
        if columns.value(row, "label") is None:
            lost.append(name)
        else:
            labels[name] = columns.label(row, name, name)
    return labels, lost


def _images(files: Sequence[str], fields: Sequence[str] = ()) -> Iterator[ImageRef]:
    for ref in expand(map(ImageRef, files), Limits(), keep_fields=fields):
        if ref.trouble is not None and (ref.trouble.kind == "shard" or ref.path in files):
            raise UsageError(f"{ref.path}: {ref.trouble.message}", "fetch it again, or leave it out")
        yield ref


def _row(fields: Fields, wanted: set[str]) -> dict[str, Any]:
    """What fields say, and those of them that are objects of JSON."""
    row: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            row.update({key: each for key, each in value.items() if key in wanted})
        elif value is not None:
            row[name] = value.strip() if isinstance(value, str) else value
    return row
