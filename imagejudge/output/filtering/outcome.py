"""What became of a shard that was filtered, and the record of it that tells which need not be filtered again."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from io import FileIO
from pathlib import Path
from typing import Final

from imagejudge.common.file_lock import lock_file
from imagejudge.common.text import printable
from imagejudge.errors import OutputError
from imagejudge.output.writing import append
from imagejudge.verdict import Outcome

UNJUDGED: Final = "without a verdict"
UNREADABLE: Final = "with an image or a member that cannot be read"
TOO_LARGE: Final = "of more than 1 GB"
NO_IMAGE: Final = "without an image"
OTHER: Final = "members of no sample"
LARGEST: Final = 1_000_000_000
"""Bytes of a sample, which is in memory as a whole: that of a member is up to the scan that judged it."""
_RECORDS: Final = ".imagejudge"
"""A folder beside the new shards; readers of data sets pass over what is hidden."""


def of_outcome(outcome: str) -> str:
    """Why a sample did not pass that has an image of this outcome."""
    return "with an image that could not be judged" if outcome == Outcome.ERROR else f"with an image that is {outcome}"


@dataclass(slots=True)
class Filtered:
    """How many samples a shard had, and how many passed."""

    samples: int = 0
    kept: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    """Samples by why they did not pass."""
    unjudged: int = 0
    """Images that no verdict is about."""
    broken: str = ""
    """Where and why the shard cannot be read to its end."""


class Records:
    """Which shards in a folder are done, and what they were made of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, name: str, made_of: str) -> Filtered | None:
        """What became of the shard, if it is there and was made of this."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(self._path(name).read_bytes())
            if (found.pop("made_of"), found.pop("state")) == (made_of, _size_and_time(self._folder / name)):
                return Filtered(**{**found, "left_out": Counter(found["left_out"])})
        return None

    @contextmanager
    def open(self, name: str) -> Iterator[Record]:
        """The record of a shard, to write; no other process can open it meanwhile, where there are locks.

        Raises `OSError`, and `OutputError` where another has it open: it is writing the same shard.
        """
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            try:
                lock_file(file)
            except BlockingIOError as error:
                hint = "wait for it, or name another folder with -o"
                raise OutputError(f"another process is writing {printable(self._folder / name)}", hint) from error
            yield Record(file)

    def _path(self, name: str) -> Path:
        return self._folder / _RECORDS / f"{name}.json"


class Record:
    """What became of one shard, as a file that is being written."""

    def __init__(self, file: FileIO) -> None:
        self._file = file

    def keep(self, made_of: str, filtered: Filtered, fresh: Path) -> None:
        """Record this right before `fresh`, which is written, is put in its place. Raises `OSError`.

        After a kill just then, the record is not about the old shard that is still there, or it is no record.
        """
        found = {each.name: getattr(filtered, each.name) for each in fields(filtered)}
        self._file.truncate(0)
        append(self._file, json.dumps({"made_of": made_of, "state": _size_and_time(fresh), **found}).encode())


def made_of(shard: str, verdicts: str, only: Collection[str]) -> str:
    """What a new shard depends on, as text. Raises `OSError`."""
    return json.dumps([1, *_size_and_time(shard), verdicts, sorted(only)])


def _size_and_time(path: str | Path) -> list[int]:
    """What tells a file from another one under its name. Raises `OSError`.

    No `Stamp`: it has to be the same once the file is renamed.
    """
    status = os.stat(path)  # noqa: PTH116 - the name may have stray bytes
    return [status.st_size, status.st_mtime_ns]
