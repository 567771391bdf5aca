"""Answers are only reused where the same would be asked in the same way: real scans with the built-in model."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest_cli import Run

import imagejudge

ROOT = Path(__file__).parents[2]
BUILTIN = Path(imagejudge.__file__).parent / "builtin"
BLEEDING = ROOT / "docs" / "examples" / "stickers" / "bleeding.png"
BY_PATH = ("--model", BUILTIN / "model.gguf", "--mmproj", BUILTIN / "mmproj.gguf")
SCAN = ("scan", BLEEDING, "-c", "stickers")


def figures(output: bytes) -> list[Any]:
    return [line["rules"] for line in map(json.loads, output.splitlines())]


@pytest.mark.parametrize("first", [BY_PATH, ("--model", "builtin")])
def test_what_was_never_asked_is_not_taken_for_no(run: Run, first: tuple[str | Path, ...]) -> None:
    """Without a box style nobody asks where things are, and `--model builtin` has one."""
    fresh = run(*SCAN, "--model", "builtin", "--no-cache")
    assert (fresh.returncode, json.loads(fresh.stdout)["verdict"]) == (1, "unsafe")
    run(*SCAN, *first)
    again = run(*SCAN, "--model", "builtin")
    assert (again.returncode, json.loads(again.stdout)["verdict"]) == (1, "unsafe")
    assert figures(again.stdout) == figures(fresh.stdout)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes only there")
def test_a_model_at_a_path_that_is_no_text(run: Run, tmp_path: Path, pair: Sequence[str], rules: Sequence[str]) -> None:
    folder = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    model, mmproj = (shutil.copy(path, folder) for path in (pair[1], pair[3]))
    for _ in range(2):
        done = run("scan", BLEEDING, "--model", model, "--mmproj", mmproj, *rules)
        assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "unsure"), done.stderr
