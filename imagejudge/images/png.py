"""A PNG as browsers take it: without the chunks that change no pixel, whatever state they are in; APNG as layers.

Knows chunks, not pixels. Notes, profiles and scales are left out, so that a damaged one cannot spoil the picture.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from imagejudge.images.formats import Refused
from imagejudge.images.layers import Animation, Dispose, Layer

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PALETTE: Final = 3
"""The colour type whose pixels are indexes."""
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_MOST_LAYERS: Final = 100_000
_BLOCK: Final = 1 << 20


class _Chunk(NamedTuple):
    kind: bytes
    data: memoryview
    sound: bool
    """Whether its checksum is right; of one that is cut off, the checksum is not known to be wrong."""
    cut: bool


@dataclass(slots=True)
class _Pixels:
    """The compressed pixels of one picture, from one chunk or many."""

    pieces: list[memoryview] = field(default_factory=list)
    sound: bool = True

    def add(self, data: memoryview, sound: bool) -> None:
        self.pieces.append(data)
        self.sound &= sound


@dataclass(slots=True)
class _Control:
    """An fcTL chunk, and the pixels that follow it."""

    data: bytes
    pixels: _Pixels = field(default_factory=_Pixels)


@dataclass(frozen=True, slots=True)
class Png:
    """What matters of a file."""

    header: bytes
    palette: bytes
    transparency: bytes
    exif: bytes
    pixels: _Pixels
    controls: tuple[_Control, ...]
    first_is_default: bool
    """Whether the still picture is the animation's first frame."""

    def still(self) -> bytes:
        """The file that viewers without animation show, with nothing in it that changes no pixel."""
        return self._file(self.header, self.pixels)

    def animation(self) -> Animation | None:
        """The animation, if it is one. A still picture that is no part of it comes first, since some show only that."""
        if not self.controls:
            return None
        width, height = struct.unpack(">II", self.header[:8])
        layers = [] if self.first_is_default else [Layer(self.still, 0, 0, width, height, Dispose.CLEAR, over=False)]
        layers += [self._layer(control, width, height) for control in self.controls]
        return Animation(width, height, tuple(layers), self.exif)

    def _layer(self, control: _Control, canvas_width: int, canvas_height: int) -> Layer:
        _, width, height, left, top, _, _, dispose, blend = struct.unpack(">5I2H2B", control.data)
        if not 0 < width <= canvas_width - left or not 0 < height <= canvas_height - top:
            raise Refused("corrupt", "a frame of the PNG lies outside its canvas; replace the file")
        if dispose > 2 or blend > 1:
            raise Refused("corrupt", "a frame of the PNG says what does not exist; replace the file")
        header = struct.pack(">II", width, height) + self.header[8:]
        file = partial(self._file, header, control.pixels)
        return Layer(file, left, top, width, height, list(Dispose)[dispose], over=blend == 1)

    def _file(self, header: bytes, pixels: _Pixels) -> bytes:
        if not pixels.pieces:
            raise Refused("truncated", "the PNG ends before its pixels; copy or download the file again")
        parts = [(b"IHDR", header), (b"PLTE", self.palette), (b"tRNS", self.transparency)]
        data = _proven(header, pixels) if not pixels.sound else b"".join(pixels.pieces)
        kept = itertools.chain((part for part in parts if part[1]), ((b"IDAT", data), (b"IEND", b"")))
        return b"".join((_SIGNATURE, *itertools.chain.from_iterable(map(_written, kept))))


def parse(data: bytes) -> Png:
    """Find what matters. Chunks that viewers do without may be damaged in any way that leaves the others findable."""
    if not data.startswith(_SIGNATURE):
        raise Refused("corrupt", "the first bytes of the PNG are damaged; replace the file")
    chunks = _chunks(memoryview(data))
    head = next(chunks, None)
    if head is None or head.cut:
        raise Refused("truncated", "the PNG data ends too early; copy or download the file again")
    if head.kind != b"IHDR" or len(head.data) != 13 or not head.sound or head.data[9] not in _CHANNELS:
        raise Refused("corrupt", "the header of the PNG is damaged; replace the file")
    return _Reading(bytes(head.data)).read(chunks)


class _Reading:
    """Going through the chunks behind the header."""

    def __init__(self, header: bytes) -> None:
        self._header = header
        self._color = header[9]
        self._palette = self._transparency = self._exif = b""
        self._pixels = _Pixels()
        self._said: int | None = None
        """How many frames the file says it has; None when it is still."""
        self._controls: list[_Control] = []
        self._first_is_default = False
        self._ended = False

    def read(self, chunks: Iterator[_Chunk]) -> Png:
        for chunk in chunks:
            if chunk.kind == b"IEND":
                break
            if chunk.kind == b"PLTE" and self._color == _PALETTE:
                self._take_palette(chunk)
            elif chunk.kind == b"IDAT":
                self._take_pixels(chunk)
            elif chunk.kind in (b"fcTL", b"fdAT"):
                self._take_frame(chunk)
            elif chunk.sound and not chunk.cut:
                self._take_note(chunk.kind, bytes(chunk.data) if chunk.kind in _NOTES else b"")
        if self._color == _PALETTE and not self._palette:
            raise Refused("corrupt", "the PNG has no palette for its pixels; replace the file")
        controls = self._controls if self._said is not None else []
        if self._said is not None and len(controls) < self._said:
            raise Refused("truncated", "the PNG has fewer frames than it says; copy or download the file again")
        return Png(
            self._header,
            self._palette,
            self._transparency,
            self._exif,
            self._pixels,
            tuple(controls),
            self._first_is_default,
        )

    def _take_palette(self, chunk: _Chunk) -> None:
        size = len(chunk.data)
        if chunk.cut or not chunk.sound or self._palette or not size or size % 3 or self._pixels.pieces:
            raise Refused("corrupt", "the palette of the PNG is damaged; replace the file")
        self._palette = bytes(chunk.data[:768])

    def _take_pixels(self, chunk: _Chunk) -> None:
        if self._controls and not self._pixels.pieces:
            self._first_is_default = True
            self._controls[0].pixels = self._pixels
        self._pixels.add(chunk.data, chunk.sound)

    def _take_frame(self, chunk: _Chunk) -> None:
        if self._said is None:  # without the chunk that says so, it is no animation
            return
        if chunk.kind == b"fdAT":
            if self._controls and len(chunk.data) >= 4:
                self._controls[-1].pixels.add(chunk.data[4:], chunk.sound)
            return
        if chunk.cut:
            raise Refused("truncated", "the PNG data ends too early; copy or download the file again")
        if not chunk.sound or len(chunk.data) != 26 or len(self._controls) >= _MOST_LAYERS:
            raise Refused("corrupt", "a frame of the PNG is damaged; replace the file")
        self._controls.append(_Control(bytes(chunk.data)))

    def _take_note(self, kind: bytes, data: bytes) -> None:
        """What may be missing. As browsers do, one that is damaged, misplaced or said again is passed over."""
        before = not self._pixels.pieces
        if kind == b"tRNS" and before and not self._transparency:
            entries = len(self._palette) // 3
            if (self._color == _PALETTE and 0 < len(data) <= entries) or len(data) == {0: 2, 2: 6}.get(self._color):
                self._transparency = data
        elif kind == b"eXIf" and not self._exif:
            self._exif = data
        elif kind == b"acTL" and before and self._said is None and len(data) == 8:
            frames = int.from_bytes(data[:4], "big")
            self._said = frames or None


_NOTES: Final = {b"tRNS", b"eXIf", b"acTL"}


def unchecked(file: bytes) -> bytes:
    """A file of `Png` whose pixels end before their own checksum: browsers do not mind when it is wrong."""
    end = len(file) - 16  # of the pixels; behind them is their chunk's checksum, and the last chunk
    at = file.index(b"IDAT", 33)
    return b"".join((file[: at - 4], *_written((b"IDAT", file[at + 4 : end - 4])), *_written((b"IEND", b""))))


def _chunks(data: memoryview) -> Iterator[_Chunk]:
    at = len(_SIGNATURE)
    while at + 8 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind = bytes(data[at + 4 : at + 8])
        if not kind.isalpha():
            raise Refused("corrupt", "the PNG data is damaged between its chunks; replace the file")
        end = at + 8 + length
        found = data[end : end + 4]
        sound = len(found) < 4 or zlib.crc32(data[at + 4 : end]) == int.from_bytes(found, "big")
        yield _Chunk(kind, data[at + 8 : end], sound, cut=end > len(data))
        at = end + 4


def _written(part: tuple[bytes, bytes]) -> tuple[bytes, bytes, bytes]:
    kind, data = part
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I4s", len(data), kind), data, struct.pack(">I", checksum)


def _proven(header: bytes, pixels: _Pixels) -> bytes:
    """Pixels whose chunks have wrong checksums, if the checksum inside them says that they are whole."""
    data = b"".join(pixels.pieces)
    unpacker = zlib.decompressobj()
    rest = data
    try:
        while rest and not unpacker.eof:
            unpacker.decompress(rest, _BLOCK)
            rest = unpacker.unconsumed_tail
    except zlib.error:
        pass
    if not unpacker.eof:
        raise Refused("corrupt", "the pixels of the PNG are damaged; replace the file")
    return data
