"""Verdicts as a Parquet table: columns to ask questions about, and in the last one the whole line, so that nothing is
lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from imagejudge.images.names import PARQUET_ENDINGS, SEPARATOR, shard_of
from imagejudge.judge.scores import image_score
from imagejudge.verdict import SCHEMA_VERSION, RuleStatus, Verdict, verdict_of

LINE: Final = "line"
_GROUP: Final = 10_000
"""Rows of a row group at most."""
_GROUP_SIZE: Final = 32_000_000
"""Bytes of lines after which one ends as well: a group is in memory as a whole."""
_BATCH: Final = 200
"""Rows that are in memory at once."""
_ESCAPED: Final = b"\\ud"
"""Stands in every line with a lone surrogate, which Parquet's text cannot hold."""


def write_table(lines: Iterable[bytes], path: Path) -> None:
    """Make a table of verdict lines. Raises `OSError`, and `ValueError` for a line that is no verdict."""
    from pyarrow import RecordBatch, Table
    from pyarrow.parquet import ParquetWriter

    schema = _schema()
    labels: dict[str, set[str]] = {"model": set(), "constitution": set()}
    group: list[RecordBatch] = []
    size = 0
    with ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        rest = iter(lines)
        while batch := list(islice(rest, _BATCH)):
            verdicts = [verdict_of(line) for line in batch]
            for name, seen in labels.items():
                seen.update(getattr(verdict, name) for verdict in verdicts)
            group.append(RecordBatch.from_pylist(list(map(_row, batch, verdicts)), schema))
            size += sum(map(len, batch))
            if len(group) == _GROUP // _BATCH or size > _GROUP_SIZE:
                writer.write_table(Table.from_batches(group))
                group, size = [], 0
        if group:
            writer.write_table(Table.from_batches(group))
        about = {name: seen.pop() if len(seen) == 1 else None for name, seen in labels.items()}
        writer.add_key_value_metadata({"imagejudge": json.dumps({"schema": SCHEMA_VERSION, **about})})


def lines_in(source: BinaryIO, complaint: Callable[[str], Exception]) -> Iterator[bytes]:
    """The lines of a table that `write_table` made, many at a time. Raises a `complaint` of any other."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        table = ParquetFile(source, page_checksum_verification=True)
        if LINE not in table.schema_arrow.names:
            raise complaint(f"is Parquet without the column `{LINE}`, in which verdicts are")
        for batch in table.iter_batches(_BATCH, columns=[LINE]):
            yield b"".join(line.encode() + b"\n" for line in batch.column(0).to_pylist())
    except (ArrowException, OSError, ValueError, AttributeError) as error:
        raise complaint(f"cannot be read as Parquet: {error}"[:300]) from error


def _row(line: bytes, verdict: Verdict) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line)
    if _ESCAPED in line:
        row = _writable(row)
    shard = shard_of(verdict.path)
    member = None if shard is None else row["path"][len(shard) + len(SEPARATOR) :]
    number = member.partition("/")[0] if member and shard and shard.lower().endswith(PARQUET_ENDINGS) else ""
    return {
        **row,
        **(row["image"] or {}),
        "path_bytes": None if row["path"] == verdict.path else os.fsencode(verdict.path),
        "member": member,
        "row": int(number) if number.isdecimal() else None,
        "score": image_score(verdict),
        "violated": [violation["rule"] for violation in row["violations"]],
        "unsure": [rule["rule"] for rule in row["rules"] if rule["status"] == RuleStatus.UNSURE],
        "accepted": any(rule["accepted"] for rule in row["rules"]),
        LINE: line.decode().removesuffix("\n"),
    }


def _writable(value: Any) -> Any:
    """The same with stray bytes of file names as Python escapes, `\\udcff`."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {name: _writable(part) for name, part in value.items()}
    return [_writable(part) for part in value] if isinstance(value, list) else value


def _schema() -> Any:
    import pyarrow as pa

    text, real, flag = pa.string(), pa.float64(), pa.bool_()
    figures = [(name, real) for name in ("p_yes", "gap", "prior", "centric", "off_mass")]
    step = pa.struct([*((name, text) for name in ("ask", "status", "by", "rationale")), ("item", pa.int32()), *figures])
    rule = pa.struct([("rule", text), ("status", text), ("by", text), ("accepted", flag), ("steps", pa.list_(step))])
    return pa.schema(
        [
            ("path", text),
            ("path_bytes", pa.binary()),
            ("sha256", text),
            ("member", text),
            ("row", pa.int64()),
            ("frame", pa.int32()),
            ("verdict", text),
            ("score", real),
            ("out_of_world", real),
            ("rationale", text),
            ("violated", pa.list_(text)),
            ("unsure", pa.list_(text)),
            ("accepted", flag),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("format", text),
            ("frames", pa.int32()),
            ("model", text),
            ("constitution", text),
            ("method", text),
            ("imagejudge", text),
            ("error", pa.struct([("kind", text), ("message", text)])),
            ("rules", pa.list_(rule)),
            (LINE, text),
        ]
    )
