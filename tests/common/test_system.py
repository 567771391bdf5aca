"""What this machine offers: cores, memory, AMX."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagejudge.common.system import has_amx, memory, threads


def test_this_machine_has_some() -> None:
    assert (memory() or 0) > 100_000_000


@pytest.mark.parametrize(
    ("line", "file", "text", "limit"),
    [
        ("0::/a/b", "sys/fs/cgroup/a/memory.max", "50000000\n", 50_000_000),
        ("0::/a/b", "sys/fs/cgroup/a/memory.max", "max\n", None),
        ("5:cpu,memory:/a", "sys/fs/cgroup/memory/memory.limit_in_bytes", "60000000\n", 60_000_000),
        ("5:cpu:/a", "sys/fs/cgroup/memory/memory.limit_in_bytes", "60000000\n", None),
    ],
)
def test_limits_of_control_groups_count(tmp_path: Path, line: str, file: str, text: str, limit: int | None) -> None:
    for path, content in (("proc/self/cgroup", f"{line}\n"), (file, text)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    assert memory(tmp_path) == (limit or memory(tmp_path / "nothing"))


def files(root: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_quotas_cap_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert threads(tmp_path / "bare") == 16
    second = {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "350000 100000\n"}
    second |= {"sys/fs/cgroup/a/b/cpu.max": "max 100000\n", "sys/fs/cgroup/cpu.max": "900000 100000\n"}
    assert threads(files(tmp_path / "2", second)) == 3
    first = {"proc/self/cgroup": "3:memory:/x\n2:cpu,cpuacct:/x\n"}
    first |= {"sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "50000\n", "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n"}
    first |= {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}
    assert threads(files(tmp_path / "1", first)) == 1


def test_amx_is_read_from_the_flags(tmp_path: Path) -> None:
    assert not has_amx(tmp_path)
    assert has_amx(files(tmp_path, {"proc/cpuinfo": "flags : fpu amx_bf16 amx_int8\n"}))
