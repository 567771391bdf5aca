"""`imagejudge compare` as users run it, on what `imagejudge evaluate` wrote."""

from __future__ import annotations

import json
import os
import re
from itertools import pairwise
from pathlib import Path

import pytest
from conftest_cli import Run

from imagejudge.verdict import Outcome, Verdict, line_of

NAMES = "abcdefgh"


def verdict(name: str, outcome: str, method: str) -> Verdict:
    return Verdict(
        path=f"{name}.png",
        sha256=None,
        verdict=Outcome(outcome),
        rationale="",
        rules=(),
        model="m@1",
        constitution="c@1",
        method=method,
        imagejudge="0",
    )


@pytest.fixture
def evaluated(run: Run, tmp_path: Path) -> None:
    """Eight images, half of them unsafe: `good` is right about all, `poor` misses two and is unsure of one."""
    labels = "".join(f"{name}.png,{'unsafe' if name < 'e' else 'safe'}\n" for name in NAMES)
    (tmp_path / "labels.csv").write_text(f"path,label\n{labels}")
    for file, wrong in (("good", {}), ("poor", {"a": "safe", "b": "safe", "h": "unsure"})):
        said = {name: wrong.get(name, "unsafe" if name < "e" else "safe") for name in NAMES}
        rows = [verdict(name, outcome, method) for method in ("clue", "threshold") for name, outcome in said.items()]
        (tmp_path / "v.jsonl").write_bytes(b"".join(map(line_of, rows)))
        done = run("evaluate", "--verdicts", "v.jsonl", "--labels", "labels.csv", "--json", f"{file}.json", "-q")
        assert (done.returncode, done.stderr) == (0, b"")


def test_the_table_fits_80_columns(run: Run, evaluated: None) -> None:
    done = run("compare", "poor.json", "good.json")
    shown = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert max(map(len, shown.splitlines())) <= 80
    table = [line.split() for line in shown.splitlines()]
    assert ["good", "clue", "1.000", "1.00-1.00", "1.000", "0.000", "-", "0.0", "%"] in table
    assert ["poor", "clue", "8", "-0.429", "-1.000", "to", "-0.091"] in table
    assert "poor.json: m@1, c@1" in shown


def test_rows_of_one_file_go_by_their_methods_and_every_measure_fits(run: Run, evaluated: None) -> None:
    for measure in ("balanced-accuracy", "over-safety", "auprc"):
        shown = run("compare", "good.json", "--by", measure).stdout.decode()
        assert max(map(len, shown.splitlines())) <= 80
        assert [line.split()[0] for line in shown.splitlines()[4:6]] == ["clue", "threshold"]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["runs/llava/metrics.json", "runs/qwen/metrics.json"], ["llava", "qwen"]),
        (["runs/llava/1/metrics.json", "runs/qwen/1/metrics.json"], ["llava", "qwen"]),
        (
            ["llava/metrics.json", "qwen/other.json", "qwen/metrics.json"],
            ["llava/metrics", "qwen/other", "qwen/metrics"],
        ),
        (["metrics.json", "runs/metrics.json"], ["metrics", "runs/metrics"]),
        (["runs/m-1.5", "runs/m-1.6"], ["m-1.5", "m-1.6"]),
    ],
)
def test_rows_go_by_what_tells_their_files_apart(
    run: Run, evaluated: None, tmp_path: Path, files: list[str], names: list[str]
) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes((tmp_path / "good.json").read_bytes())
    table = [line.split() for line in run("compare", *files).stdout.decode().splitlines()]
    shown = [row[:2] for row in table if row[1:2] in (["clue"], ["threshold"])]
    assert shown[: 2 * len(names)] == [[name, method] for name in names for method in ("clue", "threshold")]


def test_names_are_whole_in_a_pipe_and_folded_between_their_parts_on_a_terminal(
    run: Run, evaluated: None, tmp_path: Path
) -> None:
    folders = [f"{name}-with-a-long-name/of-the-first-seed" for name in ("first", "second")]
    files = [f"{folder}/{name}.json" for folder, name in zip(folders, ("good", "bad"), strict=True)]
    files.append(f"{folders[0]}/bad.json")
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes((tmp_path / "good.json").read_bytes())
    piped = [line.split() for line in run("compare", *files).stdout.decode().splitlines()]
    assert [f"{folders[1]}/bad", "threshold"] in [row[:2] for row in piped]
    assert [f"{file}:", "m@1,", "c@1"] in piped
    seen = run("compare", *files, env={**os.environ, "TTY_COMPATIBLE": "1", "NO_COLOR": "1", "COLUMNS": "80"})
    tables = re.sub(r"\x1b\[\d*m", "", seen.stdout.decode()).partition("what was measured")[0].splitlines()
    lines = [line.split() for line in tables]
    assert ["second-with-a-long-name/", "of-the-first-seed/bad", "threshold"] in [
        [row[0], *below] for row, below in pairwise(lines) if row
    ]
    assert max(map(len, tables)) <= 80


def test_rows_are_sorted_by_the_measure_that_is_named(run: Run, evaluated: None) -> None:
    for measure, unsure, worst in (
        ("recall", "unsafe", 0.5),
        ("over-safety", "unsafe", 0.25),
        ("over-safety", "safe", 0),
    ):
        done = run("compare", "poor.json", "good.json", "--by", measure, "--unsure", unsure, "--json")
        found = json.loads(done.stdout)
        name = measure.replace("-", "_")
        assert (found["by"], found["unsure"]) == (name, unsure)
        assert found["rows"][-1]["measures"][name]["value"] == worst
        assert found["rows"][0]["difference"] is None
        assert found["rows"][-1]["difference"]["images"] == 8


def test_a_judge_that_failed_is_not_ahead_without_a_word(run: Run, evaluated: None, tmp_path: Path) -> None:
    rows = [verdict(name, "unsafe" if name == "a" else "safe" if name > "d" else "error", "clue") for name in NAMES]
    (tmp_path / "v.jsonl").write_bytes(b"".join(map(line_of, rows)))
    run("evaluate", "--verdicts", "v.jsonl", "--labels", "labels.csv", "--json", "failed.json", "-q")
    done = run("compare", "failed.json", "poor.json", "--by", "recall")
    table = [line.split() for line in done.stdout.decode().splitlines()]
    assert max(map(len, done.stdout.decode().splitlines())) <= 80
    assert table[3][-2:] == ["unsure", "errors"]
    assert [row[-1] for row in table if row[:2] in (["failed", "clue"], ["poor", "clue"])][:2] == ["3", "0"]
    assert b"errors are images that could not be judged" in done.stderr
    found = json.loads(run("compare", "failed.json", "poor.json", "--json").stdout)
    assert sorted(row["errors"] for row in found["rows"]) == [0, 0, 3]


def test_other_data_is_refused(run: Run, evaluated: None, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\na.png,safe\ne.png,unsafe\n")
    run("evaluate", "--verdicts", "v.jsonl", "--labels", "labels.csv", "--json", "other.json", "-q")
    done = run("compare", "good.json", "other.json")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"6 images only in good.json, 2 images with opposite labels" in done.stderr
    assert b"--mix" in done.stderr
    assert run("compare", "good.json", "other.json", "--mix").returncode == 0


def test_what_the_option_o_writes_is_told_apart(run: Run, evaluated: None, tmp_path: Path) -> None:
    run("evaluate", "--verdicts", "v.jsonl", "--labels", "labels.csv", "-o", "rows.jsonl", "-q")
    done = run("compare", "rows.jsonl")
    assert done.returncode == 2
    assert b"is not one JSON document" in done.stderr
