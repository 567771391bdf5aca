"""Verdicts as JSON Lines: one object a line, flushed as it is made."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, Final

from imagejudge.common.open_input import lines_of
from imagejudge.errors import UsageError
from imagejudge.verdict import Verdict, line_of, verdict_of

START = b'{"schema":1,"path":'
"""How every line begins: what else a file ends with was not written here."""
LONGEST: Final = 64_000_000
"""Bytes of a line. That of the largest constitution, with all its statements reasoned about, has a tenth of it."""
_MOST_KEPT: Final = 20_000_000_000
"""Bytes that are copied from a pipe: about four million verdicts. Files are read where they lie, however long."""
_HINT: Final = "give a file that `imagejudge scan` with `output` wrote to its end"
_SUBJECT: Final = re.compile(rb'\{"schema":1,"path":("(?:[^"\\]|\\.)*"),"sha256":(?:"([0-9a-f]{64})"|null),')
"""What a line that `line_of` wrote is about."""


def read_verdicts(stream: BinaryIO, name: str) -> Iterator[Verdict]:
    """The verdicts in a file, one a line. Raises `UsageError`, with `name` and the line, for what is none."""
    for number, line in enumerate(_lines(stream, name), 1):
        try:
            yield verdict_of(line)
        except (ValueError, RecursionError):
            raise _no_verdict(name, number) from None


def _no_verdict(name: str, number: int) -> UsageError:
    return UsageError(f"{name}:{number}: this is not a verdict of this version", _HINT)


def _lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    return lines_of(
        stream, LONGEST, lambda number: UsageError(f"{name}:{number}: a line longer than any verdict", _HINT)
    )


def keep(stream: BinaryIO, kept: IO[bytes], name: str) -> None:
    """Copy verdicts from a stream that can be read only once. Raises `UsageError` for the first line that is none, and
    for what has no end; `OSError` where there is no room.
    """
    size = 0
    for number, line in enumerate(_lines(stream, name), 1):
        if _subject_of(line) is None:
            raise _no_verdict(name, number)
        size += len(line)
        if size > _MOST_KEPT:
            raise UsageError(f"{name} is longer than {_MOST_KEPT:,} bytes", "save it to a file, and give that")
        kept.write(line)


class Latest:
    """The verdicts in a file, of several about one path only the last: files of several scans may have been joined.

    Only one can be gone through at a time. Raises `UsageError` as `read` does.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self.digests: dict[str, str | None] = {}
        """SHA-256 of the file that the last line about a path was given on."""
        last: dict[str, int] = {}
        self._earlier: set[int] = set()
        stream.seek(0)
        for number, line in enumerate(_lines(stream, name)):
            subject = _subject_of(line)
            if subject is not None:  # else `read` will say what is wrong
                path, digest = subject
                self.digests[path] = digest
                if path in last:
                    self._earlier.add(last[path])
                last[path] = number

    def __iter__(self) -> Iterator[Verdict]:
        self._stream.seek(0)
        for number, verdict in enumerate(read_verdicts(self._stream, self._name)):
            if number not in self._earlier:
                yield verdict


def _subject_of(line: bytes) -> tuple[str, str | None] | None:
    if (head := _SUBJECT.match(line)) and b"\\" not in head[1]:
        return head[1][1:-1].decode(errors="replace"), None if head[2] is None else head[2].decode()
    try:
        row: Any = json.loads(line)
        return str(row["path"]), row.get("sha256")
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None


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
        """Flush; the stream stays open for its owner."""
        self._stream.flush()
