"""What is no ordinary file, where the program reads one: refused in words, soon and in little memory."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from conftest_cli import PROGRAM, Run

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


def torn(path: Path) -> None:
    path.write_bytes(b'{"schema":1,"path":')
    os.truncate(path, HUGE)


def itself(path: Path) -> None:
    path.symlink_to(path)


SCAN = ("scan", ".", "-c", "stickers", "--model", "builtin")
EVALUATE = ("evaluate", "-c", "stickers", "--model", "builtin", "--adapter")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such devices")
@pytest.mark.parametrize(
    ("make", "command", "words"),
    [
        (itself, ("scan", ".", "--model", "builtin", "-c", "odd"), "neither a file nor a shipped name"),
        (huge, ("constitution", "diff", "odd", "stickers"), "odd: larger than 1,000,000 bytes"),
        (endless, ("scan", ".", "--config", "odd"), "odd: larger than 1,000,000 bytes"),
        (pipe, ("scan", ".", "--config", "odd"), "odd: cannot be read: a pipe that has no writer"),
        (folder, ("scan", ".", "--isolated", "--config", "odd"), "contradict"),
        (endless, ("baseline", "unused", "/dev/null", "-b", "odd"), "odd: larger than 100,000,000 bytes"),
        (endless, (*EVALUATE, "csv", "odd"), "odd: larger than"),
        (folder, (*EVALUATE, "jsonl", "odd"), "odd cannot be read"),
        (pipe, (*EVALUATE, "huggingface", "odd"), "odd is neither a file nor a folder"),
        (endless, (*EVALUATE, "huggingface", "odd"), "odd is neither a file nor a folder"),
        (nothing, (*EVALUATE, "huggingface", "odd"), "odd is neither a file nor a folder"),
        (pipe, ("baseline", "add", "odd"), "odd cannot be read: a pipe that has no writer"),
        (pipe, ("scan", "--files-from", "odd"), "odd cannot be read: a pipe that has no writer"),
        (endless, ("scan", "--files-from", "odd"), "an entry in the list is longer than any path"),
        (nothing, ("scan", "--null", "--files-from", "page"), "an entry in the list is longer than any path"),
        (huge, (*SCAN, "--allow-empty", "-o", "odd"), "odd:1: this is not a verdict"),
        (torn, (*SCAN, "--allow-empty", "-o", "odd"), "odd:1: this is not a verdict"),
        (endless, ("baseline", "add", "odd"), "odd:1: a line longer than any verdict"),
        (huge, ("rejudge", "odd", "-c", "stickers"), "odd:1: a line longer than any verdict"),
        (
            pipe,
            ("evaluate", "--labels", "labels.csv", "--verdicts", "odd"),
            "odd cannot be read: a pipe that has no writer",
        ),
        (endless, ("evaluate", "--labels", "labels.csv", "--verdicts", "odd"), "odd:1: a line longer than any verdict"),
    ],
)
def test_what_is_no_file(
    run: Run, tmp_path: Path, make: Callable[[Path], None], command: Sequence[str], words: str
) -> None:
    make(tmp_path / "odd")
    (tmp_path / "page").write_bytes(b"x" * 1_000_000)
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


@pytest.mark.parametrize("setting", [r'chat-template = "a\u0000"', r'prompt-style = "a\u0000/b.toml"'])
def test_a_name_that_no_file_can_have(run: Run, tmp_path: Path, setting: str) -> None:
    """A command line cannot hold one, but a settings file can."""
    for name in ("m.gguf", "e.gguf", "a.png"):
        (tmp_path / name).write_bytes(b"GGUF")
    (tmp_path / "s.toml").write_text(f'model = "m.gguf"\nmmproj = "e.gguf"\n{setting}\n')
    done = run("scan", "a.png", "-c", "stickers", "--config", "s.toml")
    assert done.returncode == 2
    assert b"cannot be read: no file can have this name" in done.stderr
    assert b"this is a bug" not in done.stderr


def test_a_pipe_is_read_while_it_is_written(run: Run, tmp_path: Path) -> None:
    """As a shell's `<(...)`, whose writer is there before the reader."""
    reader, writer = os.pipe()
    os.write(writer, b"no verdict\n")
    os.close(writer)
    done = run("baseline", "add", f"/dev/fd/{reader}", pass_fds=(reader,))
    os.close(reader)
    assert f"/dev/fd/{reader}:1: this is not a verdict".encode() in done.stderr


def test_a_named_pipe_whose_writer_comes_after_its_reader(run: Run, tmp_path: Path) -> None:
    """As where shells make `<(...)` of one."""
    os.mkfifo(tmp_path / "odd")
    with subprocess.Popen(["sh", "-c", "sleep 1; exec >odd; sleep 3; echo missing.png"], cwd=tmp_path):
        done = run("scan", "-c", "stickers", "--model", "builtin", "--files-from", "odd")
    assert done.returncode == 2
    assert b'"path":"missing.png"' in done.stdout


def test_a_list_that_is_an_empty_pipe_is_an_empty_list(run: Run) -> None:
    """As from `--files-from <(git diff --name-only)` where nothing changed."""
    reader, writer = os.pipe()
    os.close(writer)
    listed = f"/dev/fd/{reader}"
    command = ("scan", "-c", "stickers", "--model", "builtin", "--allow-empty", "--files-from", listed)
    done = run(*command, pass_fds=(reader,))
    os.close(reader)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"no images were found" in done.stderr


@pytest.mark.parametrize(
    ("writer", "words"),
    [
        ("yes no verdict", "standard input:1: this is not a verdict"),
        ("cat /dev/zero", "standard input:1: a line longer"),
    ],
)
def test_verdicts_without_end(tmp_path: Path, writer: str, words: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'{writer} 2>&- | TMPDIR="$PWD" "$0" rejudge - -c stickers', PROGRAM],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert words in done.stderr.decode()


def test_no_room_for_verdicts_from_a_pipe(tmp_path: Path) -> None:
    line = b'{"schema":1,"path":"a","sha256":null,"padding":"' + b"x" * 50_000_000 + b'"}\n'
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 1000; TMPDIR="$PWD" "$0" rejudge - -c stickers', PROGRAM],
        cwd=tmp_path,
        input=line * 2,
        capture_output=True,
        timeout=60,
        check=False,
    )
    said = done.stderr.decode()
    assert done.returncode == 2
    assert f"standard input cannot be kept in {tmp_path}: File too large" in said
    assert "this is a bug" not in said
