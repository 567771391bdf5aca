"""Giving a file a name that nothing has: what has it stays, whoever made it and however late."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

_HERE: Final = -100
"""AT_FDCWD: paths count from the current folder."""
_NO_REPLACE: Final = 1
"""RENAME_NOREPLACE."""
_UNKNOWN: Final = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
"""What renameat2(2) fails with where the kernel or the file system, such as NFS, does not know it."""


def rename(source: Path, target: Path) -> None:
    """Rename a file within its file system. Raises `OSError`, which is `FileExistsError` where something has the name.

    In one step on Linux. Where that is not known, a kill in between may leave the file under both names; where there
    are no hard links either, what takes the name in the instant after it was looked for is replaced.
    """
    if _renamed_at_once(source, target):
        return
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        refuse_if_there(target)
        source.rename(target)
        return
    try:
        source.unlink()
    except OSError:
        target.unlink()
        raise


def refuse_if_there(path: Path) -> None:
    """Raise `FileExistsError` where anything has this name."""
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _renamed_at_once(source: Path, target: Path) -> bool:
    """Whether there is a call for it here; then it is done. Raises `OSError`."""
    call = _call()
    if call is None:
        return False
    old, new = os.fsencode(source), os.fsencode(target)
    if b"\0" in old + new:  # the call would take it for the end
        raise ValueError("embedded null byte")
    if call(_HERE, old, _HERE, new, _NO_REPLACE):
        code = ctypes.get_errno()
        if code in _UNKNOWN:
            return False
        raise OSError(code, os.strerror(code), str(source), None, str(target))
    return True


@cache
def _call() -> Callable[..., int] | None:
    """Linux has it, and most of its C libraries."""
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
