"""What runs in the process that reads a Parquet or Arrow file: pyarrow on a hostile file, with bounds on what it takes.

Started as `python -m imagejudge.images.shards.table_child REQUEST`, with the file as standard input, or
what gives its parts. Replies, in order:
what the table is; for each part (row group or record batch) its number, a message for each image, and one for each row
without any; what broke a part; the end. Or only why the file cannot be opened.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import groupby, islice
from typing import Any, BinaryIO, Final, Protocol, TypeVar, cast

import pyarrow
from pyarrow import ipc, parquet

from imagejudge.common import messages
from imagejudge.common.child_process import confine, serve_parent
from imagejudge.common.text import printable
from imagejudge.images.shards.cells import (
    Held,
    carried,
    class_names,
    looks_like_images,
    only_addresses,
)
from imagejudge.images.shards.column_types import (
    Way,
    declared_ways,
    holds,
    images_in,
    is_bytes,
    is_text,
    may_hold_images,
    names_on,
    ways,
)

_MEMORY: Final = 5_000_000_000
"""Bytes of address space. A page, which is decompressed at once, may have 2 GiB of each."""
_CPU_SECONDS: Final = 24 * 3600
PATIENCE: Final = 600
"""Seconds for one batch of rows."""
_BATCH: Final = 32_000_000
"""Bytes of rows that are held at once, if they are of about the same size."""
_MOST_ROWS: Final = 1000
_BUFFER: Final = 1 << 20
_SAMPLED: Final = 20
"""Values by which it is decided whether a column, or a field within one, has images."""
_ROWS_LOOKED_AT: Final = 1000
_PARTS_LOOKED_AT: Final = 5
"""Where they are looked for; more parts than one, as the first may be damaged."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Part:
    """A row group or record batch."""

    rows: int
    batches: Iterator[Any]
    """Its rows, read as one goes on."""


class _Table(Protocol):
    @property
    def schema(self) -> Any:
        """As Arrow has it."""

    @property
    def rows(self) -> int | None:
        """Of the whole table; None where that is not known before all is read."""

    def parts(self, columns: Sequence[str]) -> Iterator[_Part]:
        """All parts in order. An error in one leaves the next ones readable if it is raised by `batches`."""


class _Parquet:
    """Parts are row groups."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = parquet.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True)
        self.schema = self._file.schema_arrow
        self.rows: int | None = self._file.metadata.num_rows

    def parts(self, columns: Sequence[str]) -> Iterator[_Part]:
        """As in `_Table`."""
        for number in range(self._file.num_row_groups):
            group = self._file.metadata.row_group(number)
            yield _Part(group.num_rows, self._batches(number, group, columns))

    def _batches(self, number: int, group: Any, columns: Sequence[str]) -> Iterator[Any]:
        chunks = [group.column(at) for at in range(group.num_columns)]
        below = tuple(f"{column}." for column in columns)  # names may have dots of their own
        size = sum(each.total_uncompressed_size for each in chunks if f"{each.path_in_schema}.".startswith(below))
        rows = min(max(_BATCH * group.num_rows // max(size, 1), 1), _MOST_ROWS)
        yield from self._file.iter_batches(rows, row_groups=[number], columns=columns, use_threads=False)


class _Arrow:
    """Parts are record batches."""

    def __init__(self, file: BinaryIO) -> None:
        magic = file.read(6)
        file.seek(0)
        self._indexed = magic == b"ARROW1"
        self._reader = ipc.open_file(file) if self._indexed else ipc.open_stream(file)
        self.schema = self._reader.schema
        self.rows: int | None = None

    def parts(self, columns: Sequence[str]) -> Iterator[_Part]:
        """As in `_Table`."""
        reader = self._reader
        batches = map(reader.get_batch, range(reader.num_record_batches)) if self._indexed else reader
        for batch in batches:
            yield _Part(batch.num_rows, self._batches(batch, columns))

    def _batches(self, batch: Any, columns: Sequence[str]) -> Iterator[Any]:
        chosen = batch.select(columns)
        chosen.validate(full=True)  # Arrow itself believes every offset
        yield chosen


def main() -> None:
    """Obey one request."""
    replies = serve_parent()
    request = json.loads(sys.argv[1])
    confine(_MEMORY, _CPU_SECONDS)
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())  # others reserve address space
    try:
        with _in_time():
            table = _open(request)
            if request["images"] is None:
                images, addresses = _found(request, table.schema)
            else:
                images, addresses = [(column,) for column in request["images"]], False
    except Exception as error:
        messages.send(replies, {"refused": _words(error)})
        return
    opened = {
        "columns": table.schema.names,
        "rows": table.rows,
        "classes": class_names(table.schema.metadata),
        "images": ["/".join(names_on(way)) for way in images],
        "single": [way[0] for way, _ in ways(table.schema) if len(way) == 1],
        "addresses": addresses,
        "verdicts": b"imagejudge" in (table.schema.metadata or {}),
    }
    messages.send(replies, opened)
    if not addresses and (images or request["images"] is not None):
        _read(_open(request), request, images, replies)  # anew: of a stream, its beginning was read
        messages.send(replies, {"end": True})


class _Asked(io.RawIOBase):
    """A file of which the parent gives the parts that are asked for."""

    def __init__(self, stream: Any, size: int) -> None:
        self._stream = stream
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        messages.send(self._stream, {"at": self._at, "size": len(buffer)})
        answer = messages.receive(self._stream)
        if answer is None or "error" in answer[0]:
            raise OSError(answer[0]["error"] if answer else "the parent has gone")
        buffer[: len(answer[1])] = answer[1]
        self._at += len(answer[1])
        return len(answer[1])


def _open(request: Mapping[str, Any]) -> _Table:
    file: BinaryIO = sys.stdin.buffer if request["size"] is None else _asked(request["size"])
    file.seek(0)
    return _Arrow(file) if request["arrow"] else _Parquet(file)


@cache
def _asked(size: int) -> BinaryIO:
    stream = socket.socket(fileno=os.dup(0)).makefile("rwb")
    return cast("BinaryIO", io.BufferedReader(_Asked(stream, size), _BUFFER))


def _found(request: Mapping[str, Any], schema: Any) -> tuple[list[Way], bool]:
    """The ways that the note names, then those to what are images by what it begins with, or else to paths of images.

    Whoever wrote the note must hide nothing by it. The other value tells whether all that was found are addresses.
    """
    verdicts = b"imagejudge" in (schema.metadata or {})  # their paths are those of images that were judged
    declared = dict.fromkeys(declared_ways(schema))
    places, empty = list(ways(schema)), []
    for is_kind in (is_bytes,) if verdicts else (is_bytes, is_text):
        of_kind = [way for way, type_ in places if holds(type_, is_kind)]
        samples = _samples(request, [way for way in of_kind if way not in declared])
        found = [way for way, held in samples.items() if looks_like_images(held)]
        paths = [way for way in found if not only_addresses(samples[way])]
        empty += [way for way, type_ in places if not samples.get(way, [None]) and may_hold_images(way, type_)]
        if found or not declared.keys().isdisjoint(of_kind):
            images = [*declared, *paths]
            return list(dict.fromkeys(images + empty)) if images else found, not images
    return list(dict.fromkeys([*declared, *([] if verdicts else empty)])), False


def _samples(request: Mapping[str, Any], chosen: Sequence[Way]) -> dict[Way, list[Held]]:
    """Some of what is held at the end of each way; of a column alone, and of all fields within it, at once."""
    samples: dict[Way, list[Held]] = {}
    for column, into in groupby(chosen, key=lambda way: cast("str", way[0])):
        samples |= _sample(request, column, dict.fromkeys(into))
    return samples


def _sample(request: Mapping[str, Any], column: str, into: Collection[Way]) -> dict[Way, list[Held]]:
    """The same for one column. Raises what keeps from reading it, if nothing is found."""
    samples: dict[Way, list[Held]] = {way: [] for way in into}
    rows, trouble = 0, None
    for part in islice(_open(request).parts([column]), _PARTS_LOOKED_AT):
        try:
            for batch in part.batches:
                rows += batch.num_rows
                for cell in batch.column(column):
                    for way, held in samples.items():
                        held += islice(images_in(cell, way), _SAMPLED - len(held))
                known = (len(held) == _SAMPLED or looks_like_images(held) for held in samples.values())
                if rows >= _ROWS_LOOKED_AT or all(known):
                    return samples
        except Exception as error:
            trouble = error
    if trouble is not None and not any(samples.values()):
        raise trouble
    return samples


def _read(table: _Table, request: Mapping[str, Any], images: Sequence[Way], replies: BinaryIO) -> None:
    fields = [name for name in table.schema.names if {name, name.lower()} & set(request["fields"])]
    reading = _Reading(images, fields, class_names(table.schema.metadata), request, replies)
    row, first, number = request["row"], 0, 0
    try:
        for part in _timed(table.parts(reading.columns)):
            if number >= request["part"] and (row is None or first <= row < first + part.rows):
                messages.send(replies, {"part": number})
                try:
                    reading.send(part, first)
                except Exception as error:
                    messages.send(replies, {"broken": number, "message": _words(error)})
            first += part.rows
            number += 1
    except Exception as error:  # then it is not known where the next part begins
        messages.send(replies, {"broken": number, "message": _words(error)})


@dataclass(frozen=True, slots=True)
class _Reading:
    images: Sequence[Way]
    fields: Sequence[str]
    classes: Mapping[str, Sequence[str]]
    request: Mapping[str, Any]
    replies: BinaryIO

    @property
    def columns(self) -> list[str]:
        """All that are read."""
        return list(dict.fromkeys([*(names_on(way)[0] for way in self.images), *self.fields]))

    def send(self, part: _Part, first: int) -> None:
        """All rows of a part, of which the first one has this number, or the only one that is asked for."""
        for batch in _timed(part.batches):
            for at in range(batch.num_rows):
                if self.request["row"] in (None, first + at):
                    self._send_row(batch, at, first + at)
            first += batch.num_rows

    def _send_row(self, batch: Any, at: int, row: int) -> None:
        fields = {name: self._field(name, batch.column(name)[at].as_py()) for name in self.fields}
        sent = 0
        for number, way in enumerate(self.images):
            for held in images_in(batch.column(way[0])[at], way):
                place = held.place if number or len(way) > 1 else ""
                data = held.data or b""
                header = {"row": row, "place": place, "size": len(data), "path": held.path, "fields": fields}
                messages.send(self.replies, header, data if len(data) <= self.request["bytes"] else b"")
                sent += 1
        if not sent:
            messages.send(self.replies, {"row": row, "fields": fields})

    def _field(self, name: str, cell: object) -> object:
        names = self.classes.get(name, ())
        if isinstance(cell, int) and 0 <= cell < len(names):
            return names[cell]
        return carried(cell, self.request["longest"])


def _timed(each: Iterator[_T]) -> Iterator[_T]:
    """The same, and the process ends where one of them takes too long."""
    while True:
        with _in_time():
            found = next(each, None)
        if found is None:
            return
        yield found


@contextmanager
def _in_time() -> Iterator[None]:
    """End the process by a signal if what is done here takes too long. Waiting for the parent is none of it."""
    alarm = getattr(signal, "alarm", lambda seconds: None)  # Windows has none
    alarm(PATIENCE)
    try:
        yield
    finally:
        alarm(0)


def _words(error: Exception) -> str:
    """What went wrong, in one line."""
    if isinstance(error, MemoryError):  # Arrow's is one
        return f"needs more than {_MEMORY:,} bytes of memory; write it with smaller row groups"
    return printable((str(error).strip() or type(error).__name__).splitlines()[0][:200])


if __name__ == "__main__":
    main()
