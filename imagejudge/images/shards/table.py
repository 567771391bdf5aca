"""Parquet and Arrow files by way of the process that reads them: what a table has, and its rows one by one.

A process that dies at one part of a file is started again behind it, as often as is sensible.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, Self, cast

from imagejudge.common import messages
from imagejudge.images.remote import RangeFile

_DEATHS: Final = 3
"""After so many, the rest of the file is given up."""
PARTS: Final = {False: "row group", True: "record batch"}
"""What a part is called, by whether the file is one of Arrow's."""


class BrokenTable(Exception):  # noqa: N818 - ends one file, not the run
    """A table cannot be read at all."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be read of a table."""

    images: Sequence[str] | None = None
    """Columns; None: those that are found to have images."""
    fields: Sequence[str] = ()
    """Other columns, also in lower case; those that there are not are left out."""
    row: int | None = None
    """The only row, from 0; None: all."""
    most_bytes: int = 100_000_000
    """Of an image: of larger ones the size alone is told."""
    longest: int = 100_000
    """Characters of another cell, as JSON; a longer one is given as None."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a table is."""

    columns: Sequence[str]
    rows: int | None
    """None where that is known only when all are read."""
    classes: dict[str, list[str]]
    """Names of the whole numbers in a column, which Hugging Face keeps beside the table."""
    images: Sequence[str]
    """Columns that have them, or `COLUMN/FIELD` where they lie within one."""
    single: Sequence[str]
    """Columns whose cells may hold one image each, by their type."""
    addresses: bool
    """The images are only addresses; then no row is read."""
    verdicts: bool
    """It was written by this program."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One image of a row; or a row without an image, which has neither bytes nor path."""

    row: int
    place: str = ""
    """In the row, as in `cells.Held`; empty for the one image of the first column."""
    size: int = 0
    data: bytes = field(default=b"", repr=False)
    """Empty, though the size is not, where it is larger than wanted."""
    path: str | None = None
    held: bool = False
    """Whether there is an image or a path of one."""
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BrokenPart:
    """A row group or record batch that cannot be read to its end; the cells before it stand."""

    number: int
    message: str


class TableReader:
    """Iterates over an open file. Close it; what is raised when it is opened is `BrokenTable`."""

    def __init__(self, file: BinaryIO | RangeFile, *, arrow: bool, wanted: Wanted) -> None:
        self._file = file
        self._request: dict[str, Any] = {
            "arrow": arrow,
            "images": wanted.images,
            "fields": list(wanted.fields),
            "row": wanted.row,
            "bytes": wanted.most_bytes,
            "longest": wanted.longest,
            "size": file.size if isinstance(file, RangeFile) else None,
        }
        try:
            self._process = self._start(0)
        except OSError as error:
            raise BrokenTable(f"no process can be started: {error.strerror}") from error
        found = messages.receive(self._replies)
        if found is None or "refused" in found[0]:
            self.close()
            raise BrokenTable(found[0]["refused"] if found else self._how_it_died())
        self.schema = Schema(**found[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process; may be called twice."""
        self._process.kill()
        self._process.wait()
        self._replies.close()

    def __iter__(self) -> Iterator[Cell | BrokenPart]:
        part, deaths = 0, 0
        while True:
            if (found := messages.receive(self._replies)) is None:
                deaths += 1
                last = deaths == _DEATHS or self._request["arrow"]
                yield BrokenPart(part, self._how_it_died() + "; the rest is not read" * last)
                if last:
                    return
                part += 1
                self.close()
                self._process = self._start(part)
                messages.receive(self._replies)  # the schema
                continue
            header, data = found
            if "end" in header:
                return
            if "part" in header:
                part = header["part"]
            elif "broken" in header:
                yield BrokenPart(header["broken"], header["message"])
            else:
                yield Cell(**header, data=data, held="place" in header)

    @property
    def _replies(self) -> BinaryIO:
        return cast("BinaryIO", self._process.stdout)

    def _start(self, part: int) -> subprocess.Popen[bytes]:
        if not isinstance(self._file, RangeFile):
            return self._run(part, self._file)
        ours, theirs = socket.socketpair()
        with theirs:
            process = self._run(part, theirs.fileno())
        threading.Thread(target=_serve, args=(ours, self._file), daemon=True).start()
        return process

    def _run(self, part: int, file: BinaryIO | int) -> subprocess.Popen[bytes]:
        request = json.dumps(self._request | {"part": part})
        return subprocess.Popen(  # noqa: S603 - this program
            # -P: the folder one happens to stand in must not supply modules.
            [sys.executable, "-P", "-m", "imagejudge.images.shards.table_child", request],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def _how_it_died(self) -> str:
        code = self._process.wait()
        if code == -getattr(signal, "SIGALRM", 0):
            return "reading takes too long"
        return f"what reads it ended by {signal.Signals(-code).name}" if code < 0 else "what reads it gave up"


def _serve(connection: socket.socket, file: RangeFile) -> None:
    """Give the process what it asks for, until it ends: it has neither the network nor what is needed to use it."""
    with connection, suppress(OSError):
        stream = cast("BinaryIO", connection.makefile("rwb"))
        while (asked := messages.receive(stream)) is not None:
            try:
                messages.send(stream, {}, file.read_at(asked[0]["at"], asked[0]["size"]))
            except (OSError, ValueError) as error:
                messages.send(stream, {"error": str(getattr(error, "strerror", None) or error)})
