"""The real program in a process of its own, with a real (if meaningless) model."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gguf_pairs
import pytest
from PIL import Image
from program_server import ProgramServer

RULES = """
schema = 1
name = "demo"
version = "1.0"

[[rules]]
id = "fire"
severity = "high"
text = "Should not depict any person whose body or clothes are on fire."
preconditions = [
  { any = ["A person is visible.", "An animal is visible."] },
  { ask = "Flames touch a body or clothes.", objects = ["flames", "body"] },
]
unless = ["A helmet is visible."]

[[rules]]
id = "knife"
text = "Should not depict knives."
preconditions = ["A knife is visible."]
"""

Run = Callable[..., subprocess.CompletedProcess[bytes]]
PROGRAM = str(Path(sysconfig.get_path("scripts")) / "imagejudge")


@pytest.fixture(scope="session")
def program_server() -> Iterator[ProgramServer]:
    """What most calls of `imagejudge` are forked from."""
    made = ProgramServer(PROGRAM)
    yield made
    made.close()


@pytest.fixture
def run(tmp_path: Path, program_server: ProgramServer) -> Run:
    """Call `imagejudge` in a temporary folder, as a process of its own."""

    def call(*arguments: str | bytes | Path, stdin: bytes = b"", **more: Any) -> subprocess.CompletedProcess[bytes]:
        environment = more.get("env", os.environ)
        if more.keys() <= {"env"} and (done := program_server.run(arguments, stdin, tmp_path, environment)):
            return done
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            [PROGRAM, *arguments], input=stdin, capture_output=True, cwd=tmp_path, timeout=300, check=False, **more
        )

    return call


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    """Options that name a tiny model with random weights: it answers Yes as readily as No, whatever it sees."""
    made = gguf_pairs.tiny_pair(tmp_path_factory.mktemp("pair"), answers=gguf_pairs.ANSWERS)
    return ["--model", str(made.model), "--mmproj", str(made.mmproj)]


@pytest.fixture
def rules(tmp_path: Path) -> Sequence[str]:
    """Options that name a small constitution; what arithmetic does not decide, which is all, stays unsure."""
    (tmp_path / "rules.toml").write_text(RULES)
    return ["--constitution", str(tmp_path / "rules.toml"), "--no-reasoning"]


@pytest.fixture
def base(pair: Sequence[str], rules: Sequence[str]) -> list[str]:
    """Options that name both."""
    return [*pair, *rules]


@pytest.fixture
def brightness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine of tests/engines.py in the place of llama.cpp, in the program and in its children: bright is Yes."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import imagejudge.judge.engines\nimagejudge.judge.engines.ENGINE = 'engines:brightness'\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), str(Path(__file__).parent)]))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of three images."""
    return make_images(tmp_path / "images", 3)


def make_images(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        pixels = random.Random(number).randbytes(32 * 24 * 3)
        Image.frombytes("RGB", (32, 24), pixels).save(folder / f"{number:04}.png")
    return folder


@pytest.fixture
def broken_program(tmp_path: Path) -> dict[str, str]:
    """An environment in which the program has a bug."""
    (tmp_path / "bug").mkdir()
    (tmp_path / "bug" / "sitecustomize.py").write_text(
        "import imagejudge.output.stats\n"
        "def boom(self, verdict):\n"
        "    raise ZeroDivisionError('the bug')\n"
        "imagejudge.output.stats.Stats.add = boom\n"
    )
    return {**os.environ, "PYTHONPATH": str(tmp_path / "bug"), "PYTHON": sys.executable}
