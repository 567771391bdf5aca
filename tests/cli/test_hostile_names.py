"""No name of a file acts on a terminal or on the log of a CI service, wherever the program shows it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest_cli import RULES, Run
from PIL import Image

NAME = "\x1b[2J\x07\x9b31m\u202egnp\u2066\x7f.png"
ACTING = frozenset("\x1b\x07\x9b\u202e\u2066\x7f")
BASE = ("--constitution", "stickers", "--model", "builtin")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (20, 20), "red").save(tmp_path / "images" / NAME)
    (tmp_path / "images" / f"broken{NAME}").write_bytes(b"no image")
    return tmp_path


@pytest.mark.parametrize("form", ["jsonl", "text", "csv", "github", "sarif"])
def test_in_every_format_for_people_and_logs(run: Run, folder: Path, form: str) -> None:
    done = run("scan", str(folder / "images"), *BASE, "--format", form)
    assert done.returncode == 2
    shown = done.stdout.decode() + done.stderr.decode()
    assert "broken" in shown
    assert not ACTING & set(shown)


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan", "images", f"--{NAME}"),
        ("scan", "images", "--fail-on", NAME),
        ("scan", "images", "--files-from", NAME),
        ("scan", "images", "--constitution", NAME),
        ("scan", "images", "--constitution", "stickers", "--model", NAME),
        ("scan", "images", *BASE, "--output", f"{NAME}/x"),
        ("scan", "images", *BASE, "--baseline", NAME),
        ("scan", "images", *BASE, "--gpus", NAME),
        ("scan", "--config", NAME, "images"),
        ("explain", f"images/broken{NAME}", *BASE),
        ("check", NAME),
        ("rejudge", NAME),
        ("config", NAME),
        ("models", "verify", NAME),
        (NAME,),
    ],
    ids=lambda arguments: ascii(" ".join(arguments))[1:40],
)
def test_in_every_message(run: Run, folder: Path, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    shown = done.stdout.decode() + done.stderr.decode()
    assert shown
    assert not ACTING & set(shown)


def quiet(run: Run, *arguments: str) -> None:
    """What the program writes shows the name, and nothing that acts on a terminal."""
    done = run(*arguments)
    shown = done.stdout.decode() + done.stderr.decode()
    assert "gnp" in shown.replace("\n", "").replace(" ", ""), shown
    assert not ACTING & set(shown)


def test_in_tables_about_files_of_strangers(run: Run, folder: Path) -> None:
    turned = r"\u202egnp\u2066"
    settings = f'exclude = ["{turned}"]\n[per-path-ignores]\n"{turned}" = ["fire"]\n'
    (folder / "imagejudge.toml").write_text(settings)
    quiet(run, "config")
    run("scan", "images", *BASE, "--isolated", "-o", "verdicts.jsonl")
    lines = [json.loads(line) for line in (folder / "verdicts.jsonl").read_text().splitlines()]
    renamed = (json.dumps(line | {"model": NAME, "constitution": NAME}) for line in lines)
    (folder / "verdicts.jsonl").write_text("\n".join(renamed) + "\n")
    quiet(run, "stats", "verdicts.jsonl")
    quiet(run, "cache", "info", "--cache-dir", f"kept{NAME}")


def test_in_a_table_about_a_model_of_strangers(run: Run, folder: Path, pair: Sequence[str]) -> None:
    model = shutil.copy(pair[1], folder / f"model{NAME}.gguf")
    named = ("--model", str(model), *pair[2:])
    quiet(run, "doctor", *named)


def test_rules_of_strangers_are_refused(run: Run, folder: Path) -> None:
    rules = RULES.replace("Should not depict", "Should not depict \u202egnp\u2066")
    (folder / "rules.toml").write_text(rules, "utf-8")
    refused = run("check", "rules.toml")
    shown = (refused.stdout + refused.stderr).decode()
    assert refused.returncode == 2
    assert r"the character '\u202e' (RIGHT-TO-LEFT OVERRIDE)" in " ".join(shown.split())
    assert not ACTING & set(shown)
