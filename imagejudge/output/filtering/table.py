"""A Parquet file of images, filtered by row, a row group at a time."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Collection, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imagejudge.images.names import SEPARATOR
from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.images.shards.parquet import members, row_of
from imagejudge.output.filtering.outcome import (
    LARGEST,
    NO_IMAGE,
    UNJUDGED,
    UNREADABLE,
    Filtered,
    of_outcome,
)
from imagejudge.output.filtering.told import Told
from imagejudge.output.recorded import CHANGED

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_WRITTEN: Final = {"UNCOMPRESSED": "none"}
"""What a compression is called for writing, where it is not as it was read."""


def filter_table(shard: str, fresh: Path, told: Mapping[str, Told], only: Collection[str]) -> Filtered:
    """Write the rows of a Parquet file all of whose images have one of these outcomes. Raises `OSError`.

    Columns, types, metadata and row groups stay as they are; of a file that cannot be read to its end nothing is
    written. What is in the file is looked at in another process first, as a scan does it.
    """
    filtered = Filtered()
    passed = array("Q")
    refs = members(shard, Limits(bytes=LARGEST), lambda path: True, lambda path, what: None)
    for row, images in groupby(_named(shard, refs), key=lambda each: row_of(each[0])):
        if row is None:
            filtered.broken = next(f"{name}: {ref.trouble.message}" for name, ref in images if ref.trouble)
            return filtered
        reasons = [_why_not(told.get(name), ref, only) for name, ref in images]
        filtered.unjudged += reasons.count(UNJUDGED)
        if (why := next(filter(None, reasons), None)) is None:
            passed.append(row)
        else:
            filtered.left_out[why] += 1
    filtered.kept = len(passed)
    filtered.samples = _copy(shard, fresh, passed)
    if without := filtered.samples - filtered.kept - filtered.left_out.total():
        filtered.left_out[NO_IMAGE] = without
    return filtered


def _named(shard: str, refs: Iterator[ImageRef]) -> Iterator[tuple[str, ImageRef]]:
    prefix = shard + SEPARATOR
    return ((ref.path.removeprefix(prefix), ref) for ref in refs)


def _why_not(told: Told | None, ref: ImageRef, only: Collection[str]) -> str | None:
    if told is None:
        return UNJUDGED
    if told.outcome not in only:
        return of_outcome(told.outcome)
    if ref.data is None:
        return UNREADABLE
    return None if hashlib.sha256(ref.data).hexdigest() == told.sha256 else CHANGED


def _copy(shard: str, fresh: Path, rows: array[int]) -> int:
    """Write these rows, which ascend; gives how many there were."""
    import numpy as np
    from pyarrow import parquet

    wanted = np.frombuffer(rows, dtype=np.uint64)
    with parquet.ParquetFile(shard) as table:
        begin = 0
        with parquet.ParquetWriter(fresh, table.schema_arrow, compression=_compression(table)) as writer:
            for number in range(table.num_row_groups):
                end = begin + table.metadata.row_group(number).num_rows
                first, last = np.searchsorted(wanted, (begin, end))
                if first < last:
                    writer.write_table(table.read_row_group(number).take(wanted[first:last] - begin))
                begin = end
    return begin


def _compression(table: ParquetFile) -> dict[str, str] | str:
    """Of each column, as its first part has it: the library datasets leaves images as they are, and packs the rest."""
    if not table.num_row_groups:
        return "snappy"
    group = table.metadata.row_group(0)
    chunks = [group.column(number) for number in range(group.num_columns)]
    return {chunk.path_in_schema: _WRITTEN.get(chunk.compression, chunk.compression) for chunk in chunks}
