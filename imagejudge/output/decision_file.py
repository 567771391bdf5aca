"""A file of decisions that is being written: each is on the disk before it is called kept."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import NamedTuple, NoReturn

from imagejudge.common.atomic_write import replacing
from imagejudge.common.file_lock import lock_file
from imagejudge.errors import OutputError, UsageError
from imagejudge.output.decisions import Decision, decision_line, read_decisions
from imagejudge.output.writing import append, writing

Key = tuple[str, str | None]
"""SHA-256 of an image, and a rule's id or None."""

_HINT = "free space, or name another file with `decisions`"


class _Line(NamedTuple):
    """A line of the file, newline included, and what it is about."""

    about: Key
    text: bytes


class _State(NamedTuple):
    """What changes when somebody writes to a file, or puts another in its place."""

    device: int
    inode: int
    size: int
    modified: int


class DecisionFile:
    """Appends decisions to a file, and takes them back. Threads may call it side by side.

    What is in the file already stays, also what somebody else adds meanwhile, as `cat` does, which asks for no lock; a
    last line that was cut off is taken out. Raises `OutputError` when the file cannot be written or another process is
    writing to it, and `UsageError` when it holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        self._others: set[_Line] = set()  # added since somebody was last told of all: not theirs to take back
        self._left: _State  # by whoever wrote to it last, as far as it was read
        with writing(path, _HINT):
            self._file = _opened(path)
            try:
                self._lines = self._read(lambda message: None)
            except BaseException:
                self._file.close()
                raise

    def __len__(self) -> int:
        return len({line.about for line in self._lines})

    def __iter__(self) -> Iterator[bytes]:
        """Of each subject the last line, in the file's order. Who was told of them can take them back."""
        with self._turn:
            self._others.clear()
            last: dict[Key, bytes] = {}
            for line in self._lines:
                last.pop(line.about, None)
                last[line.about] = line.text
            return iter(last.values())

    def change(self, decisions: Mapping[Key, Decision | None]) -> None:
        """Make decisions, or take them back where there is None, in this order; all of them are kept then, or none."""
        back = {key for key, decision in decisions.items() if decision is None}
        new = [_Line(key, decision_line(decision)) for key, decision in decisions.items() if decision is not None]
        with self._turn, writing(self._path, _HINT):
            self._take_in()
            kept = [line for line in self._lines if line.about not in back or line in self._others]
            if len(kept) < len(self._lines):
                self._rewrite([*kept, *new], self._left)
            else:
                data = b"".join(line.text for line in new)
                append(self._file, data)
                self._left = self._state_at(self._left.size + len(data))
            self._lines = [*kept, *new]

    def close(self) -> None:
        """Wait until what is being written is written."""
        with self._turn:
            self._file.close()

    def _take_in(self) -> None:
        """Read what somebody else made of the file meanwhile."""
        now = self._now()
        if now == self._left:
            return
        if now is None:
            self._rewrite(self._lines, now)  # what was called kept stays so
            return
        file = _opened(self._path) if now[:2] != _state(os.fstat(self._file.fileno()))[:2] else None
        if file is not None:  # as editors save
            self._file.close()
            self._file = file
        known = set(self._lines)
        try:
            self._lines = self._read(lambda message: self._refuse("its last line is not whole"))
        except UsageError as error:
            self._refuse(error.message)
        self._others.update(line for line in self._lines if line not in known)

    def _read(self, torn: Callable[[str], None]) -> list[_Line]:
        """The lines of the file; the last is ended, or taken out where it was cut off and `torn` raises nothing."""
        with self._path.open("rb") as reader:
            decisions = list(read_decisions(reader, str(self._path), torn))
            size = reader.tell()
            reader.seek(0)
            *texts, last = reader.read(size).split(b"\n")
        texts = [text + b"\n" for text in [*texts, last] if text.strip()]
        if len(texts) > len(decisions):
            size -= len(last)
            self._file.truncate(size)
        elif last:
            append(self._file, b"\n")
            size += 1
        self._left = self._state_at(size)
        return [_Line(_key(decision), text) for decision, text in zip(decisions, texts, strict=False)]

    def _rewrite(self, lines: Sequence[_Line], over: _State | None) -> None:
        """Put these in the place of the file, which must still be as it was seen."""
        data = b"".join(line.text for line in lines)
        with replacing(self._path, locked=True) as fresh:
            file = _opened(fresh)
            try:
                append(file, data)
                if self._now() != over:
                    self._refuse("it was written to just now")
            except BaseException:
                file.close()
                raise
        self._file.close()
        self._file = file
        self._left = self._state_at(len(data))

    def _now(self) -> _State | None:
        """What can be told of the file without reading it; None where there is none."""
        try:
            return _state(self._path.stat())
        except FileNotFoundError:
            return None

    def _state_at(self, size: int) -> _State:
        """How the file is left after so many bytes: as it never is found where others wrote at the same time."""
        return _state(os.fstat(self._file.fileno()))._replace(size=size)

    def _refuse(self, why: str) -> NoReturn:
        raise OutputError(f"somebody else is changing {self._path}: {why}", "let them finish, or mend the file")


def _key(decision: Decision) -> Key:
    return decision.sha256, decision.rule


def _state(found: os.stat_result) -> _State:
    return _State(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _opened(path: Path) -> FileIO:
    """A file to append to, which no other process may write to."""
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} cannot be written: it is not a file", "name another file with `decisions`")
    file = path.open("ab", buffering=0)
    try:
        lock_file(file)
    except BlockingIOError as error:
        file.close()
        raise OutputError(f"somebody else is deciding in {path}", "name another file with `decisions`") from error
    return file
