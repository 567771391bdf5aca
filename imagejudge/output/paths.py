"""Paths of images with certain verdicts and nothing else, byte for byte as the file system has them: for programs.

Knows nothing of what the verdicts are about.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import BinaryIO

from imagejudge.common.text import counted
from imagejudge.verdict import Outcome, Verdict


def bytes_of(path: str) -> bytes:
    """The bytes that a path stands for."""
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:  # a surrogate that stands for no byte, in a line that no scan wrote
        return path.encode("utf-8", "surrogatepass")


class Paths:
    """Writes one path after another, each ended by a newline or a NUL byte."""

    def __init__(self, stream: BinaryIO, only: Collection[Outcome], *, nul: bool) -> None:
        self._stream = stream
        self._only = only
        self._end = b"\0" if nul else b"\n"
        self._broken = 0

    @property
    def note(self) -> str:
        """Whether a reader can be misled."""
        if not self._broken:
            return ""
        broken = counted(self._broken, "path holds a newline and looks", "paths hold a newline and look")
        return f"{broken} like several; `print0` tells them apart"

    def write(self, verdict: Verdict) -> None:
        """Write the path, if its verdict is wanted."""
        if verdict.verdict in self._only:
            self.path(verdict.path)

    def path(self, path: str) -> None:
        """Write a path whatever its verdict."""
        name = bytes_of(path)
        self._broken += self._end in name
        self._stream.write(name + self._end)
        self._stream.flush()

    def close(self) -> None:
        """Flush; the stream stays open for its owner."""
        self._stream.flush()
