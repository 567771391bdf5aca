"""A TIFF with directories of its own, whose tags are those that pixels depend on. Knows tags, not pixels.

A tag may say that it has any number of values, and libraries make an object of each. So they are given new directories,
behind the old ones, without notes and without lists longer than any picture has. The EXIF of other formats is such a
file too, from which nothing but the orientation is wanted.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from imagejudge.images.formats import Refused

_MOST_PAGES: Final = 1000
"""Pages can be turned to directly, but only counted by reading what is said about each, which may be long."""
_MOST_TAGS: Final = 4096
"""Of one directory, as in libtiff."""
_MOST_PIECES: Final = 100_000
"""Strips or tiles of a page. Pillow takes up to 30 microseconds for each that is not compressed."""
_MOST_VALUES: Final = 1000
"""Of any other tag; a palette has 768."""

_ORIENTATION: Final = 274
_LISTS: Final = {273, 279, 324, 325, 347}
"""Where strips and tiles are and how long, and tables of JPEG, byte by byte."""
_COLORS: Final = {529, 532}
"""How YCbCr is meant, the only ones in fractions."""
_NEEDED: Final = {
    *(*_LISTS, *_COLORS),
    *(256, 257, 258, 259, 262, 266, 277, 278, 284),  # size, depth, packing, kind of colours, rows of a strip, planes
    *(292, 293, 317, 320, 322, 323, 332, 334, 338, 339),  # fax, predictor, palette, tiles, inks, alpha, kind of numbers
    *(512, 513, 514, 515, 517, 518, 519, 520, 521, 530, 531),  # JPEG as it once was, coarse colours
}
_SHORT: Final = 3
_FRACTIONS: Final = {5, 10}
_EXIF: Final = b"Exif\0\0"


class _Form(NamedTuple):
    """How a file writes its numbers."""

    order: str
    total: struct.Struct
    tag: struct.Struct
    place: struct.Struct


_FORMS: Final = {
    magic: _Form(order, *(struct.Struct(order + each) for each in widths))
    for magic, order, widths in (
        (b"II*\0", "<", ("H", "HHI4s", "I")),
        (b"MM\0*", ">", ("H", "HHI4s", "I")),
        (b"II+\0", "<", ("Q", "HHQ8s", "Q")),
        (b"MM\0+", ">", ("Q", "HHQ8s", "Q")),
    )
}
"""By the first bytes of a file. The first directory's place follows, in a file with long numbers after their length."""


class _Tag(NamedTuple):
    number: int
    kind: int
    length: int
    """In values."""
    value: bytes
    """Or where the values are, if they are longer."""


@dataclass(frozen=True, slots=True)
class _Directory:
    tags: tuple[_Tag, ...]
    """Of those that are needed, what is there."""
    turn: int
    following: int
    """Where the next one is; 0 after the last."""
    cut: bool


def clean(data: bytes) -> tuple[bytes, tuple[int, ...]]:
    """The file with nothing said of its pages but what their pixels need, and how each page is turned.

    It has the first 1000 pages, and ends where they go in a circle.
    """
    form = _FORMS[data[:4]]
    directories = list(_directories(data, form))
    if not directories or any(directory.cut for directory in directories):
        raise Refused("truncated", "the TIFF data ends too early; copy or download the file again")
    head = data[: form.place.size] + form.place.pack(len(data))
    at, written = len(data), list[bytes]()
    for directory in directories:
        tags = [form.tag.pack(*tag) for tag in directory.tags if _is_plain(tag)]
        body = form.total.pack(len(tags)) + b"".join(tags)
        at += len(body) + form.place.size
        written += body, form.place.pack(at)
    written[-1] = form.place.pack(0)
    return b"".join((head, memoryview(data)[len(head) :], *written)), tuple(each.turn for each in directories)


def orientation(exif: bytes) -> int:
    """How an image is turned by what its EXIF says: 1 to 8, or a number without meaning; 1 where it says nothing."""
    exif = exif.removeprefix(_EXIF).removeprefix(_EXIF)  # which some writers put there twice
    form = _FORMS.get(exif[:4])
    return next((directory.turn for directory in _directories(exif, form)), 1) if form else 1


def _is_plain(tag: _Tag) -> bool:
    """Whether the values are of a kind that pixels depend on. Raises `Refused` where they are too many."""
    if tag.length > (_MOST_PIECES if tag.number in _LISTS else _MOST_VALUES):
        raise Refused("unsupported", "a TIFF in more pieces than are read; convert it to PNG or JPEG")
    return tag.kind not in _FRACTIONS or tag.number in _COLORS


def _directories(data: bytes, form: _Form) -> Iterator[_Directory]:
    at, seen = _place(data, form, form.place.size), {0}
    while at not in seen and len(seen) <= _MOST_PAGES:
        seen.add(at)
        yield (directory := _directory(data, form, at))
        at = directory.following


def _directory(data: bytes, form: _Form, at: int) -> _Directory:
    start = at + form.total.size
    if start > len(data):
        return _Directory((), 1, 0, cut=True)
    (count,) = form.total.unpack_from(data, at)
    end = start + count * form.tag.size
    there = min(count, _MOST_TAGS, (len(data) - start) // form.tag.size)
    tags: dict[int, _Tag] = {}
    for number, *rest in form.tag.iter_unpack(data[start : start + there * form.tag.size]):
        if number in _NEEDED or number == _ORIENTATION:
            tags.setdefault(number, _Tag(number, *rest))  # of what is said again, the first counts
    turn = _turn(tags.pop(_ORIENTATION, None), form)
    return _Directory(tuple(tags.values()), turn, _place(data, form, end), cut=end > len(data))


def _turn(tag: _Tag | None, form: _Form) -> int:
    """As browsers read it: one short number, and nothing else."""
    if tag is None or (tag.kind, tag.length) != (_SHORT, 1):
        return 1
    return int(struct.unpack_from(form.order + "H", tag.value)[0])


def _place(data: bytes, form: _Form, at: int) -> int:
    """What is written there of where something is; 0 where the data ends before that."""
    return int(form.place.unpack_from(data, at)[0]) if at + form.place.size <= len(data) else 0
