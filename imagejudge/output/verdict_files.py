"""Files of verdicts by what their names end in: lines, plain or compressed, or a Parquet table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from imagejudge.output.packing import PackedWriter, Packing
from imagejudge.output.parquet import write_table
from imagejudge.output.resume import Identity, ResumableFile
from imagejudge.output.table_file import TableFile


def open_record(path: Path, identity: Identity, **how: Any) -> ResumableFile:
    """A file to add verdicts to, as `ResumableFile` takes it."""
    made = TableFile if Packing.named(path) is Packing.PARQUET else ResumableFile
    return made(path, identity, **how)


def save_lines(lines: Iterable[bytes], path: Path, packing: Packing) -> None:
    """Write all of a file at once. Raises `OSError`."""
    if packing is Packing.PARQUET:
        write_table(lines, path)
        return
    with path.open("wb") as file:
        writer = PackedWriter(file, packing)
        for line in lines:
            writer.write(line)
        writer.finish()
