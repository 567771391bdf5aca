"""Parquet and Arrow files for tests, written by pyarrow."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
from PIL import Image
from pyarrow import parquet

PAIR = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""How Hugging Face keeps an image."""


def png(seed: int, size: int = 8) -> bytes:
    """An image of noise."""
    file = io.BytesIO()
    Image.frombytes("RGB", (size, size), Random(seed).randbytes(size * size * 3)).save(file, "PNG")
    return file.getvalue()


def write_parquet(
    path: Path, columns: Mapping[str, Any], *, features: Mapping[str, Any] | None = None, **how: Any
) -> Path:
    """Write columns, each an array of Arrow's or a list; `features` are noted as Hugging Face does."""
    table = pa.table(dict(columns))
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, path, **how)
    return path


def pairs(*images: bytes | None, paths: Sequence[str | None] = ()) -> pa.Array:
    """A column as Hugging Face has it."""
    names = list(paths) or [None] * len(images)
    return pa.array([{"bytes": data, "path": name} for data, name in zip(images, names, strict=True)], PAIR)


def write_arrow(path: Path, columns: Mapping[str, Any], rows: int, *, indexed: bool = False) -> Path:
    """Record batches of so many rows, as a stream, as the library datasets saves it, or as a file with an index."""
    table = pa.table(dict(columns))
    path.parent.mkdir(parents=True, exist_ok=True)
    start = pa.ipc.new_file if indexed else pa.ipc.new_stream
    with pa.OSFile(str(path), "wb") as file, start(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return path
