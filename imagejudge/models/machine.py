"""How much memory this machine has for a model. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def memory(root: Path = Path("/")) -> int | None:
    """Bytes this process may use, limits of its control groups included; None where nobody says.

    `root` is where the system's files are found.
    """
    sizes = [*_installed(), *_limits(root)]
    return min(sizes, default=None)


def _installed() -> Iterator[int]:
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" in names and "SC_PAGE_SIZE" in names:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _limits(root: Path) -> Iterator[int]:
    """Limits of this process's control group and all groups above it: version 2, then version 1."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers:
            yield from _upwards(root / "sys/fs/cgroup", group, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _upwards(root / "sys/fs/cgroup/memory", group, "memory.limit_in_bytes")


def _upwards(mount: Path, group: str, file: str) -> Iterator[int]:
    inner = PurePosixPath(group.lstrip("/"))
    for folder in (inner, *inner.parents):
        limit = _read(mount / folder / file).strip()
        if limit.isdecimal():  # not "max"
            yield int(limit)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
