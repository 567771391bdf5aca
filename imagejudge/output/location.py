"""Where a file lies, as services that show findings beside files want to know it: below the current folder or not."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import PurePath


def below_here(path: str) -> PurePath:
    """The path from the current folder down, without `.` and `..`; the absolute path of a file that lies elsewhere.

    The same file gives the same path, however its folder was named. A link to a file keeps its own name.
    """
    here = PurePath(os.getcwd())  # noqa: PTH109 - PurePath is all that is needed
    given = here / path
    real = given
    with suppress(ValueError, OSError):  # a NUL byte, a loop of links
        real = PurePath(os.path.realpath(given.parent)) / given.name
    for absolute in (given, real) if ".." not in given.parts else (real,):
        if absolute.is_relative_to(here):
            return absolute.relative_to(here)
    return real
