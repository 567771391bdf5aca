"""A file of decisions that is being written: each is on the disk before it is called kept."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from imagejudge.common.atomic_write import replacing
from imagejudge.common.file_lock import lock_file
from imagejudge.errors import OutputError
from imagejudge.output.decisions import Decision, decision_line, decision_of, read_decisions
from imagejudge.output.writing import append, writing

Key = tuple[str, str | None]
"""SHA-256 of an image, and a rule's id or None."""

_HINT = "free space, or name another file with `decisions`"


class DecisionFile:
    """Appends decisions to a file, and takes them back. Threads may call it side by side.

    What is in the file already stays; a last line that was cut off is taken out. Raises `OutputError` when the file
    cannot be written or another process is writing to it, and `UsageError` when it holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        with writing(path, _HINT):
            if path.exists() and not path.is_file():
                raise OutputError(f"{path} cannot be written: it is not a file", "name another file with `decisions`")
            self._file = _opened(path)
        try:
            self._made: dict[Key, Decision] = {}
            with path.open("rb") as reader:
                for each in read_decisions(reader, str(path)):
                    self._made.pop(_key(each), None)
                    self._made[_key(each)] = each
                with writing(path, _HINT):
                    _end_last_line(self._file, reader)
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return len(self._made)

    def __iter__(self) -> Iterator[Decision]:
        with self._turn:
            return iter(list(self._made.values()))

    def change(self, decisions: Mapping[Key, Decision | None]) -> None:
        """Make decisions, or take them back where there is None, in this order; all of them are kept then, or none."""
        with self._turn, writing(self._path, _HINT):
            made = {**self._made}
            for key, decision in decisions.items():
                made.pop(key, None)  # the order is that in which they were made
                if decision is not None:
                    made[key] = decision
            new = [decision for decision in decisions.values() if decision is not None]
            if len(new) == len(decisions):
                append(self._file, b"".join(map(decision_line, new)))
            else:
                self._rewrite(made.values())
            self._made = made

    def close(self) -> None:
        """Wait until what is being written is written."""
        with self._turn:
            self._file.close()

    def _rewrite(self, decisions: Iterable[Decision]) -> None:
        with replacing(self._path, locked=True) as fresh:
            file = _opened(fresh)
            append(file, b"".join(map(decision_line, decisions)))
        self._file.close()
        self._file = file


def _key(decision: Decision) -> Key:
    return decision.sha256, decision.rule


def _opened(path: Path) -> FileIO:
    """A file to append to, which no other process may write to."""
    file = path.open("ab", buffering=0)
    try:
        lock_file(file)
    except BlockingIOError as error:
        file.close()
        raise OutputError(f"somebody else is deciding in {path}", "name another file with `decisions`") from error
    return file


def _end_last_line(file: FileIO, reader: BinaryIO) -> None:
    """End a last line that somebody wrote without an end, and take out one that was cut off."""
    reader.seek(0)
    end, last = 0, b""
    for last in reader:
        end += len(last)
    if not last or last.endswith(b"\n"):
        return
    try:
        decision_of(last)
    except (ValueError, RecursionError):
        file.truncate(end - len(last))
    else:
        append(file, b"\n")
