"""1 means that something was found, and nothing else: not that a stream broke, was closed or had no room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest_cli import PROGRAM, RULES, make_images

Options = Sequence[str]

needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")


def shell(
    folder: Path, command: str, *arguments: str | Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash in which "$@" is the program with its arguments."""
    line = ["bash", "-c", f"set -o pipefail; {command}", "bash", PROGRAM, *arguments]
    done = subprocess.run(line, cwd=folder, capture_output=True, timeout=300, check=False, env=env)
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    return done


# --- standard error goes away ---------------------------------------------------------------------------------------

NO_READER = '{ sleep 0.2; "$@"; } 2> >(true)'
NO_ROOM = '"$@" 2> /dev/full'
CLOSED = '"$@" 2>&-'


@needs_full
@pytest.mark.parametrize("command", [NO_READER, NO_ROOM, CLOSED])
@pytest.mark.parametrize(("fail_on", "code"), [("unsafe", 0), ("unsure", 1)])
def test_a_scan_without_standard_error_keeps_its_verdicts(
    pair: Options, rules: Options, images: Path, tmp_path: Path, command: str, fail_on: str, code: int
) -> None:
    done = shell(tmp_path, command, "scan", images, *pair, *rules, "--fail-on", fail_on)
    assert (done.returncode, done.stdout.count(b"\n")) == (code, 3)


@needs_full
@pytest.mark.parametrize("command", [NO_READER, NO_ROOM, CLOSED])
@pytest.mark.parametrize("arguments", [["check", "none.toml"], ["scan", "--no-such-option"], ["scan"], ["no-command"]])
def test_an_error_that_cannot_be_shown_is_2(tmp_path: Path, command: str, arguments: list[str]) -> None:
    assert shell(tmp_path, command, *arguments).returncode == 2


def test_a_reader_of_both_streams_that_goes_away_is_2(
    pair: Options, rules: Options, images: Path, tmp_path: Path
) -> None:
    arguments = ("scan", images, *pair, *rules, "--fail-on", "unsure")
    assert shell(tmp_path, '"$@" 2>&1 | true', *arguments).returncode == 2
    assert shell(tmp_path, '"$@" 2>&1 | head -n 1', "check", "none.toml").returncode == 2


def test_a_terminal_that_goes_away_ends_no_scan(pair: Options, rules: Options, tmp_path: Path) -> None:
    make_images(tmp_path / "many", 9)
    ours, theirs = os.openpty()
    arguments = [PROGRAM, "scan", "many", *pair, *rules, "-o", "v.jsonl"]
    with subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        assert os.read(ours, 1)  # the bar begins
        os.close(ours)
        assert process.wait(timeout=300) == 0
    assert (tmp_path / "v.jsonl").read_bytes().count(b"\n") == 9


# --- standard output goes away --------------------------------------------------------------------------------------


@needs_full
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["scan", "--help"], ["check", "stickers"]])
def test_what_nobody_can_read_is_2(tmp_path: Path, arguments: list[str]) -> None:
    done = shell(tmp_path, '"$@" > /dev/full', *arguments)
    assert done.returncode == 2
    assert done.stderr.endswith(b"error: standard output cannot be written: No space left on device\n")
    done = shell(tmp_path, '{ sleep 0.2; "$@"; } | true', *arguments)
    assert done.returncode == 2
    assert done.stderr.endswith(b"error: the reader of standard output went away before the end\n")


@needs_full
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_verdicts_that_have_no_room_are_2(
    pair: Options, rules: Options, images: Path, tmp_path: Path, unbuffered: str
) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    for _ in range(3):  # the last ones with all answers known
        done = shell(tmp_path, '"$@" > /dev/full', "scan", images, *pair, *rules, env=environment)
        assert done.returncode == 2
        assert b"standard output cannot be written: No space left on device" in done.stderr


# --- streams that were closed from the beginning --------------------------------------------------------------------


def test_closed_streams_are_empty(pair: Options, rules: Options, images: Path, tmp_path: Path) -> None:
    scan = ("scan", images, *pair, *rules, "--fail-on", "unsure")
    done = shell(tmp_path, '"$@" >&-', *scan, "-o", tmp_path / "v.jsonl")
    assert (done.returncode, (tmp_path / "v.jsonl").read_bytes().count(b"\n")) == (1, 3)
    assert b"3 images: 3 unsure" in done.stderr
    assert shell(tmp_path, '"$@" <&- >&- 2>&-', *scan).returncode == 1
    assert shell(tmp_path, '"$@" <&-', "scan", "-", *pair, *rules).returncode == 2
    done = shell(tmp_path, '"$@" <&-', "scan", "-", "--allow-empty", *pair, *rules)
    assert done.returncode == 0
    assert done.stderr == b"warning: no images were found\n"
    assert shell(tmp_path, '"$@" >&-', "--version").returncode == 0


# --- streams that cannot show every letter ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stream",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1:strict"},
        {"PYTHONIOENCODING": "utf-8:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=lambda stream: " ".join(stream.values()),
)
def test_a_letter_that_cannot_be_shown_is_an_escape(tmp_path: Path, stream: dict[str, str]) -> None:
    text = RULES.replace("Should not depict knives.", "Nobody\u2019s knives.")
    (tmp_path / "rules.toml").write_text(text, "utf-8")
    shown = "Nobody\u2019s knives." if "utf-8" in str(stream) else r"Nobody\u2019s knives."
    done = shell(tmp_path, '"$@"', "constitution", "show", "rules.toml", env=os.environ | stream)
    assert (done.returncode, done.stderr) == (0, b"")
    assert shown in done.stdout.decode()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / os.fsdecode(b"\xff.toml")).write_text(text, "utf-8")
    done = shell(tmp_path, '"$@" bad/*', "check", env=os.environ | stream)
    assert done.returncode == 0
    assert rb"bad/\udcff.toml" in done.stdout


# --- nothing to do with images --------------------------------------------------------------------------------------


def with_bug(folder: Path, code: str) -> dict[str, str]:
    """An environment in which the program begins with this code."""
    (folder / "bug").mkdir()
    (folder / "bug" / "sitecustomize.py").write_text(code)
    return {**os.environ, "PYTHONPATH": str(folder / "bug")}


def test_the_log_of_a_bug_has_no_signatures(tmp_path: Path) -> None:
    code = (
        "import imagejudge.cli.check as check\n"
        "def boom(*given):\n"
        "    raise ZeroDivisionError('not at https://example.org/b.png?sig=secret')\n"
        "check.find_constitution = boom\n"
    )
    address = "https://example.org/a.toml?X-Amz-Signature=secret"
    env = with_bug(tmp_path, code) | {"TMPDIR": str(tmp_path)}
    done = shell(tmp_path, '"$@"', "check", address, env=env)
    (log,) = tmp_path.glob("imagejudge-*.log")
    told = log.read_text()
    assert str(log) in done.stderr.decode()
    assert "https://example.org/a.toml?..." in told
    assert "ZeroDivisionError: not at https://example.org/b.png?..." in told
    assert "secret" not in told


def test_a_bug_without_room_for_its_log_is_2(tmp_path: Path) -> None:
    code = (
        "import tempfile, imagejudge.cli.check as check\n"
        "def full(*given, **named):\n"
        "    raise FileNotFoundError(2, 'No usable temporary directory found')\n"
        "tempfile.NamedTemporaryFile = full\n"
        "def boom(*given):\n"
        "    raise ZeroDivisionError('the bug')\n"
        "check.find_constitution = boom\n"
    )
    done = shell(tmp_path, '"$@"', "check", "stickers", env=with_bug(tmp_path, code))
    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[-1] == (
        "hint: please report it: ZeroDivisionError: the bug "
        "(no log could be written: No usable temporary directory found)"
    )


@pytest.mark.parametrize("error", ["EOFError", "BrokenPipeError", "RuntimeError"])
def test_no_escaped_exception_is_1(tmp_path: Path, error: str) -> None:
    code = (
        f"import imagejudge.cli.check as check\ndef boom(*given):\n    raise {error}\ncheck.find_constitution = boom\n"
    )
    done = shell(tmp_path, '"$@"', "check", "stickers", env=with_bug(tmp_path, code) | {"TMPDIR": str(tmp_path)})
    assert done.returncode == 2
    assert b"error: " in done.stderr


def test_completion_for_no_known_shell_is_2(tmp_path: Path) -> None:
    code = (
        "import shellingham\n"
        "def unknown():\n"
        "    raise shellingham.ShellDetectionFailure\n"
        "shellingham.detect_shell = unknown\n"
    )
    assert shell(tmp_path, '"$@"', "--install-completion", env=with_bug(tmp_path, code)).returncode == 2


def test_a_folder_that_was_deleted_is_2(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    done = shell(
        tmp_path, 'cd gone; rmdir ../gone; exec "$@"', "scan", "../a.png", "-c", "stickers", "--model", "builtin"
    )
    assert done.returncode == 2
    assert b"error: the current folder cannot be used" in done.stderr
    assert b"this is a bug" not in done.stderr
