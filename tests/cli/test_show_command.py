"""Finished verdicts in other formats, as users ask for them: without images, model or constitution."""

from __future__ import annotations

import csv
import io
import json
import os
import resource
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest_cli import Run
from output.test_formats import HOSTILE
from PIL import Image

from imagejudge.verdict import Verdict, line_of

FACTS = {"rationale": "", "model": "m@1", "constitution": "c@1", "method": "clue", "imagejudge": "0", "sha256": None}


def line(path: str, outcome: str = "safe") -> bytes:
    return line_of(Verdict.model_validate(FACTS | {"path": path, "verdict": outcome}))


@pytest.fixture
def scanned(run: Run, base: Sequence[str], brightness: None, tmp_path: Path) -> Path:
    """Verdicts on five files: two unsafe, one of which nobody could write down, one unsure, one safe, one broken."""
    (tmp_path / "d").mkdir()
    for name, shade in {"bad": 250, "=bad \udcff\n,:%": 249, "dim": 150, "good \udcfe\n": 0}.items():
        Image.new("RGB", (8, 6), (shade, shade, shade)).save(tmp_path / "d" / f"{name}.png")
    (tmp_path / "d" / "empty.png").write_bytes(b"")
    assert run("scan", "d", *base, "-o", "v.jsonl").returncode == 2
    return tmp_path / "v.jsonl"


def test_every_format_is_that_of_the_scan(run: Run, base: Sequence[str], scanned: Path) -> None:
    for form in ("text", "csv", "github", "paths"):
        shown = run("show", "v.jsonl", "--format", form)
        assert (shown.returncode, shown.stderr.count(b"warning")) == (0, form == "paths"), form
        assert shown.stdout == run("scan", "d", *base, "-o", "v.jsonl", "--format", form).stdout, form
    ours = json.loads(run("show", "v.jsonl", "--format", "sarif").stdout)["runs"][0]
    theirs = json.loads(run("scan", "d", *base, "-o", "v.jsonl", "--format", "sarif").stdout)["runs"][0]
    assert ours["results"] == theirs["results"]
    assert ours["automationDetails"] == theirs["automationDetails"]
    rules, known = ours["tool"]["driver"]["rules"], theirs["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule["id"] for rule in known]
    for rule, whole in zip(rules, known, strict=True):
        assert rule["help"]["text"].partition("\n")[2] == whole["help"]["text"].partition("\n")[2]
        assert rule["shortDescription"]["text"] == rule["id"]  # lines do not tell the text
    assert run("show", "v.jsonl").stdout == scanned.read_bytes()


def test_only_some_of_them(run: Run, scanned: Path) -> None:
    def names(*options: str) -> list[bytes]:
        done = run("show", "v.jsonl", "--format", "paths", "-0", *options)
        assert done.returncode == 0, done.stderr
        return [path.removeprefix(b"d/") for path in done.stdout.split(b"\0")[:-1]]

    assert names() == [b"=bad \xff\n,:%.png", b"bad.png"]
    assert names("--only", "unsure,error") == names("--only", "unsure", "--only", "error") == [b"dim.png", b"empty.png"]
    assert names("--only", "safe") == [b"good \xfe\n.png"]
    assert names("--rule", "knife") == names("--rule", "knife", "--rule", "fire") == names()
    assert names("--rule", "fire") == []
    assert names("--rule", "knife", "--only", "unsure") == [b"dim.png"]
    assert names("--rule", "knife", "--only", "safe") == [b"good \xfe\n.png"]
    found = run("show", "v.jsonl", "--rule", "knife", "--format", "csv").stdout.decode("utf-8-sig")
    assert [row["verdict"] for row in csv.DictReader(io.StringIO(found))] == ["unsafe", "unsafe", "unsure"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "safe,nasty"], "--only 'nasty' is no verdict"),
        (["--rule", "knive"], "did you mean 'knife'?"),
        (["-0"], "add --format paths"),
        (["-o", "v.jsonl", "--overwrite"], "-o names a file that is read"),
        (["-o", "there"], "replace it with --overwrite"),
        (["-o", "no/where"], "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, scanned: Path, options: list[str], words: str) -> None:
    (scanned.parent / "there").write_text("mine")
    before = scanned.read_bytes()
    done = run("show", "v.jsonl", *options)
    assert (done.returncode, done.stdout) == (2, b"")
    assert words in done.stderr.decode()
    assert (scanned.read_bytes(), (scanned.parent / "there").read_text()) == (before, "mine")


def test_a_file_is_replaced_as_a_whole(run: Run, tmp_path: Path) -> None:
    (tmp_path / "v.jsonl").write_bytes(line("ü.png") + line("b.png"))
    assert run("show", "v.jsonl", "-o", "out", "--format", "text").returncode == 0
    assert (tmp_path / "out").read_text("utf-8") == "ü.png: safe\nb.png: safe\n"
    (tmp_path / "v.jsonl").write_bytes(line("a.png") + b"no verdict\n")
    assert run("show", "v.jsonl", "-o", "out", "--overwrite").returncode == 2
    assert (tmp_path / "out").read_text("utf-8") == "ü.png: safe\nb.png: safe\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "v.jsonl"]


def test_standard_input_and_a_line_that_was_cut_off(run: Run) -> None:
    two = line("a.png") + line("\udcff\n.png", "unsafe")
    done = run("show", "-", stdin=two + line("c.png")[:100])
    assert (done.returncode, done.stdout) == (0, two)
    assert b"the last line of standard input was cut off" in done.stderr
    joined = run("show", "-", "--format", "paths", "--only", "safe,unsafe", stdin=two + line("a.png", "unsafe"))
    assert joined.stdout == b"\xff\n.png\na.png\n"
    assert run("show", "-", stdin=b"").returncode == 0


@pytest.mark.parametrize("form", ["jsonl", "text", "csv", "github", "sarif"])
def test_no_name_acts_on_a_terminal(run: Run, tmp_path: Path, form: str) -> None:
    (tmp_path / "v.jsonl").write_bytes(b"".join(line(name, "unsafe") for name in HOSTILE))
    done = run("show", "v.jsonl", "--format", form)
    assert done.returncode == 0
    assert not set("\x1b\x07\x9b\u202e\u2066\x7f") & set(done.stdout.decode("utf-8-sig"))


def test_a_violation_of_a_rule_that_the_line_does_not_have(run: Run) -> None:
    """No scan writes such a line, but a program may."""
    violation = {"rule": "x", "category": "c", "severity": "high", "rationale": ""}
    row = json.loads(line("a.png", "unsafe")) | {"violations": [violation]}
    for form in ("csv", "sarif"):
        done = run("show", "-", "--format", form, stdin=json.dumps(row).encode() + b"\n")
        assert (done.returncode, b"x" in done.stdout) == (0, True)


def test_memory_does_not_grow_with_the_file(run: Run, tmp_path: Path) -> None:
    """250 MB are gone through with no more memory than the program itself wants."""
    step = {"ask": "A knife is visible.", "item": 1, "status": "unsure", "by": None, "p_yes": 0.5, "gap": 0.1}
    step |= {"prior": None, "centric": None, "off_mass": 0.1, "rationale": "x" * 1_000_000}
    row = json.loads(line("a.png")) | {"rules": [{"rule": "knife", "status": "unsure", "steps": [step]}]}
    with (tmp_path / "v.jsonl").open("wb") as file:
        for number in range(250):
            file.write(json.dumps(row | {"path": f"{number}.png"}).encode() + b"\n")
    room = 350_000_000
    done = run(
        *("show", "v.jsonl", "--format", "csv", "-o", "out"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (room, room)),
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_bytes().count(b"\n") == 251
