"""The images in a Parquet or Arrow file, by row: `SHARD::17`, or `SHARD::17/COLUMN` and `SHARD::17/COLUMN/2/FIELD`.

Images are bytes in a column, Hugging Face's pairs of bytes and path, or either within lists, structs and maps. A path
alone is followed from the file's folder, to what is called an image.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from io import BufferedReader
from typing import Final

from imagejudge.common.file_stamp import Stamp
from imagejudge.common.text import printable
from imagejudge.images.names import ARROW_ENDINGS, SEPARATOR, VIDEO_EXTENSIONS, Unread, extension, is_image
from imagejudge.images.read import (
    NOT_FETCHED,
    Limits,
    Source,
    Unreadable,
    open_ranges,
    read_image,
    state_at_end,
    state_now,
    too_large,
)
from imagejudge.images.ref import ImageRef
from imagejudge.images.remote import RangeFile, is_address
from imagejudge.images.shards.table import PARTS, BrokenPart, BrokenTable, Cell, Schema, TableReader, Wanted

_NO_BYTES: Final = Unreadable("missing", "the row has no bytes and no path of an image")
_NO_IMAGE: Final = Unreadable("missing", "names a file that is not called as an image, which is not opened")
_DIGITS: Final = 19
"""Fewer than this has the number of any row."""
_SHOWN: Final = 20
"""Columns that are named in a complaint."""


def members(
    shard: str,
    limits: Limits,
    wanted: Callable[[str], bool],
    passed_over: Callable[[str, Unread], None],
    keep_fields: Collection[str] = (),
    row: int | None = None,
) -> Iterator[ImageRef]:
    """The images in the file whose paths are `wanted`, in order, or those of one row, and what is wrong with the file.

    `keep_fields` names columns that are carried with each image.
    """
    file = open_ranges(shard)
    if isinstance(file, Unreadable):
        yield ImageRef(shard, trouble=file)
        return
    with file:
        reading = Wanted(fields=tuple(keep_fields), row=row, most_bytes=limits.bytes)
        yield from _Shard(shard, file, limits).members(reading, wanted, passed_over)


def row_of(member: str) -> int | None:
    """The row in the name of a member; None where there is none in it."""
    number = member.partition("/")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) < _DIGITS else None


class _Shard:
    def __init__(self, shard: str, file: BufferedReader | RangeFile, limits: Limits) -> None:
        self._shard = shard
        self._file = file
        self._limits = limits
        self._arrow = shard.lower().endswith(ARROW_ENDINGS)
        self._state = state_now(file)
        self._stamp = self._state and self._state.settled(time.time_ns())

    def members(
        self, reading: Wanted, wanted: Callable[[str], bool], passed_over: Callable[[str, Unread], None]
    ) -> Iterator[ImageRef]:
        try:
            with TableReader(self._file, arrow=self._arrow, wanted=reading) as reader:
                schema = reader.schema
                if schema.verdicts and not schema.images:
                    passed_over(self._shard, Unread.EMPTY)
                elif not schema.images or schema.addresses:
                    yield self._trouble("columns", _no_images(schema))
                else:
                    yield from self._images(reader, wanted, passed_over)
        except BrokenTable as broken:
            yield self._trouble("schema", f"cannot be read: {broken}")

    def _images(
        self, reader: TableReader, wanted: Callable[[str], bool], passed_over: Callable[[str, Unread], None]
    ) -> Iterator[ImageRef]:
        is_empty = True
        for found in reader:
            is_empty = False
            if self._is_changed(state_now(self._file)):
                yield self._changed()
                return
            if isinstance(found, BrokenPart):
                part = f"{PARTS[self._arrow]} {found.number}"
                yield self._trouble(part, f"{part} cannot be read to its end: {found.message}")
            elif wanted(path := f"{self._shard}{SEPARATOR}{found.row}{found.place}"):
                yield self._ref(path, found)
        try:
            if self._is_changed(state_at_end(self._file)):
                yield self._changed()
        except OSError as error:
            raise BrokenTable(str(error.strerror or error)) from None
        if is_empty:
            passed_over(self._shard, Unread.EMPTY)

    def _is_changed(self, now: Stamp | None) -> bool:
        return (now and now[:2]) != (self._state and self._state[:2])

    def _changed(self) -> ImageRef:
        return self._trouble("changed", "the file changed while it was read; wait until it is written")

    def _ref(self, path: str, cell: Cell) -> ImageRef:
        if cell.path is not None:
            found = _followed(cell.path, self._shard, self._limits)
            if isinstance(found, Source):  # without the shard's stamp, which says nothing of these bytes
                return ImageRef(path, found.data, fields=cell.fields or None)
            return ImageRef(path, trouble=found, fields=cell.fields or None)
        trouble = None
        if not cell.held:
            trouble = _NO_BYTES
        elif cell.size > self._limits.bytes:
            trouble = too_large(self._limits)
        data = None if trouble else cell.data
        return ImageRef(path, data, self._stamp, trouble, cell.fields or None)

    def _trouble(self, place: str, message: str) -> ImageRef:
        return ImageRef(
            f"{self._shard}{SEPARATOR}{place}", stamp=self._stamp, trouble=Unreadable("shard", printable(message))
        )


def _followed(path: str, shard: str, limits: Limits) -> Source | Unreadable:
    """The image at a path that a cell has; a table from elsewhere must not have other files read."""
    if is_address(path) or is_address(shard):
        return NOT_FETCHED
    if not is_image(path) and extension(path) not in VIDEO_EXTENSIONS:
        return _NO_IMAGE
    found = read_image(os.path.join(os.path.dirname(shard), path), limits)  # noqa: PTH118, PTH120 - as it is written
    return (
        found
        if isinstance(found, Source)
        else replace(found, stamp=None, message=printable(f"{path}: {found.message}"))
    )


def _no_images(schema: Schema) -> str:
    if schema.addresses:
        return f"column {schema.images[0]!r} has addresses of images, which are not fetched; download them first"
    names = ", ".join(schema.columns[:_SHOWN]) + ", ..." * (len(schema.columns) > _SHOWN)
    return f"no column holds images; there are: {names or 'none'}"
