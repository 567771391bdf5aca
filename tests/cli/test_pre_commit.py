"""The hook, run by the real pre-commit on a real repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagejudge.images.names import EXTENSIONS

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples" / "stickers"
SCRIPTS = sysconfig.get_path("scripts")
CACHE = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
"""Read before a test is given folders of its own."""


def manifest() -> dict[str, Any]:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    return dict(hook)


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
    configure(folder)
    (folder / "imagejudge.toml").write_text('constitution = "stickers"\nmodel = "builtin"\n')
    git(folder, "init", "--quiet")
    git(folder, "config", "user.name", "Nobody")
    git(folder, "config", "user.email", "nobody@example.org")
    subprocess.run(["pre-commit", "install"], cwd=folder, check=True, capture_output=True)
    return folder


def configure(folder: Path, **changes: Any) -> None:
    """Use the hook with what a user may change of it."""
    hook = {**manifest(), "language": "system", **changes}
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [{"repo": "local", "hooks": [hook]}]}))


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def commit(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    git(folder, "add", "--", ".pre-commit-config.yaml", "imagejudge.toml", *names)
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


def test_the_hook_is_given_every_name_that_a_scan_takes() -> None:
    hook = manifest()
    assert hook["require_serial"] is True
    assert (hook["types"], hook["types_or"]) == ([], ["file", "symlink"])
    for suffix in EXTENSIONS:
        assert re.search(hook["files"], f"a/b{suffix}")
        assert re.search(hook["files"], f"b{suffix.upper()}")
    found = set(re.findall(r"[a-z]+", hook["files"].partition("(?i)")[2]))
    assert {f".{suffix}" for suffix in found} == EXTENSIONS
    assert not re.search(hook["files"], "a.svg")


@pytest.mark.parametrize(
    ("name", "args"),
    [
        *((name, None) for name in ("--exclude=*.png", "-owritten.png", "-dash.png")),
        *((name, []) for name in ("--exclude=*.png", "-owritten.png", "-dash.png")),
        ("--fail-on=high.png", ["--exit-zero", "--fail-on", "unsafe"]),
        ("--exclude=*.png", ["--on-error", "warn", "--"]),
    ],
)
def test_no_name_of_a_file_is_an_option(repository: Path, name: str, args: list[str] | None) -> None:
    configure(repository, **({} if args is None else {"args": args}))
    shutil.copy(EXAMPLES / "rude-gesture.png", repository / "rude.png")
    shutil.copy(EXAMPLES / "harmless-1.png", repository / name)
    (repository / "imagejudge.toml").write_text('constitution = "stickers"\nmodel = "builtin"\n')
    listed = set(repository.iterdir())
    stopped = commit(repository, name, "rude.png")
    said = stopped.stdout + stopped.stderr
    assert stopped.returncode == 1, said
    assert ("rude.png: unsafe" in said) or (f"{name} is an option, and also the name of a file" in said)
    if args is None or "--" in args:
        assert "rude.png: unsafe" in said
    assert set(repository.iterdir()) == listed


def test_quiet_means_that_nothing_is_said_of_the_model(repository: Path) -> None:
    shutil.copy(EXAMPLES / "harmless-1.png", repository / "nice.png")
    configure(repository, verbose=True)
    assert "understands stickers" not in (done := commit(repository, "nice.png")).stdout + done.stderr


PAGE = (ROOT / "docs" / "pre-commit.md").read_text("utf-8")
(FROM_A_CLONE, WITHOUT_A_CLONE) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
(SETTINGS,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ONCE = re.findall(r"^    (pre-commit .*)$", PAGE, re.MULTILINE)


def test_the_page_s_local_hook_is_the_manifest_s(repository: Path) -> None:
    (hook,) = yaml.safe_load(WITHOUT_A_CLONE)["repos"][0]["hooks"]
    assert hook["entry"] == " ".join([manifest()["entry"], *manifest()["args"]])
    assert {name: hook[name] for name in ("types", "types_or", "files", "require_serial")} == {
        name: manifest()[name] for name in ("types", "types_or", "files", "require_serial")
    }
    (repository / ".pre-commit-config.yaml").write_text(WITHOUT_A_CLONE)
    shutil.copy(EXAMPLES / "rude-gesture.png", repository / "-rude.JFIF")
    assert "-rude.JFIF: unsafe: rude-gesture" in (done := commit(repository, "-rude.JFIF")).stdout + done.stderr


@pytest.mark.slow
def test_the_page_works_as_typed_from_a_clone(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an environment that pre-commit builds, llama.cpp included where pip has no wheel of it yet."""
    if git(ROOT, "rev-parse", "HEAD").returncode:
        pytest.skip("these sources are no git repository that could be cloned")
    monkeypatch.setenv("PIP_CACHE_DIR", os.environ.get("PIP_CACHE_DIR", f"{CACHE}/pip"))
    git(repository.parent, "clone", "--quiet", str(ROOT), "imagejudge")
    (repository / ".pre-commit-config.yaml").write_text(FROM_A_CLONE)
    (repository / "imagejudge.toml").write_text(SETTINGS)
    for command in ONCE:
        subprocess.run(command.split(), cwd=repository, check=True, capture_output=True)
    assert git(ROOT, "rev-parse", "HEAD").stdout.strip() in (repository / ".pre-commit-config.yaml").read_text()
    shutil.copy(EXAMPLES / "rude-gesture.png", repository / "rude sticker.png")
    stopped = commit(repository, "rude sticker.png")
    assert stopped.returncode == 1
    assert "rude sticker.png: unsafe: rude-gesture" in stopped.stdout + stopped.stderr


def test_a_link_to_an_image_under_another_name_is_judged(repository: Path) -> None:
    shutil.copy(EXAMPLES / "rude-gesture.png", repository / "blob")
    (repository / "sticker.png").symlink_to("blob")
    stopped = commit(repository, "blob", "sticker.png")
    assert stopped.returncode == 1
    assert "sticker.png: unsafe: rude-gesture" in stopped.stdout + stopped.stderr


def test_a_file_called_dash_is_not_standard_input(repository: Path) -> None:
    configure(repository, files="")
    shutil.copy(EXAMPLES / "rude-gesture.png", repository / "-")
    stopped = commit(repository, "-")
    assert stopped.returncode == 1
    assert "- is an option, and also the name of a file here" in stopped.stdout + stopped.stderr
