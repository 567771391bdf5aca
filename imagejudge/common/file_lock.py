"""Locking a file against other processes, for as long as it is open."""

from __future__ import annotations

import errno
import os
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def lock_file(file: IO[Any] | int, *, wait: bool = False) -> bool:
    """Lock an open file, or an open folder, until it is closed; False where its file system, or Windows, has no locks.

    `wait`: until no other process holds the lock; else raises `BlockingIOError` where one does.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        return False
    return True
