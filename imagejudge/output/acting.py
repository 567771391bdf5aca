"""Doing something about images: moving, copying, linking, deleting or censoring those that were judged.

Whatever paths lines hold, nothing outside the root is touched and nothing is put outside the folder, over another file
or through a link. What is done is written down before it is done.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final

from imagejudge.common import placing
from imagejudge.common.existing import is_file, is_same
from imagejudge.common.placing import ContentChanged
from imagejudge.common.renaming import refuse_if_there
from imagejudge.errors import UsageError
from imagejudge.images.censor import copy_name
from imagejudge.images.names import shard_of
from imagejudge.images.remote import is_address
from imagejudge.output.censoring import censored_copy
from imagejudge.output.recorded import CHANGED
from imagejudge.output.undo_file import Action, Record, UndoFile
from imagejudge.verdict import Verdict

GONE: Final = "gone"
OUTSIDE: Final = "outside the root"
TAKEN: Final = "something else is at its new place"
_NEVER_READ: Final = "could not be read when it was judged"
_VIDEO: Final = "videos are not censored: move or delete it, or cut out with other tools what its line says when"
_WITHIN: Final = "held in another file; unpack it first"
_MEMBER: Final = "a member of a shard, not a file; use `imagejudge filter`"
_REMOTE: Final = "in a network, not a file here; download it, and scan it there"
_LINK: Final = "a link: name what it leads to"
_NO_FILE: Final = "no file"
_NO_NAME: Final = "no file can have this name"
_THROUGH_LINK: Final = "a folder on the way to its new place is a link, or no folder"
_SEPARATORS: Final = ("::", "!", "#")
"""What may stand between a file and something in it."""
_STAYING: Final = (Action.MOVE, Action.DELETE)
"""What cannot be done to a link instead of what it leads to."""


class State(StrEnum):
    """What is to be done, or was."""

    READY = "ready"
    DONE = "done"
    """Nothing is left to do."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Row:
    """One image, and what becomes of it."""

    path: str
    """As in its line."""
    state: State
    why: str = ""
    """Of what is refused, and of what was done before."""
    source: Path | None = None
    """Absolute, with no link in its folders; so too below."""
    target: Path | None = None
    sha256: str = ""
    there: bool = False
    """Whether the target was there: where the row is ready, with the image, by a move that was interrupted."""


class _Refusal(Exception):  # noqa: N818 - becomes a row
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@lru_cache(maxsize=10_000)
def _real(folder: str) -> Path:
    return Path(os.path.realpath(folder))


def _placed(path: str) -> Path:
    """The file that a path names, by its real folder; a link keeps its own name. Raises `ValueError`."""
    os.fsencode(path)  # a surrogate that stands for no byte
    if "\0" in path:
        raise ValueError(_NO_NAME)
    return _real(os.path.dirname(path) or ".") / os.path.basename(path)  # noqa: PTH119, PTH120 - Path drops a last /


def _refuse_what_is_no_file(path: str) -> None:
    """Raise `_Refusal` for what lies in a network or in a shard, by its name."""
    if is_address(path):
        raise _Refusal(_REMOTE)
    if shard_of(path) is not None:
        raise _Refusal(_MEMBER)


def common_root(paths: Iterable[str]) -> Path:
    """The deepest folder that holds all of these files, and shards. Raises `UsageError` where there is no path."""
    root: Path | None = None
    remote = False
    for path in paths:
        if is_address(path):
            remote = True
            continue
        try:
            folder = _placed(shard_of(path) or path).parent
        except ValueError:
            continue
        while root is not None and not folder.is_relative_to(root):
            root = root.parent
        root = root or folder
    if root is None and remote:
        return Path.cwd()
    if root is None:
        raise UsageError("there are no images in these verdicts", "give the file of a scan that found some")
    return root


class Acting:
    """Does one thing to images below one root."""

    def __init__(self, action: Action, folder: Path | None, root: Path) -> None:
        """`folder`: where to; None when deleting. Raises `UsageError` where it is the root itself, or no folder."""
        self.action = action
        self.root = Path(os.path.realpath(root))
        self._folder = None if folder is None else Path(os.path.realpath(folder))
        self._seen: set[int] = set()
        if self._folder is not None and is_same(self._folder, self.root):
            raise UsageError(f"{folder} is the folder that the images are in", "name another one")
        if self._folder is not None and os.path.lexists(self._folder) and not self._folder.is_dir():
            raise UsageError(f"{folder} is no folder", "name another one")

    def look(self, verdict: Verdict) -> Row:
        """What is to be done about an image. Touches nothing. Each file is ready once, however often it is named."""
        try:
            _refuse_what_is_no_file(verdict.path)
            source = _placed(verdict.path)
            target = self._target(source)
            key = hash(source)
            if key in self._seen:
                return Row(verdict.path, State.DONE, "named before", source, target)
            self._seen.add(key)
            there = target is not None and os.path.lexists(target)
            why = self._reason_to_leave(verdict, source, target, there=there)
            state = State.DONE if why else State.READY
            return Row(verdict.path, state, why, source, target, verdict.sha256 or "", there)
        except _Refusal as refusal:
            return Row(verdict.path, State.REFUSED, refusal.why)
        except (OSError, ValueError) as error:
            return Row(verdict.path, State.REFUSED, words_of(error))

    def do(self, row: Row, verdict: Verdict, record: UndoFile) -> Row:
        """Do what a row that is ready says. Raises `OutputError` when it cannot be recorded."""
        if row.source is None:
            raise ValueError("a row that is not ready")
        try:
            self._do(row, row.source, verdict, record)
        except ContentChanged:
            return replace(row, state=State.REFUSED, why=CHANGED)
        except FileExistsError:
            return replace(row, state=State.REFUSED, why=TAKEN)
        except (OSError, ValueError) as error:
            return replace(row, state=State.REFUSED, why=words_of(error))
        return replace(row, state=State.DONE)

    def _target(self, source: Path) -> Path | None:
        if not source.is_relative_to(self.root):
            raise _Refusal(OUTSIDE)
        if self._folder is None:
            return None
        target = self._folder / source.relative_to(self.root)
        return target.with_name(copy_name(target.name)) if self.action is Action.CENSOR else target

    def _reason_to_leave(self, verdict: Verdict, source: Path, target: Path | None, *, there: bool) -> str:
        """Why nothing is left to do; empty: something is. Raises `_Refusal`."""
        if verdict.sha256 is None:
            raise _Refusal(_NEVER_READ)
        if self.action is Action.CENSOR and verdict.sampled is not None:
            raise _Refusal(_VIDEO)
        if self._folder is not None and source.is_relative_to(self._folder):
            return "in that folder already"
        if not os.path.lexists(source):
            return self._of_missing(verdict, source, target)
        status = source.lstat()
        if stat.S_ISLNK(status.st_mode) and self.action not in _STAYING:
            status = source.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _Refusal(_LINK if stat.S_ISLNK(status.st_mode) else _NO_FILE)
        if placing.digest_of(source) != verdict.sha256:
            raise _Refusal(CHANGED)
        if target is None:
            return ""
        self._check_way(target)
        if there:
            if not self._is_made(source, target, verdict) or self._is_one_file(source, target):
                raise _Refusal(TAKEN)
            if self.action is not Action.MOVE:  # else it was interrupted before the old place was given up
                return "there already"
        return ""

    def _of_missing(self, verdict: Verdict, source: Path, target: Path | None) -> str:
        if self.action is Action.MOVE and target is not None and holds(target, verdict.sha256):
            return "done before"
        heads = [verdict.path.partition(separator)[0] for separator in _SEPARATORS if separator in verdict.path]
        if any(is_file(path) for path in (*heads, *map(str, Path(verdict.path).parents))):
            raise _Refusal(_WITHIN)
        if self.action is Action.DELETE and source.parent.is_dir():  # else it was never here
            return "not there"
        raise _Refusal(GONE)

    def _is_made(self, source: Path, target: Path, verdict: Verdict) -> bool:
        """Whether what is at the target is what would be put there."""
        if self.action is Action.LINK:
            return target.is_symlink() and target.readlink() == source
        if self.action is Action.CENSOR:
            made = censored_copy(source, target.name, verdict)
            return holds(target, hashlib.sha256(made).hexdigest())
        return holds(target, verdict.sha256)

    def _is_one_file(self, source: Path, target: Path) -> bool:
        """Whether to give up the old place would give up the file: names that differ by case, or two hard links."""
        return self.action is Action.MOVE and source.samefile(target)

    def _check_way(self, target: Path) -> None:
        """Refuse what would go through a link, or a file, below the folder."""
        if self._folder is None:
            return
        for above in target.relative_to(self._folder).parents:
            folder = self._folder / above
            if folder.is_symlink() or (os.path.lexists(folder) and not folder.is_dir()):
                raise _Refusal(_THROUGH_LINK)

    def _check_place(self, source: Path, target: Path, sha256: str, *, there: bool) -> None:
        """Raise `FileExistsError` where the target is no longer as it was when the row was made."""
        if not there:
            refuse_if_there(target)
        elif not holds(target, sha256) or self._is_one_file(source, target):
            raise FileExistsError(TAKEN)

    def _do(self, row: Row, source: Path, verdict: Verdict, record: UndoFile) -> None:
        target, sha256 = row.target, row.sha256
        said = Record(
            action=self.action, source=str(source), target=None if target is None else str(target), sha256=sha256
        )
        if target is None:
            record.add(said)
            source.unlink()
            return
        made = censored_copy(source, target.name, verdict) if self.action is Action.CENSOR else b""
        _make_folders(target.parent, record)
        if not placing.lies_there(target):
            raise ValueError(_THROUGH_LINK)
        self._check_place(source, target, sha256, there=row.there)  # before anything is recorded that is not done
        match self.action:
            case Action.MOVE:
                record.add(said.model_copy(update={"result": sha256}))
                if row.there:
                    source.unlink()
                else:
                    placing.move(source, target, sha256)
            case Action.COPY:
                record.add(said.model_copy(update={"result": sha256}))
                placing.copy(source, target, sha256)
            case Action.LINK:
                record.add(said)
                target.symlink_to(source)
            case Action.CENSOR:
                record.add(said.model_copy(update={"result": hashlib.sha256(made).hexdigest()}))
                placing.write(made, target)


def _make_folders(folder: Path, record: UndoFile) -> None:
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        record.add(Record(action=Action.FOLDER, target=str(each)))
        each.mkdir(exist_ok=True)


def holds(path: Path, sha256: str | None) -> bool:
    """Whether a file with this content is there, and no link to one."""
    return not path.is_symlink() and path.is_file() and placing.digest_of(path) == sha256


def words_of(error: OSError | ValueError) -> str:
    """Why a file could not be acted upon."""
    if isinstance(error, UnicodeError):
        return _NO_NAME
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
