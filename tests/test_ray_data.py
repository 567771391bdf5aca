"""The class for `map_batches`, called as Ray Data calls it: with a dict of numpy arrays."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest_cli import RULES
from PIL import Image
from tars import write_tar

from imagejudge.judge import engines
from imagejudge.ray import Judge


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Judge]:
    """One whose engine, in a child process, says Yes the more strongly the brighter an image is."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setattr(engines, "ENGINE", "engines:brightness")
    monkeypatch.setattr("imagejudge.judge.judge.world_of", lambda files, cache: None)  # it belongs to the real one
    (tmp_path / "rules.toml").write_text(RULES)
    made = Judge(str(tmp_path / "rules.toml"), model="builtin", keep_answers=False)
    yield made
    made.close()


def painted(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (shade, shade, shade)).save(stream, "PNG")
    return stream.getvalue()


def column(*values: Any) -> Any:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def test_bytes_and_paths_get_their_verdicts(judge: Judge, tmp_path: Path) -> None:
    (tmp_path / "dark.png").write_bytes(painted(0))
    batch = {
        "bytes": column(painted(250), None, b"no image", painted(0), None, None),
        "path": column("a.png", str(tmp_path / "dark.png"), "c.png", None, None, "many.tar"),
        "caption": np.array(list("uvwxyz")),
    }
    found = judge(batch)
    assert found["verdict"].tolist() == ["unsafe", "safe", "error", "safe", "error", "error"]
    assert found["violations"][0] == ["knife"]
    assert found["violations"][1] == []
    assert found["caption"] is batch["caption"]
    lines = [json.loads(line) for line in found["line"]]
    assert [line["path"] for line in lines] == [
        "a.png", str(tmp_path / "dark.png"), "c.png", "<bytes>", "<bytes>", "many.tar"
    ]  # fmt: skip
    assert [line["error"] and line["error"]["kind"] for line in lines[4:]] == ["missing", "shard"]
    assert {len(values) for values in found.values()} == {6}


def test_each_row_has_the_verdict_on_its_own_image(judge: Judge, tmp_path: Path) -> None:
    members = {"dark.png": painted(0), "bright.png": painted(250), "more.png": painted(250)}
    shard = write_tar(tmp_path / "x.tar", members)
    names = ["more.png", "gone.png", "bright.png", "dark.png", "bright.png", "dark.png"]
    (tmp_path / "dark.png").write_bytes(painted(0))
    paths = [*(f"{shard}::{name}" for name in names), *[str(tmp_path / "dark.png")] * 2]
    found = judge({"path": column(*paths), "bytes": column(*[None] * 7, painted(250))})
    assert [json.loads(line)["path"] for line in found["line"]] == paths
    wanted = ["unsafe", "error", "unsafe", "safe", "unsafe", "safe", "safe", "unsafe"]
    assert found["verdict"].tolist() == wanted


def test_structs_and_single_columns_do(judge: Judge, tmp_path: Path) -> None:
    (tmp_path / "bright.png").write_bytes(painted(250))
    structs = column({"bytes": painted(0), "path": "x"}, {"bytes": None, "path": str(tmp_path / "bright.png")})
    assert judge({"bytes": structs})["verdict"].tolist() == ["safe", "unsafe"]
    assert judge({"path": np.array([str(tmp_path / "bright.png")])})["verdict"].tolist() == ["unsafe"]
    assert judge({"bytes": column()})["verdict"].tolist() == []
    with pytest.raises(KeyError, match="neither a column 'bytes' nor 'path'"):
        judge({"image": column(b"x")})
