"""Adapters: each reads labelled images in one shape from what the user has on disk. Nothing is downloaded."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from imagejudge.common.existing import exists, is_file, is_folder
from imagejudge.errors import UsageError
from imagejudge.evaluate.place import Address
from imagejudge.images.remote import is_address
from imagejudge.images.signed import name_of

if TYPE_CHECKING:
    from imagejudge.evaluate.labels import Dataset, Reading
    from imagejudge.evaluate.place import Place

ADAPTERS = {
    "folder": "folder:load",
    "csv": "table:load_csv",
    "jsonl": "table:load_jsonl",
    "unsafebench": "unsafebench:load",
    "unsafebench-external": "unsafebench_external:load",
    "llavaguard": "llavaguard:load",
    "mmsafeaware": "mmsafeaware:load",
    "mssbench": "mssbench:load",
    "vlguard": "vlguard:load",
    "t2isafety": "t2isafety:load",
    "huggingface": "huggingface:load",
    "webdataset": "webdataset:load",
}
"""By name, a module of this folder and its function; imported when called, so that help need not wait for it."""
_TABLES = ("csv", "jsonl", "llavaguard", "t2isafety")
"""They are read once, from the start, and within bounds: from anything."""
_FILES_ALONE = ("mmsafeaware", "mssbench", "vlguard", "t2isafety")
"""Their images count from folders of their own."""


def load_dataset(path: str | Path, adapter: str, reading: Reading) -> Dataset:
    """The labelled images at a path, or at an address.

    Raises `UsageError` for what the adapter misses, with what it found instead.
    """
    if isinstance(path, str) and is_address(path):
        if adapter in _FILES_ALONE:
            raise UsageError(f"{adapter!r} reads files alone", "download them")
        return _loaded(Address.of(name_of(path)), adapter, reading)
    path = Path(path)
    if not exists(path):
        raise UsageError(f"there is no file or folder {path}", "check the path of the data set")
    if adapter not in _TABLES and not (is_file(path) or is_folder(path)):
        raise UsageError(f"{path} is neither a file nor a folder", "a pipe will do only for a table of labels")
    return _loaded(path, adapter, reading)


def _loaded(path: Place, adapter: str, reading: Reading) -> Dataset:
    module, _, function = ADAPTERS[adapter].partition(":")
    dataset: Dataset = getattr(import_module(f"{__name__}.{module}"), function)(path, reading)
    if not dataset.count:
        raise UsageError(f"{path} holds no labelled images", f"see docs/evaluate.md for the shape {adapter!r} reads")
    return dataset
