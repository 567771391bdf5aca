"""A JPEG as browsers take it: without the segments that change no pixel. Knows segments, not pixels.

libjpeg passes over rubbish between segments and over notes of any length; Pillow's own reader, which comes before
libjpeg, does not. So the header is rewritten with what matters.
"""

from __future__ import annotations

import re
from typing import Final

from imagejudge.images.formats import Refused

_MARKER: Final = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")
"""Those that a length follows, and the end. libjpeg steps over all others alone."""
_SCAN: Final = 0xDA
_END: Final = 0xD9
_EXIF: Final = 0xE1
_ABOUT: Final = {0xE0: b"JFIF\0", _EXIF: b"Exif\0\0", 0xEE: b"Adobe"}
"""Notes that say how pixels are to be understood, by how they begin."""


def clean(data: bytes) -> tuple[bytes, bytes]:
    """The first picture of a file, with nothing before its pixels but what they need; and its EXIF, now apart."""
    kept = [b"\xff\xd8"]
    known: set[int] = set()
    exif = b""
    at = 2
    while marker := _MARKER.search(data, at):
        kind, at = marker[0][1], marker.end()
        if kind == _SCAN:
            return b"".join((*kept, memoryview(data)[marker.start() :])), exif
        if kind == _END:
            break
        length = max(2, int.from_bytes(data[at : at + 2], "big"))
        body = data[at + 2 : at + length]
        if kind not in range(0xE0, 0xFF) or (kind in _ABOUT and body.startswith(_ABOUT[kind]) and kind not in known):
            known.add(kind)
            if kind == _EXIF:
                exif = body
            else:
                kept.append(marker[0] + (len(body) + 2).to_bytes(2, "big") + body)
        at += length
    raise Refused("truncated", "the JPEG data ends before its pixels; copy or download the file again")


def passes(data: bytes) -> int:
    """How many scans a JPEG has, up to its end: what phones append to it does not count."""
    count, at = 0, 2
    while marker := _MARKER.search(data, at):
        if marker[0][1] == _END:
            break
        count += marker[0][1] == _SCAN
        at = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return count


def ended(data: bytes) -> tuple[bytes, bytes]:
    """Two files that differ only in what follows the given data, before an end that is missing.

    They show the same picture if the data holds all of it: only then does nothing depend on what follows.
    """
    body = data.rstrip(b"\xff")
    return tuple(body + rest + b"\xff\xd9" for rest in (bytes(256), b"\xa5\x5a\x96\x3c" * 64))  # type: ignore[return-value]
