"""The scripts in docs/scale.md are taken out of the page and run here, with the built-in model on a few stickers."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = re.findall(r"^```bash\n(.*?)^```$", (ROOT / "docs" / "scale.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
SLURM = next(script for script in SCRIPTS if "#SBATCH" in script)
RAY = next(script for script in SCRIPTS if "ray start" in script)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four stickers, most of which break a rule."""
    (tmp_path / "photos").mkdir()
    for image in sorted((ROOT / "docs" / "examples" / "stickers").glob("*.png"))[:4]:
        (tmp_path / "photos" / image.name).symlink_to(image)
    return tmp_path


def shell(script: str, folder: Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}", **more}
    return subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, timeout=280)


@pytest.mark.parametrize("script", SCRIPTS, ids=range(len(SCRIPTS)))
def test_the_scripts_are_bash(script: str, tmp_path: Path) -> None:
    done = subprocess.run(["bash", "-n", "-c", script], cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
def test_the_script_for_slurm_does_its_part(folder: Path) -> None:
    array = re.search(r"^#SBATCH --array=0-(\d+)$", SLURM, re.MULTILINE)
    assert array is not None
    script = SLURM.replace("-o out", "-o out --block-size 2")
    for task in (1, 0):
        names = {"TASK_ID": task, "TASK_MIN": 0, "TASK_MAX": 1, "TASK_COUNT": 2}
        variables = {f"SLURM_ARRAY_{name}": str(value) for name, value in names.items()}
        more = {"SLURM_CPUS_PER_TASK": "1", "TMPDIR": str(folder), "USER": "somebody"}
        done = shell(script, folder, **variables, **more)
        assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (folder / "out" / "parts").iterdir()) == [
        "part-00000.jsonl",
        "part-00001.jsonl",
    ]
    assert (folder / "imagejudge-somebody").is_dir()


@pytest.mark.slow
def test_the_script_for_ray_scans_and_leaves_nothing(folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    before = set(Path("/tmp").glob("ij-*"))  # noqa: S108 - where the script puts it
    done = shell(RAY, folder, RAY_PORT=port)
    assert done.returncode == 1, done.stderr
    rows = [json.loads(line) for line in (folder / "verdicts.jsonl").read_bytes().splitlines()]
    assert len(rows) == 4
    assert set(Path("/tmp").glob("ij-*")) <= before  # noqa: S108
