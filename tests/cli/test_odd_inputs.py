"""What is no ordinary file, where the program reads one: refused in words, soon and in little memory."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from conftest_cli import Run

HUGE = 3_000_000_000
ROOM = 2_500_000_000
"""Bytes that the program may map: less than the largest input has."""


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def nothing(path: Path) -> None:
    path.symlink_to("/dev/null")


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, HUGE)  # takes no room on the disk


def itself(path: Path) -> None:
    path.symlink_to(path)


EVALUATE = ("evaluate", "-c", "stickers", "--model", "builtin", "--adapter")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such devices")
@pytest.mark.parametrize(
    ("make", "command", "words"),
    [
        (itself, ("scan", ".", "--model", "builtin", "-c", "odd"), "neither a file nor a shipped name"),
        (huge, ("constitution", "diff", "odd", "stickers"), "odd: larger than 1,000,000 bytes"),
        (endless, ("scan", ".", "--config", "odd"), "odd: larger than 1,000,000 bytes"),
        (pipe, ("scan", ".", "--config", "odd"), "odd: a pipe into which nobody writes"),
        (folder, ("scan", ".", "--isolated", "--config", "odd"), "contradict"),
        (endless, ("baseline", "unused", "/dev/null", "-b", "odd"), "odd: larger than 100,000,000 bytes"),
        (endless, (*EVALUATE, "csv", "odd"), "odd: larger than"),
        (folder, (*EVALUATE, "jsonl", "odd"), "odd cannot be read"),
        (pipe, (*EVALUATE, "huggingface", "odd"), "odd is neither a file nor a folder"),
        (endless, (*EVALUATE, "huggingface", "odd"), "odd is neither a file nor a folder"),
        (nothing, (*EVALUATE, "huggingface", "odd"), "odd is neither a file nor a folder"),
        (pipe, ("baseline", "add", "odd"), "odd: a pipe into which nobody writes"),
        (endless, ("baseline", "add", "odd"), "odd:1: a line longer than any verdict"),
        (huge, ("rejudge", "odd", "-c", "stickers"), "odd:1: a line longer than any verdict"),
        (pipe, ("evaluate", "--labels", "labels.csv", "--verdicts", "odd"), "odd: a pipe into which nobody writes"),
        (endless, ("evaluate", "--labels", "labels.csv", "--verdicts", "odd"), "odd:1: a line longer than any verdict"),
    ],
)
def test_what_is_no_file(
    run: Run, tmp_path: Path, make: Callable[[Path], None], command: Sequence[str], words: str
) -> None:
    make(tmp_path / "odd")
    (tmp_path / "labels.csv").write_text("path,label\na.png,unsafe\n")
    done = run(*command, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM)))
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert words in said
    assert "this is a bug" not in said


@pytest.mark.parametrize(
    "command", [("check",), ("baseline", "unused", "/dev/null", "-b"), ("rejudge", "-c", "stickers")]
)
def test_a_name_of_a_thousand_characters(run: Run, command: Sequence[str]) -> None:
    done = run(*command, "x" * 1000)
    assert done.returncode == 2
    assert b"this is a bug" not in done.stderr
    assert b"xxx" in done.stderr


def test_a_pipe_is_read_while_it_is_written(run: Run, tmp_path: Path) -> None:
    """As a shell's `<(...)`, whose writer is there before the reader."""
    reader, writer = os.pipe()
    os.write(writer, b"no verdict\n")
    os.close(writer)
    done = run("baseline", "add", f"/dev/fd/{reader}", pass_fds=(reader,))
    os.close(reader)
    assert f"/dev/fd/{reader}:1: this is not a verdict".encode() in done.stderr
