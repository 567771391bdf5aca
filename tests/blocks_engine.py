"""An engine for scans by blocks, that kills, and what their lines have in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

DEADLY = 13
"""The green of a picture at which the engine kills the process that asks it."""

ENGINE = f"""
import os, signal, time
from imagejudge.engine.scripted import Scripted

def answer(picture, question):
    if picture is not None and picture.rgb[1] == {DEADLY}:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return 0.5 if picture is None else 0.02 + 0.96 * picture.rgb[0] / 255

class Engine(Scripted):
    def view(self, picture, first=(), *, same_image=False):
        time.sleep(float(os.environ.get("LOOK", "0")))
        while os.path.exists(os.environ.get("HOLD", "")):
            time.sleep(0.02)
        return super().view(picture, first)

def load(options):
    return Engine(answer)
"""


BEAT = 0.5
"""Seconds between two signs of life where `quicken` was called."""


def put_engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine in the place of llama.cpp, in the program and in its children.

    Bright is Yes, LOOK are seconds that it takes, and it waits while there is a file HOLD.
    """
    folder.mkdir()
    (folder / "deadly.py").write_text(ENGINE)
    put = "import imagejudge.judge.engines\nimagejudge.judge.engines.ENGINE = 'deadly:load'\n"
    (folder / "sitecustomize.py").write_text(put)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def quicken(folder: Path) -> None:
    """Let runs that use the engine in this folder tell in seconds, not in a minute, that others are dead."""
    with (folder / "sitecustomize.py").open("a") as file:
        file.write(f"import imagejudge.blocks.tries\nimagejudge.blocks.tries.BEAT = {BEAT}\n")


def rows(data: bytes) -> list[dict[str, Any]]:
    """Lines without what differs from run to run: a file that was just written has no stamp."""
    found = [json.loads(line) for line in data.splitlines()]
    return [{name: value for name, value in row.items() if name not in ("seconds", "file")} for row in found]
