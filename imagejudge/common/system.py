"""What this machine offers a model: cores, memory, AMX, within the limits of control groups. Standard library only.

Every function takes `root`, the folder below which the system's files are found, for tests.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_ROOT = Path("/")


def threads(root: Path = _ROOT) -> int:
    """CPUs this process may run on, capped by its control groups' quota, at least 1.

    More threads than that stall a spinning thread pool (ollama issue 17916), and a container's quota shows in neither
    the CPU count nor the affinity.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cpus, *map(math.floor, _cpu_quotas(root))]))


def memory(root: Path = _ROOT) -> int | None:
    """Bytes this process may use, limits of its control groups included; None where the system does not say."""
    return min([*_installed(), *_memory_limits(root)], default=None)


def has_amx(root: Path = _ROOT) -> bool:
    """Whether the CPU has the 8-bit integer AMX unit that llama.cpp's AMX kernels use."""
    return "amx_int8" in _read(root / "proc/cpuinfo").split()


def _installed() -> Iterator[int]:
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" in names and "SC_PAGE_SIZE" in names:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _memory_limits(root: Path) -> Iterator[int]:
    for version, folder in _control_groups(root, "memory"):
        limit = _read(folder / ("memory.max" if version == 2 else "memory.limit_in_bytes")).strip()
        if limit.isdecimal():  # not "max"
            yield int(limit)


def _cpu_quotas(root: Path) -> Iterator[float]:
    for version, folder in _control_groups(root, "cpu"):
        if version == 2:
            quota, _, period = _read(folder / "cpu.max").partition(" ")
        else:
            quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        # No limit is "max" in version 2, -1 in version 1.
        if quota.strip().isdecimal() and period.strip().isdecimal() and int(period):
            yield int(quota) / int(period)


def _control_groups(root: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """Folders of this process's control group and all groups above it, each with the version of its hierarchy."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        inner = PurePosixPath(path.lstrip("/"))
        if not controllers:
            yield from ((2, root / "sys/fs/cgroup" / group) for group in (inner, *inner.parents))
        elif controller in controllers.split(","):
            yield from ((1, root / "sys/fs/cgroup" / controller / group) for group in (inner, *inner.parents))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
