"""What a file system says of a file's content, by which one that was changed is known without reading it."""

from __future__ import annotations

import os
from typing import Final, NamedTuple

_SETTLED: Final = 2_000_000_000
"""Nanoseconds after which a change would show in a file's times: some file systems count in steps of 2 s."""


class Stamp(NamedTuple):
    """As long as a file system says the same, the content is the same."""

    size: int
    modified: int
    changed: int
    """As `st_ctime_ns`, which no program can set, so that no other content can be put under the same stamp: sizes and
    dates are alike where files are made reproducibly."""

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """Of a file that was looked at."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def settled(self, now: int) -> Stamp | None:
        """None where the file was written so short a time before `now` (in ns) that another change might not show."""
        return self if self.changed < now - _SETTLED else None
