"""Opening what a user named as an input, without waiting: a named pipe may have nobody who ever writes into it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, cast


def open_input(path: Path) -> BinaryIO:
    """A file to read from. One that is a pipe without a writer is empty. Raises `OSError`."""
    file = cast("BinaryIO", open(path, "rb", opener=_without_waiting))  # noqa: SIM115 - Path.open takes no opener
    if is_pipe(file):  # that of `<(...)` has its writer already
        os.set_blocking(file.fileno(), True)
    return file


def is_pipe(file: BinaryIO) -> bool:
    """Whether an open file is a pipe."""
    return stat.S_ISFIFO(os.fstat(file.fileno()).st_mode)


def _without_waiting(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
