"""Any Hugging Face data set on disk: tables with images, or an imagefolder with metadata or a folder for each label.

See huggingface.co/docs/datasets/image_dataset for the imagefolder's shape.
"""

from __future__ import annotations

from imagejudge.errors import UsageError
from imagejudge.evaluate.datasets import parquet, table
from imagejudge.evaluate.examples import images_below
from imagejudge.evaluate.labels import Columns, Dataset, Item, Reading, missing, refuse_unmet
from imagejudge.evaluate.place import Place, is_folder
from imagejudge.images.metadata import rows_of_table
from imagejudge.images.names import SEPARATOR
from imagejudge.images.shards.table import BrokenTable

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def load(path: Place, reading: Reading) -> Dataset:
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
            return table.dataset_of(path / name, _rows(path / name), {"image": "file_name"}, reading)
    return _by_folders(path, reading)


def _rows(file: Place) -> table.Table:
    if file.suffix != ".parquet":
        return table.read_rows(file)
    try:
        rows = rows_of_table(str(file), lambda name: True)
        return table.Table([(f"{file}{SEPARATOR}{number}", row) for number, row in enumerate(rows)])
    except BrokenTable as broken:
        raise UsageError(f"{file} cannot be read: {broken}", "write it again") from None


def _by_folders(path: Place, reading: Reading) -> Dataset:
    """Each image's label is the name of its folder."""
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not folders:
        found = (entry.name for entry in path.iterdir())
        raise missing("Parquet file, metadata file or folder of a label", str(path), found, "see docs/evaluate.md")
    if reading.columns:
        raise UsageError(f"{path} has no columns", "leave out `column`")
    columns = Columns(str(path), ["label"], {}, reading)
    refuse_unmet(reading, str(path), (folder.name for folder in folders))
    items = [
        Item(path, label=columns.label({"label": folder.name}, path))
        for folder in folders
        for path in images_below(str(folder))
    ]
    return Dataset(items, len(items))
