"""What is carried with images in a folder from the metadata that lies beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tables import write_parquet

from imagejudge.images.find import find_images
from imagejudge.images.read import Limits
from imagejudge.images.ref import Fields
from imagejudge.images.shards import expand


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images by name: `f/a.png`, `f/sub/b.png` and `other/c.png`."""
    monkeypatch.chdir(tmp_path)
    for name in ("f/a.png", "f/sub/b.png", "other/c.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")
    return tmp_path


def carried(*paths: str) -> dict[str, Fields | None]:
    refs = expand(find_images(paths), Limits(), keep_fields=("caption", "n"))
    return {ref.path: ref.fields for ref in refs}


ROWS = [
    {"file_name": "a.png", "caption": "a cat", "n": 1, "x": 0},
    {"file_name": "./sub/b.png", "caption": "é", "n": 2},
]


def test_lines_of_json_are_carried() -> None:
    Path("f/metadata.jsonl").write_text("\ufeff" + "\n".join(map(json.dumps, ROWS)) + "\n\n", "utf-8")
    assert carried(".") == {
        "./f/a.png": {"caption": "a cat", "n": 1},
        "./f/sub/b.png": {"caption": "é", "n": 2},
        "./other/c.png": None,
    }
    assert carried("f/sub") == {"f/sub/b.png": {"caption": "é", "n": 2}}


def test_csv_is_carried_as_text() -> None:
    Path("f/metadata.csv").write_text('file_name,Caption,n\na.png,"a, cat",1\nsub/b.png,é,2,too,many\n', "utf-8")
    assert carried("f") == {"f/a.png": {"Caption": "a, cat", "n": "1"}, "f/sub/b.png": {"Caption": "é", "n": "2"}}


def test_a_table_is_carried_and_a_row_may_be_about_several_files() -> None:
    columns = {"mask_file_name": ["a.png", None], "file_names": [[], ["sub/b.png", "gone.png"]], "n": [1, 2]}
    write_parquet(Path("f/metadata.parquet"), columns)
    assert carried("f") == {"f/a.png": {"n": 1}, "f/sub/b.png": {"n": 2}}


def test_the_nearest_metadata_counts_and_an_image_without_a_row_is_judged_too(tmp_path: Path) -> None:
    Path("f/metadata.jsonl").write_text('{"file_name": "sub/b.png", "n": 1}')
    Path("f/sub/metadata.jsonl").write_text('{"file_name": "b.png", "n": 2}')
    assert carried("f") == {"f/a.png": {}, "f/sub/b.png": {"n": 2}}
    assert carried(str(tmp_path / "f/sub")) == {str(tmp_path / "f/sub/b.png"): {"n": 2}}


@pytest.mark.parametrize("text", ["{", "[1]", "[" * 100_000, "\udcff"])
def test_metadata_that_cannot_be_read_carries_nothing(text: str) -> None:
    Path("f/metadata.jsonl").write_text(text, "utf-8", "surrogateescape")
    assert carried("f/a.png") == {"f/a.png": {"caption": None, "n": None}}


def test_nothing_is_read_unless_it_is_asked_for() -> None:
    Path("f/metadata.jsonl").write_text('{"file_name": "a.png", "n": 1}')
    assert [ref.fields for ref in expand(find_images(["f/a.png"]), Limits())] == [None]
