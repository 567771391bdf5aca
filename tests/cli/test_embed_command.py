"""`imagejudge embed`, as users run it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest_cli import Run, make_images
from PIL import Image
from pyarrow import parquet
from tars import write_tar

Options = Sequence[str]
PAGE = Path(__file__).parent.parent.parent / "docs" / "embed.md"


def rows(file: Path) -> list[dict[str, Any]]:
    if file.suffix == ".parquet":
        found: list[dict[str, Any]] = parquet.read_table(file).to_pylist()
        return found
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_every_image_has_a_row_in_either_format(run: Run, pair: Options, images: Path, tmp_path: Path) -> None:
    (images / "bad.png").write_text("no image")
    done = run("embed", "images", *pair, "-o", "x.parquet")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"embedded: 3 images in 3 vectors" in done.stderr
    assert b"1 image could not be embedded" in done.stderr
    found = rows(tmp_path / "x.parquet")
    assert [row["path"] for row in found] == ["images/0000.png", "images/0001.png", "images/0002.png", "images/bad.png"]
    assert [row["error"] and row["error"]["kind"] for row in found] == [None, None, None, "not-an-image"]
    assert [row["frame"] for row in found] == [0, 0, 0, None]
    assert found[3]["vector"] is None
    assert len({row["sha256"] for row in found}) == 4
    vectors = np.float32([row["vector"] for row in found[:3]])
    assert np.ptp(vectors, axis=0).max() > 0.01, "images must differ for this to mean anything"

    schema = parquet.read_schema(tmp_path / "x.parquet")
    about = {name.decode(): value.decode() for name, value in schema.metadata.items() if b"imagejudge" in name}
    assert str(schema.field("vector").type) == f"fixed_size_list<element: float>[{vectors.shape[1]}]"
    assert (about["imagejudge.pooling"], about["imagejudge.dimension"]) == ("mean,max", str(vectors.shape[1]))
    assert about["imagejudge.digest"].startswith(about["imagejudge.model"].partition("@")[2])
    assert json.loads(about["imagejudge.settings"])["frames"] == 4

    assert run("embed", "images", *pair, "-o", "x.jsonl").returncode == 2
    lines = rows(tmp_path / "x.jsonl")
    assert (lines[0]["model"], lines[0]["pooling"]) == (about["imagejudge.model"], "mean,max")
    assert np.float32([line["vector"] for line in lines[:3]]).tobytes() == vectors.tobytes()
    for line, row in zip(lines, found, strict=True):
        assert [line[name] for name in ("path", "sha256", "frame", "error")] == [
            row[name] for name in ("path", "sha256", "frame", "error")
        ]


def test_what_is_known_needs_no_model_and_scans_share_it(
    run: Run, base: Options, pair: Options, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("scan", images, *base).returncode in (0, 1)
    assert run("embed", images, *pair, "-o", "a.jsonl").returncode == 0
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import imagejudge.judge.engines\nimagejudge.judge.engines.ENGINE = 'engines:stillborn'\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(Path(__file__).parent.parent)]))
    assert run("embed", images, *pair, "-o", "b.jsonl").returncode == 0
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    again = run("embed", images, *pair, "--no-cache", "-o", "c.jsonl")
    assert again.returncode == 2, "the engine does not start"
    assert not (tmp_path / "c.jsonl").exists()


@pytest.mark.usefixtures("brightness")
def test_frames_shards_and_odd_names(run: Run, pair: Options, tmp_path: Path) -> None:
    folder = make_images(tmp_path / "images", 2)
    write_tar(tmp_path / "a.tar", {"1.png": (folder / "0000.png").read_bytes(), "2.txt": b""})
    frames = [Image.new("RGB", (8, 8), (value, 0, 0)) for value in (0, 120, 250)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    odd = os.fsencode(tmp_path) + b"/\xff.png"
    Path(os.fsdecode(odd)).write_bytes((folder / "0001.png").read_bytes())
    done = run("embed", "film.gif", "a.tar", "a.tar::1.png", odd, "images/0000.png", *pair, "-o", "x.parquet")
    assert done.returncode == 0, done.stderr
    assert b"1 other member of a shard" in done.stderr
    found = rows(tmp_path / "x.parquet")
    assert [(row["path"], row["frame"]) for row in found] == [
        *(("film.gif", number) for number in range(3)),
        ("a.tar::1.png", 0),
        (f"{tmp_path}/\\udcff.png", 0),
        ("images/0000.png", 0),
    ]
    assert [row["path_bytes"] for row in found] == [None] * 4 + [odd, None]
    assert found[3]["vector"] == found[5]["vector"]
    assert found[0]["vector"] != found[1]["vector"]


@pytest.mark.usefixtures("brightness", "images")
def test_the_page_s_example_runs(run: Run, pair: Options, tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "images" / "copy.png").write_bytes((tmp_path / "images" / "0001.png").read_bytes())
    assert run("embed", "images", *pair, "-o", "vectors.jsonl").returncode == 0
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "images/0001.png is most like images/copy.png\n"


@pytest.mark.usefixtures("brightness")
def test_a_file_of_failures_alone(run: Run, pair: Options, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("no image")
    assert run("embed", "bad.png", "none.png", *pair, "-o", "x.parquet").returncode == 2
    found = rows(tmp_path / "x.parquet")
    assert [(row["error"]["kind"], row["vector"]) for row in found] == [("not-an-image", None), ("missing", None)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), b"no images were named"),
        (("images", "-o", "x.csv"), b"ends in .parquet or .jsonl"),
        (("images", "-o", "there.jsonl"), b"is there already"),
        (("images", "there.jsonl", "-o", "there.jsonl", "--overwrite"), b"names a file that is read"),
        (("empty", "-o", "x.jsonl"), b"no images were found"),
        (("images", "-o", "none/x.jsonl"), b"cannot be written"),
    ],
)
@pytest.mark.usefixtures("brightness", "images")
def test_calls_that_make_no_sense(
    run: Run, pair: Options, tmp_path: Path, arguments: Sequence[str], words: bytes
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "there.jsonl").write_text("old")
    output = () if "-o" in arguments else ("-o", "x.jsonl")
    done = run("embed", *arguments, *output, *pair)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert (tmp_path / "there.jsonl").read_text() == "old"
    assert not (tmp_path / "x.jsonl").exists()


@pytest.mark.usefixtures("brightness", "images")
def test_an_old_file_is_replaced_and_nothing_can_be_allowed(run: Run, pair: Options, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("old")
    assert run("embed", "images", *pair, "-o", "x.jsonl", "--overwrite", "--quiet").stderr == b""
    assert len(rows(tmp_path / "x.jsonl")) == 3
    (tmp_path / "empty").mkdir()
    assert run("embed", "empty", *pair, "-o", "e.parquet", "--allow-empty").returncode == 0
    assert rows(tmp_path / "e.parquet") == []
