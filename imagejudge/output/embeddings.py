"""Vectors of images in a file: a Parquet table, or JSON Lines. One row for each sampled frame, or for a failure."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from imagejudge.common.atomic_write import replacing
from imagejudge.common.text import quiet_json
from imagejudge.engine.embedding import POOLING, Embedding
from imagejudge.errors import UsageError
from imagejudge.judge.embedder import Embedded
from imagejudge.output.packing import Packing
from imagejudge.output.writing import writing

_GROUP: Final = 1000
"""Rows of a row group, which is in memory as a whole."""
_SUFFIXES: Final = (".parquet", ".jsonl")


def check_name(path: Path) -> None:
    """Raise `UsageError` for a name that says of no format to write, or where what that takes is not installed."""
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path} names no format for vectors", "name a file that ends in .parquet or .jsonl")
    Packing.named(path)


def write_embeddings(images: Iterable[Embedded], path: Path, about: Mapping[str, str]) -> None:
    """Write a file that is in its place once all of it is there; `about` is what its rows have in common.

    Raises `OutputError`. What fails in `images` leaves the old file as it was.
    """
    write = _write_table if path.suffix.lower() == ".parquet" else _write_lines
    with writing(path, "name a file in a folder that exists, with `output`"), replacing(path) as fresh:
        write(chain.from_iterable(map(_rows, images)), fresh, {**about, "pooling": POOLING})


def _rows(image: Embedded) -> Iterator[dict[str, Any]]:
    file = {"path": image.path, "sha256": image.sha256}
    for each in image.frames:
        yield {**file, "frame": each.frame, "time": each.time, "vector": each.vector, "error": None}
    if image.error is not None:
        yield {**file, "frame": None, "time": None, "vector": None, "error": image.error.model_dump()}


def _write_lines(rows: Iterable[dict[str, Any]], path: Path, about: Mapping[str, str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        for row in rows:
            vector: Embedding | None = row["vector"]
            # The shortest decimals that are read as the same float32.
            numbers = None if vector is None else [float(str(number)) for number in vector]
            stream.write(quiet_json(json.dumps({**row, "vector": numbers, **about}, separators=(",", ":"))) + "\n")


def _write_table(rows: Iterable[dict[str, Any]], path: Path, about: Mapping[str, str]) -> None:
    from pyarrow import Table
    from pyarrow.parquet import ParquetWriter

    left = iter(rows)
    first: list[dict[str, Any]] = []
    """Up to the first vector, whose length all others have."""
    for row in left:
        first.append(row)
        if row["vector"] is not None:
            break
    width = len(first[-1]["vector"]) if first and first[-1]["vector"] is not None else None
    told = {**about, "dimension": str(width)} if width else dict(about)
    schema = _schema(width).with_metadata({f"imagejudge.{name}": value for name, value in told.items()})
    left = map(_named, chain(first, left))
    with ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        while group := list(islice(left, _GROUP)):
            writer.write_table(Table.from_pylist(group, schema))


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """With a path as Parquet's text can hold it: stray bytes of a file's name as Python escapes."""
    path = row["path"].encode(errors="backslashreplace").decode()
    return {**row, "path": path, "path_bytes": None if path == row["path"] else os.fsencode(row["path"])}


def _schema(width: int | None) -> Any:
    import pyarrow as pa

    text = pa.string()
    return pa.schema(
        [
            ("path", text),
            ("path_bytes", pa.binary()),
            ("sha256", text),
            ("frame", pa.int32()),
            ("time", pa.float64()),
            ("vector", pa.list_(pa.float32(), width or -1)),
            ("error", pa.struct([("kind", text), ("message", text)])),
        ]
    )
