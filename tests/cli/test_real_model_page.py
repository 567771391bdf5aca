"""The page for those who have a graphics card: its commands run, word for word, on stand-ins of the same shape."""

# ruff: noqa: F811 - a fixture is imported

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sysconfig
from pathlib import Path

import gguf_pairs
import pyarrow as pa
import pytest
from conftest_cli import Run
from models.fixtures import MMPROJ, MODEL, REPOSITORY, hub  # noqa: F401 - a fixture
from models.hub_server import Hub
from pyarrow import parquet

from imagejudge import models
from imagejudge.models import registry

ROOT = Path(__file__).parent.parent.parent
PAGE = re.sub(r" \\\n +", " ", (ROOT / "docs" / "evaluate-a-real-model.md").read_text("utf-8"))
COMMANDS = re.findall(r"^    (imagejudge .*)$", PAGE, re.MULTILINE)
STICKERS = ("person-on-fire", "harmless-1")


def test_the_data_are_fetched_by_options_that_there_are() -> None:
    (command,) = re.findall(r"^    (hf download .*)$", PAGE, re.MULTILINE)
    program = Path(sysconfig.get_path("scripts")) / "hf"
    shown = subprocess.run([program, "download", "--help"], capture_output=True, text=True, check=True).stdout
    options = [word for word in shlex.split(command) if word.startswith("--")]
    assert options
    assert [option for option in options if option not in shown] == []


@pytest.mark.slow
def test_every_command_runs(run: Run, hub: Hub, tmp_path: Path) -> None:
    guard = registry.find_entry("shieldstral-3b")
    # The built-in model answers a guard's prompts with noise, and is refused: another stands in for that.
    answering = gguf_pairs.tiny_pair(tmp_path, answers=gguf_pairs.ANSWERS)
    builtin = models.resolve_model(models.BUILTIN, None)
    pairs = ((REPOSITORY, (MODEL, MMPROJ), builtin), (guard.repository, guard.files, answering))
    for repository, names, pair in pairs:
        for name, path in zip(names, (pair.model, pair.mmproj), strict=True):
            hub.add(repository, name, path.read_bytes())
    data = tmp_path / "unsafebench" / "data"
    data.mkdir(parents=True)
    images = [(ROOT / "docs" / "examples" / "stickers" / f"{name}.png").read_bytes() for name in STICKERS]
    rows = {
        "image": [{"bytes": image, "path": None} for image in images],
        "safety_label": ["Unsafe", "Safe"],
        "category": ["Violence", "Spam"],
        "source": ["Lexica", "Laion5B"],
    }
    for split in ("train", "test"):
        parquet.write_table(pa.table(rows), data / f"{split}-00000-of-00001.parquet")
    shown = {}
    for command in COMMANDS:
        done = run(*shlex.split(command)[1:])
        blind = command == "imagejudge doctor --model shieldstral-3b"  # which a model with random weights is
        assert done.returncode == 2 * blind, (command, done.stderr.decode())
        assert (b"shown a red heart" in done.stderr) is blind
        shown[command] = done.stdout.decode()
    assert re.search(r"asked in the style +shieldstral\b", shown["imagejudge doctor --model shieldstral-3b"])
    for name, style in (("qwen3-vl-4b", ""), ("shieldstral-3b", "+shieldstral")):
        found = json.loads((tmp_path / f"{name}.json").read_text())
        assert re.fullmatch(rf"{name}@[0-9a-f]{{12}}{re.escape(style)}", found["model"])
        assert found["dataset"]["images"] == len(STICKERS)
        assert all(method["pooled"]["errors"] == 0 for method in found["methods"].values())
        assert "<html" in (tmp_path / f"{name}.html").read_text("utf-8")
