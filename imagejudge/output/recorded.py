"""What a line in a file of verdicts says of its image, and whether that still holds of the image's file."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Container, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeAlias

from imagejudge.common.file_stamp import Stamp
from imagejudge.common.text import quiet_json
from imagejudge.images.names import shard_of
from imagejudge.images.read import Limits, read_image, stamp_now
from imagejudge.images.ref import ImageRef
from imagejudge.images.shards import expand

CHANGED: Final = "changed since it was judged"

# A million lines are gone through at each start, so most are not parsed: these find what matters in a line that
# `line_of` wrote. Quotes within strings are escaped, so nothing in a string looks like a key.
HEAD: Final = re.compile(
    rb'\{"schema":1,"path":(?P<path>"(?:[^"\\]|\\.)*"),"sha256":(?:"([0-9a-f]{64})"|null),'
    rb'"file":(?P<file>null|\{"size":(\d+),"modified":(-?\d+),"changed":(-?\d+)\}),'
    rb'"frame":(?:null|\d+),"verdict":"(safe|unsure|unsafe|error)",'
)
"""The beginning of a line that `line_of` wrote."""


class Line(NamedTuple):
    """What a line says, as far as resuming depends on it."""

    path: str
    sha256: str | None
    stamp: Stamp | None
    verdict: str


_State: TypeAlias = tuple[str | None, Stamp | None]
"""SHA-256 and stamp, as far as they are known."""


class Check:
    """Whether what a line says still holds of its file. This one takes every file for unchanged."""

    def __init__(self) -> None:
        self.refreshed: dict[str, Stamp] = {}
        """Of files with the same bytes under another stamp."""

    def __call__(self, line: Line) -> bool:
        """Whether the line still holds."""
        del line
        return True


class SameDigest(Check):
    """Compares with known digests, by path; what is not known is taken for unchanged."""

    def __init__(self, digests: Mapping[str, str | None]) -> None:
        super().__init__()
        self._digests = digests

    def __call__(self, line: Line) -> bool:
        """Whether the line is about the bytes of this digest."""
        return self._digests.get(line.path, line.sha256) == line.sha256


class AllBut:
    """Contains every path but some."""

    def __init__(self, paths: Container[str]) -> None:
        self._paths = paths

    def __contains__(self, path: object) -> bool:
        return path not in self._paths


class WithMembers:
    """Contains some paths, and for each of a shard those of all its members."""

    def __init__(self, paths: Container[str]) -> None:
        self._paths = paths

    def __contains__(self, path: object) -> bool:
        if path in self._paths:
            return True
        shard = shard_of(path) if isinstance(path, str) else None
        return shard is not None and shard in self._paths


class SameFile(Check):
    """Compares with the files at some paths: their stamps, and their bytes where the stamps differ.

    A member of a shard has the shard's stamp. Where that differs, the shard is read once for all lines in a row.
    """

    def __init__(self, paths: Container[str], limits: Limits) -> None:
        super().__init__()
        self._paths = paths
        self._limits = limits
        self._shard: str | None = None
        self._members: Mapping[str, _State] = {}
        """Those of that shard, by path."""

    def __call__(self, line: Line) -> bool:
        """Whether the file is still the one that the line is about, or is not asked about."""
        if line.path not in self._paths:
            return True
        shard = shard_of(line.path)
        now = stamp_now(shard or line.path)
        if now == line.stamp:
            return now is not None or line.sha256 is None  # what was missing is missing
        if now is None or line.sha256 is None:
            return False
        sha256, stamp = self._read(line.path) if shard is None else self._member(line.path, shard)
        if sha256 != line.sha256:
            return False
        if stamp is not None:
            self.refreshed[line.path] = stamp
        return True

    def _read(self, path: str) -> _State:
        found = read_image(path, self._limits)
        return found.sha256, found.stamp

    def _member(self, path: str, shard: str) -> _State:
        if shard != self._shard:
            self._shard = shard
            refs = expand([ImageRef(shard)], self._limits)
            self._members = {
                ref.path: (hashlib.sha256(ref.data).hexdigest(), ref.stamp) for ref in refs if ref.data is not None
            }
        return self._members.get(path, (None, None))


def line_in(text: bytes) -> Line:
    """Read a line. Raises `ValueError`, `KeyError`, `TypeError` or `RecursionError` for what is no verdict."""
    head = HEAD.match(text)
    return line_at(head) if head else line_of_row(json.loads(text))


def line_at(head: re.Match[bytes]) -> Line:
    """Read what `HEAD` found."""
    path, sha256, _, size, modified, changed, verdict = head.groups()
    return Line(
        json.loads(path) if b"\\" in path else str(path[1:-1], "utf-8"),
        None if sha256 is None else str(sha256, "ascii"),
        None if size is None else Stamp(int(size), int(modified), int(changed)),
        str(verdict, "ascii"),
    )


def line_of_row(row: Mapping[str, Any]) -> Line:
    """Of a line that another program rewrote, or an earlier version wrote."""
    sha256, file = row.get("sha256"), row.get("file")
    stamp = None
    if isinstance(file, dict):
        with suppress(KeyError):
            stamp = Stamp(*(file[name] for name in Stamp._fields))
    return Line(row["path"], sha256 if isinstance(sha256, str) else None, stamp, row["verdict"])


def restamped(text: bytes, stamp: Stamp) -> bytes:
    """The line with another stamp of its file."""
    now = json.dumps(stamp._asdict(), separators=(",", ":"))
    if head := HEAD.match(text):
        start, end = head.span("file")
        return text[:start] + now.encode() + text[end:]
    row = {**json.loads(text), "file": stamp._asdict()}
    return quiet_json(json.dumps(row, separators=(",", ":"))).encode() + b"\n"
