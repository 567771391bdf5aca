"""Fixtures for everything that pulls models."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session
from models.hub_server import Hub, serve

from imagejudge.models import transfer

REPOSITORY = "Qwen/Qwen3-VL-4B-Instruct-GGUF"
MODEL = "Qwen3VL-4B-Instruct-Q4_K_M.gguf"
MMPROJ = "mmproj-Qwen3VL-4B-Instruct-Q8_0.gguf"


@pytest.fixture
def hub(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with stand-ins for the files of qwen3-vl-4b, which programs started by the test use."""
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
        monkeypatch.delenv(name)
    with serve() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.endpoint)
        monkeypatch.setenv("HF_HOME", str(isolated / "hf"))
        served.add(REPOSITORY, MODEL, b"GGUF" + bytes(range(256)) * 1000)
        served.add(REPOSITORY, MMPROJ, b"GGUF" + bytes(reversed(range(256))) * 200)
        yield served


@pytest.fixture
def hub_in_process(hub: Hub, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same hub for the test's own process: what huggingface_hub would read if it were imported now."""
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(isolated / "hub"))
    monkeypatch.setattr(transfer, "_PAUSES", (0.0, 0.0, 0.0))
    close_session()
