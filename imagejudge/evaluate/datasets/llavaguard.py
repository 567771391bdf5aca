"""LlavaGuard's data (arXiv 2406.05113): a table of image paths with `rating` and `category`.

Its images come as links, so a user has them in files of his own, and the table says where.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from imagejudge.errors import UsageError
from imagejudge.evaluate.datasets import table
from imagejudge.evaluate.labels import Dataset, Reading, missing
from imagejudge.evaluate.place import Place

_IMAGE = ("image", "path", "file_name", "file", "url")
_CATEGORY = re.compile(r"O[1-9]: |NA: ")
# Its own evaluation tells samples whose policy permits (2) or forbids (4) what others do not by the end of their ids,
# and counts them where the label follows from it: safe ones of the former, unsafe ones of the latter.
_EXCEPTIONS = {("_v2", "safe"), ("_v4", "unsafe")}


def load(path: Place, reading: Reading) -> Dataset:
    """A .json, .jsonl or .csv file; categories must begin as its taxonomy's do, such as `O2: ` or `NA: `."""
    read, rating = table.read_rows(path), reading.columns.get("label", "rating")
    rows = table.Table([(where, _row(row, where, rating)) for where, row in read.rows], read.lost)
    found = rows.columns
    named = reading.columns.get("image")
    image = named or next((name for name in _IMAGE if name in found), None)
    if image is None:
        raise missing("column of image paths", str(path), found, "name it with `column` image=NAME")
    usual = {"image": image, "label": "rating", "category": "category", "exception": "exception"}
    return table.dataset_of(path, rows, usual, reading)


def _row(row: Mapping[str, Any], where: str, rating: str) -> Mapping[str, Any]:
    category = row.get("category")
    if category is not None and not _CATEGORY.match(str(category)):
        raise UsageError(
            f"{where}: 'category' is {str(category)[:80]!r}", "LlavaGuard has O1: ... to O9: ... and NA: ..."
        )
    if "exception" in row or "id" not in row:
        return row
    return {**row, "exception": (str(row["id"])[-3:], str(row.get(rating)).strip().lower()) in _EXCEPTIONS}
