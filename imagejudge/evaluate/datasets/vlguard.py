"""VLGuard (arXiv 2402.02207): a JSON list of images that are safe or not, with a category and subcategory of harm.

What is asked about an image there is not read: only the image is judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagejudge.common.existing import is_folder
from imagejudge.errors import UsageError
from imagejudge.evaluate.datasets import table
from imagejudge.evaluate.labels import Dataset, Reading, missing, refuse_reading


def load(path: Path, reading: Reading) -> Dataset:
    """train.json or test.json, or their folder and `split`; images lie beside the file or in a folder of its name."""
    refuse_reading("VLGuard", Reading(reading.columns, reading.unsafe))
    if is_folder(path):
        path /= f"{reading.split or 'test'}.json"
        if not path.is_file():
            found = (entry.name for entry in path.parent.iterdir())
            raise missing(f"file {path.name!r}", str(path.parent), found, "name train.json or test.json")
    elif reading.split not in ("", path.stem):
        raise UsageError(f"{path} is one split", "leave out `split`, or name the folder")
    read = table.read_json(path)
    rows = table.Table([(where, _row(row, where, path)) for where, row in read.rows], read.lost)
    return table.dataset_of(path, rows, {"image": "image"}, Reading())


def _row(row: Mapping[str, Any], where: str, file: Path) -> Mapping[str, Any]:
    for name in ("image", "safe"):
        if name not in row:
            raise missing(f"field {name!r}", where, row, "give the file as it is published")
    if not isinstance(row["safe"], bool):
        raise UsageError(f"{where}: 'safe' is {str(row['safe'])[:80]!r}", "VLGuard has true and false")
    below = Path(file.stem) / str(row["image"])
    harm = [str(row[name]) for name in ("harmful_category", "harmful_subcategory") if row.get(name)]
    return {
        "image": str(below if (file.parent / below).exists() else row["image"]),
        "label": "safe" if row["safe"] else "unsafe",
        "category": ": ".join(harm),
    }
