"""Answers are only reused where the same would be asked in the same way: real scans with the built-in model."""

from __future__ import annotations

import json
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
