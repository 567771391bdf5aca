"""The commands around `scan`, as users run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from conftest_cli import PROGRAM, RULES, Run

from imagejudge.cli.commands import SUMMARIES, Commands
from imagejudge.common.hashed_file import hash_file
from imagejudge.judge.answer_cache import Cache

Options = Sequence[str]


@pytest.mark.parametrize("command", [[], ["scan"], ["explain"], ["check"], ["doctor"], ["cache"], ["cache", "clear"]])
def test_help_explains_itself(run: Run, command: list[str]) -> None:
    done = run(*command, "--help")
    assert done.returncode == 0
    assert done.stderr == b""
    assert b"Usage: imagejudge" in done.stdout
    assert max(len(line) for line in done.stdout.decode().splitlines()) <= 80


def test_the_help_lists_what_each_command_says_of_itself() -> None:
    assert {name: command.help.partition("\n\n")[0] for name, command in Commands().items()} == SUMMARIES


def test_the_help_waits_for_no_command_to_load() -> None:
    code = (
        "import sys; from imagejudge.cli.main import app; app(['--help'], standalone_mode=False); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    assert "imagejudge.cli.commands" in loaded
    assert {"imagejudge.cli.scan", "pydantic", "PIL", "numpy", "llama_cpp"}.isdisjoint(loaded)


def test_no_arguments_shows_the_help(run: Run) -> None:
    done = run()
    assert done.returncode == 2
    assert b"Usage: imagejudge" in done.stdout + done.stderr


def test_version(run: Run) -> None:
    assert run("--version").stdout == b"imagejudge 0.1.0\n"


def test_any_pair_of_thresholds_will_do(run: Run, tmp_path: Path) -> None:
    own = "thresholds = { unsatisfied = 0.5, satisfied = 0.5 }\n"
    (tmp_path / "even.toml").write_text(RULES + own)
    assert run("check", "even.toml").returncode == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_read_while_it_is_written_and_not_waited_for(run: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = run("check", "pipe")
    assert (done.returncode, done.stderr) == (
        2,
        b"pipe: cannot be read: a pipe that has no writer; give a file that can be read\n",
    )
    assert run("scan", ".", "-c", "pipe", "--model", "builtin").returncode == 2
    (tmp_path / "rules.toml").write_text(RULES)
    command = f'"{PROGRAM}" check <(sleep 0.3; cat rules.toml)'
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, check=True)
    assert b"questions" in done.stdout


def test_explain_shows_every_question(run: Run, pair: Options, rules: Options, images: Path) -> None:
    done = run("explain", images / "0000.png", *pair, *rules)
    assert done.returncode == 0
    shown = done.stdout.decode()
    for words in ("A person is visible.", "An animal is visible.", "A knife is visible.", "unless", "prior", "gap"):
        assert words in shown
    assert re.search(r"PNG, \d+ x \d+ pixels, \d+ tokens\n", shown)
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_explain_makes_a_page(run: Run, pair: Options, rules: Options, images: Path, tmp_path: Path) -> None:
    done = run("explain", images / "0000.png", *pair, *rules, "--html", "page.html")
    assert done.returncode == 0
    page = (tmp_path / "page.html").read_text("utf-8")
    for words in ("A knife is visible.", "0000.png", 'id="thumbnails-0">UklG'):  # base64 of RIFF, as WebP begins
        assert words in page
    refused = run("explain", images / "0000.png", *pair, *rules, "--html", "no/page.html")
    assert refused.returncode == 2
    assert b"no/page.html cannot be written" in refused.stderr
    before = (images / "0000.png").read_bytes()
    refused = run("explain", images / "0000.png", *pair, *rules, "--html", images / "0000.png")
    assert refused.returncode == 2
    assert b"--html names a file that is read" in refused.stderr
    assert (images / "0000.png").read_bytes() == before


def test_explain_a_file_that_cannot_be_judged(run: Run, pair: Options, rules: Options) -> None:
    done = run("explain", "none.png", *pair, *rules)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"none.png" in done.stderr


def test_doctor_looks_at_the_machine(run: Run) -> None:
    machine = run("doctor")
    assert machine.returncode == 0
    for words in (b"llama-cpp-python", b"threads", b"AMX", b"devices"):
        assert words in machine.stdout


def test_doctor_accepts_a_model_that_sees(run: Run) -> None:
    done = run("doctor", "--model", "builtin")
    assert done.returncode == 0
    shown = " ".join(done.stdout.decode().split())
    for words in ("builtin@", "SHA-256", "Yes: 'Yes'", "context 4096 tokens", "memory 0.", "it can judge"):
        assert words in shown
    assert "<|im_start|>user\\n[image]Isthefollowing" in shown.replace(" ", "")
    assert "No.\\n[statement]<|im_end|>" in shown.replace(" ", "")
    chances = re.search(r"shown a red heart heart: p\(Yes\) ([\d.]+), off-mass [\d.]+; dog: p\(Yes\) ([\d.]+),", shown)
    assert chances
    assert float(chances[1]) > 0.9 > 0.1 > float(chances[2])
    overlap = re.search(r"it overlaps the heart by ([\d.]+)", shown)
    assert overlap
    assert float(overlap[1]) > 0.5
    assert re.search(r"reasoning (Yes|No): .+; [\d.]+ s", shown)


def test_doctor_refuses_a_model_that_does_not_see(run: Run, pair: Options) -> None:
    done = run("doctor", *pair)
    assert done.returncode == 2
    assert "verdict" in done.stdout.decode()
    said = " ".join(done.stderr.decode().split())
    assert "error: shown a red heart, it " in said
    assert "hint: " in said


def test_doctor_reads_no_file_whose_digest_is_known(run: Run, pair: Options) -> None:
    cache = Cache(Path(os.environ["IMAGEJUDGE_CACHE_DIR"]))
    for number, path in enumerate(map(Path, pair[1::2])):  # told apart from what reading the files would give
        cache.keep_hashed_file(replace(hash_file(path), digest=f"{number}" * 64, settled=True))
    shown = "".join(run("doctor", *pair).stdout.decode().split())
    assert re.findall("SHA-256([0-9a-f]*)", shown) == ["0" * 64, "1" * 64]


def test_cache_info_and_clear(run: Run, pair: Options, rules: Options, images: Path) -> None:
    run("scan", images, *pair, *rules)
    known = run("cache", "info").stdout.decode()
    assert "images   4" in known  # three, and the blank that stands for none
    assert run("cache", "clear").stdout.startswith(b"forgot ")
    assert "answers  0" in run("cache", "info").stdout.decode()


def test_a_cache_that_cannot_be_cleared_is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = run("cache", "clear", "--cache-dir", tmp_path / "file")
    assert done.returncode == 2
    assert b"could not be cleared" in done.stderr
