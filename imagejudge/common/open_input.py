"""Reading what a user named as an input, without waiting and within bounds.

A named pipe may never be written into, and a device may have no end, nor any end of a line.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final

_PATIENCE: Final = 2
"""Seconds for a pipe's writer to appear: a shell may start it after the reader."""


def open_input(path: Path) -> BinaryIO:
    """A file to read from. Raises `OSError`, also for a name that no file can have, and for a pipe that has no writer
    within 2 s.
    """
    try:
        file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - Path.open takes no opener
    except ValueError as error:  # a NUL, or a surrogate that stands for no byte
        raise OSError(errno.EINVAL, "no file can have this name") from error
    try:
        if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            _await_writer(file)
        elif file.isatty():
            os.set_blocking(file.fileno(), True)
    except BaseException:
        file.close()
        raise
    return file


def _await_writer(file: BufferedReader) -> None:
    """Once there is a writer, however slow, reading waits for it."""
    waiting = select.poll()
    waiting.register(file, select.POLLIN)
    # Nothing happens to a pipe that never had a writer: one that left is told, and to read of one that is there but
    # silent gives None.
    if not waiting.poll(_PATIENCE * 1000) and not file.peek(1) and file.raw.read(1) is not None:
        raise OSError(errno.EPIPE, "a pipe that has no writer")
    os.set_blocking(file.fileno(), True)


def lines_of(stream: BinaryIO, longest: int, complaint: Callable[[int], Exception]) -> Iterator[bytes]:
    """The lines of a stream with their ends, each held to `longest` bytes; raises `complaint` of a longer one's number,
    from 1.
    """
    number = 0
    while line := stream.readline(longest + 1):
        number += 1
        if len(line) > longest:
            raise complaint(number)
        yield line


def _without_waiting(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
