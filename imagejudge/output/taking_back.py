"""Taking back what was done about images, record by record, the last one first.

What is there decides, not what was meant: a record of something that was never done, or was taken back before, asks for
nothing. Nothing is put over another file, and nothing that changed meanwhile is touched.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from imagejudge.common import placing
from imagejudge.common.atomic_write import unfinished
from imagejudge.common.placing import ContentChanged
from imagejudge.output.acting import GONE, Row, State, holds, words_of
from imagejudge.output.undo_file import Action, Record

_CHANGED = "changed since"
_OTHER = "something else is at its old place"
_LAST = "its original is gone or changed, so this is all that is left of it"
_DELETED = "deleted for good"
_MOVED_LINK = "a folder on the way is a link now"
NOTHING = "nothing to take back"


def take_back(record: Record, *, really: bool) -> Row | None:
    """Take one back, or only say what would be done; None for what is not about an image."""
    source, target = (None if path is None else Path(path) for path in (record.source, record.target))
    try:
        if record.action is Action.FOLDER:
            if really and target is not None:
                with suppress(OSError):  # there is something in it
                    target.rmdir()
            return None
        state, why = _taken_back(record, source or Path(), target or Path(), really=really)
    except ContentChanged:
        state, why = State.REFUSED, _CHANGED
    except FileExistsError:
        state, why = State.REFUSED, _OTHER
    except (OSError, ValueError) as error:
        state, why = State.REFUSED, words_of(error)
    back = source if record.action is Action.MOVE else None
    return Row(record.target or record.source or "", state, why, target, back)


def _taken_back(record: Record, source: Path, target: Path, *, really: bool) -> tuple[State, str]:
    if record.action is Action.DELETE:
        return (State.DONE, NOTHING) if os.path.lexists(source) else (State.REFUSED, _DELETED)
    if not placing.lies_there(target) or (record.action is Action.MOVE and not placing.lies_there(source)):
        return State.REFUSED, _MOVED_LINK
    if really and record.action is not Action.LINK:
        unfinished(target).unlink(missing_ok=True)  # a killed process may have left it
    if not os.path.lexists(target):
        if record.action is Action.MOVE and not os.path.lexists(source):
            return State.REFUSED, GONE
        return State.DONE, NOTHING
    if not _is_as_made(record, source, target):
        if record.action is Action.MOVE and holds(source, record.sha256):  # something else came there first
            return State.DONE, NOTHING
        return State.REFUSED, _CHANGED
    there = record.action is Action.MOVE and os.path.lexists(source)
    if there and (not holds(source, record.sha256) or source.samefile(target)):
        return State.REFUSED, _OTHER
    if record.action is Action.COPY and not holds(source, record.result):
        return State.REFUSED, _LAST
    if really:
        _do(record, source, target, back=record.action is Action.MOVE and not there)
    return State.READY, ""


def _do(record: Record, source: Path, target: Path, *, back: bool) -> None:
    if back:
        source.parent.mkdir(parents=True, exist_ok=True)
        placing.move(target, source, record.sha256 or "")
    else:
        target.unlink()


def _is_as_made(record: Record, source: Path, target: Path) -> bool:
    if record.action is Action.LINK:
        return target.is_symlink() and target.readlink() == source
    return holds(target, record.result or record.sha256)
