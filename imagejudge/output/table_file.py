"""A Parquet file of verdicts that a scan resumes. Nothing can be added to one: until the end, lines lie beside it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, BinaryIO

from imagejudge.common.atomic_write import replacing
from imagejudge.common.existing import is_file
from imagejudge.errors import OutputError
from imagejudge.output.packing import Packing, unpacked
from imagejudge.output.parquet import write_table
from imagejudge.output.resume import Identity, ResumableFile


def lines_beside(table: Path) -> Path:
    """Where the lines of an unfinished table lie."""
    return table.with_name(f"{table.name}.partial.jsonl.gz")


class TableFile(ResumableFile):
    """Verdicts that become a Parquet file when all are there; until then they are lines in a file beside it.

    A scan that is stopped resumes that file; a finished table is taken apart into it. Raises `OutputError` as
    `ResumableFile` does.
    """

    def __init__(self, path: Path, identity: Identity, *, overwrite: bool = False, **how: Any) -> None:
        Packing.named(path)
        self._table = path
        with contextlib.ExitStack() as stack:
            finished = is_file(path) and not overwrite
            self._finished: BinaryIO | None = stack.enter_context(path.open("rb")) if finished else None
            super().__init__(lines_beside(path), identity, overwrite=overwrite, **how)

    @property
    def _shown(self) -> Path:
        return self._table

    def _lines(self) -> BinaryIO:
        if self._finished is not None and os.fstat(self._file.fileno()).st_size == 0:
            return unpacked(self._finished, self._damaged)
        return super()._lines()

    def finish(self) -> None:
        """Put the table in its place. The lines are there until it is whole."""
        with self._writing(), self._path.open("rb") as lines:
            self._writer.finish()
            with replacing(self._table, locked=True) as fresh:
                try:
                    write_table(unpacked(lines, self._damaged), fresh)
                except ValueError as error:
                    raise OutputError(f"{self._path} cannot be made into {self._table}: {error}", "") from error
            self._path.unlink()

    def _give_up(self) -> None:
        if os.fstat(self._file.fileno()).st_size == 0:
            self._path.unlink()
        super()._give_up()
