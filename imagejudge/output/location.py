"""Where a file lies, as it is seen from a folder: below it or not, however the way there was spelt."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import PurePath


def below_here(path: str) -> PurePath:
    """The path from the current folder down, as services that show findings beside files want it; see `below`."""
    return below(os.getcwd(), path)  # noqa: PTH109 - PurePath is all that is needed


def below(folder: str, path: str) -> PurePath:
    """The path from a folder down, without `.` and `..`; the absolute path of a file that lies elsewhere.

    The same file gives the same path, however its folder was named. A link to a file keeps its own name. `folder` is
    absolute, and led to by no link.
    """
    given = PurePath(os.getcwd(), path)  # noqa: PTH109 - as above
    real = given
    with suppress(ValueError, OSError):  # a NUL byte, a loop of links
        real = PurePath(os.path.realpath(given.parent)) / given.name
    for absolute in (given, real) if ".." not in given.parts else (real,):
        if absolute.is_relative_to(folder):
            return absolute.relative_to(folder)
    return real
