"""`scan` on Parquet and on what the library datasets writes: its rows, resumed, with columns carried."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest_cli import Run
from tables import pairs, png, write_parquet

pytestmark = pytest.mark.usefixtures("brightness")

WRITE = """
import sys
import datasets
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List

datasets.disable_progress_bars()
images = [open(f"img/{n}.png", "rb").read() for n in range(6)]
features = Features({"image": Image(), "label": ClassLabel(names=["safe", "unsafe"])})
labels = [0, 1, 0, 1, 0, 1]
held = [{"bytes": data, "path": None} for data in images]
held = Dataset.from_dict({"image": held, "label": labels}, features=features)
paths = [__import__("os").path.abspath(f"img/{n}.png") for n in range(6)]
named = Dataset.from_dict({"image": paths, "label": labels}, features=features)
several = Dataset.from_dict(
    {"images": [[{"bytes": data, "path": None} for data in images[:2]]]}, features=Features({"images": List(Image())})
)
held.to_parquet("held.parquet")
named.to_parquet("named.parquet")
several.to_parquet("several.parquet")
for number in range(2):
    held.shard(2, number).to_parquet(f"hub/data/train-{number:05d}-of-00002.parquet")
held.save_to_disk("saved", num_shards=2)
DatasetDict(train=held, test=named).save_to_disk("split")
"""


def rows(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_rows_are_judged_resumed_and_carry_columns(run: Run, base: Sequence[str], tmp_path: Path) -> None:
    images = pairs(*map(png, range(5)), None)
    write_parquet(
        tmp_path / "a.parquet", {"image": images, "caption": ["a", "b", "c", "d", None, "f"]}, row_group_size=2
    )
    done = run("scan", ".", *base, "--keep-field", "caption", "-o", "v.jsonl")
    assert done.returncode == 2, done.stderr
    whole = (tmp_path / "v.jsonl").read_bytes()
    lines = rows(whole)
    assert [line["path"] for line in lines] == [f"./a.parquet::{row}" for row in range(6)]
    assert [line["fields"]["caption"] for line in lines] == ["a", "b", "c", "d", None, "f"]
    assert [line["error"]["kind"] for line in lines if line["error"]] == ["missing"]
    (tmp_path / "v.jsonl").write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))  # killed
    run("scan", ".", *base, "--keep-field", "caption", "-o", "v.jsonl")
    assert [line["path"] for line in rows((tmp_path / "v.jsonl").read_bytes())] == [line["path"] for line in lines]
    one = run("explain", "a.parquet::3", *base)
    assert one.returncode == 0, one.stderr


@pytest.mark.slow
def test_columns_of_any_name_and_fields_in_them_are_resumed_and_named(
    run: Run, base: Sequence[str], tmp_path: Path
) -> None:
    columns = {"image": [png(1)], "a": [[png(2)]], "a/0": [png(3)], "chat": [[{"role": "user", "image": png(4)}]]}
    write_parquet(tmp_path / "a.parquet", columns)
    paths = [f"a.parquet::0{name}" for name in ("", "/a/0", "/a%2F0", "/chat/0/image")]
    for _ in range(2):
        done = run("scan", "a.parquet", *base, "-o", "v.jsonl")
        assert b"4 images" in done.stderr
        assert [line["path"] for line in rows((tmp_path / "v.jsonl").read_bytes())] == paths
    again = run("scan", *reversed(paths), *base)
    assert [line["path"] for line in rows(again.stdout)] == paths
    one = run("explain", paths[3], *base)
    assert one.returncode == 0, one.stderr


@pytest.mark.slow
def test_what_the_library_datasets_writes_is_judged(run: Run, base: Sequence[str], tmp_path: Path) -> None:
    for folder in ("img", "hub/data"):
        (tmp_path / folder).mkdir(parents=True)
    for number in range(6):
        (tmp_path / f"img/{number}.png").write_bytes(png(number))
    offline = os.environ | {"HF_HOME": str(tmp_path / "hf"), "HF_DATASETS_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", WRITE], check=True, env=offline, cwd=tmp_path)
    found = {
        "held.parquet": [f"held.parquet::{row}" for row in range(6)],
        "named.parquet": [f"named.parquet::{row}" for row in range(6)],
        "several.parquet": ["several.parquet::0/images/0", "several.parquet::0/images/1"],
        "hub": [f"hub/data/train-0000{part}-of-00002.parquet::{row}" for part in range(2) for row in range(3)],
        "saved": [f"saved/data-0000{part}-of-00002.arrow::{row}" for part in range(2) for row in range(3)],
        "split": [f"split/{part}/data-00000-of-00001.arrow::{row}" for part in ("test", "train") for row in range(6)],
    }
    done = run("scan", *found, *base, "--keep-field", "label")
    lines = rows(done.stdout)
    assert [line["path"] for line in lines] == [path for paths in found.values() for path in paths]
    assert [line["path"] for line in lines if line["error"]] == []
    assert [line["fields"] for line in lines[:2]] == [{"label": "safe"}, {"label": "unsafe"}]
