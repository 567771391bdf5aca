"""The built-in model on a picture that shows no sticker: what the commands say of it."""

from __future__ import annotations

import json
import random
from pathlib import Path

from conftest_cli import Run
from PIL import Image

BUILTIN = ("-c", "stickers", "--model", "builtin")


def test_a_scan_says_at_its_end_what_was_not_asked_about(run: Run, tmp_path: Path) -> None:
    noise = tmp_path / "noise.png"
    Image.frombytes("RGB", (64, 64), random.Random(1).randbytes(64 * 64 * 3)).save(noise)
    scanned = run("scan", noise, *BUILTIN, "-o", "v.jsonl", "--format", "text")
    assert scanned.returncode == 0
    assert f"{noise}: unsure: out of its world: " in scanned.stdout.decode()
    assert "hint: 1 image does not look like what the model was made for" in scanned.stderr.decode()
    line = json.loads((tmp_path / "v.jsonl").read_bytes())
    assert line["out_of_world"] >= 0.5
    assert len(line["settings"]["world"]) == 12
    counted = json.loads(run("stats", "v.jsonl", "--json").stdout)
    assert (counted["out_of_world"], counted["verdicts"]["unsure"]) == (1, 1)
    again = run("rejudge", "v.jsonl", "-c", "stickers", "--select", "gambling", "-o", "w.jsonl")
    assert again.returncode == 0
    assert json.loads((tmp_path / "w.jsonl").read_bytes())["rationale"] == line["rationale"]
    shown = run("explain", noise, *BUILTIN, "--select", "gambling").stdout.decode()
    assert "out of its world: " in shown
    assert "nothing was asked about it" in shown
