"""Signals stop a scan as Ctrl-C does, each with its code; kills and pauses lose and change nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest_cli import PROGRAM, Run, make_images

Options = Sequence[str]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put an engine of Python code in the place of llama.cpp."""

    def put(body: str) -> None:
        site = tmp_path / "site"
        site.mkdir()
        (site / "standin.py").write_text(f"import time\nimport engines\n\ndef load(options):\n    {body}\n")
        (site / "sitecustomize.py").write_text(
            "import imagejudge.judge.engines\nimagejudge.judge.engines.ENGINE = 'standin:load'\n"
        )
        tests = Path(__file__).parents[1]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(tests)]))

    return put


SLOW = "return engines.dawdling({'look': 0.05})"
ENDLESS = "time.sleep(600)"


def start(folder: Path, *arguments: str | Path, **more: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [PROGRAM, "scan", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **more,
    )


def until(holds: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def count(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def plain(output: bytes) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in output.splitlines()]
    return [{name: value for name, value in row.items() if name not in ("seconds", "file")} for row in rows]


@pytest.mark.parametrize("to_all", [False, True], ids=["the program", "its group"])
@pytest.mark.parametrize("number", CODES)
def test_a_signal_finishes_the_line_and_says_how_to_go_on(
    engine: Callable[[str], None], pair: Options, rules: Options, tmp_path: Path, number: signal.Signals, to_all: bool
) -> None:
    engine(SLOW)
    make_images(tmp_path / "many", 100)
    out = tmp_path / "v.jsonl"
    process = start(tmp_path, "many", *pair, *rules, "-o", "v.jsonl")
    until(lambda: count(out) >= 3, process)
    children = psutil.Process(process.pid).children(recursive=True)
    (os.killpg if to_all else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == CODES[number], errors
    assert b"resume v.jsonl" in errors
    assert b"Traceback" not in errors
    assert out.read_bytes().endswith(b"\n")
    assert "error" not in {row["verdict"] for row in plain(out.read_bytes())}
    assert psutil.wait_procs(children, timeout=10)[1] == []


@pytest.mark.parametrize("number", CODES)
def test_no_thread_keeps_a_stopped_program_from_ending(
    engine: Callable[[str], None], pair: Options, rules: Options, tmp_path: Path, number: signal.Signals
) -> None:
    """A signal in the wrong moment leaves a lock taken, for which a thread then waits for ever."""
    engine(SLOW)
    custom = tmp_path / "site" / "sitecustomize.py"
    waits = "import threading\nif __import__('sys').orig_argv[-1] == 'v.jsonl':\n"
    custom.write_text(f"{custom.read_text()}{waits}    threading.Thread(target=threading.Event().wait).start()\n")
    make_images(tmp_path / "many", 100)
    process = start(tmp_path, "many", *pair, *rules, "-o", "v.jsonl")
    until(lambda: count(tmp_path / "v.jsonl"), process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == CODES[number]
    assert b"resume v.jsonl" in errors


@pytest.mark.parametrize("number", CODES)
def test_a_signal_while_the_model_loads(
    engine: Callable[[str], None], pair: Options, rules: Options, tmp_path: Path, number: signal.Signals
) -> None:
    engine(ENDLESS)
    make_images(tmp_path / "many", 3)
    process = start(tmp_path, "many", *pair, *rules, "-o", "v.jsonl")
    until(lambda: psutil.Process(process.pid).children(), process)
    children = psutil.Process(process.pid).children()
    time.sleep(0.5)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == CODES[number], errors
    assert b"resume v.jsonl" in errors
    assert psutil.wait_procs(children, timeout=10)[1] == []


@pytest.mark.parametrize("loaded", ["imagejudge.cli.main", "typer", "imagejudge.cli.stats"])
@pytest.mark.parametrize("number", CODES)
def test_a_signal_while_the_program_itself_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, loaded: str
) -> None:
    """It comes as a module is looked for: the program's own, a library's, the command's."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {loaded!r}: os.kill(os.getpid(), {number.value})\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for program in ([PROGRAM], [sys.executable, "-m", "imagejudge"]):
        done = subprocess.run([*program, "stats", "none.jsonl"], capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (CODES[number], b"", b"")


def test_what_is_ignored_from_the_beginning_stays_ignored(
    engine: Callable[[str], None], pair: Options, rules: Options, tmp_path: Path
) -> None:
    """As after `nohup`, or in the background of a script."""
    engine(SLOW)
    make_images(tmp_path / "many", 20)
    out = tmp_path / "v.jsonl"

    def ignore() -> None:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    process = start(tmp_path, "many", *pair, *rules, "-o", "v.jsonl", "--exit-zero", preexec_fn=ignore)
    until(lambda: count(out) >= 3, process)
    while process.poll() is None:
        os.kill(process.pid, signal.SIGHUP)
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.01)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert count(out) == 20


def test_a_paused_scan_goes_on(
    run: Run, engine: Callable[[str], None], pair: Options, rules: Options, tmp_path: Path
) -> None:
    """With a time limit shorter than the pause: only the engine's own time may count."""
    engine(SLOW)
    make_images(tmp_path / "many", 20)
    whole = run("scan", "many", *pair, *rules, "--no-cache")
    out = tmp_path / "v.jsonl"
    process = start(tmp_path, "many", *pair, *rules, "--no-cache", "-o", "v.jsonl", "--exit-zero")
    for lines in (2, 8):
        until(lambda lines=lines: count(out) >= lines, process)  # type: ignore[misc]
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(1)
        os.kill(process.pid, signal.SIGCONT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert plain(out.read_bytes()) == plain(whole.stdout)


@pytest.mark.exhaustive
def test_a_hundred_kills_lose_and_change_nothing(run: Run, pair: Options, rules: Options, tmp_path: Path) -> None:
    """While images change as well: whatever the last scan says is about the bytes that lie there."""
    folder = make_images(tmp_path / "many", 260)
    other = make_images(tmp_path / "other", 400)
    out, moments = tmp_path / "v.jsonl", random.Random(100)
    for kill in range(100):
        before = count(out)
        process = start(tmp_path, "many", *pair, *rules, "-q", "-o", "v.jsonl", "--cache-dir", "answers")
        if moments.random() < 0.7:
            deadline = time.monotonic() + 20
            while process.poll() is None and count(out) < before + moments.randint(1, 6) < 260:
                assert time.monotonic() < deadline
                time.sleep(0.002)
        time.sleep(moments.random() * 0.3)
        process.kill()
        process.communicate()
        if kill % 10 == 9:
            (other / f"{300 + kill:04}.png").replace(folder / f"{moments.randrange(260):04}.png")
    done = run("scan", "many", *pair, *rules, "-o", "v.jsonl", "--cache-dir", "answers")
    assert done.returncode == 0
    whole = run("scan", "many", *pair, *rules, "--no-cache", "-q")
    assert sorted(plain(out.read_bytes()), key=lambda row: row["path"]) == plain(whole.stdout)
    assert list(tmp_path.glob(".v.jsonl*")) == [], "a rewrite that was killed may leave its file, which the next takes"
