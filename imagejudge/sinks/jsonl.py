"""Verdicts as JSON Lines: one object a line, flushed as it is made, in a file that a killed scan can go on with."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from imagejudge.errors import OutputError, UsageError
from imagejudge.verdict import Outcome, Verdict

try:
    import fcntl
except ImportError:  # Windows: two scans into one file are then not noticed
    fcntl = None  # type: ignore[assignment]


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

    A last line that was cut off when its writer was killed is taken out. Raises `OutputError` when the file is not made
    of verdicts, belongs to another model, constitution or method (unless `mix`), or is being written by another scan.
    """

    def __init__(
        self, path: Path, identity: Identity, *, overwrite: bool = False, mix: bool = False, retry_errors: bool = False
    ) -> None:
        self._path = path
        self._file = _open_locked(path)
        self.done: set[str] = set()
        """Paths of the images that have their line already."""
        try:
            if overwrite:
                self._file.truncate(0)
            self._take_in(identity, mix)
            if retry_errors:
                self._keep_only(lambda row: row["verdict"] != Outcome.ERROR)
        except BaseException:
            self._file.close()
            raise
        super().__init__(self._file)

    def recorded(self, paths: Container[str]) -> Iterator[Verdict]:
        """The verdicts on these images that are in the file already."""
        with self._path.open("rb") as file:
            yield from (verdict for verdict in read(file, str(self._path)) if verdict.path in paths)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _take_in(self, identity: Identity, mix: bool) -> None:
        for row in self._rows():
            self.done.add(row["path"])
            if not mix:
                self._compare(row, identity)

    def _rows(self) -> Iterator[dict[str, Any]]:
        """Read all whole lines, and cut the file behind the last of them."""
        self._file.seek(0)
        end = 0
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n"):
                break
            yield self._row(line, number)
            end += len(line)
        self._file.truncate(end)
        self._file.seek(end)

    def _row(self, line: bytes, number: int) -> dict[str, Any]:
        row: Any = None
        with suppress(ValueError):
            row = json.loads(line)
        if not isinstance(row, dict) or not {"path", "verdict", "model", "constitution", "method"} <= row.keys():
            raise OutputError(
                f"{self._path}:{number}: this is not a verdict, so nothing was added to the file",
                "name another file with -o, or start this one afresh with --overwrite",
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

    def _keep_only(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Rewrite the file without some of its lines; the old one is there until the new one is whole."""
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        try:
            new = _open_locked(fresh)
            self._file.seek(0)
            for line in self._file:
                row = json.loads(line)
                if wanted(row):
                    new.write(line)
                else:
                    self.done.discard(row["path"])
            new.flush()
            os.fsync(new.fileno())
            fresh.replace(self._path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        self._file.close()
        self._file = new


def _open_locked(path: Path) -> BinaryIO:
    try:
        file = path.open("r+b" if path.exists() else "x+b")
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}", "name a file in a folder that exists, with -o"
        ) from error
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise OutputError(f"another scan is writing to {path}", "wait for it, or name another file") from error
    return file
