"""Files of vectors: what is written is read again, and what is something else is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from imagejudge.errors import UsageError
from imagejudge.judge.embedder import Embedded, FrameEmbedding, VectorSource
from imagejudge.output.embeddings import read_embeddings, write_embeddings
from imagejudge.verdict import Failure

SOURCE = VectorSource("m@1", "123", {"ctx": 4096, "frames": 4})
VECTORS = {("aa", 0): [0.1, -2.0], ("bb", 0): [1 / 3, 1e-30], ("bb", 7): [3.0, 4.0]}
IMAGES = [
    Embedded("a.png", "aa", (FrameEmbedding(0, None, np.float32(VECTORS["aa", 0])),)),
    Embedded("bad.png", "cc", error=Failure(kind="not-an-image", message="no")),
    Embedded("b.gif", "bb", tuple(FrameEmbedding(n, None, np.float32(VECTORS["bb", n])) for n in (0, 7))),
]


@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl"])
def test_what_is_written_is_read_again_to_the_bit(name: str, tmp_path: Path) -> None:
    write_embeddings(iter(IMAGES), tmp_path / name, SOURCE)
    source, vectors = read_embeddings(tmp_path / name)
    assert source == SOURCE
    assert {key: vector.tolist() for key, vector in vectors.items()} == {
        key: np.float32(numbers).tolist() for key, numbers in VECTORS.items()
    }
    assert {vector.dtype for vector in vectors.values()} == {np.dtype("float32")}


@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl"])
def test_failures_alone_are_no_vectors(name: str, tmp_path: Path) -> None:
    write_embeddings(iter(IMAGES[1:2]), tmp_path / name, SOURCE)
    assert read_embeddings(tmp_path / name) == (SOURCE, {})


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"m@1"', '"n@2"', "vectors of several models"),
        ("mean,max", "mean", "vectors of several models"),
        ('"vector":[0.1', '"vector":[NaN', "no vectors of images"),
        ('"vector":[0.1', '"vector":["x"', "no vectors of images"),
        ('"vector":[0.1,', '"vector":[', "vectors of several lengths"),
        ('"vector":[0.1,-2.0]', '"vector":[[0.1,-2.0]]', "no vectors of images"),
        ('"sha256"', '"sha512"', "no vectors of images"),
        ("{", "[", "no vectors of images"),
        ("{", "[" * 99_999, "no vectors of images"),
    ],
)
def test_other_lines_are_refused(old: str, new: str, complaint: str, tmp_path: Path) -> None:
    write_embeddings(iter(IMAGES), tmp_path / "x.jsonl", SOURCE)
    text = (tmp_path / "x.jsonl").read_text("utf-8")
    assert old in text
    (tmp_path / "x.jsonl").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(UsageError, match=complaint):
        read_embeddings(tmp_path / "x.jsonl")


def test_other_pooling_is_refused(tmp_path: Path) -> None:
    write_embeddings(iter(IMAGES), tmp_path / "x.jsonl", SOURCE)
    text = (tmp_path / "x.jsonl").read_text("utf-8")
    (tmp_path / "x.jsonl").write_text(text.replace("mean,max", "mean"), "utf-8")
    with pytest.raises(UsageError, match="pooled by mean, in this version by mean,max"):
        read_embeddings(tmp_path / "x.jsonl")


@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl"])
def test_other_files_are_refused(name: str, tmp_path: Path) -> None:
    for content in (b"", b"PAR1", b"\xff\xfe", json.dumps({"schema": 1}).encode()):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match="no vectors of images"):
            read_embeddings(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_embeddings(tmp_path / f"none-{name}")


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    from pyarrow import Table, parquet

    parquet.write_table(Table.from_pydict({"sha256": ["aa"], "vector": [[1.0]]}), tmp_path / "x.parquet")
    with pytest.raises(UsageError, match="no vectors of images"):
        read_embeddings(tmp_path / "x.parquet")
    with pytest.raises(UsageError, match="names no format for vectors"):
        read_embeddings(tmp_path / "x.csv")
