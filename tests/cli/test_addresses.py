"""`scan` of what a server has: the real program, and a real server that knows no ranges."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from conftest_cli import Run
from tables import png
from tars import write_tar

pytestmark = pytest.mark.usefixtures("brightness")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a folder, `tmp_path / "served"`."""
    (tmp_path / "served").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_server_is_scanned_and_resumed(run: Run, base: Sequence[str], tmp_path: Path, server: str) -> None:
    (tmp_path / "served" / "b.png").write_bytes(png(1))
    write_tar(tmp_path / "served" / "a.tar", {f"{number}.png": png(number) for number in range(3)})
    done = run("scan", server, f"{server}/none.png", *base, "-o", "v.jsonl")
    assert done.returncode == 2, done.stderr
    whole = (tmp_path / "v.jsonl").read_bytes()
    lines = [json.loads(line) for line in whole.splitlines()]
    paths = [*(f"a.tar::{number}.png" for number in range(3)), "b.png", "none.png"]
    assert [line["path"] for line in lines] == [f"{server}/{path}" for path in paths]
    assert [line["error"]["kind"] for line in lines if line["error"]] == ["missing"]
    assert lines[0]["file"]["size"] == (tmp_path / "served" / "a.tar").stat().st_size
    (tmp_path / "v.jsonl").write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))  # killed
    run("scan", server, f"{server}/none.png", *base, "-o", "v.jsonl")
    again = [json.loads(line)["path"] for line in (tmp_path / "v.jsonl").read_bytes().splitlines()]
    assert again == [line["path"] for line in lines]
