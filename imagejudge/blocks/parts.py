"""The files of blocks. A block's file is there exactly when the block is done; nothing is ever added to one.

parts/part-00017.jsonl      the verdicts of block 17
parts/.part-00017.2.tmp     what its second attempt has written so far
tries/00017.2               holds whose the second attempt is: it began, and neither ended nor was called off
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from imagejudge.common.open_input import lines_of
from imagejudge.errors import ImageJudgeError, UsageError
from imagejudge.output.jsonl import LONGEST
from imagejudge.output.packing import Packing, is_cut, unpacked
from imagejudge.output.recorded import HEAD, line_at
from imagejudge.output.resume import EXCEPTED, PROBED
from imagejudge.output.stats import Stats
from imagejudge.output.verdict_files import save_lines
from imagejudge.output.writing import writing
from imagejudge.verdict import Outcome, Verdict, line_of, verdict_of

ATTEMPTS: Final = 3
"""So many runs may die within a block before it is given up."""

_AGAIN: Final = "judge its block again with `blocks` and `overwrite`"
_HINT: Final = "free space, then run the same command again: what is done stays done"


class Parts:
    """The files of all blocks in one folder."""

    def __init__(self, folder: Path, ending: str, worker: str | None = None) -> None:
        """`ending` is that of the parts' names, which says how they are packed, such as jsonl.zst.

        `worker` is written into the files of this one's attempts; None: the machine and the process.
        """
        self._ending = ending
        self._worker = worker or f"{platform.node()} {os.getpid()}"
        self._parts = folder / "parts"
        self._tries = folder / "tries"

    def path(self, number: int) -> Path:
        """Where the verdicts of a block are, once it is done."""
        return self._parts / f"part-{number:05}.{self._ending}"

    def done(self) -> set[int]:
        """Numbers of the blocks that are done."""
        try:
            names = os.listdir(self._parts)  # noqa: PTH208 - there may be a million
        except FileNotFoundError:
            return set()
        part = re.compile(rf"part-([0-9]{{5,}})\.{re.escape(self._ending)}")
        return {int(match[1]) for match in map(part.fullmatch, names) if match}

    def begin(self) -> None:
        """Make the folders, and take away what killed processes left of blocks that are done.

        Raises `OutputError`, and `UsageError` where what packs the parts is not installed.
        """
        Packing.named(self.path(0))
        for each in (self._parts, self._tries):
            with writing(each, _HINT):
                each.mkdir(exist_ok=True)
        done = self.done()
        for left in self._parts.glob(".part-*.tmp"):
            if int(left.name.split("-")[1].split(".")[0]) in done:
                left.unlink(missing_ok=True)

    def forget(self, number: int) -> None:
        """Take a block for one that was never begun."""
        self.path(number).unlink(missing_ok=True)
        self._forget_tries(number)

    @contextmanager
    def attempt(self, number: int) -> Iterator[int | None]:
        """Do something that may kill the process. Gives the number of the attempt, or None after `ATTEMPTS` deaths.

        What is raised on purpose, and a signal that stops the process, is no death: the attempt is called off.
        """
        try:
            yield self._begin(number)
            self._forget_tries(number)
        except (ImageJudgeError, KeyboardInterrupt):  # a signal may also come while the attempt begins or ends
            self.call_off(number, self._worker)
            raise

    def call_off(self, number: int, worker: str) -> None:
        """Forget the attempt at a block by this worker, who was ended on purpose."""
        for attempt in range(1, ATTEMPTS + 1):
            with suppress(FileNotFoundError):
                if self._try(number, attempt).read_text() == worker:
                    self._try(number, attempt).unlink()

    def _begin(self, number: int) -> int | None:
        for attempt in range(1, ATTEMPTS + 1):
            with writing(self._tries, _HINT):
                try:
                    with self._try(number, attempt).open("x") as file:
                        file.write(self._worker)
                except FileExistsError:
                    continue
            return attempt
        return None

    def _try(self, number: int, attempt: int) -> Path:
        return self._tries / f"{number:05}.{attempt}"

    def _forget_tries(self, number: int) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            self._try(number, attempt).unlink(missing_ok=True)

    def write(self, number: int, attempt: int | None, verdicts: Iterable[Verdict]) -> Stats:
        """Write the verdicts of a block, which is done then, and count them. Raises `OutputError`.

        What other attempts at it have written is taken away. One that is still at it learns by that that it is done.
        """
        part, stats = self.path(number), Stats()
        fresh = part.with_name(f".part-{number:05}.{attempt or ATTEMPTS + 1}.tmp")

        def lines() -> Iterator[bytes]:
            for verdict in verdicts:
                stats.add(verdict)
                yield line_of(verdict)

        try:
            with writing(part, _HINT):
                save_lines(lines(), fresh, Packing.named(part))
                try:
                    with fresh.open("r+b") as written:
                        os.fsync(written.fileno())
                    fresh.replace(part)
                except FileNotFoundError:
                    if not part.exists():
                        raise
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        for left in self._parts.glob(f".part-{number:05}.*.tmp"):
            left.unlink(missing_ok=True)
        return stats

    def lines(self, number: int) -> Iterator[bytes]:
        """The lines of a block that is done. Raises `UsageError`, also for one that is not whole."""
        path = self.path(number)

        def unusable(_: object) -> UsageError:
            return UsageError(f"{path} is not made of verdicts", _AGAIN)

        try:
            with path.open("rb") as file:
                text = unpacked(file, unusable)
                for line in lines_of(text, LONGEST, unusable):
                    if not line.endswith(b"}\n"):
                        raise unusable(line)
                    yield line
                if is_cut(text):
                    raise unusable(text)
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}", _AGAIN) from error

    def count(self, number: int) -> Stats:
        """What a block that is done amounts to."""
        stats = Stats()
        for line in self.lines(number):
            add_line(stats, line)
        return stats


def add_line(stats: Stats, line: bytes) -> str:
    """Count the verdict on a line; gives the path that it is about. One that is simply safe is hardly read.

    Raises `UsageError` where it is no verdict.
    """
    head = HEAD.match(line)
    plain = head is not None and EXCEPTED not in line and PROBED not in line
    if head is not None and plain and (told := line_at(head)).verdict == Outcome.SAFE:
        stats.add_safe(1)
        return told.path
    try:
        verdict = verdict_of(line)
    except ValueError as error:
        raise UsageError("a line is not a verdict", _AGAIN) from error
    stats.add(verdict)
    return verdict.path
