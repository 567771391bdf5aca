"""What becomes of a write that fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO

from imagejudge.common.remedy import remedy
from imagejudge.errors import OutputError


@contextmanager
def writing(name: object, instead: str = "", then: str = "") -> Iterator[None]:
    """Make an `OutputError`, with the hint of `remedy`, of what goes wrong while `name` is written.

    A reader that went away is no such failure: `BrokenPipeError` passes.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        problem = f"{name} cannot be written: {error.strerror or error}"
        raise OutputError(problem, remedy(error, instead, then)) from error


def append(file: FileIO, data: bytes) -> None:
    """Add this to the end of a file: all of it is on the disk then, or nothing. Raises `OSError`.

    The file has no buffer, which would keep what could not be written, and write it later.
    """
    end = file.seek(0, os.SEEK_END)
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except OSError:
        file.truncate(end)  # half a line would be in the way of the next
        raise
