"""The hook, run by the real pre-commit on a real repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples" / "stickers"
SCRIPTS = sysconfig.get_path("scripts")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the hook installed as its manifest says, but with the program that is already here.

    pre-commit would otherwise build an environment of its own, and llama.cpp with it.
    """
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "pre-commit-home"))
    folder = tmp_path / "assets"
    folder.mkdir()
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["require_serial"] is True
    local = {**hook, "language": "system"}
    config = {"repos": [{"repo": "local", "hooks": [local]}]}
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    (folder / "imagejudge.toml").write_text('constitution = "stickers"\nmodel = "builtin"\n')
    git(folder, "init", "--quiet")
    git(folder, "config", "user.name", "Nobody")
    git(folder, "config", "user.email", "nobody@example.org")
    subprocess.run(["pre-commit", "install"], cwd=folder, check=True, capture_output=True)
    return folder


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def commit(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    git(folder, "add", ".pre-commit-config.yaml", "imagejudge.toml", *names)
    return git(folder, "commit", "--message", "Add stickers")


def test_a_violating_sticker_stops_the_commit_and_a_harmless_one_passes(repository: Path) -> None:
    shutil.copy(EXAMPLES / "rude-gesture.png", repository / "rude sticker.png")
    shutil.copy(EXAMPLES / "harmless-1.png", repository / "nice.png")
    (repository / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    stopped = commit(repository, "rude sticker.png", "nice.png", "drawing.svg")
    assert stopped.returncode == 1
    said = stopped.stdout + stopped.stderr
    assert "rude sticker.png: unsafe: rude-gesture" in said
    assert "nice.png:" not in said
    assert "svg" not in said
    assert git(repository, "rev-parse", "--verify", "HEAD").returncode != 0

    git(repository, "rm", "--quiet", "--cached", "rude sticker.png")
    passed = commit(repository, "nice.png")
    assert passed.returncode == 0, passed.stdout + passed.stderr


def test_a_broken_image_stops_the_commit(repository: Path) -> None:
    (repository / "broken.png").write_bytes((EXAMPLES / "harmless-1.png").read_bytes()[:300])
    stopped = commit(repository, "broken.png")
    assert stopped.returncode == 1
    assert "broken.png: error:" in stopped.stdout + stopped.stderr
