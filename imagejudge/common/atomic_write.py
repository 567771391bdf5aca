"""Write a file atomically: a reader finds the old content or the new, never a part."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from imagejudge.common.text import printable
from imagejudge.errors import OutputError


def write_atomically(path: Path, text: str, hint: str = "") -> None:
    """Put a text into a file, all of it or nothing. A link stays one, and a file that was there keeps its mode.

    Raises `OutputError`, with the hint, when it cannot be written.
    """
    target = path.resolve()
    fresh = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        fresh.write_bytes(text.encode())
        if target.exists():
            shutil.copymode(target, fresh)
        fresh.replace(target)
    except OSError as error:
        with suppress(OSError):  # where nothing can be made there is nothing to take away
            fresh.unlink()
        raise OutputError(f"{printable(path)} cannot be written: {error.strerror}", hint) from error
