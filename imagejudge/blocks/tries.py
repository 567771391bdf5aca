"""Attempts at blocks. Each is a file from before it begins until it ended or was called off.

tries/00017.2       holds whose the second attempt at block 17 is; while it lives, its time is always new

A lock would tell at once whether it lives. But of the file systems that many machines share, some have no locks, some
show them to one machine alone, and some keep those of a machine that is lost.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Final
from uuid import uuid4

from imagejudge.errors import ImageJudgeError
from imagejudge.output.writing import writing

ATTEMPTS: Final = 3
"""So many runs may die within a block before it is given up."""
BEAT: Final = 10.0
"""Seconds between two signs of life."""
AGAIN: Final = "run the same command again: what is done stays done"

_LOOKS: Final = 6
"""So often, a beat apart, attempts are looked at before all of them are taken for dead."""


class Turn(Enum):
    """What a run is to do with a block."""

    JUDGE = "judge"
    GIVE_UP = "give up"
    """As many runs as `ATTEMPTS` died in it."""
    LEAVE = "leave"
    """As many began it, and not all of them died."""


class Tries:
    """The attempts at all blocks in one folder."""

    def __init__(self, folder: Path, worker: str | None = None) -> None:
        """`worker` is written into the files of this one's attempts, and nobody else is called so; None: a new name."""
        self._folder = folder / "tries"
        self._worker = worker or f"{platform.node()} {os.getpid()} {uuid4().hex}"  # containers may share the first two

    def begin(self) -> None:
        """Make the folder. Raises `OutputError`."""
        with writing(self._folder, then=AGAIN):
            self._folder.mkdir(exist_ok=True)

    @contextmanager
    def attempt(self, number: int) -> Iterator[Turn]:
        """Do something about a block that may kill the process. Raises `OutputError`.

        What is raised on purpose, and a signal that stops the process, is no death: the attempt is called off.
        """
        try:
            mine = self._begin(number)
            if mine is not None:
                with _beating(mine):
                    yield Turn.JUDGE
            elif self._any_lives(number):
                yield Turn.LEAVE
                return
            else:
                yield Turn.GIVE_UP
            self.forget(number)
        except (ImageJudgeError, KeyboardInterrupt):  # a signal may also come while the attempt begins or ends
            self.call_off(number, self._worker)
            raise

    def call_off(self, number: int, worker: str) -> None:
        """Forget the attempt at a block by this worker, who was ended on purpose.

        A file that names nobody is taken for its own: it was ended, or another is, before the name was written.
        """
        for file in self._files(number):
            with suppress(FileNotFoundError):
                if file.read_text() in ("", worker):
                    file.unlink()

    def forget(self, number: int) -> None:
        """Forget all attempts at a block."""
        for file in self._files(number):
            file.unlink(missing_ok=True)

    def _files(self, number: int) -> list[Path]:
        return [self._folder / f"{number:05}.{attempt}" for attempt in range(1, ATTEMPTS + 1)]

    def _begin(self, number: int) -> Path | None:
        """The file of a new attempt; None where there were as many as may be."""
        for file in self._files(number):
            with writing(self._folder, then=AGAIN):
                try:
                    with file.open("x") as mine:
                        mine.write(self._worker)
                except FileExistsError:
                    continue
                except OSError:  # there was no room for it: that is no death
                    file.unlink(missing_ok=True)
                    raise
            return file
        return None

    def _any_lives(self, number: int) -> bool:
        """Whether an attempt shows a sign of life, or ends, while all of them are looked at.

        Looks are counted, not seconds, and times compared with nobody's clock: clocks differ, and machines are paused.
        """
        files = self._files(number)
        with writing(self._folder, then=AGAIN):
            before = [*map(_sign, files)]
            for _ in range(_LOOKS):
                time.sleep(BEAT)
                if [*map(_sign, files)] != before:
                    return True
        return False


@contextmanager
def _beating(file: Path) -> Iterator[None]:
    """Show signs of life for as long as the context lasts."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT):
            with suppress(OSError):  # a server may be away for a while, and the file be gone where others were quicker
                os.utime(file)

    threading.Thread(target=beat, name="beat", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _sign(file: Path) -> int | None:
    """The last sign of life in a file; None where it is gone."""
    try:
        with file.open("rb") as opened:  # what a network's file system tells of one that is closed may be a minute old
            return os.fstat(opened.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None
