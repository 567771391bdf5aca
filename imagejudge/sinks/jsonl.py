"""Verdicts as JSON Lines: one object a line, flushed as it is made, in a file that a killed scan can go on with."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Container, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from imagejudge.errors import OutputError, UsageError
from imagejudge.sinks.writing import writing
from imagejudge.verdict import Outcome, Verdict

try:
    import fcntl
except ImportError:  # Windows: two scans into one file are then not noticed
    fcntl = None  # type: ignore[assignment]

START = b'{"schema":1,"path":'
"""How every line begins: what else a file ends with was not written here."""
_READ = ("path", "verdict", "model", "constitution", "method")
"""What is read of a line before a scan goes on with its file; all of it is text."""


def line_of(verdict: Verdict) -> bytes:
    """A verdict as one line of JSON, newline included."""
    try:
        text = verdict.model_dump_json(by_alias=True)
    except PydanticSerializationError:  # a path that is not UTF-8: its stray bytes need escapes
        text = json.dumps(verdict.model_dump(mode="json", by_alias=True), separators=(",", ":"))
    return text.encode() + b"\n"


def read(stream: Iterable[bytes], name: str) -> Iterator[Verdict]:
    """The verdicts in a file, one a line. Raises `UsageError`, with `name` and the line, for what is none."""
    for number, line in enumerate(stream, 1):
        try:
            yield verdict_of(line)
        except (ValueError, RecursionError):
            problem = f"{name}:{number}: this is not a verdict of this version"
            raise UsageError(problem, "give a file that `imagejudge scan -o` wrote to its end") from None


def verdict_of(line: bytes) -> Verdict:
    """What `line_of` wrote. Raises `ValueError` for anything else."""
    try:
        return Verdict.model_validate_json(line)
    except ValidationError:  # perhaps only a path that is not UTF-8: its escapes are refused there
        return Verdict.model_validate(json.loads(line))


class JsonLines:
    """Writes lines to a stream. A reader sees each line as soon as it is there."""

    note = ""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, verdict: Verdict) -> None:
        """Write one line."""
        self._stream.write(line_of(verdict))
        self._stream.flush()

    def close(self) -> None:
        """Flush; the stream stays open for whoever opened it."""
        self._stream.flush()


@dataclass(frozen=True, slots=True)
class Identity:
    """What must be the same for verdicts to belong in one file."""

    model: str
    constitution: str
    method: str


class ResumableFile(JsonLines):
    """A file of verdicts that goes on where it ended: what is in it need not be judged again.

    A last line that was cut off when its writer was killed is taken out. Raises `OutputError` when the file cannot be
    written, is not made of verdicts, belongs to another model, constitution or method (unless `mix`), or is being
    written by another scan. What is refused stays as it was.
    """

    def __init__(
        self, path: Path, identity: Identity, *, overwrite: bool = False, mix: bool = False, retry_errors: bool = False
    ) -> None:
        self._path = path
        self._file = _open_locked(path)
        self.done: set[str] = set()
        """Paths of the images that have their line already."""
        try:
            with self._writing():
                if overwrite:
                    self._file.truncate(0)
                failed = self._take_in(identity, mix)
                if retry_errors and failed:
                    self._drop_errors()
        except BaseException:
            self._file.close()
            raise
        super().__init__(self._file)

    def recorded(self, paths: Container[str]) -> Iterator[Verdict]:
        """The verdicts on these images that are in the file already."""
        with self._path.open("rb") as file:
            yield from (verdict for verdict in read(file, str(self._path)) if verdict.path in paths)

    def write(self, verdict: Verdict) -> None:
        """Write one line. Raises `OutputError` when there is no room for it."""
        with self._writing():
            super().write(verdict)

    def close(self) -> None:
        """Close the file. Raises `OutputError` when something is left to write and cannot be written."""
        with self._writing():
            self._file.close()

    def _writing(self) -> AbstractContextManager[None]:
        return writing(self._path, "free space, then run the same command again: it goes on where it stopped")

    def _take_in(self, identity: Identity, mix: bool) -> bool:
        """Read all lines and cut off the last if it is torn; gives whether one is about an error."""
        failed = False
        end = 0
        self._file.seek(0)
        for number, line in enumerate(self._file, 1):
            if _is_torn(line):
                self._file.truncate(end)
                break
            row = self._row(line, number)
            if not mix:
                self._compare(row, identity)
            self.done.add(row["path"])
            failed |= row["verdict"] == Outcome.ERROR
            end += len(line)
        self._file.seek(end)
        return failed

    def _row(self, line: bytes, number: int) -> dict[str, Any]:
        row: Any = None
        if line.endswith(b"\n"):  # a file of another kind may end without it; what was torn does not come here
            with suppress(ValueError, RecursionError):
                row = json.loads(line)
        if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in _READ):
            raise OutputError(
                f"{self._path}:{number}: this is not a verdict, so nothing was added to the file",
                "name another file with -o, or give up what is in this one with --overwrite",
            )
        return row

    def _compare(self, row: dict[str, Any], identity: Identity) -> None:
        for name in ("constitution", "model", "method"):
            here, now = row[name], getattr(identity, name)
            if here != now:
                raise OutputError(
                    f"{self._path} holds verdicts of another {name} ({here}, now {now})",
                    "name another file with -o, start afresh with --overwrite, or allow both in one with --mix",
                )

    def _drop_errors(self) -> None:
        """Rewrite the file without the lines about errors; the old one is there until the new one is whole."""
        target = self._path.resolve()  # a link stays one
        fresh = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        new = _open_locked(fresh)
        try:
            new.truncate(0)  # one of this name may be left of a process that was killed
            shutil.copymode(target, fresh)
            self.done.clear()
            self._file.seek(0)
            for line in self._file:
                row = json.loads(line)
                if row["verdict"] != Outcome.ERROR:
                    new.write(line)
                    self.done.add(row["path"])
            new.flush()
            os.fsync(new.fileno())
            fresh.replace(target)
        except BaseException:
            with suppress(OSError):  # what it still holds has no room
                new.close()
            fresh.unlink(missing_ok=True)
            raise
        self._file.close()
        self._file = new


def _is_torn(line: bytes) -> bool:
    """Whether this is a verdict whose writer was killed. A file of another kind may also end without a newline."""
    return not line.endswith(b"\n") and (line.startswith(START) or START.startswith(line))


def _open_locked(path: Path) -> BinaryIO:
    with writing(path, "name a file in a folder that exists, with -o"):
        if path.is_dir():
            raise OutputError(f"{path} cannot be written: it is a folder", "name a file in it, with -o")
        if path.exists() and not path.is_file():  # a device may have no end, and a pipe cannot be gone on with
            raise OutputError(
                f"{path} cannot be written: it is not a file",
                "leave -o away: with --format jsonl, standard output gets the same lines",
            )
        file = path.open("a+b")
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise OutputError(f"another scan is writing to {path}", "wait for it, or name another file") from error
    return file
