"""What the types of a table's columns say of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyarrow import types

from imagejudge.images.shards.cells import is_called_images


def may_hold_images(field: Any) -> bool:
    """Whether a column without a value is one of images, by its type or its name."""
    kind = field.type
    while is_list(kind):
        kind = kind.value_type
    if types.is_struct(kind):
        parts = {part.name: part.type for part in kind}
        return set(parts) == {"bytes", "path"} and is_bytes(parts["bytes"])
    return is_either(kind) and is_called_images(field.name)


def holds(type_: Any, is_kind: Callable[[Any], bool]) -> bool:
    """Whether this is said of what a type holds: itself, or the parts of a list, or of a pair of bytes and path."""
    if is_list(type_) or types.is_dictionary(type_):
        return holds(type_.value_type, is_kind)
    if types.is_struct(type_):
        return any(field.name in ("bytes", "path") and is_kind(field.type) for field in type_)
    return is_kind(type_)


def is_list(type_: Any) -> bool:
    """Of any length, or all of one."""
    return any(is_kind(type_) for is_kind in (types.is_list, types.is_large_list, types.is_fixed_size_list))


def is_either(type_: Any) -> bool:
    """Bytes or text."""
    return is_bytes(type_) or is_text(type_)


def is_bytes(type_: Any) -> bool:
    """Of any length."""
    return any(is_kind(type_) for is_kind in (types.is_binary, types.is_large_binary, types.is_binary_view))


def is_text(type_: Any) -> bool:
    """Of any length."""
    return any(is_kind(type_) for is_kind in (types.is_string, types.is_large_string, types.is_string_view))
