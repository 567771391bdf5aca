"""A file of verdicts that a scan resumes: what is in it and still holds need not be judged again.

Knows what makes a line one of this scan (its identity), and when the file that it is about has changed since.
"""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from imagejudge.common.atomic_write import replacing
from imagejudge.common.file_lock import lock_file
from imagejudge.common.json_line import is_torn
from imagejudge.common.open_input import lines_of
from imagejudge.errors import OutputError
from imagejudge.judge.plan import Plan
from imagejudge.output.jsonl import LONGEST, START
from imagejudge.output.packing import PackedWriter, Packing, is_cut, packing_of, unpacked
from imagejudge.output.recorded import HEAD, Check, Line, line_at, line_of_row, restamped
from imagejudge.output.writing import writing
from imagejudge.verdict import STEPS, Outcome, Steps, Verdict, line_of, verdict_of

_NAMES: Final = ("constitution", "model", "method")
"""Parts of a line's identity that every line has; all of them are text."""
_VERSIONS: Final = ("runtime", "decoder", "wording", "arithmetic", "per_path_ignores", "world")
"""Settings in a line that are no options."""

_IDENTITY, _AFTER_IDENTITY = b',"model":"', b',"imagejudge":"'
EXCEPTED: Final = b'"ex'
"""Stands in every line with a rule that is `excepted`. It ends in a rare letter, which makes the search quick."""
PROBED: Final = b',"probing":{'
"""Stands in every line that was given with probes."""
_REFRESHED: Final = 100
"""One in so many lines with an outdated stamp is worth rewriting the file."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What must be the same for verdicts to belong in one file."""

    model: str
    constitution: str
    method: str
    settings: Mapping[str, str | int] | None = field(default=None, hash=False)
    """All else that decides a verdict, by name; None in lines of versions that did not say."""

    @classmethod
    def of(cls, plan: Plan) -> Identity:
        """What all verdicts by one plan share."""
        return cls(plan.model, plan.constitution.label, plan.method.label, plan.settings)


class ResumableFile:
    """A file of verdicts that is resumed where it ended: what is in it need not be judged again.

    It is compressed where its name ends in .gz or .zst. Each time that it is resumed a new member begins then.

    Lines that do not hold any more leave it: of several about one path all but the last, those about files that
    changed, and with `retry_errors` those about failures, as far as `wanted` has their paths. A last line that was cut
    off when its writer was killed is taken out. Raises `OutputError` when the file cannot be written, is not made of
    verdicts, belongs to another model, constitution, method or settings (unless `mix`), or is being written by another
    scan. What is refused stays as it was.
    """

    def __init__(
        self,
        path: Path,
        identity: Identity,
        *,
        overwrite: bool = False,
        mix: bool = False,
        retry_errors: bool = False,
        wanted: Container[str] | None = None,
        check: Check | None = None,
    ) -> None:
        self._path = path
        self._identity = None if mix else identity
        self._retry_errors = retry_errors
        self._wanted = wanted
        self._check = check or Check()
        self._packing = Packing.named(path)
        self._at: dict[str, int] = {}
        """Where each path's line begins, in the text; so too below."""
        self._telling: set[int] = set()
        """Where lines begin that say more than that an image is safe, which those with probes do."""
        self._approved: set[bytes] = set()
        self.changed: set[str] = set()
        """Paths whose line left because the file had changed."""
        self._file, self.locked = _open_locked(path)
        """False: this file system has no locks."""
        try:
            with self._writing():
                if overwrite:
                    self._file.truncate(0)
                dropped, damaged = self._take_in()
                if dropped or damaged or len(self._check.refreshed) * _REFRESHED > len(self._at):
                    self._rewrite(dropped)
        except BaseException:
            self._give_up()
            raise
        self._writer = PackedWriter(self._file, self._packing)
        self._broken = False

    @property
    def done(self) -> set[str]:
        """Paths of the images that have their line already."""
        return set(self._at)

    def recorded(self, paths: Container[str], *, telling: bool = False) -> Iterator[Verdict]:
        """The verdicts on these images that are in the file already; only those that are `telling`, if so wanted.

        A line that is not says that the image is safe, without any exception, and that every rule was asked.
        """
        with self._path.open("rb") as file:
            text = unpacked(file, self._damaged)
            for at in sorted(self._telling) if telling else sorted(self._at.values()):
                text.seek(at)
                verdict = verdict_of(text.readline())
                if verdict.path in paths:
                    yield verdict

    def write(self, verdict: Verdict) -> None:
        """Write one line, which others see at once. Raises `OutputError` when there is no room for it."""
        with self._writing():
            self._broken = True
            self._writer.write(line_of(verdict))
            self._writer.flush()
            self._broken = False

    def finish(self) -> None:
        """Make of the lines what is asked for, where that is more than lines: nothing more is written."""

    def close(self) -> None:
        """Close the file. Raises `OutputError` when something is left to write and cannot be written."""
        with self._writing(), closing(self._file):
            if not self._broken:  # nothing may follow half a compressed line; so it is taken out when it is resumed
                self._writer.finish()

    def _give_up(self) -> None:
        self._file.close()

    @property
    def _shown(self) -> Path:
        """The file as it was named."""
        return self._path

    def _writing(self) -> AbstractContextManager[None]:
        return writing(self._shown, then="run the same command again: it resumes where it stopped")

    def _take_in(self) -> tuple[set[int], bool]:
        """Read all lines; gives where those begin that do not hold any more, and whether it is to be written anew."""
        dropped: set[int] = set()
        at = 0
        torn = False
        text = self._lines()
        for number, one in enumerate(lines_of(text, LONGEST, self._not_a_verdict), 1):
            if torn := is_torn(one, START):
                break
            line = self._line(one, number)
            if (before := self._at.get(line.path)) is not None:
                dropped.add(before)
                self._telling.discard(before)
            self._at[line.path] = at
            if line.verdict != Outcome.SAFE or EXCEPTED in one or PROBED in one:
                self._telling.add(at)
            if not self._holds(line):
                dropped.add(at)
            at += len(one)
        as_named = packing_of(text) is self._packing
        if torn and as_named and self._packing is Packing.PLAIN:
            self._file.truncate(at)
            torn = False
        self._file.seek(0, os.SEEK_END)
        return dropped, torn or is_cut(text) or (at > 0 and not as_named)

    def _lines(self) -> BinaryIO:
        """All that an earlier run wrote, from the first line on."""
        return unpacked(self._file, self._damaged)

    def _holds(self, line: Line) -> bool:
        if not self._check(line):
            self.changed.add(line.path)
            return False
        if self.changed:
            self.changed.discard(line.path)  # an earlier line's, where there are several
        retried = self._retry_errors and line.verdict == Outcome.ERROR
        return not (retried and (self._wanted is None or line.path in self._wanted))

    def _line(self, text: bytes, number: int) -> Line:
        """Read a line, and compare its identity with this scan's."""
        start = text.rfind(_IDENTITY)
        identity = text[start : text.rfind(_AFTER_IDENTITY)]
        head = HEAD.match(text)
        if head is None or start < 0 or not text.endswith(b"}\n") or identity not in self._approved:
            row = self._row(text, number)
            self._compare(row)
            if head is not None:
                self._approved.add(identity)
            return line_of_row(row)
        return line_at(head)

    def _row(self, text: bytes, number: int) -> dict[str, Any]:
        row: Any = None
        if text.endswith(b"\n"):  # a file of another kind may end without it; what was torn does not come here
            with suppress(ValueError, RecursionError):
                row = json.loads(text)
        if not isinstance(row, dict) or not all(
            isinstance(row.get(name), str) for name in ("path", "verdict", *_NAMES)
        ):
            raise self._not_a_verdict(number)
        return row

    def _not_a_verdict(self, number: int) -> OutputError:
        return OutputError(
            f"{self._shown}:{number}: this is not a verdict, so nothing was added to the file",
            "name another file with `output`, or discard what is in this one with `overwrite`",
        )

    def _compare(self, row: dict[str, Any]) -> None:
        if self._identity is None:
            return
        for name in _NAMES:
            here, now = row[name], getattr(self._identity, name)
            if here != now:
                raise self._refused(f"holds verdicts of another {name} ({here}, now {now})")
        here, now = row.get("settings"), self._identity.settings
        if here is None and now is not None:
            raise self._refused("was written by an earlier version, which did not say with which settings")
        if words := difference(here if isinstance(here, dict) else {}, now or {}):
            raise self._refused(f"was written with {words}")

    def _damaged(self, why: str) -> OutputError:
        return OutputError(
            f"{self._shown} {why}, so nothing was added to the file",
            "name another file with `output`, or discard what is in this one with `overwrite`",
        )

    def _refused(self, why: str) -> OutputError:
        return OutputError(
            f"{self._shown} {why}",
            "name another file with `output`, start afresh with `overwrite`, or allow both in one with `mix`",
        )

    def _rewrite(self, dropped: Container[int]) -> None:
        """Rewrite the file without some lines, atomically: the old one is there until the new one is whole."""
        with ExitStack() as if_failed:
            with replacing(self._path) as fresh:
                new, _ = _open_locked(fresh)
                if_failed.callback(_abandon, new)
                self._at, telling = self._copy(new, dropped)
            if_failed.pop_all()
        self._file.close()
        self._file, self._telling = new, telling

    def _copy(self, new: BinaryIO, dropped: Container[int]) -> tuple[dict[str, int], set[int]]:
        """Write what still holds; gives where each path's line begins there, and which of these lines are telling."""
        held, refreshed = {at: path for path, at in self._at.items()}, self._check.refreshed
        begins: dict[str, int] = {}
        telling: set[int] = set()
        before = after = 0
        writer = PackedWriter(new, self._packing)
        for line in self._lines():
            path = held.get(before)
            if path is not None and before not in dropped:
                kept = restamped(line, refreshed[path]) if path in refreshed else line
                writer.write(kept)
                begins[path] = after
                if before in self._telling:
                    telling.add(after)
                after += len(kept)
            before += len(line)
        writer.finish()
        return begins, telling


def _abandon(file: BinaryIO) -> None:
    with suppress(OSError):  # what it still holds has no room
        file.close()


def difference(here: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between the settings of two lines, in words; empty: nothing."""
    names = [name for name in dict.fromkeys((*now, *here)) if here.get(name) != now.get(name)]
    return "; ".join(f"{_spelled(name)} {_told(here, name)}, now {_told(now, name)}" for name in names)


def _told(settings: Mapping[str, Any], name: str) -> object:
    return settings.get(name, Steps.ALL if name == STEPS else "none")


def _spelled(name: str) -> str:
    words = name.replace("_", "-")
    return words if name in _VERSIONS else f"--{words}"


def _open_locked(path: Path) -> tuple[BinaryIO, bool]:
    """Open a file to add to it; False when its file system has no locks, so that a second writer is not noticed."""
    with writing(path, "name another file with `output`"):
        if path.is_dir():
            raise OutputError(f"{path} cannot be written: it is a folder", "name a file in it, with `output`")
        if path.exists() and not path.is_file():  # a device may have no end, and a pipe cannot be resumed
            raise OutputError(
                f"{path} cannot be written: it is not a file",
                "leave `output` away: with `format` jsonl, standard output gets the same lines",
            )
        file = path.open("a+b")
    try:
        return file, lock_file(file)
    except BlockingIOError as error:
        file.close()
        raise OutputError(f"another scan is writing to {path}", "wait for it, or name another file") from error
