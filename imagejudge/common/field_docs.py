"""What is written below each field of a class: Python itself keeps no such words."""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Iterable
from typing import Any, cast


def describe(schema: dict[str, Any], rows: Iterable[type]) -> None:
    """Give fields in a model's JSON Schema their words; Pydantic itself would read them whenever a class is made."""
    parts = {schema["title"]: schema, **schema["$defs"]}
    for row in rows:
        for field, words in field_docs(row).items() if row.__name__ in parts else ():
            parts[row.__name__]["properties"][field.rstrip("_")]["description"] = words


def field_docs(row: type) -> dict[str, str]:
    """The words below each annotated field, by name. The class's source is read for it, which takes a while."""
    body = cast("ast.ClassDef", ast.parse(inspect.getsource(row)).body[0]).body
    return {
        field.target.id: inspect.cleandoc(words.value.value)
        for field, words in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(words, ast.Expr)
        and isinstance(words.value, ast.Constant)
        and isinstance(words.value.value, str)
    }
