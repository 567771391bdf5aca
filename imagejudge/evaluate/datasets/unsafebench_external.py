"""The further data sets that UnsafeBench's authors test on, in the one shape they host them in.

That is Parquet with `index`, `image_fname`, `label` (1 is unsafe) and `image`, which is Base64 in a text.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from imagejudge.evaluate.datasets import parquet
from imagejudge.evaluate.labels import Dataset, Item, Reading, refuse_reading
from imagejudge.evaluate.place import Place
from imagejudge.images.names import SEPARATOR
from imagejudge.images.remote import is_address


def load(path: Place, reading: Reading) -> Dataset:
    """One or several of them, each in a folder of its name, which is the source of its images."""
    refuse_reading("these data sets", Reading(reading.columns, reading.unsafe))
    found = parquet.load(path, {}, Reading({"image": "image", "label": "label"}, split=reading.split))
    return replace(found, items=map(_named, found.items))


def _named(item: Item) -> Item:
    file = item.label.name.partition(SEPARATOR)[0]
    folders = (PurePosixPath(file) if is_address(file) else Path(file).resolve()).parents
    source = next(folder.name for folder in folders if folder.name != "data")  # where Hugging Face keeps the files
    return replace(item, label=replace(item.label, source=source))
