"""What a cell of a table says of images: bytes, a path, Hugging Face's pair of both, or a list of these.

Knows values of Python, not where tables are kept.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from imagejudge.images.formats import Refused, sniff
from imagejudge.images.names import VIDEO_EXTENSIONS, extension, is_image
from imagejudge.images.remote import is_address
from imagejudge.images.video.container import container_of

_LONGEST_PATH: Final = 4096
_NAMES: Final = ("image", "img", "picture", "photo")
_SHORTEST_BASE64: Final = 40
"""Characters; the smallest image has more."""


@dataclass(frozen=True, slots=True)
class Held:
    """One image in a cell: its bytes, or else the path of its file."""

    place: str
    """Where in the cell: empty, or `/` and the number in a list."""
    data: bytes | None
    path: str | None


def images_in(cell: object, place: str = "") -> Iterator[Held]:
    """The images in a cell, in order; what holds neither bytes nor a path is none."""
    match cell:
        case list():
            for number, each in enumerate(cell):
                yield from images_in(each, f"{place}/{number}")
        case dict():
            data, path = cell.get("bytes"), cell.get("path")
            path = path if isinstance(path, str) else ""
            if isinstance(data, bytes) and (data or not path):
                yield Held(place, data, None)
            elif path:
                yield Held(place, None, path[:_LONGEST_PATH])
        case bytes():
            yield Held(place, cell, None)
        case str() if cell:
            data = _base64(cell)
            yield Held(place, data, cell[:_LONGEST_PATH] if data is None else None)


def looks_like_images(cells: Iterable[object]) -> bool:
    """Whether any of some cells has what begins as an image or video, or a path that ends as one."""
    return any(
        _begins_as_image(held.data) if held.data is not None else _is_path(held.path or "")
        for cell in cells
        for held in images_in(cell)
    )


def is_called_images(column: str) -> bool:
    """Whether a column's name says that there are images in it, such as `image`, `images` or `jpg`."""
    name = column.lower()
    return name.removesuffix("s") in _NAMES or is_image(f".{name}")


def only_addresses(cells: Iterable[object]) -> bool:
    """Whether all that some cells have are addresses in a network."""
    held = [held for cell in cells for held in images_in(cell)]
    return bool(held) and all(each.path is not None and is_address(each.path) for each in held)


def carried(cell: Any, longest: int) -> Any:
    """A cell as JSON has it; None for one that cannot be: bytes, what is no number, more than so many characters."""
    try:
        plain = _plain(cell)
        return plain if len(json.dumps(plain)) <= longest else None
    except (RecursionError, ValueError):
        return None


def declared_images(metadata: Mapping[bytes, bytes] | None) -> list[str]:
    """The columns of images that Hugging Face's note in a table's schema names."""
    return [name for name, feature in _features(metadata).items() if _is_image_feature(feature)]


def class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """By column, the names of the whole numbers in it, from the same note."""
    found = {}
    for column, feature in _features(metadata).items():
        names = feature.get("names") if isinstance(feature, dict) else None
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            found[column] = names
    return found


def _features(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    try:
        found = json.loads((metadata or {}).get(b"huggingface", b"{}"))
    except (ValueError, RecursionError):  # not what Hugging Face writes: the columns speak for themselves
        return {}
    for key in ("info", "features"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _is_image_feature(feature: object) -> bool:
    if isinstance(feature, list):  # as earlier versions wrote lists
        return len(feature) == 1 and _is_image_feature(feature[0])
    if not isinstance(feature, dict):
        return False
    kind = feature.get("_type")
    return kind == "Image" or (kind in ("List", "LargeList", "Sequence") and _is_image_feature(feature.get("feature")))


def _begins_as_image(data: bytes) -> bool:
    head = data[:4096]
    if container_of(head) is not None:
        return True
    try:
        sniff(head)
    except Refused as refused:
        return refused.kind == "unsupported"
    return True


def _is_path(text: str) -> bool:
    if len(text) > _LONGEST_PATH:
        return False
    return is_address(text) or is_image(text) or extension(text) in VIDEO_EXTENSIONS


def _base64(text: str) -> bytes | None:
    """The image that a text is in Base64; None where it is none, as paths are."""
    if len(text) < _SHORTEST_BASE64:
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if _begins_as_image(data) else None


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case bytes():
            return None
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case datetime.date() | datetime.time():
            return value.isoformat()
    return str(value)
