"""What a folder's metadata says of the images in it, as the library datasets has it for image folders.

A row of `metadata.jsonl`, `metadata.csv` or `metadata.parquet` is about the files it names, counted from its folder.
"""

# Paths are compared as they were given.
# ruff: noqa: PTH113, PTH118, PTH120

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

from imagejudge.common.text_file import UnreadableError
from imagejudge.images.read import Unreadable, open_ranges
from imagejudge.images.ref import Fields
from imagejudge.images.remote import UnknownAddressError, is_address, state_of
from imagejudge.images.shards.cells import carried
from imagejudge.images.shards.table import BrokenPart, BrokenTable, TableReader, Wanted
from imagejudge.images.text import text_at

_NAMES: Final = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
_MOST_BYTES: Final = 200_000_000
_LONGEST: Final = 100_000
"""Characters of one field."""
_HELD: Final = 64
"""Folders whose metadata, or lack of any, is remembered."""


class FolderMetadata:
    """Some columns of the metadata nearest to each image, in its own folder or one above it in its path."""

    def __init__(self, columns: Collection[str]) -> None:
        self._columns = {name.lower() for name in columns}
        self._below = lru_cache(_HELD)(self._read)

    def of(self, path: str) -> Fields | None:
        """What is carried with an image: None where there is no metadata, every column None where it is unreadable."""
        folder = os.path.dirname(path)
        while True:
            found = self._below(folder)
            if found is not None:
                rows, lost = found
                return dict.fromkeys(self._columns) if lost else rows.get(_key(path), {})
            above = os.path.dirname(folder)
            if above == folder:
                return None
            folder = above

    def _is_wanted(self, column: object) -> bool:
        return isinstance(column, str) and column.lower() in self._columns  # of too long a line, CSV gives None

    def _read(self, folder: str) -> tuple[Mapping[str, Fields], bool] | None:
        """By path, the fields of all images that the folder's metadata names; and whether it cannot be read."""
        rows: dict[str, Fields] = {}
        try:
            file = next((path for name in _NAMES if _is_file(path := os.path.join(folder, name))), None)
            if file is None:
                return None
            for row in _rows(file, self._columns):
                fields = {name: carried(cell, _LONGEST) for name, cell in row.items() if self._is_wanted(name)}
                for name in _files(row):
                    rows[_key(os.path.join(folder, name))] = fields
        except (OSError, ValueError, RecursionError, UnreadableError, BrokenTable, csv.Error):
            return {}, True
        return rows, False


def _is_file(path: str) -> bool:
    """Whether there is a file. Raises `OSError` where a server cannot tell."""
    if not is_address(path):
        return os.path.isfile(path)
    try:
        state_of(path)
    except (FileNotFoundError, PermissionError, UnknownAddressError):  # many a server forbids what is not there
        return False
    return True


def _key(path: str) -> str:
    """One spelling of a path; servers differ in what they escape of a name in its address."""
    return os.path.normpath(unquote(path) if is_address(path) else path)


def _rows(file: str, columns: Collection[str]) -> Iterator[Mapping[str, Any]]:
    if file.endswith(".parquet"):
        yield from rows_of_table(file, lambda name: _names_files(name) or name.lower() in columns)
    elif file.endswith(".csv"):
        yield from csv.DictReader(io.StringIO(_text(file), newline=""))
    else:
        for line in _text(file).split("\n"):
            if line.strip():
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("a line is not an object")
                yield row


def rows_of_table(path: str, wanted: Callable[[str], bool]) -> Iterator[Mapping[str, Any]]:
    """The rows of a Parquet file without its images, with the wanted columns. Raises `BrokenTable`."""
    with ExitStack() as stack:
        file = open_ranges(path)
        if isinstance(file, Unreadable):
            raise BrokenTable(file.message)
        stack.enter_context(file)
        with TableReader(file, arrow=False, wanted=Wanted(images=())) as table:
            names = [name for name in table.schema.columns if wanted(name)]
        reading = Wanted(images=(), fields=names, longest=_LONGEST)
        for found in stack.enter_context(TableReader(file, arrow=False, wanted=reading)):
            if isinstance(found, BrokenPart):
                raise BrokenTable(found.message)
            yield found.fields


def _text(file: str) -> str:
    return text_at(file, _MOST_BYTES)


def _names_files(column: str) -> bool:
    return column in ("file_name", "file_names") or column.endswith(("_file_name", "_file_names"))


def _files(row: Mapping[str, Any]) -> Iterator[str]:
    """The files that a row is about."""
    for column, cell in row.items():
        if isinstance(column, str) and _names_files(column):
            yield from (name for name in (cell if isinstance(cell, list) else [cell]) if isinstance(name, str))
