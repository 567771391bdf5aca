"""Rows of pydantic as JSON Lines: written, read back, and told from one whose writer was killed."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from imagejudge.common.text import quiet_json

Row = TypeVar("Row", bound=BaseModel)


def json_line(row: BaseModel) -> bytes:
    """A row as one line of JSON, newline included. It may be shown on a terminal, whatever files are called."""
    try:
        text = row.model_dump_json(by_alias=True)
    except PydanticSerializationError:  # a path that is not UTF-8: its stray bytes need escapes
        text = json.dumps(row.model_dump(mode="json", by_alias=True), separators=(",", ":"))
    return quiet_json(text).encode() + b"\n"


def from_json_line(kind: type[Row], line: bytes) -> Row:
    """The row that a line holds, its keys in any order. Raises `ValueError` or `RecursionError` for anything else."""
    try:
        return kind.model_validate_json(line)
    except ValidationError:  # perhaps only a path that is not UTF-8: its escapes are refused there
        return kind.model_validate(json.loads(line))


def is_torn(line: bytes, start: bytes) -> bool:
    """Whether this is a line whose writer was killed, where each begins with `start`.

    A file of another kind may also end without a newline.
    """
    return not line.endswith(b"\n") and (line.startswith(start) or start.startswith(line))
