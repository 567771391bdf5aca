"""Whether something is there under a name that a user wrote: a name that no file can have names nothing.

`Path.exists` and its like raise for names that are too long, and in folders that may not be entered.
"""

from __future__ import annotations

import os
from pathlib import Path


def exists(path: str | Path) -> bool:
    """Whether there is a file, folder or anything else."""
    return os.path.exists(path)  # noqa: PTH110 - which raises


def is_file(path: str | Path) -> bool:
    """Whether there is a file, and not a folder."""
    return os.path.isfile(path)  # noqa: PTH113 - which raises


def is_folder(path: str | Path) -> bool:
    """Whether there is a folder."""
    return os.path.isdir(path)  # noqa: PTH112 - which raises


def is_same(one: str | Path, other: str | Path) -> bool:
    """Whether both names lead to one file or folder, which is there."""
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 - which raises as well
    except (OSError, ValueError):
        return False
