"""How much memory a model may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagejudge.models.machine import memory


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
