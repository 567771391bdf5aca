"""A GIF as layers, found by walking over its blocks. Knows blocks, not pixels.

As in browsers, the canvas begins transparent, whatever colour the file names for it, and only the first frame may be
larger than it says.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial
from typing import Final

from imagejudge.images.formats import Refused
from imagejudge.images.layers import Animation, Dispose, Layer

_IMAGE: Final = 0x2C
_EXTENSION: Final = 0x21
_END: Final = 0x3B
_CONTROL: Final = 0xF9
# The fourth is written by programs that count bits from the wrong end; browsers know them.
_DISPOSE: Final = {2: Dispose.CLEAR, 3: Dispose.RESTORE, 4: Dispose.RESTORE}


@dataclass(frozen=True, slots=True)
class _Control:
    """What an extension says about the next image."""

    dispose: Dispose = Dispose.KEEP
    clear: int | None = None
    """The colour that is not painted."""


def animation(data: bytes, most: int) -> Animation:
    """The first `most` layers at most."""
    if len(data) < 13:
        raise _ends_early()
    width, height, flags = struct.unpack("<HHB", data[6:11])
    at = 13 + _table(flags)
    head = data[10:at]
    layers: list[Layer] = []
    control = _Control()
    while at < len(data) and len(layers) < most:
        block = data[at]
        if block == _IMAGE:
            layer, at = _layer(data, at, head, control)
            layers.append(layer)
            control = _Control()
        elif block == _EXTENSION:
            if data[at + 1 : at + 2] == bytes([_CONTROL]):
                control = _control(data[at + 3 : at + 7])
            at = _behind_blocks(data, at + 2)
        elif block == _END:
            break
        else:  # rubbish between blocks
            at += 1
    if not any(layer.area for layer in layers):
        raise _ends_early()
    first = layers[0]
    if first.area:
        width, height = max(width, first.left + first.width), max(height, first.top + first.height)
    return Animation(width, height, tuple(layers))


def _layer(data: bytes, at: int, head: bytes, control: _Control) -> tuple[Layer, int]:
    if at + 11 > len(data):
        raise _ends_early()
    left, top, width, height, flags = struct.unpack("<4HB", data[at + 1 : at + 10])
    pixels = at + 11 + _table(flags)
    if pixels >= len(data):
        raise _ends_early()
    end = _behind_blocks(data, pixels)
    file = partial(_file, data, at, end, head, control.clear)
    return Layer(file, left, top, width, height, control.dispose), end


def _file(data: bytes, at: int, end: int, head: bytes, clear: int | None) -> bytes:
    """One image as a GIF of its own."""
    size = data[at + 5 : at + 9]
    mark = b"" if clear is None else struct.pack("<BBBBHBB", _EXTENSION, _CONTROL, 4, 1, 0, clear, 0)
    return b"".join((b"GIF89a", size, head, mark, b"\x2c\0\0\0\0", data[at + 5 : end], b";"))


def _control(data: bytes) -> _Control:
    if len(data) < 4:
        return _Control()
    return _Control(_DISPOSE.get(data[0] >> 2 & 7, Dispose.KEEP), data[3] if data[0] & 1 else None)


def _table(flags: int) -> int:
    """Bytes of the table of colours that follows."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _behind_blocks(data: bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1


def _ends_early() -> Refused:
    return Refused("truncated", "the GIF data ends too early; copy or download the file again")
