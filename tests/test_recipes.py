"""The commands that pages show are carried out, from top to bottom, in a folder with images as their readers have."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from imagejudge.cli.review import decisions_beside
from imagejudge.output.decisions import Decision, Opinion, Truth, decision_line

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
STICKERS = DOCS / "examples" / "stickers"
SERVES = "imagejudge review verdicts.jsonl"
"""Ends with Ctrl-C alone; tests of its own start it."""
TRUTHS = {"unsafe": Truth.VIOLATED, "safe": Truth.CLEAR}


def commands(page: str) -> list[str]:
    """Those of a page, whole, also where they go over several lines."""
    text = (DOCS / page).read_text("utf-8").replace("\\\n", " ")
    return re.findall(r"^    (imagejudge .+)$", text, re.MULTILINE)


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """The folders that pages name, each with the same four images, and rules and labels for them."""
    names = {"gambling": "unsafe", "bleeding": "unsafe", "harmless-1": "safe", "harmless-2": "safe"}
    for name, label in names.items():
        for place in ("photos", "assets", f"my-images/{label}"):
            (tmp_path / place).mkdir(parents=True, exist_ok=True)
            shutil.copy(STICKERS / f"{name}.png", tmp_path / place)
    for rules in ("rules.toml", "stricter.toml"):
        shutil.copy(ROOT / "constitutions" / "stickers.toml", tmp_path / rules)
    rows = "".join(f"my-images/{label}/{name}.png,{label}\n" for name, label in names.items())
    (tmp_path / "labels.csv").write_text(f"path,label\n{rows}")
    (tmp_path / "clean").mkdir()
    return tmp_path


def expected(command: str) -> int:
    """The exit code: two of the four images break a rule."""
    if command.startswith("imagejudge calibrate"):
        return 2  # for so few labels
    judges = command.startswith(("imagejudge scan", "imagejudge rejudge"))
    return int(judges and "--baseline" not in command and "|" not in command)


LONG = [pytest.param(page, marks=pytest.mark.slow) for page in ("review.md", "outputs.md", "evaluate.md")]


@pytest.mark.parametrize("page", ["baseline.md", "rejudge.md", *LONG])
def test_the_commands_of_a_page_do_what_they_say(page: str, reader: Path) -> None:
    environment = {**os.environ, "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"IMAGEJUDGE_MODEL": "builtin", "IMAGEJUDGE_CONSTITUTION": "stickers"}

    def run(command: str) -> str:
        done = subprocess.run(["bash", "-c", command], cwd=reader, env=environment, capture_output=True, text=True)
        assert done.returncode == expected(command), (command, done.stderr)
        return done.stderr

    # Pages go on from where others left off: from a scan, and from what was decided about it.
    folder = "my-images" if page == "evaluate.md" else "photos"
    run(f"imagejudge scan {folder} -c stickers -o verdicts.jsonl")
    decided = [json.loads(line) for line in (reader / "verdicts.jsonl").read_text().splitlines()]
    (reader / decisions_beside("verdicts.jsonl")).write_bytes(
        b"".join(
            decision_line(
                Decision(
                    sha256=line["sha256"], path=line["path"], decision=Opinion.AGREE, truth=TRUTHS[line["verdict"]]
                )
            )
            for line in decided
        )
    )
    shown = commands(page)
    assert shown
    for command in shown:
        if command != SERVES:
            said = run(command)
            assert "too few" in said or expected(command) != 2
