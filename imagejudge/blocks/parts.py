"""The files of blocks. A block's file is there exactly when the block is done; nothing is ever added to one.

parts/part-00017.jsonl      the verdicts of block 17
parts/.part-00017.….tmp     what an attempt at it has written so far
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final
from uuid import uuid4

from imagejudge.blocks.tries import AGAIN, Tries
from imagejudge.common.open_input import lines_of
from imagejudge.errors import OutputError, UsageError
from imagejudge.output.jsonl import LONGEST
from imagejudge.output.packing import Packing, is_cut, unpacked
from imagejudge.output.recorded import HEAD, line_at
from imagejudge.output.resume import EXCEPTED, PROBED
from imagejudge.output.stats import Stats
from imagejudge.output.verdict_files import save_lines
from imagejudge.output.writing import writing
from imagejudge.verdict import Outcome, Verdict, line_of, verdict_of

_AGAIN: Final = "judge its block again with `blocks` and `overwrite`"


class Parts:
    """The files of all blocks in one folder."""

    def __init__(self, folder: Path, ending: str, worker: str | None = None) -> None:
        """`ending` is that of the parts' names, which says how they are packed, such as jsonl.zst.

        `worker` is as `Tries` takes it.
        """
        self.tries = Tries(folder, worker)
        self._ending = ending
        self._parts = folder / "parts"

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
        with writing(self._parts, then=AGAIN):
            self._parts.mkdir(exist_ok=True)
        self.tries.begin()
        done = self.done()
        for left in self._parts.glob(".part-*.tmp"):
            if int(left.name.split("-")[1].split(".")[0]) in done:
                left.unlink(missing_ok=True)

    def forget(self, number: int) -> None:
        """Take a block for one that was never begun."""
        self.path(number).unlink(missing_ok=True)
        self.tries.forget(number)

    def write(self, number: int, verdicts: Iterable[Verdict], *, given_up: bool = False) -> Stats:
        """Write the verdicts of a block, which is done then; what it amounts to. Raises `OutputError`.

        Where another attempt was quicker, its verdicts stay and count, and what all have written beside them is taken
        away. Those of a block that is `given_up` make way for any others.
        """
        part, stats = self.path(number), Stats()
        if part.exists():
            return self.count(number)
        fresh = part.with_name(f".part-{number:05}.{uuid4().hex}.tmp")

        def lines() -> Iterator[bytes]:
            for verdict in verdicts:
                stats.add(verdict)
                yield line_of(verdict)

        try:
            with writing(part, then=AGAIN):
                save_lines(lines(), fresh, Packing.named(part))
                with fresh.open("r+b") as written:
                    os.fsync(written.fileno())
                if given_up:
                    os.link(fresh, part)  # unlike a rename, never in the place of another's
                else:
                    fresh.replace(part)
        except OutputError:  # also of a file that the quicker one took away: not every file system lets one write on
            if not part.exists():
                raise
            return self.count(number)
        finally:
            fresh.unlink(missing_ok=True)
        if not given_up:
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
