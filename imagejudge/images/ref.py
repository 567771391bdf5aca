"""One image to judge: a file, the bytes of one, or a member of a file that holds many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from imagejudge.common.file_stamp import Stamp
from imagejudge.images.read import Limits, Source, Unreadable, given_image, read_image

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
Fields: TypeAlias = Mapping[str, JsonValue]
"""What lies beside an image and was asked for, by name; None for what cannot be carried."""


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A file to judge, or the bytes of one. Nothing says that it exists or is an image."""

    path: str
    """As given, or the folder as given joined with the way below it. Bytes that are not UTF-8 are surrogates."""
    data: bytes | None = field(default=None, repr=False)
    """The bytes to judge, where they lie in memory; then `path` is only a name."""
    stamp: Stamp | None = None
    """Of the file that the bytes came from, where its state is known."""
    trouble: Unreadable | None = None
    """Why there is nothing to judge, where that is known already."""
    fields: Fields | None = field(default=None, hash=False, repr=False)
    """None where none were asked for, or nothing can lie beside it."""


def source_of(ref: ImageRef, limits: Limits) -> Source | Unreadable:
    """The bytes of a file, or those that were given."""
    if ref.trouble is None and ref.data is None:
        return read_image(ref.path, limits)
    source = ref.trouble or given_image(ref.path, ref.data or b"", limits)
    return replace(source, stamp=ref.stamp)
