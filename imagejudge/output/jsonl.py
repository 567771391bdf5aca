"""Verdicts as JSON Lines: one object a line, flushed as it is made."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO, Any, BinaryIO, Final, cast

from imagejudge.common.json_line import is_torn
from imagejudge.common.open_input import lines_of
from imagejudge.errors import UsageError
from imagejudge.output.packing import Writable
from imagejudge.output.recorded import line_in
from imagejudge.verdict import Outcome, Verdict, line_of, verdict_of

START = b'{"schema":1,"path":'
"""How every line begins: what else a file ends with was not written here."""
LONGEST: Final = 64_000_000
"""Bytes of a line. That of the largest constitution, with all its statements reasoned about, has a tenth of it."""
_MOST_KEPT: Final = 20_000_000_000
"""Bytes that are copied from a pipe: about four million verdicts. Files are read where they lie, however long."""
_PART: Final = 1_000_000
_HINT: Final = "give a file that `imagejudge scan` with `output` wrote to its end"
_SUBJECT: Final = re.compile(rb'\{"schema":1,"path":("(?:[^"\\]|\\.)*"),"sha256":(?:"([0-9a-f]{64})"|null),')
"""What a line that `line_of` wrote is about."""


def read_verdicts(stream: BinaryIO, name: str) -> Iterator[Verdict]:
    """The verdicts in a file, one a line. Raises `UsageError`, with `name` and the line, for what is none."""
    for number, line in enumerate(_lines(stream, name), 1):
        yield _verdict(line, name, number)


def _verdict(line: bytes, name: str, number: int) -> Verdict:
    try:
        return verdict_of(line)
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
        if _subject_of(line) is None and not is_torn(line, START):
            raise _no_verdict(name, number)
        size += len(line)
        if size > _MOST_KEPT:
            raise UsageError(f"{name} is longer than {_MOST_KEPT:,} bytes", "save it to a file, and give that")
        kept.write(line)


def _is_whole(line: bytes) -> bool:
    """Whether a line is one although its newline is missing, as a program may write it that joins lines."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


class Latest:
    """The verdicts in a file, of several about one path only the last: files of several scans may have been joined.

    A last line that was cut off when its writer was killed is none. Only one can be gone through at a time. Raises
    `UsageError` as `read_verdicts` does. Of each line 8 bytes are held.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self.torn = False
        """Whether the last line was cut off."""
        salt = os.urandom(16)  # nobody can give two paths the same key on purpose
        keys = array("Q")
        for number, line in enumerate(self._from_the_start()):
            if is_torn(line, START) and not _is_whole(line):
                self.torn = True
                break
            subject = _subject_of(line)  # where there is none, the line is read, and what is wrong is said then
            words = str(number) if subject is None else f"/{subject[0]}"
            hashed = hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8, key=salt)
            keys.append(int.from_bytes(hashed.digest()))
        self._is_last = _is_last(keys)

    def subjects(self) -> Iterator[tuple[str, str | None]]:
        """Path and SHA-256 of the image that each line is about, without reading the rest; of no line that is none."""
        for line in itertools.islice(self._from_the_start(), len(self._is_last)):
            if (subject := _subject_of(line)) is not None:
                yield subject

    def digests(self) -> dict[str, str | None]:
        """SHA-256 of the file that the last line about a path was given on, by path."""
        return dict(self.subjects())

    def failed(self) -> set[str]:
        """Paths of the images that could not be judged, by the last line about each."""
        found: set[str] = set()
        for line in itertools.islice(self._from_the_start(), len(self._is_last)):
            with suppress(ValueError, RecursionError, TypeError, KeyError):  # no verdict, which is said when it is read
                told = line_in(line)
                (found.add if told.verdict == Outcome.ERROR else found.discard)(told.path)
        return found

    def sha256(self) -> str:
        """Of the whole file, in hex."""
        self._stream.seek(0)
        digest = hashlib.sha256()
        while part := self._stream.read(_PART):
            digest.update(part)
        return digest.hexdigest()

    def __iter__(self) -> Iterator[Verdict]:
        for number, line in enumerate(itertools.islice(self._from_the_start(), len(self._is_last)), 1):
            verdict = _verdict(line, self._name, number)
            if self._is_last[number - 1]:
                yield verdict

    def _from_the_start(self) -> Iterator[bytes]:
        self._stream.seek(0)
        return _lines(self._stream, self._name)


def _is_last(keys: array[int]) -> Sequence[bool]:
    """Of each key, whether no equal one comes after it."""
    import numpy as np  # which a scan that asks nothing need not wait for

    values = np.frombuffer(keys, dtype=np.uint64)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    last = np.ones(len(values), dtype=bool)
    last[order[:-1]] = ordered[1:] != ordered[:-1]
    return cast("Sequence[bool]", last)


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

    def __init__(self, stream: Writable) -> None:
        self._stream = stream

    def write(self, verdict: Verdict) -> None:
        """Write one line."""
        self._stream.write(line_of(verdict))
        self._stream.flush()

    def close(self) -> None:
        """Flush; the stream stays open for its owner."""
        self._stream.flush()
