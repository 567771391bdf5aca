"""The commands of the training, as programs: what needs the extra [train] says so, and the rest does without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from samples import BUILTIN, write_sprites

from imagejudge.builtin.training.__main__ import EXTRA

ROOT = BUILTIN.parents[1]
WITHOUT = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({EXTRA}))
runpy.run_module("imagejudge.builtin.training", run_name="__main__", alter_sys=True)
"""
"""Runs the commands in a process in which none of the extra's modules can be imported."""


def run(*arguments: object, code: tuple[str, str] = ("-c", WITHOUT)) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *code, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def sprites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sprites(tmp_path_factory.mktemp("sprites") / "sprites.npz")


@pytest.mark.parametrize(
    "command", ["", "train all", "train joint", "export", "measure agreement --sprites {sprites}"], ids=str
)
def test_what_needs_the_extra_says_in_one_line_how_to_get_it(command: str, sprites: Path) -> None:
    done = run(*command.format(sprites=sprites).split())
    (line,) = done.stderr.splitlines()
    assert line.endswith("which is not there: install the extra [train]: pip install -e '.[train]'")
    assert (done.returncode, done.stdout) == (2, "")


def test_the_benchmark_is_drawn_and_measured_without_the_extra(sprites: Path, tmp_path: Path) -> None:
    done = run("draw", "--sprites", sprites, "bench", "--out", tmp_path, "--split", "seen", "--per-label", 1)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(tmp_path.glob("*/violating/000.png"))) == 14
    done = run("measure", "questions", "--sprites", sprites, "--scenes", 3, "--threads", 1)
    assert (done.returncode, done.stderr) == (0, "")
    assert "split seen: 3 scenes" in done.stdout


def test_help_tells_all_commands() -> None:
    done = run("--help", code=("-m", "imagejudge.builtin.training"))
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("sprites", "train", "export", "draw", "measure"):
        assert f"    {command} " in done.stdout
        assert run(command, "--help").returncode == 0


def test_a_command_that_is_none_is_wrong() -> None:
    done = run("dance")
    assert (done.returncode, done.stdout) == (2, "")
    assert "invalid choice: 'dance'" in done.stderr
