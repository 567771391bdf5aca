"""What the README shows is what happens: its recipes are carried out, its pictures are there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
STICKERS = ROOT / "docs" / "examples" / "stickers"
PROGRAM = str(Path(sysconfig.get_path("scripts")) / "imagejudge")


def recipe(title: str) -> list[list[str]]:
    """The commands below the paragraph that begins so, until the next one."""
    text = README.partition(f"**{title}")[2].partition("\n**")[0]
    return [shlex.split(line) for line in re.findall(r"^    (imagejudge .+)$", text, re.MULTILINE)]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    plain = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
    return subprocess.run([PROGRAM, *command[1:]], cwd=folder, capture_output=True, text=True, env=plain)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of the stickers, also by label."""
    folder = tmp_path_factory.mktemp("readme")
    for name, label in (("gambling", "unsafe"), ("bleeding", "unsafe"), ("harmless-1", "safe"), ("harmless-2", "safe")):
        for place in (folder / "photos", folder / "labelled" / label):
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(STICKERS / f"{name}.png", place)
    return folder


def test_curating_a_folder(photos: Path) -> None:
    before = sorted(path.name for path in (photos / "photos").iterdir())
    scan, report, move, undo = recipe("Curate a folder")
    assert run(scan, photos).returncode == 1
    assert run(report, photos).returncode == 0
    assert (photos / "page.html").stat().st_size > 10_000
    done = run(move, photos)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (photos / "quarantine").rglob("*.png")) == ["bleeding.png", "gambling.png"]
    assert sorted(path.name for path in (photos / "photos").iterdir()) == ["harmless-1.png", "harmless-2.png"]
    assert run(undo, photos).returncode == 0
    assert sorted(path.name for path in (photos / "photos").iterdir()) == before


def test_guarding_a_repository() -> None:
    (config,) = re.findall(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (repository,) = yaml.safe_load(config)["repos"]
    offered = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    assert {hook["id"] for hook in repository["hooks"]} <= offered
    assert config in (ROOT / "docs" / "pre-commit.md").read_text(), "which is carried out by its own tests"


def test_measuring(photos: Path) -> None:
    (command,) = recipe("Measure it")
    done = run(command, photos)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^clue +1\.000", done.stdout, re.MULTILINE)
    assert "How often is it right?" in (photos / "page.html").read_text("utf-8")


def test_what_explain_shows() -> None:
    (command, shown) = re.findall(r"^    \$ (imagejudge explain .+)\n((?:    .*\n|\n)+)", README, re.MULTILINE)[0]
    done = run(shlex.split(command), ROOT)
    assert done.returncode == 0
    said = re.sub(r"(?<=[+-])\d+\.\d", "0.0", "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip())
    told = "\n".join(line.removeprefix("    ") for line in shown.splitlines()).strip()
    assert said == re.sub(r"(?<=[+-])\d+\.\d", "0.0", told), "gaps differ between processors by a tenth"


def test_pictures_are_there() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures
    assert all((ROOT / path).is_file() for path in pictures)
