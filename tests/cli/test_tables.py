"""`scan` on Parquet and on what the library datasets writes: its rows, resumed, with columns carried."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tables import pairs, png, write_parquet

WRITE = """
import sys
import datasets
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List

datasets.disable_progress_bars()
images = [open(f"img/{n}.png", "rb").read() for n in range(6)]
features = Features({"image": Image(), "label": ClassLabel(names=["safe", "unsafe"])})
labels = [0, 1, 0, 1, 0, 1]
held = Dataset.from_dict({"image": [{"bytes": data, "path": None} for data in images], "label": labels}, features=features)
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


@pytest.mark.slow
def test_what_the_library_datasets_writes_is_judged(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("img", "hub/data"):
        Path(folder).mkdir(parents=True)
    for number in range(6):
        Path(f"img/{number}.png").write_bytes(png(number))
    offline = os.environ | {"HF_HOME": str(tmp_path / "hf"), "HF_DATASETS_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", WRITE], check=True, env=offline)
    folders = {
        "held.parquet": [f"held.parquet::{row}" for row in range(6)],
        "named.parquet": [f"named.parquet::{row}" for row in range(6)],
        "several.parquet": ["several.parquet::0/images/0", "several.parquet::0/images/1"],
        "hub": [f"hub/data/train-0000{part}-of-00002.parquet::{row}" for part in range(2) for row in range(3)],
        "saved": [f"saved/data-0000{part}-of-00002.arrow::{row}" for part in range(2) for row in range(3)],
        "split": [f"split/{part}/data-00000-of-00001.arrow::{row}" for part in ("test", "train") for row in range(6)],
    }
    result = run("scan", *folders, "--constitution", "stickers", "--format", "jsonl", "--keep-field", "label")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["path"] for line in lines] == [path for paths in folders.values() for path in paths]
    assert all(line.get("error") is None for line in lines)
    assert [line["fields"] for line in lines[:2]] == [{"label": "safe"}, {"label": "unsafe"}]
