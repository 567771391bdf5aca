"""What a command reads or did not make is not written over, no two results go to one file, no option is empty."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest_cli import Run
from PIL import Image

from imagejudge.cli.named_files import DISTILLED, FIGURES, PAGE, PREDICTIONS, refuse_foreign, refuse_to_overwrite
from imagejudge.errors import UsageError
from imagejudge.verdict import Verdict, line_of

RULES = """schema = 1
name = "one"
version = "1"

[[rules]]
id = "knife"
text = "No knives."
preconditions = [{ ask = "A knife is visible." }]
"""
JUDGED = ("-c", "rules.toml", "--model", "builtin")
SCORED = ("evaluate", "--verdicts", "v.jsonl", "--labels", "labels.csv")


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    facts = {"verdict": "safe", "rationale": "", "model": "m", "constitution": "c", "method": "clue", "imagejudge": "0"}
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / "list.txt").write_text("a.png\n")
    (tmp_path / "base.toml").write_text("schema = 1\n")
    (tmp_path / "v.jsonl").write_bytes(line_of(Verdict.model_validate({"path": "a.png", "sha256": "a" * 64, **facts})))
    (tmp_path / "labels.csv").write_text("path,label\na.png,safe\n")
    (tmp_path / "tasks.xml").symlink_to("v.jsonl")


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (("scan", "a.png", *JUDGED, "--overwrite", "-o"), "a.png"),
        (("scan", "a.png", *JUDGED, "--overwrite", "-o"), "rules.toml"),
        (("scan", "a.png", *JUDGED, "-b", "base.toml", "--overwrite", "-o"), "base.toml"),
        (("scan", "--files-from", "list.txt", *JUDGED, "--overwrite", "-o"), "list.txt"),
        (("rejudge", "v.jsonl", "-c", "rules.toml", "-b", "base.toml", "--overwrite", "-o"), "base.toml"),
        (("explain", "a.png", *JUDGED, "--html"), "rules.toml"),
        (("convert", "v.jsonl", "--to", "label-studio", "--overwrite", "-o", "tasks.json", "--only"), "safe"),
        (("review", "v.jsonl", "--decisions"), "v.jsonl"),
        (("baseline", "add", "v.jsonl", "-b"), "v.jsonl"),
    ],
)
def test_what_is_read_is_not_written_over(run: Run, tmp_path: Path, arguments: tuple[str, ...], file: str) -> None:
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    done = run(*arguments, file)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"names a file that is read" in done.stderr
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ((*SCORED, "-o", "x", "--json", "./x"), "-o and --json"),
        ((*SCORED, "--json", "x", "--html", "x"), "--json and --html"),
        (("rejudge", "v.jsonl", "-c", "rules.toml", "-o", "x", "--missing", "x"), "-o and --missing"),
        (("report", "v.jsonl", "-o", "x", "--thumbnails", "x"), "-o and --thumbnails"),
        (("apply", "v.jsonl", "--only", "safe", "--move", "x", "--undo-file", "x"), "--move and --undo-file"),
    ],
)
def test_two_results_do_not_go_to_one_place(run: Run, tmp_path: Path, arguments: tuple[str, ...], names: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"{names} name the same place" in done.stderr.decode()
    assert not (tmp_path / "x").exists()


def test_links_and_dots_hide_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    with pytest.raises(UsageError, match="--json and --html name the same place"):
        refuse_to_overwrite([], json=tmp_path / "link" / "x", html=tmp_path / "there" / ".." / "there" / "x")
    refuse_to_overwrite(["none", None], json=tmp_path / "x", html=tmp_path / "y")


@pytest.mark.parametrize(
    ("arguments", "overwrites"),
    [
        (("show", "v.jsonl", "-o", "a.png"), True),
        (("convert", "v.jsonl", "--to", "label-studio", "-o", "a.png"), True),
        (("apply", "v.jsonl", "--move", "q", "--undo-file", "a.png"), False),
        (("constitution", "new", "a.png"), False),
    ],
)
def test_what_is_there_is_refused_in_the_same_words(run: Run, arguments: tuple[str, ...], overwrites: bool) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"error: a.png is there already" in done.stderr
    assert (b"replace it with --overwrite" in done.stderr) == overwrites


WRITING = [
    ("report", "v.jsonl", "--no-images", "-o"),
    ("stats", "v.jsonl", "--html"),
    ("explain", "a.png", *JUDGED, "--html"),
    (*SCORED, "--html"),
    (*SCORED, "--json"),
    (*SCORED, "-o"),
    ("distill", "v.jsonl", *JUDGED, "--json"),
    ("rejudge", "v.jsonl", "-c", "rules.toml", "--missing"),
]
"""Commands that write one file of their own, without its name."""


@pytest.mark.parametrize("command", WRITING, ids=lambda command: f"{command[0]} {command[-1]}")
def test_nothing_but_an_earlier_result_is_replaced(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    before = Image.new("RGB", (8, 8)).tobytes()
    (tmp_path / "b.png").write_bytes(before)
    done = run(*command, "b.png")
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"error: b.png is there already\nhint: name another file with {command[-1]}" in done.stderr.decode()
    assert (tmp_path / "b.png").read_bytes() == before


@pytest.mark.parametrize("own", [PAGE, FIGURES, PREDICTIONS, DISTILLED])
@pytest.mark.parametrize(
    "content",
    [
        '<!doctype html>\n<html lang="en">\n<head>\n<title>My own</title>\n',
        '<p>&lt;meta name="generator" content="imagejudge"&gt; <meta name="generator" content="imagejudge"></p>',
        f'<!doctype html>{"<p>my own</p>" * 1000}<meta name="generator" content="imagejudge">',
        '{"schema": 1, "rules": []}',
        '{"name": "a.png", "truth": "safe"}\n',
        " ",
        "\0",
    ],
)
def test_what_looks_alike_is_not_replaced(tmp_path: Path, own: re.Pattern[bytes], content: str) -> None:
    (tmp_path / "x").write_text(content)
    (tmp_path / "link").symlink_to("x")
    for name in ("x", "link"):
        with pytest.raises(UsageError, match=f"{name} is there already"):
            refuse_foreign(tmp_path / name, own, "html")
    refuse_foreign(tmp_path / "none", own)
    refuse_foreign(tmp_path, own)
    refuse_foreign(None, own)


@pytest.mark.parametrize("command", WRITING[:6], ids=lambda command: f"{command[0]} {command[-1]}")
def test_an_earlier_result_and_an_empty_file_are_replaced(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "out").touch()
    for _ in range(2):
        assert run(*command, "out").returncode == 0
        assert (tmp_path / "out").stat().st_size > 100
        (tmp_path / "out").write_bytes((tmp_path / "out").read_bytes() + b"<!-- of before -->")
    assert run(*command, "out").returncode == 0
    assert b"<!-- of before -->" not in (tmp_path / "out").read_bytes()


def test_a_page_takes_the_place_of_any_other_page(run: Run, tmp_path: Path) -> None:
    for command in (WRITING[0], WRITING[3], WRITING[1], WRITING[0]):
        assert run(*command, "page.html").returncode == 0
    assert b"<script" in (tmp_path / "page.html").read_bytes()


@pytest.mark.parametrize("command", WRITING[1:2] + WRITING[-1:], ids=lambda command: command[0])
def test_what_goes_into_a_pipe_replaces_nothing(run: Run, command: tuple[str, ...]) -> None:
    done = run(*command, "/dev/stdout")
    assert b"is there already" not in done.stderr
    assert done.stdout


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("scan", "a.png", *JUDGED, "--cache-dir", ""), "--cache-dir"),
        (("scan", "a.png", *JUDGED, "--prompt-style="), "--prompt-style"),
        (("scan", "a.png", *JUDGED, "-o", ""), "-o"),
        (("show", "v.jsonl", "--only", ""), "--only"),
        (("baseline", "add", "v.jsonl", "-b", ""), "-b"),
        (("models", "list", "--cache-dir", ""), ""),
    ],
)
def test_an_option_without_a_value_is_refused(run: Run, tmp_path: Path, arguments: tuple[str, ...], name: str) -> None:
    before = sorted(tmp_path.iterdir())
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"error: {name} is empty" in done.stderr.decode() if name else done.stderr
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("report", "", "-o", "p.html"), "VERDICTS"),
        (("show", "--quiet", ""), "VERDICTS"),
        (("scan", "a.png", "", *JUDGED), "PATH"),
        (("check", "--", ""), "FILE..."),
        (("filter", "v.jsonl", "", "-o", "out"), "VERDICTS or SHARD"),
        (("evaluate", ""), "DATASET"),
        (("constitution", "show", ""), "NAME|FILE"),
        (("merge", ""), "DIR"),
        (("models", "rm", ""), "NAME"),
        (("config", ""), "a value"),
    ],
)
def test_an_empty_argument_is_refused(run: Run, arguments: tuple[str, ...], name: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == f"error: {name} is empty\nhint: give a value, or leave it out\n"


def test_empty_words_where_they_mean_something(run: Run, tmp_path: Path) -> None:
    assert run("baseline", "add", "v.jsonl", "--reason", "").returncode == 0
    assert run("scan", *JUDGED, "--no-reasoning", "-o", "w.jsonl", "--", "a.png").returncode == 0
    (tmp_path / "imagejudge.toml").write_text('model = ""\n')
    assert b"imagejudge.toml:1: 'model' is empty" in run("scan", "a.png").stderr
