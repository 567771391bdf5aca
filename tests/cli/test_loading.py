"""The program while a model loads: what it waits for, and what it says when it waits no longer."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import gguf_pairs
import psutil
import pytest
from conftest_cli import PROGRAM, Run

from imagejudge.cli import factory
from imagejudge.cli.console import beside_progress
from imagejudge.cli.image_options import ImageOptions
from imagejudge.cli.options import CacheOptions, ModelOptions, RuleOptions, WriterOptions


def is_engine(child: psutil.Process) -> bool:
    """Not git, which is asked about folders before."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return "imagejudge.engine.process_main" in child.cmdline()
    return False


def test_a_scan_whose_engine_is_stopped_while_it_loads(rules: Sequence[str], images: Path) -> None:
    command = [PROGRAM, "scan", images, *rules, "--model", "builtin", "--no-cache", "--load-timeout", "2"]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        while not (engines := [child for child in psutil.Process(program.pid).children() if is_engine(child)]):
            time.sleep(0.001)
        engines[0].suspend()
        out, err = program.communicate(timeout=60)
    finally:
        program.kill()
    assert program.returncode == 2
    assert out == b""
    assert b"not loaded within 2 seconds (--load-timeout)" in err
    assert not engines[0].is_running()


def test_a_memory_limit_below_the_model(run: Run, rules: Sequence[str], images: Path) -> None:
    done = run("scan", images, *rules, "--model", "builtin", "--no-cache", "--memory-limit", "0.01")
    assert done.returncode == 2
    assert b"more than the limit of 0.01 GB (--memory-limit)" in done.stderr
    assert b"hint: raise --memory-limit" in done.stderr


@pytest.mark.parametrize("size", [150, 200, 220, 300], ids="{}MB".format)
def test_an_address_space_below_the_model(run: Run, rules: Sequence[str], images: Path, size: int) -> None:
    """What gives out first differs: a library, a thread, a buffer of llama.cpp. Each time the limit is named."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (size * 10**6, size * 10**6))

    done = run("scan", images, *rules, "--model", "builtin", "--no-cache", preexec_fn=limited)
    assert done.returncode == 2
    assert f"may map 0.{size // 10} GB here (ulimit -v): raise that limit".encode() in done.stderr + done.stdout


def test_only_those_who_want_to_hear_it_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ModelOptions(model="builtin", load_timeout=7)
    chosen = RuleOptions("stickers"), options, ImageOptions(), CacheOptions(no_cache=True)
    for quiet in (False, True):
        with factory.prepared(*chosen, quiet=quiet) as judge:
            (engine,) = judge.engines
        capsys.readouterr()
        assert engine._limits.load_seconds == 7
        engine._notify("still loading")
        assert capsys.readouterr().err == ("" if quiet else "note: still loading\n")
    monkeypatch.setattr(factory.models, "resolve_writer", Path)
    assert factory.make_writer(WriterOptions(model="x.gguf"))._notify is beside_progress  # type: ignore[attr-defined]


NATIVE = (
    "{% set ns = namespace(a=[1], b=[1]) %}"
    "{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}"
    "{% set x = ns.a == ns.b %}"
)
HOSTILE_TEMPLATES = {
    "steps": "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
    "repetition": "{% set x = 'a' * 3000000000 %}",
    "width": "{% set x = '%2000000000d' % 1 %}",
    "native call": NATIVE,
}
"""tests/engine/test_sandbox.py has more."""


def hostile_model(folder: Path, source: str) -> Sequence[str]:
    made = gguf_pairs.tiny_pair(folder / "hostile", template=source)
    return ["--model", str(made.model), "--mmproj", str(made.mmproj)]


@pytest.mark.parametrize("name", HOSTILE_TEMPLATES)
def test_the_program_refuses_it(name: str, run: Run, rules: Sequence[str], images: Path, tmp_path: Path) -> None:
    source = HOSTILE_TEMPLATES[name]
    done = run("scan", images, *rules, *hostile_model(tmp_path, source), "--no-cache")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"error: the model's chat template cannot be used: it " in done.stderr
    assert b"hint: Use a GGUF of an instruction-tuned vision model" in done.stderr
