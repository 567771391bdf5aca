"""Vectors of images in a file: a Parquet table, or JSON Lines. One row for each sampled frame, or for a failure."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, TypeAlias

from imagejudge.common.atomic_write import replacing
from imagejudge.common.text import quiet_json
from imagejudge.engine.embedding import POOLING, Embedding
from imagejudge.errors import UsageError
from imagejudge.judge.embedder import Embedded, VectorSource
from imagejudge.output.packing import Packing
from imagejudge.output.writing import writing

_GROUP: Final = 1000
"""Rows of a row group, which is in memory as a whole."""
_SUFFIXES: Final = (".parquet", ".jsonl")
_ABOUT: Final = ("model", "digest", "settings", "pooling")
"""What all rows of a file have in common."""


def check_name(path: Path) -> None:
    """Raise `UsageError` for a name that says of no format to write, or where what that takes is not installed."""
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path} names no format for vectors", "name a file that ends in .parquet or .jsonl")
    Packing.named(path)


def write_embeddings(images: Iterable[Embedded], path: Path, source: VectorSource) -> None:
    """Write a file that is in its place once all of it is there.

    Raises `OutputError`. What fails in `images` leaves the old file as it was.
    """
    write = _write_table if path.suffix.lower() == ".parquet" else _write_lines
    with writing(path, "name another file with `output`"), replacing(path) as fresh:
        about = {"model": source.model, "digest": source.digest, "settings": json.dumps(dict(source.settings))}
        write(chain.from_iterable(map(_rows, images)), fresh, {**about, "pooling": POOLING})


def read_embeddings(path: Path) -> tuple[VectorSource, dict[tuple[str, int], Embedding]]:
    """What `write_embeddings` wrote: vectors by the SHA-256 of the file and the index of the frame.

    Raises `UsageError` where there is no such file, or something else is in it."""
    hint = "`imagejudge embed` writes such files"
    try:
        check_name(path)
        rows, about = _read_table(path) if path.suffix.lower() == ".parquet" else _read_lines(path)
        if about["pooling"] != POOLING:
            raise UsageError(f"{path}: vectors are pooled by {about['pooling']}, in this version by {POOLING}", hint)
        vectors = {(str(digest), int(frame)): vector for digest, frame, vector in rows}
        settings = json.loads(about["settings"])
    except OSError as error:
        raise UsageError(f"the vectors {path} cannot be read: {error.strerror or error}", hint) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{path} holds no vectors of images, or not only such", hint) from error
    if len({len(vector) for vector in vectors.values()}) > 1 or not isinstance(settings, dict):
        raise UsageError(f"{path} holds vectors of several lengths", hint)
    return VectorSource(about["model"], about["digest"], settings), vectors


_Row: TypeAlias = tuple[str, int, Embedding]


def _read_lines(path: Path) -> tuple[Iterable[_Row], Mapping[str, str]]:
    import numpy as np

    found: list[_Row] = []
    about: dict[str, str] = {}
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            told = {name: str(row[name]) for name in _ABOUT}
            if about and told != about:
                raise UsageError(f"{path} holds vectors of several models or settings", "give one made by one run")
            about = told
            if row["vector"] is not None:
                found.append((row["sha256"], row["frame"], _finite(np.array(row["vector"], np.float32))))
    return found, about


def _read_table(path: Path) -> tuple[Iterable[_Row], Mapping[str, str]]:
    from pyarrow.parquet import ParquetFile

    found: list[_Row] = []
    with path.open("rb") as stream, ParquetFile(stream) as table:
        told = table.schema_arrow.metadata or {}
        about = {name: told[f"imagejudge.{name}".encode()].decode() for name in _ABOUT}
        for batch in table.iter_batches(_GROUP, columns=["sha256", "frame", "vector"]):
            there = batch.filter(batch["vector"].is_valid())
            if not len(there):
                continue
            vectors = there["vector"].flatten().to_numpy(zero_copy_only=False).reshape(len(there), -1)
            rows = zip(there["sha256"].to_pylist(), there["frame"].to_pylist(), vectors, strict=True)
            found += ((digest, frame, _finite(vector)) for digest, frame, vector in rows)
    return found, about


def _finite(vector: Embedding) -> Embedding:
    import numpy as np

    if vector.ndim != 1 or not np.isfinite(vector).all():
        raise ValueError("no vector")
    return vector


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
