"""Samples of WebDataset: members of a tar that lie side by side and share a key, such as `7.png`, `7.txt` and `7.json`.

The key is the path up to the first dot of the base name; the rest, in lower case, is the name of a field.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection
from typing import Final

from imagejudge.images.ref import Fields, ImageRef, JsonValue

LONGEST_FIELDS: Final = 1_000_000
"""Bytes of all fields that are carried with an image."""
_MOST_HELD: Final = 10_000
"""Images of one sample."""
_DEEPEST: Final = 100
"""Levels of JSON."""


def key_and_field(name: str) -> tuple[str, str] | None:
    """Of a member; None where it belongs to no sample, as hidden files do not."""
    folder, slash, base = name.rpartition("/")
    stem, dot, field = base.partition(".")
    return (f"{folder}{slash}{stem}", field.lower()) if stem and dot else None


def field_value(field: str, data: bytes) -> JsonValue:
    """Text, or what JSON says; None for what is no UTF-8 or no JSON of at most 100 levels."""
    try:
        text = data.decode()
        if field != "json" and not field.endswith(".json"):
            return text
        value: JsonValue = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return value if _is_shallow(value) else None


class Sample:
    """Holds the images of one sample until its fields are known, which may come after them.

    Of a sample of more than 10,000 images, or of more than `most` bytes, those that come first are not held so long.
    """

    def __init__(self, wanted: Collection[str], most: int) -> None:
        self._wanted = {name.lower() for name in wanted}
        self._most = most
        self.key: str | None = None
        """Of the sample in hand."""
        self._fields: dict[str, JsonValue] = {}
        self._room = LONGEST_FIELDS
        self._images: list[ImageRef] = []
        self._held = 0

    def begin(self, name: str) -> list[ImageRef]:
        """Go on to a member of this name; gives the images of the sample that it ends."""
        place = key_and_field(name)
        if place is None or place[0] == self.key:
            return []
        ended = self.end()
        self.key = place[0]
        return ended

    def end(self) -> list[ImageRef]:
        """The images that are held, with all fields; the sample has no more members."""
        ended = self._released()
        self.key, self._fields, self._room = None, {}, LONGEST_FIELDS
        return ended

    def image(self, ref: ImageRef) -> list[ImageRef]:
        """Hold one; gives those that need not be held any longer, or cannot."""
        if not self._wanted:
            return [ref]
        self._images.append(ref)
        self._held += len(ref.data or b"")
        return self._released() if self._held > self._most or len(self._images) > _MOST_HELD else []

    def wants(self, name: str) -> str | None:
        """The field that a member is, where it is wanted."""
        place = key_and_field(name)
        return place[1] if place is not None and place[1] in self._wanted else None

    def has_room(self, size: int) -> bool:
        """Whether so many bytes of a field can be carried."""
        return size <= self._room

    def field(self, field: str, data: bytes | None) -> None:
        """Take one; None for what cannot be carried. Of two of the same name neither can."""
        self._room -= len(data or b"")
        self._fields[field] = None if data is None or field in self._fields else field_value(field, data)

    def _released(self) -> list[ImageRef]:
        fields: Fields = dict(self._fields)
        released = [dataclasses.replace(ref, fields=fields) for ref in self._images]
        self._images, self._held = [], 0
        return released


def _refuse(constant: str) -> JsonValue:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(digits)
    return value


def _is_shallow(value: JsonValue) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
        if not level:
            return True
    return False
