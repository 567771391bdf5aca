"""What a maintainer needs to find a bug, kept in a file; never the whole of it on the user's screen."""

from __future__ import annotations

import platform
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Final

from imagejudge import __version__
from imagejudge.common.text import without_secrets

_MOST: Final = 50
"""Errors that one file keeps: what goes wrong with every image of a million is told by the first few."""


class CrashLog:
    """One file for all that goes wrong in a run, made when something does. Any thread may use it."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._kept = 0
        self._lock = threading.Lock()

    def add(self, error: BaseException, about: str = "") -> str:
        """Keep an error; gives words that say where, or why it could not be kept."""
        with self._lock:
            try:
                return f"please report it with the file {self._write(error, about)}"
            except OSError as trouble:
                what = f"{type(error).__name__}: {error} (no log could be written: {trouble.strerror})"
                return f"please report it: {what}"

    def _write(self, error: BaseException, about: str) -> Path:
        if self._path is None:
            with tempfile.NamedTemporaryFile("w", prefix="imagejudge-", suffix=".log", delete=False) as made:
                self._path = Path(made.name)
            self._append(f"imagejudge {__version__}, Python {platform.python_version()}, {platform.platform()}")
            self._append(f"{time.strftime('%Y-%m-%d %H:%M:%S %z')}\n{sys.argv}")
        if self._kept < _MOST:
            self._kept += 1
            self._append(about + "\n" * bool(about) + "".join(traceback.format_exception(error)))
        return self._path

    def _append(self, text: str) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8", errors="backslashreplace") as log:
                log.write(f"{without_secrets(text)}\n")
