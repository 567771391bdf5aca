"""Any Hugging Face data set on disk: tables with images, or an imagefolder with metadata or a folder for each label.

See huggingface.co/docs/datasets/image_dataset for the imagefolder's shape.
"""

from __future__ import annotations

from pathlib import Path

from imagejudge.common.existing import is_folder
from imagejudge.errors import UsageError
from imagejudge.evaluate.datasets import parquet, table
from imagejudge.evaluate.examples import images_below
from imagejudge.evaluate.labels import Columns, Dataset, Item, Reading, missing

_METADATA = ("metadata.csv", "metadata.jsonl")


def load(path: Path, reading: Reading) -> Dataset:
    """Parquet or Arrow files where there are any, else an imagefolder."""
    if path.is_file() or parquet.files_below(path):
        return parquet.load(path, {"image": "image"}, reading)
    if reading.split:
        if not is_folder(path / reading.split):
            raise missing(f"split {reading.split!r}", str(path), (e.name for e in path.iterdir()), "correct `split`")
        path /= reading.split
    reading = Reading(reading.columns, reading.unsafe)
    for name in _METADATA:
        if (path / name).is_file():
            return table.dataset_of(path / name, table.read_rows(path / name), {"image": "file_name"}, reading)
    return _by_folders(path, reading)


def _by_folders(path: Path, reading: Reading) -> Dataset:
    """Each image's label is the name of its folder."""
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not folders:
        found = (entry.name for entry in path.iterdir())
        raise missing("Parquet file, metadata file or folder of a label", str(path), found, "see docs/evaluate.md")
    if reading.columns:
        raise UsageError(f"{path} has no columns", "leave out `column`")
    columns = Columns(str(path), ["label"], {}, reading)
    items = [
        Item(path, label=columns.label({"label": folder.name}, path))
        for folder in folders
        for path in images_below(folder)
    ]
    return Dataset(items, len(items))
