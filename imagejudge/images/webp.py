"""A WebP as browsers take it: without the chunks that change no pixel; animated ones as layers.

Knows chunks, not pixels. How long the file says it is does not matter where everything is there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from imagejudge.images.formats import Refused
from imagejudge.images.layers import Animation, Dispose, Layer

_PIXELS: Final = (b"VP8 ", b"VP8L")


class _Chunk(NamedTuple):
    kind: bytes
    data: memoryview


@dataclass(slots=True)
class WebP:
    """What matters of a file."""

    size: tuple[int, int] | None = None
    """Of the canvas, where the file tells it apart from its pixels."""
    exif: bytes = b""
    alpha: memoryview | None = None
    pixels: _Chunk | None = None
    frames: list[memoryview] = field(default_factory=list)
    cut: bool = False
    """Whether the data ends before the file says so."""

    def still(self) -> bytes:
        """A file of one picture."""
        if self.pixels is None:
            raise ends_early()
        parts = [] if self.alpha is None else [_Chunk(b"ALPH", self.alpha)]
        body = b"".join(map(_written, [*parts, self.pixels]))
        if self.alpha is not None and self.size:
            says_alpha = struct.pack("<I", 0x10) + _three(self.size[0] - 1) + _three(self.size[1] - 1)
            body = _written(_Chunk(b"VP8X", memoryview(says_alpha))) + body
        return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body

    def animation(self) -> Animation | None:
        """The animation, if it is one."""
        if not self.frames or self.pixels is not None or self.size is None:
            return None
        if self.cut:  # the file does not tell its number of frames, so that some may be missing
            raise ends_early()
        return Animation(*self.size, tuple(map(_layer, self.frames)), self.exif)


def parse(data: bytes) -> WebP:
    """Find what matters."""
    whole = memoryview(data)
    webp = WebP(cut=len(data) + 1 < 8 + int.from_bytes(data[4:8], "little"))
    for chunk in _chunks(whole[12:]):
        if chunk.kind == b"VP8X" and len(chunk.data) >= 10 and webp.size is None:
            webp.size = _int(chunk.data[4:7]) + 1, _int(chunk.data[7:10]) + 1
        elif chunk.kind == b"EXIF" and not webp.exif:
            webp.exif = bytes(chunk.data)
        elif chunk.kind == b"ALPH" and webp.alpha is None and webp.pixels is None:
            webp.alpha = chunk.data
        elif chunk.kind in _PIXELS and webp.pixels is None and not webp.frames:
            webp.pixels = chunk
        elif chunk.kind == b"ANMF":
            webp.frames.append(chunk.data)
    return webp


def dimensions(file: bytes) -> tuple[int, int]:
    """Of the pixels in a file of `WebP.still`; zeros where they cannot be told."""
    for chunk in _chunks(memoryview(file)[12:]):
        head = chunk.data
        if chunk.kind == b"VP8L" and len(head) >= 5 and head[0] == 0x2F:
            bits = _int(head[1:5])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if chunk.kind == b"VP8 " and len(head) >= 10:
            return _int(head[6:8]) & 0x3FFF, _int(head[8:10]) & 0x3FFF
    return 0, 0


def _layer(data: memoryview) -> Layer:
    if len(data) < 16:
        raise ends_early()
    left, top = _int(data[0:3]) * 2, _int(data[3:6]) * 2
    size = _int(data[6:9]) + 1, _int(data[9:12]) + 1
    dispose = Dispose.CLEAR if data[15] & 1 else Dispose.KEEP
    return Layer(partial(_file, data, size), left, top, *size, dispose, over=not data[15] & 2)


def _file(data: memoryview, size: tuple[int, int]) -> bytes:
    frame = WebP(size)
    for chunk in _chunks(data[16:]):
        if chunk.kind == b"ALPH" and frame.alpha is None:
            frame.alpha = chunk.data
        elif chunk.kind in _PIXELS and frame.pixels is None:
            frame.pixels = chunk
    return frame.still()


def _chunks(data: memoryview) -> Iterator[_Chunk]:
    at = 0
    while at + 8 <= len(data):
        length = _int(data[at + 4 : at + 8])
        yield _Chunk(bytes(data[at : at + 4]), data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2


def _written(chunk: _Chunk) -> bytes:
    return b"".join((chunk.kind, struct.pack("<I", len(chunk.data)), chunk.data, bytes(len(chunk.data) % 2)))


def _int(data: memoryview) -> int:
    return int.from_bytes(data, "little")


def _three(value: int) -> bytes:
    return value.to_bytes(3, "little")


def ends_early() -> Refused:
    """What to say of a file of which a part is missing."""
    return Refused("truncated", "the WEBP data ends too early; copy or download the file again")
