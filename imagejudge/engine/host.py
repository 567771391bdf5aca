"""The machine under the engine: how many threads it may use, and whether its CPU has AMX. Standard library only."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def threads(root: Path = Path("/")) -> int:
    """CPUs this process may run on, capped by its control groups' quota, at least 1.

    More threads than that stall a spinning thread pool (ollama issue 17916), and a container's quota shows in neither
    the CPU count nor the affinity. `root` is where the system's files are found.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cpus, *(math.floor(quota) for quota in _quotas(root))]))


def has_amx(root: Path = Path("/")) -> bool:
    """Whether the CPU has the 8-bit integer AMX unit that llama.cpp's AMX kernels use."""
    return "amx_int8" in _read(root / "proc/cpuinfo").split()


def _quotas(root: Path) -> Iterator[float]:
    """CPU quotas, in CPUs, of this process's control group and all groups above it: version 2, then version 1."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            for group in _upwards(root / "sys/fs/cgroup", path):
                quota, _, period = _read(group / "cpu.max").partition(" ")
                yield from _ratio(quota, period)
        elif "cpu" in controllers.split(","):
            for group in _upwards(root / "sys/fs/cgroup/cpu", path):
                yield from _ratio(_read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us"))


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    inner = PurePosixPath(path.lstrip("/"))
    for group in (inner, *inner.parents):
        yield mount / group


def _ratio(quota: str, period: str) -> Iterator[float]:
    """Nothing when there is no limit ("max" in version 2, -1 in version 1) or no such file."""
    if quota.strip().isdecimal() and period.strip().isdecimal() and int(period):
        yield int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
