"""What was done to files, written down before it is done, so that it can be taken back."""

from __future__ import annotations

import datetime
from array import array
from collections.abc import Iterator
from enum import StrEnum
from io import FileIO
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from imagejudge.common.json_line import from_json_line, is_torn, json_line
from imagejudge.common.open_input import lines_of, open_input
from imagejudge.common.placing import sync_folder
from imagejudge.common.text import printable
from imagejudge.common.text_file import reading
from imagejudge.errors import OutputError, UsageError
from imagejudge.output.decisions import Digest
from imagejudge.output.writing import append

_LONGEST: Final = 1_000_000
"""Bytes of a line."""
_START: Final = b'{"schema":1,"action":'
_HINT: Final = "give a file that `imagejudge apply` wrote"


class Action(StrEnum):
    """What is done about an image."""

    MOVE = "move"
    COPY = "copy"
    LINK = "link"
    CENSOR = "censor"
    DELETE = "delete"
    FOLDER = "folder"
    """A folder was made for them."""


_NEEDED: Final[dict[Action, tuple[str, ...]]] = {
    Action.MOVE: ("source", "target", "sha256"),
    Action.COPY: ("source", "target", "result"),
    Action.LINK: ("source", "target"),
    Action.CENSOR: ("source", "target", "result"),
    Action.DELETE: ("source", "sha256"),
    Action.FOLDER: ("target",),
}


class Record(BaseModel):
    """One thing that is about to be done."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    schema_: Annotated[Literal[1], Field(alias="schema")] = 1
    action: Action
    source: str | None = None
    """Absolute path of the image; null for a folder. Bytes that are not UTF-8 stand as in verdict lines."""
    target: str | None = None
    """Absolute path of what is made; null where nothing is."""
    sha256: Digest | None = None
    """Of the image."""
    result: Digest | None = None
    """Of the file at `target`; null for a link, a folder, or none."""
    at: str = ""
    """When, as ISO 8601 in UTC."""


class UndoFile:
    """A new file of records. It is made with the first; each is on the disk before `add` comes back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: FileIO | None = None

    @property
    def begun(self) -> bool:
        """Whether anything was written down."""
        return self._file is not None

    def add(self, record: Record) -> None:
        """Write one down. Raises `OutputError` where that is not possible: then nothing may be done."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json_line(record.model_copy(update={"at": now}))
        try:
            if self._file is None:
                self._file = self.path.open("xb", buffering=0)
                sync_folder(self.path.parent)
            append(self._file, line)
        except OSError as error:
            problem = f"what is done cannot be recorded in {printable(self.path)}: {error.strerror}"
            raise OutputError(problem, "name a new file with `undo_file`") from error

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def read_backwards(path: Path) -> Iterator[Record]:
    """The records of a file, the last one first; one that was cut off when its writer was killed was never acted upon.

    Raises `UsageError` where there is something else, before anything is given.
    """
    name = printable(path)
    with reading(name, UsageError, _HINT):
        file = open_input(path)
    with file:
        if not file.seekable():
            raise UsageError(f"{name} cannot be read from its end: it is a pipe", _HINT)
        begins = array("Q")
        at = 0
        too_long = "a line longer than any record"
        for number, line in enumerate(
            lines_of(file, _LONGEST, lambda number: UsageError(f"{name}:{number}: {too_long}", _HINT)), 1
        ):
            if is_torn(line, _START):
                break
            _record(line, name, number)
            begins.append(at)
            at += len(line)
        for number in range(len(begins), 0, -1):
            file.seek(begins[number - 1])
            yield _record(file.readline(), name, number)


def _record(line: bytes, name: str, number: int) -> Record:
    try:
        record = from_json_line(Record, line)
        if any(getattr(record, name) is None for name in _NEEDED[record.action]):
            raise ValueError("it does not say all")
        if not all(Path(path).is_absolute() for path in (record.source, record.target) if path is not None):
            raise ValueError("a path that depends on the current folder")
    except (ValueError, RecursionError):
        raise UsageError(f"{name}:{number}: this is not a record of this version", _HINT) from None
    return record
