"""Fixtures that every test gets. Images for tests are in make_images.py."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagejudge.judge import answer_cache

# Compiling the package takes half of a program's start: even where the user wants no bytecode, compile it once only.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Where pytest itself was started in the background, it ignores Ctrl-C or the end of its terminal, and so would the
# programs to which tests send these signals.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def closed_caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closes the caches that a test leaves open: from 3.13 on, Python complains of forgotten connections."""
    opened: list[sqlite3.Connection] = []
    connect = answer_cache._connect

    def connected(path: Path) -> sqlite3.Connection:
        opened.append(connect(path))
        return opened[-1]

    monkeypatch.setattr(answer_cache, "_connect", connected)
    yield
    for connection in opened:
        connection.close()


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees or touches the user's cache, configuration or environment; gives the home folder it has instead."""
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith("IMAGEJUDGE_")]:
        monkeypatch.delenv(name)
    for name, below in {
        "HOME": ".",
        "USERPROFILE": ".",
        "APPDATA": "config",
        "LOCALAPPDATA": "cache",
        "XDG_CACHE_HOME": "cache",
        "XDG_CONFIG_HOME": "config",
        "XDG_DATA_HOME": "data",
        "XDG_STATE_HOME": "state",
        "IMAGEJUDGE_CACHE_DIR": "imagejudge-cache",
    }.items():
        monkeypatch.setenv(name, str(home / below))
    return home


@pytest.fixture
def other_system(tmp_path: Path) -> Iterator[Path]:
    """An empty folder on another file system than `tmp_path`."""
    memory = Path("/dev/shm")  # noqa: S108 - the other one that Linux always has
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system")
    folder = memory / f"imagejudge-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)
