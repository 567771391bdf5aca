"""Write a file atomically: a reader finds the old content or the new, never a part."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from imagejudge.common.remedy import remedy
from imagejudge.common.text import printable
from imagejudge.errors import OutputError

_MOST: Final = 50
"""Characters of a name that a temporary one keeps, so that it is not longer than names can be (255 bytes)."""


def unfinished(path: Path) -> Path:
    """Where `replacing` with `locked` writes what is to become a file, and leaves it when the process is killed."""
    return path.with_name(f".{path.name[:_MOST]}.tmp")


@contextmanager
def replacing(path: Path, *, locked: bool = False) -> Iterator[Path]:
    """A path to write the new content to, in the file's folder; at the end it takes the file's place, on the disk.

    The old content stays where the block or the replacing fails, and nothing is left beside it. A link stays one, and a
    file that was there keeps its mode; until then only its owner can read the new one. `locked`: no other process
    writes the file meanwhile, so that what a killed process left is always overwritten. Where a pipe or a device is
    there, or a folder, nothing takes its place: the path is its own. Raises `OSError`.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    target = path.resolve()
    fresh = unfinished(target) if locked else target.with_name(f".{target.name[:_MOST]}.{os.getpid()}.tmp")
    try:
        fresh.unlink(missing_ok=True)  # a killed process may have had the same number
        old = target.exists()
        if old:
            fresh.touch(0o600)
        yield fresh
        with fresh.open("r+b" if os.access(fresh, os.W_OK) else "rb") as written:  # Windows needs the former
            os.fsync(written.fileno())
        if old:
            shutil.copymode(target, fresh)
        fresh.replace(target)
    except BaseException:
        with suppress(OSError):  # where nothing can be made there is nothing to take away
            fresh.unlink()
        raise


def write_atomically(path: Path, content: str | bytes, instead: str = "") -> None:
    """Make this the content of a file by `replacing`.

    Raises `OutputError`, with the hint of `remedy`, when it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        with replacing(path) as fresh:
            fresh.write_bytes(data)
    except OSError as error:
        raise OutputError(f"{printable(path)} cannot be written: {error.strerror}", remedy(error, instead)) from error
