"""What a value in a table says of images: it is bytes, a path, or Hugging Face's pair of both.

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
    """One image in a row: its bytes, or else the path of its file."""

    place: str
    """Where in the row: after a `/` each, the names of column and fields, `escaped`, and numbers in lists."""
    data: bytes | None
    path: str | None


def held_by(value: object, place: str) -> Held | None:
    """The image that a value is: a pair of bytes and path, or one of both. None where it has neither."""
    match value:
        case dict():
            data, path = value.get("bytes"), value.get("path")
            path = path if isinstance(path, str) else ""
            if isinstance(data, bytes) and (data or not path):
                return Held(place, data, None)
            return Held(place, None, path[:_LONGEST_PATH]) if path else None
        case bytes():
            return Held(place, value, None)
        case str() if value:
            data = _base64(value)
            return Held(place, data, value[:_LONGEST_PATH] if data is None else None)
    return None


def escaped(name: str) -> str:
    """The name of a column or field as one part of a path: no two names give the same, and none leads elsewhere."""
    if not name.strip("."):
        return name.replace(".", "%2E") or "%"
    return name.replace("%", "%25").replace("/", "%2F")


def looks_like_images(found: Iterable[Held]) -> bool:
    """Whether any begins as an image or video, or is a path that ends as one."""
    return any(_begins_as_image(held.data) if held.data is not None else _is_path(held.path or "") for held in found)


def is_called_images(column: str) -> bool:
    """Whether the name of a column or field says that there are images in it, such as `image`, `images` or `jpg`."""
    name = column.lower()
    return name.removesuffix("s") in _NAMES or is_image(f".{name}")


def only_addresses(found: Iterable[Held]) -> bool:
    """Whether all are addresses in a network."""
    return all(held.path is not None and is_address(held.path) for held in found)


def carried(cell: Any, longest: int) -> Any:
    """A cell as JSON has it; None for one that cannot be: bytes, what is no number, more than so many characters."""
    try:
        plain = _plain(cell)
        return plain if len(json.dumps(plain)) <= longest else None
    except (RecursionError, ValueError):
        return None


def declared_images(metadata: Mapping[bytes, bytes] | None) -> list[tuple[str, ...]]:
    """The names on the ways to images that Hugging Face's note in a table's schema names."""
    return list(_declared(_features(metadata), ()))


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


def _declared(feature: object, names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    match feature:
        case {"_type": "Image"}:
            yield names
        case {"_type": "List" | "LargeList" | "Sequence", "feature": inner} | [inner]:  # the latter in earlier versions
            yield from _declared(inner, names)
        case {"_type": str()}:
            return
        case dict():
            for name, inner in feature.items():
                yield from _declared(inner, (*names, name))


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
