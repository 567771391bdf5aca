"""A file as it was when it was hashed, and whether it still is the same. Knows nothing of what is in it."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from imagejudge.common.file_stamp import Stamp


class State(NamedTuple):
    """What a file system says of a file: as long as it says the same, the file and its content are the same."""

    stamp: Stamp
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> State:
        """Of a file that was looked at."""
        return cls(Stamp.of(status), status.st_ino)

    @classmethod
    def now(cls, path: Path) -> State | None:
        """Of what is at a path; None when nothing is."""
        with suppress(OSError):
            return cls.of(path.stat())
        return None


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A file, its digest, and its state at that time."""

    path: Path
    state: State
    digest: str
    """SHA-256 in hex."""
    settled: bool = True
    """False where the file was written so short a time before that another change might not show in its state."""

    @property
    def untouched(self) -> bool:
        """Whether it looks as it did."""
        return State.now(self.path) == self.state

    def recognised(self) -> HashedFile | None:
        """The same content in its present state; None where there is another now, or none.

        A file that looks changed is hashed again: a new link to it, or a new mode, changes its state alone.
        """
        if self.untouched:
            return self
        with suppress(OSError):
            if (again := hash_file(self.path)).digest == self.digest:
                return again
        return None


def hash_file(path: Path) -> HashedFile:
    """Read a whole file. Raises `OSError`, also where it changes meanwhile."""
    with path.open("rb") as file:
        state, now = State.of(os.fstat(file.fileno())), time.time_ns()
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if State.of(os.fstat(file.fileno())) != state:
            raise OSError(errno.EBUSY, "it changed while it was read; wait until it is written")
    return HashedFile(path, state, digest, settled=state.stamp.settled(now) is not None)
