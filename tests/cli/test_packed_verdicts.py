"""Verdicts in compressed files and tables: every command writes and reads them, and a kill loses nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cli.test_signals import SLOW, engine, plain, start, until
from conftest_cli import Run, make_images
from PIL import Image

from imagejudge.output.packing import unpacked
from imagejudge.output.table_file import lines_beside

__all__ = ["engine"]

Options = Sequence[str]
NAMES = ("v.jsonl.gz", "v.jsonl.zst", "v.parquet")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "d").mkdir()
    for name, shade in {"bad": 250, "odd \udcff\n": 249, "dim": 150, "good": 0}.items():
        Image.new("RGB", (8, 6), (shade, shade, shade)).save(tmp_path / "d" / f"{name}.png")
    (tmp_path / "d" / "empty.png").write_bytes(b"")
    return tmp_path / "d"


def complaint(why: str) -> Exception:
    return AssertionError(why)


def text(file: Path) -> bytes:
    with file.open("rb") as stream:
        return unpacked(stream, complaint).read()


def rows(file: Path) -> list[dict[str, Any]]:
    return plain(text(file))


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in NAMES])
def test_every_command_reads_what_scan_wrote(
    run: Run, base: Options, brightness: None, folder: Path, tmp_path: Path, name: str
) -> None:
    for file in ("v.jsonl", name):
        assert run("scan", "d", *base, "-o", file).returncode == 2
    assert rows(tmp_path / name) == rows(tmp_path / "v.jsonl")
    again = run("scan", "d", *base, "-o", name)
    assert b"5 of these images have their line" in again.stderr
    (tmp_path / "v.jsonl").write_bytes(text(tmp_path / name))  # seconds are those of one run
    (tmp_path / "labels.csv").write_text("path,label\nd/bad.png,unsafe\nd/good.png,safe\n")
    for command in (
        ("show", "FILE", "--format", "csv"),
        ("show", "FILE"),
        ("stats", "FILE", "--json"),
        ("stats", "FILE", "FILE", "--json"),
        ("rejudge", "FILE", *base[4:]),
        ("convert", "FILE", "--to", "huggingface", "-o", "d/metadata.jsonl", "--overwrite"),
        ("apply", "FILE", "--move", "away", "--only", "unsafe"),
        ("baseline", "add", "FILE", "-b", "accepted.toml"),
        ("report", "FILE", "-o", "page.html", "--no-images"),
        ("evaluate", "--verdicts", "FILE", "--labels", "labels.csv"),
    ):
        both = [run(*(file if word == "FILE" else word for word in command)) for file in ("v.jsonl", name)]
        results = [(done.returncode, done.stdout.replace(b"v.jsonl", name.encode())) for done in both]
        assert results[0] == results[1], command
        assert both[0].returncode != 2 or command[0] == "rejudge", (command, both[0].stderr)


@pytest.mark.parametrize("name", NAMES)
def test_show_and_merge_write_them_and_a_pipe_is_read(
    run: Run, base: Options, brightness: None, folder: Path, tmp_path: Path, name: str
) -> None:
    run("scan", "d", *base, "-o", "v.jsonl")
    lines = (tmp_path / "v.jsonl").read_bytes()
    assert run("show", "v.jsonl", "-o", name).returncode == 0
    assert text(tmp_path / name) == lines
    assert run("show", name, "-o", "back.jsonl").returncode == 0
    assert (tmp_path / "back.jsonl").read_bytes() == lines
    piped = run("show", "-", stdin=(tmp_path / name).read_bytes())
    if name == "v.parquet":
        assert (piped.returncode, piped.stdout) == (2, b"")
        assert b"standard input is Parquet, which cannot be read from a pipe" in b" ".join(piped.stderr.split())
    else:
        assert (piped.returncode, piped.stdout) == (0, lines)
    run("scan", "d", *base, "-o", "blocks", "--shard", "0/1")
    assert run("merge", "blocks", "-o", f"merged-{name}").returncode == 2
    assert rows(tmp_path / f"merged-{name}") == plain(lines)
    wrong = run("show", "v.jsonl", "--format", "csv", "-o", f"other-{name}")
    assert (wrong.returncode, b"would be JSON Lines" in wrong.stderr) == (2, True)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_damaged_is_told(
    run: Run, base: Options, brightness: None, folder: Path, tmp_path: Path, name: str
) -> None:
    run("scan", "d", *base, "-o", name)
    data = (tmp_path / name).read_bytes()
    middle = len(data) // 2
    (tmp_path / name).write_bytes(data[:middle] + bytes(200) + data[middle + 200 :])
    for command in (("stats", name), ("scan", "d", *base, "-o", name)):
        told = run(*command)
        assert told.returncode == 2
        # Some damage is seen as such, some only by a line that is no verdict.
        assert told.stderr.startswith((f"error: {name} ".encode(), f"error: {name}:".encode()))
        assert b"Traceback" not in told.stderr
    (tmp_path / name).write_bytes(data[:middle])
    told = run("stats", name)
    assert (told.returncode, b"cut off" in told.stderr or b"has no end" in told.stderr) == (
        (2, False) if name == "v.parquet" else (0, True)
    )


def test_an_unfinished_table_is_pointed_to(run: Run, tmp_path: Path) -> None:
    lines_beside(tmp_path / "v.parquet").write_bytes(b"")
    told = run("stats", "v.parquet")
    assert told.returncode == 2
    assert b"v.parquet.partial.jsonl.gz" in b"".join(told.stderr.split())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kills", [2, pytest.param(30, marks=pytest.mark.exhaustive)])
def test_kills_lose_and_change_nothing(
    run: Run,
    engine: Callable[[str], None],
    pair: Options,
    rules: Options,
    tmp_path: Path,
    name: str,
    kills: int,
) -> None:
    engine(SLOW)
    many = 6 * kills
    make_images(tmp_path / "many", many)
    out, moments = tmp_path / name, random.Random(name)
    lines = lines_beside(out) if name == "v.parquet" else out

    def count() -> int:
        return text(lines).count(b"\n") if lines.exists() else 0

    for kill in range(kills):
        process = start(tmp_path, "many", *pair, *rules, "-q", "-o", name, "--cache-dir", "answers")
        until(lambda kill=kill: count() > 3 * kill, process)  # type: ignore[misc]
        time.sleep(moments.random() * 0.1)
        process.kill()
        process.communicate()
        assert count() > 3 * kill
    done = run("scan", "many", *pair, *rules, "-o", name, "--cache-dir", "answers", "--exit-zero")
    assert done.returncode == 0, done.stderr
    whole = run("scan", "many", *pair, *rules, "--cache-dir", "answers", "-q", "--exit-zero")
    assert sorted(rows(out), key=lambda row: row["path"]) == plain(whole.stdout)
    left = {path.name for path in tmp_path.iterdir()} - {"many", "answers", "site", "rules.toml"}
    assert left == {name}


def test_shorter_lines(run: Run, base: Options, brightness: None, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\nd/bad.png,unsafe\nd/good.png,safe\n")
    short = run("scan", "d", *base, "-o", "v.jsonl.gz", "--steps", "found")
    whole = run("scan", "d", *base, "--format", "text")
    assert short.returncode == whole.returncode == 2
    for row in rows(tmp_path / "v.jsonl.gz"):
        assert row["settings"]["steps"] == "found"
        assert all(bool(rule["steps"]) is (rule["status"] != "clear") for rule in row["rules"])
    resumed = run("scan", "d", *base, "-o", "v.jsonl.gz", "--steps", "found", "--format", "text")
    assert (resumed.stdout, resumed.returncode) == (whole.stdout, 2)
    mixed = run("scan", "d", *base, "-o", "v.jsonl.gz")
    assert mixed.returncode == 2
    assert b"was written with --steps found, now all" in b" ".join(mixed.stderr.split())
    again = run("rejudge", "v.jsonl.gz", *base[4:], "--missing", "missing.txt", "--format", "text")
    assert again.returncode == 2
    assert b"4 images need new answers: steps that the lines were written without (4)" in again.stderr
    assert again.stdout.count(b"\n") == 1, "the one that could not be judged"
    scored = run("evaluate", "--verdicts", "v.jsonl.gz", "--labels", "labels.csv")
    assert (scored.returncode, b"have not all the steps" in scored.stderr) == (2, True)
    assert b"without the steps of all rules" in run("stats", "v.jsonl.gz").stderr
    run("scan", "d", *base, "-o", "blocks", "--shard", "0/1", "--steps", "none")
    assert run("merge", "blocks", "-o", "merged.jsonl").returncode == 2
    assert not any(rule["steps"] for row in rows(tmp_path / "merged.jsonl") for rule in row["rules"])
