"""What a scan with -o resumes: the same bytes, model, rules and settings, or a refusal that says what differs."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest_cli import PROGRAM, RULES, Run
from PIL import Image

pytestmark = pytest.mark.usefixtures("brightness")

Options = Sequence[str]
BRIGHT, DARK = 250, 0
"""An image of the first violates the rule on knives, the second is safe."""


def paint(file: Path, shade: int) -> None:
    Image.new("RGB", (8, 6), (shade, shade, shade)).save(file, "BMP")  # of one size, whatever it shows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "d"
    made.mkdir()
    for name, shade in {"a": DARK, "b": BRIGHT, "c": DARK}.items():
        paint(made / f"{name}.bmp", shade)
        os.utime(made / f"{name}.bmp", ns=(10**18, 10**18))
    return made


def verdicts(file: Path) -> dict[str, str]:
    """By name; a second line about an image would be an error."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in file.read_bytes().splitlines()]
    found = {Path(row["path"]).name: row["verdict"] for row in rows}
    assert len(found) == len(rows)
    return found


FIRST = {"a.bmp": "safe", "b.bmp": "unsafe", "c.bmp": "safe"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["--frames", "2"], b"was written with --frames 4, now 2"),
        (["--image-max-tokens", "64"], b"was written with --image-max-tokens 1024, now 64"),
        (["--box-style", "bbox-xyxy-1000"], b"was written with --box-style none, now bbox-xyxy-1000"),
        (["--ctx", "512", "--frames", "1"], b"was written with --ctx 4096, now 512; --frames 4, now 1"),
        (["--prompt-style", "shieldstral"], b"holds verdicts of another model"),
        (["--no-debias"], b"another method (clue-no-reasoning, now clue-no-debias-no-reasoning)"),
        (["--ignore", "fire"], b"holds verdicts of another constitution"),
        (["-c", "thresholds.toml"], b"holds verdicts of another constitution"),
        (["--config", "ignores.toml"], b"was written with per-path-ignores none, now "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_decides_verdicts_must_be_the_same(
    run: Run, base: Options, folder: Path, tmp_path: Path, changed: list[str], words: bytes
) -> None:
    (tmp_path / "thresholds.toml").write_text(
        RULES.replace("[[rules]]", "[thresholds]\nsatisfied = 0.5\n\n[[rules]]", 1)
    )
    (tmp_path / "ignores.toml").write_text('[per-path-ignores]\n"d/*" = ["knife"]\n')
    assert run("scan", "d", *base, "-o", "v.jsonl").returncode == 1
    before = (tmp_path / "v.jsonl").read_bytes()
    refused = run("scan", "d", *base, *changed, "-o", "v.jsonl")
    assert refused.returncode == 2
    assert words in re.sub(rb"\s+", b" ", refused.stderr)
    assert b"--overwrite" in refused.stderr
    assert (tmp_path / "v.jsonl").read_bytes() == before


def test_what_cannot_change_a_verdict_may_differ(run: Run, base: Options, folder: Path, tmp_path: Path) -> None:
    assert run("scan", "d", *base, "-o", "v.jsonl").returncode == 1
    same = ("--threads", "1", "--workers", "2", "--timeout", "9", "--max-bytes", "9999", "--max-pixels", "9999")
    assert run("scan", "d", *base, *same, "-o", "v.jsonl").returncode == 1


def test_a_line_of_an_earlier_version_is_not_gone_on_with_unseen(
    run: Run, base: Options, folder: Path, tmp_path: Path
) -> None:
    """It did not say with which settings; other commands read it all the same."""
    run("scan", "d", *base, "-o", "v.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "v.jsonl").read_bytes().splitlines()]
    old = [{name: value for name, value in row.items() if name not in ("settings", "file")} for row in rows]
    (tmp_path / "v.jsonl").write_text("".join(json.dumps(row) + "\n" for row in old))
    refused = run("scan", "d", *base, "-o", "v.jsonl")
    assert (refused.returncode, refused.stderr.count(b"an earlier version, which did not say")) == (2, 1)
    assert run("scan", "d", *base, "-o", "v.jsonl", "--mix").returncode == 1
    assert verdicts(tmp_path / "v.jsonl") == FIRST
    assert run("rejudge", "v.jsonl", "-c", "rules.toml").returncode == 1


@pytest.mark.parametrize("hidden", [False, True], ids=["plainly", "with size and time as before"])
def test_a_replaced_file_is_judged_anew(run: Run, base: Options, folder: Path, tmp_path: Path, hidden: bool) -> None:
    run("scan", "d", *base, "-o", "v.jsonl")
    paint(folder / "new.bmp", BRIGHT)
    if hidden:
        os.utime(folder / "new.bmp", ns=(10**18, 10**18))
    (folder / "new.bmp").replace(folder / "a.bmp")
    paint(folder / "c.bmp", BRIGHT)
    os.utime(folder / "c.bmp", ns=(10**18, 10**18))
    again = run("scan", "d", *base, "-o", "v.jsonl")
    assert verdicts(tmp_path / "v.jsonl") == {"a.bmp": "unsafe", "b.bmp": "unsafe", "c.bmp": "unsafe"}
    assert b"changed: 2 images since their line was written" in again.stderr
    assert b"3 images: 3 unsafe" in again.stderr
    assert sorted(file.name for file in tmp_path.glob("*v.jsonl*")) == ["v.jsonl"]


def test_only_what_changed_is_judged_anew(run: Run, base: Options, folder: Path, tmp_path: Path) -> None:
    run("scan", "d", *base, "-o", "v.jsonl")
    os.utime(folder / "a.bmp")
    before = (tmp_path / "v.jsonl").read_bytes().splitlines()
    (folder / "c.bmp").unlink()
    again = run("scan", "d", *base, "-o", "v.jsonl")
    assert b"changed" not in again.stderr
    assert b"2 of these images have their line" in again.stderr
    assert len((tmp_path / "v.jsonl").read_bytes().splitlines()) == len(before)
    gone = run("scan", "d", "d/c.bmp", *base, "-o", "v.jsonl")
    assert (gone.returncode, verdicts(tmp_path / "v.jsonl")["c.bmp"]) == (2, "error")
    assert b"changed" not in run("scan", "d", "d/c.bmp", *base, "-o", "v.jsonl").stderr, "it is still missing"
    paint(folder / "c.bmp", DARK)
    assert run("scan", "d", *base, "-o", "v.jsonl").returncode == 1
    assert verdicts(tmp_path / "v.jsonl") == FIRST


def test_a_rejudged_file_follows_the_lines_that_it_was_made_of(
    run: Run, base: Options, folder: Path, tmp_path: Path
) -> None:
    run("scan", "d", *base, "-o", "v.jsonl")
    run("rejudge", "v.jsonl", "-c", "rules.toml", "-o", "new.jsonl")
    assert verdicts(tmp_path / "new.jsonl") == FIRST
    paint(folder / "a.bmp", BRIGHT)
    run("scan", "d", *base, "-o", "v.jsonl")
    run("rejudge", "v.jsonl", "-c", "rules.toml", "-o", "new.jsonl")
    assert verdicts(tmp_path / "new.jsonl") == FIRST | {"a.bmp": "unsafe"}


def failing(lines: bytes, name: str) -> bytes:
    """The lines, where the model had failed on one image."""
    rows = [json.loads(line) for line in lines.splitlines()]
    for row in rows:
        if Path(row["path"]).name == name:
            failure = {"kind": "engine-timeout", "message": "no answer in 120 s"}
            row |= {"verdict": "error", "rules": [], "violations": [], "error": failure}
    return b"".join(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)


def test_what_had_failed_is_rejudged_once_the_scan_is_repaired(
    run: Run, base: Options, folder: Path, tmp_path: Path
) -> None:
    run("scan", "d", *base, "-o", "v.jsonl")
    good = (tmp_path / "v.jsonl").read_bytes()
    (tmp_path / "v.jsonl").write_bytes(failing(good, "b.bmp"))
    again = ("rejudge", "v.jsonl", "-c", "rules.toml", "-o", "new.jsonl")
    for _ in range(2):  # as long as the scan failed, that stands
        assert run(*again).returncode == 2
        assert verdicts(tmp_path / "new.jsonl") == FIRST | {"b.bmp": "error"}
    assert run("scan", "d", *base, "-o", "v.jsonl", "--retry-errors").returncode == 1
    done = run(*again)
    assert (done.returncode, verdicts(tmp_path / "new.jsonl")) == (1, FIRST)
    assert b"2 of these images have their line" in done.stderr
    (tmp_path / "v.jsonl").write_bytes(failing(good, "a.bmp"))  # with the same bytes, which were judged before
    assert (run(*again).returncode, verdicts(tmp_path / "new.jsonl")) == (1, FIRST)


def test_of_joined_files_the_last_line_about_an_image_counts(
    run: Run, base: Options, folder: Path, tmp_path: Path
) -> None:
    run("scan", "d", *base, "-o", "v.jsonl")
    paint(folder / "b.bmp", DARK)
    run("scan", "d", *base, "-o", "new.jsonl")
    joined = (tmp_path / "v.jsonl").read_bytes() + (tmp_path / "new.jsonl").read_bytes()
    (tmp_path / "all.jsonl").write_bytes(joined)
    for given in ({"VERDICTS": "all.jsonl"}, {"VERDICTS": "-", "stdin": joined}):
        again = run("rejudge", given["VERDICTS"], "-c", "rules.toml", stdin=given.get("stdin", b""))
        assert (again.returncode, again.stdout.count(b"\n")) == (0, 3)
        assert b"3 images: 3 safe" in again.stderr
        assert b"accepted: 0 more" in run("baseline", "add", given["VERDICTS"], stdin=given.get("stdin", b"")).stderr
    resumed = run("scan", "d", *base, "-o", "all.jsonl")
    assert (resumed.returncode, verdicts(tmp_path / "all.jsonl")) == (0, dict.fromkeys(FIRST, "safe"))
    assert b"3 images: 3 safe" in resumed.stderr


def test_lines_that_end_as_on_windows(run: Run, base: Options, folder: Path, tmp_path: Path) -> None:
    run("scan", "d", *base, "-o", "v.jsonl")
    rows = (tmp_path / "v.jsonl").read_bytes().splitlines()
    (tmp_path / "v.jsonl").write_bytes(b"".join(row + b"\r\n" for row in rows[:2]))
    again = run("scan", "d", *base, "-o", "v.jsonl")
    assert again.returncode == 1
    assert b"2 of these images have their line" in again.stderr
    assert verdicts(tmp_path / "v.jsonl") == FIRST
    rejudged = run("rejudge", "v.jsonl", "-c", "rules.toml")
    assert (rejudged.returncode, rejudged.stdout.count(b"\n")) == (1, 3)
    paint(folder / "a.bmp", BRIGHT)
    assert run("scan", "d", *base, "-o", "v.jsonl").returncode == 1
    assert verdicts(tmp_path / "v.jsonl") == FIRST | {"a.bmp": "unsafe"}


def test_accepted_findings_are_counted_apart_after_a_resume_too(run: Run, base: Options, folder: Path) -> None:
    run("scan", "d", *base, "-o", "v.jsonl")
    run("baseline", "add", "v.jsonl")
    again = run("scan", "d", *base, "-o", "v.jsonl", "-b", ".imagejudge-baseline.toml")
    assert again.returncode == 0
    assert b"3 images: 2 safe, 1 unsafe (1 accepted)" in again.stderr


def test_the_bar_counts_what_was_done_before(run: Run, base: Options, folder: Path, tmp_path: Path) -> None:
    run("scan", "d/a.bmp", "d/b.bmp", *base, "-o", "v.jsonl")
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [PROGRAM, "scan", "d", *base, "-o", "v.jsonl"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=follower, stderr=follower, close_fds=True) as process:
        os.close(follower)
        shown = b""
        try:
            while part := os.read(leader, 65536):
                shown += part
        except OSError:  # Linux says so when the last writer is gone
            pass
        assert process.wait() == 1
    os.close(leader)
    assert b"2/3" in shown
    assert b"3/3" in shown
    assert b"0/1" not in shown
