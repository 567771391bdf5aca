"""Where in the rows of a table images may be, by the types of its columns, and what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

import pyarrow
from pyarrow import types

from imagejudge.images.shards.cells import Held, declared_images, escaped, held_by, is_called_images

Way: TypeAlias = tuple[str | None, ...]
"""To what may be an image in a row: the name of a column, then names of fields, and None for each of a list.

A map is a list of structs of a key and a value.
"""
_WRAPPED: Final = (pyarrow.DictionaryScalar, pyarrow.ExtensionScalar, pyarrow.RunEndEncodedScalar, pyarrow.UnionScalar)
"""Scalars with another one in them."""


def ways(schema: Iterable[Any]) -> Iterator[tuple[Way, Any]]:
    """The ways to all in a row that may be an image, each with its type: bytes, text, or a pair of bytes and path.

    Columns come in their order, fields within them after all that are an image or a list of them. Only so the first
    column, whose images are named by the row alone, is the same whether or not fields are looked at.
    A way of several types, as a union has them, comes with each.
    """
    found = [each for field in schema for each in _ways(field.type, (field.name,))]
    return iter(sorted(found, key=lambda each: len(names_on(each[0])) > 1))


def declared_ways(schema: Any) -> list[Way]:
    """The ways to images that Hugging Face's note names; it may tell of a list of structs where a struct has lists."""
    by_names: dict[tuple[str, ...], dict[Way, None]] = {}
    for way, _ in ways(schema):
        by_names.setdefault(names_on(way), {})[way] = None
    declared = sorted(declared_images(schema.metadata), key=lambda names: len(names) > 1)
    return [way for names in declared for way in by_names.get(names, ())]


def images_in(cell: Any, way: Way) -> Iterator[Held]:
    """The images at the end of a way, in order. `cell` is Arrow's scalar in the column that the way begins with.

    Nothing beside the way is made a value of Python: not all that Arrow has can be one, such as the year 10000.
    """
    return _images(cell, way[1:], f"/{escaped(names_on(way)[0])}")


def names_on(way: Way) -> tuple[str, ...]:
    """The column, and the fields within it."""
    return tuple(step for step in way if step is not None)


def may_hold_images(way: Way, type_: Any) -> bool:
    """Whether what has no value is a place for images, by its type or its name."""
    if types.is_struct(type_):
        parts = {part.name: part.type for part in type_}
        return set(parts) == {"bytes", "path"} and is_bytes(parts["bytes"])
    return is_called_images(names_on(way)[-1])


def holds(type_: Any, is_kind: Callable[[Any], bool]) -> bool:
    """Whether this is said of a type that `ways` gives: itself, or one of its pair."""
    return any(is_kind(part.type) for part in _pair(type_)) if types.is_struct(type_) else is_kind(type_)


def is_bytes(type_: Any) -> bool:
    """Of any length, or all of one."""
    kinds = (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary)
    return any(is_kind(_stored(type_)) for is_kind in kinds)


def is_text(type_: Any) -> bool:
    """Of any length."""
    kinds = (types.is_string, types.is_large_string, types.is_string_view)
    return any(is_kind(_stored(type_)) for is_kind in kinds)


_PAIR: Final = {"bytes": is_bytes, "path": is_text}
"""What Hugging Face keeps of an image."""


def _ways(type_: Any, way: Way) -> Iterator[tuple[Way, Any]]:
    type_ = _stored(type_)
    if _is_list(type_):
        yield from _ways(type_.value_type, (*way, None))
    elif types.is_map(type_):
        yield from _ways(pyarrow.struct([type_.key_field, type_.item_field]), (*way, None))
    elif types.is_union(type_):
        for part in type_:
            yield from _ways(part.type, way)
    elif types.is_struct(type_):
        pair = _pair(type_)
        if pair:
            yield way, type_
        for part in type_:
            if part not in pair:
                yield from _ways(part.type, (*way, part.name))
    elif is_bytes(type_) or is_text(type_):
        yield way, type_


def _images(cell: Any, way: Way, place: str) -> Iterator[Held]:
    while isinstance(cell, _WRAPPED):
        cell = cell.value
    if cell is None or not cell.is_valid:
        return
    if not way:
        if (held := held_by(_value(cell), place)) is not None:
            yield held
        return
    step, rest = way[0], way[1:]
    if step is None and isinstance(cell, pyarrow.ListScalar):
        for number, each in enumerate(cell.values):
            yield from _images(each, rest, f"{place}/{number}")
    elif step is not None and isinstance(cell, pyarrow.StructScalar) and step in cell.type.names:
        yield from _images(cell[step], rest, f"{place}/{escaped(step)}")


def _value(cell: Any) -> object:
    if isinstance(cell, pyarrow.StructScalar):
        return {name: cell[name].as_py() for name in _PAIR if name in cell.type.names}
    return cell.as_py()


def _pair(struct: Any) -> list[Any]:
    """The fields of a struct that are such a pair, or one of it."""
    return [part for part in struct if part.name in _PAIR and _PAIR[part.name](part.type)]


def _stored(type_: Any) -> Any:
    """What values of a type are, however they are written."""
    while True:
        if isinstance(type_, pyarrow.BaseExtensionType):
            type_ = type_.storage_type
        elif types.is_dictionary(type_) or types.is_run_end_encoded(type_):
            type_ = type_.value_type
        else:
            return type_


def _is_list(type_: Any) -> bool:
    """Of any length, or all of one."""
    kinds = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view, types.is_large_list_view)
    return any(is_kind(type_) for is_kind in kinds)
