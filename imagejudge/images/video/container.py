"""Which kind of video a file is by its first bytes, and whether it is whole, as far as that shows undecoded."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Final

from imagejudge.images.formats import AVIF_BRANDS, HEIF_BRANDS, Refused, brands


class Container(Enum):
    """A kind of file that holds video: what people call it, and the one demuxer of FFmpeg's that is tried on it."""

    MP4 = "MP4", "mov"
    MATROSKA = "Matroska", "matroska"
    AVI = "AVI", "avi"
    TRANSPORT_STREAM = "MPEG-TS", "mpegts"

    def __init__(self, title: str, demuxer: str) -> None:
        self.title = title
        self.demuxer = demuxer


_BEGINNINGS: Final = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
"""Boxes that a QuickTime film may begin with."""
_PACKETS: Final = ((188, 0), (192, 4))
"""Length of a transport stream's packets, and where in each the mark stands; the second kind is that of camcorders."""
_MARK: Final = 0x47
_MARKS: Final = 5
_WHOLE_BOXES: Final = (b"moov", b"mdat", b"moof")
_SEGMENT: Final = b"\x18\x53\x80\x67"
_ENTERED: Final = (_SEGMENT, b"\x1f\x43\xb6\x75")
"""Elements of Matroska whose parts are looked at one by one, and which may have no known length: clusters as well."""


def container_of(data: bytes) -> Container | None:
    """What kind of video a file is; None where it is no video of a kind that is read."""
    head = data[:12]
    if (named := brands(data)) is not None:
        return None if named & (AVIF_BRANDS | HEIF_BRANDS) else Container.MP4
    if head[4:8] in _BEGINNINGS:
        return Container.MP4
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return Container.MATROSKA
    if head[:4] == b"RIFF" and head[8:] == b"AVI ":
        return Container.AVI
    return Container.TRANSPORT_STREAM if is_transport_stream(data) else None


def is_transport_stream(data: bytes) -> bool:
    """Whether a file's first kilobyte has the marks of a transport stream."""
    for length, first in _PACKETS:
        marks = data[first : first + length * _MARKS : length]
        if len(marks) == _MARKS and set(marks) == {_MARK}:
            return True
    return False


def check_structure(data: bytes, container: Container) -> None:
    """Raise `Refused` where the file is shorter than it says, or its parts do not follow one another.

    FFmpeg would decode what it finds without a word. Transport streams have marks in each packet, at which it looks.
    """
    match container:
        case Container.MP4:
            end = max((end for kind, end in _boxes(data) if kind in _WHOLE_BOXES), default=0)
        case Container.MATROSKA:
            end = _end_of_elements(data)
        case Container.AVI:
            end = _end_of_chunks(data)
        case Container.TRANSPORT_STREAM:
            end = 0
    if end > len(data):
        raise Refused("truncated", f"the {container.title} data ends too early; copy or download the file again")


def _boxes(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Kind and end of each box at the top of an MP4, as far as there are any."""
    at = 0
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if size == 1 and at + 16 <= len(data):
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:  # up to the end, or damaged, which decoding finds
            return
        at += size
        yield kind, at


def _end_of_elements(data: bytes) -> int:
    """Where a Matroska file says that it ends."""
    at, end = 0, len(data)
    while at < min(end, len(data)):
        name, start = _number(data, at)
        size, start = _number(data, start)
        kind = data[at : at + 4]
        if kind == _SEGMENT and size is not None:
            end = start + size
        if name is None or (size is None and kind not in _ENTERED):
            raise _broken(Container.MATROSKA)
        at = start if kind in _ENTERED else start + (size or 0)
    return max(at, end)


def _number(data: bytes, at: int) -> tuple[int | None, int]:
    """A number of variable length (EBML), None for one that is not known or none; and where it ends."""
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length()
    largest = (1 << 7 * length) - 1
    value = int.from_bytes(data[at : at + length], "big") & largest
    return (None if length > 8 or value == largest else value), at + length


def _end_of_chunks(data: bytes) -> int:
    """Where an AVI file says that it ends."""
    at, end = 0, 0
    while at + 8 <= len(data) and (not at or at < end):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind == b"RIFF":
            end = at + 8 + size
        elif not kind[0]:
            raise _broken(Container.AVI)
        at += 12 if kind in (b"RIFF", b"LIST") else 8 + size + size % 2
    return end - 1  # the last byte may be padding


def _broken(container: Container) -> Refused:
    return Refused("corrupt", f"the {container.title} data is damaged; replace the file")
