"""Animations through the real program: what any of their frames violates is told, gated, accepted and acted on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest_cli import Run
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "stickers"
BUILTIN = ("-c", "stickers", "--model", "builtin")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Frame 0 violates a rule of low severity, frame 1 one of high."""
    frames = [Image.open(EXAMPLES / f"{name}.png").convert("RGB") for name in ("gambling", "person-on-fire")]
    frames = [frame.resize((384, 384)) for frame in frames]
    (tmp_path / "d").mkdir()
    frames[0].save(tmp_path / "d" / "mixed.webp", save_all=True, append_images=frames[1:], lossless=True)
    return tmp_path


def test_no_frame_hides_what_another_shows(run: Run, mixed: Path) -> None:
    scan = ("scan", "d", *BUILTIN, "--fail-on", "high")
    first = run(*scan, "-o", "v.jsonl", "--format", "text")
    assert first.returncode == 1, first.stderr
    assert "d/mixed.webp: unsafe: " in (shown := first.stdout.decode())
    assert "gambling in frame 0: " in shown
    assert "person-on-fire in frame 1: " in shown
    line = json.loads((mixed / "v.jsonl").read_bytes())
    assert (line["frame"], {each["rule"] for each in line["violations"]}) == (1, {"gambling", "person-on-fire"})
    explained = run("explain", "d/mixed.webp", *BUILTIN).stdout.decode()
    assert "d/mixed.webp, frame 1: unsafe" in explained
    assert "gambling: violated in frame 0" in explained
    sarif = json.loads(run("show", "v.jsonl", "--format", "sarif").stdout)["runs"][0]["results"]
    told = {each["ruleId"]: each["message"]["text"] for each in sarif}
    assert told["gambling"].startswith("In frame 0: ")
    assert told["person-on-fire"].startswith("In frame 1: ")
    moved = run("apply", "v.jsonl", "--move", "q", "--rule", "gambling", "--yes")
    assert (moved.returncode, (mixed / "q" / "mixed.webp").exists()) == (0, True), moved.stderr


def test_what_a_baseline_accepts_in_one_frame_leaves_the_others(run: Run, mixed: Path) -> None:
    scan = ("scan", "d", *BUILTIN, "--format", "text", "--fail-on", "high")
    line = run("scan", "d", *BUILTIN).stdout
    accept = ("baseline", "add", "-", "-b", "accepted.toml")
    assert run(*accept, "--rule", "gambling", "--reason", "a slot machine is fine here", stdin=line).returncode == 0
    done = run(*scan, "-b", "accepted.toml")
    assert (done.returncode, b"mixed.webp: unsafe: " in done.stdout) == (1, True)
    assert run(*accept, "--rule", "person-on-fire", stdin=line).returncode == 0
    done = run(*scan, "-b", "accepted.toml")
    assert (done.returncode, b"mixed.webp: unsafe (accepted): " in done.stdout) == (0, True)
