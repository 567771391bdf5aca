"""Small real images for tests, good ones and bad ones, as the bytes of files."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

WIDTH, HEIGHT = 12, 8

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def quarters(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Red and green above, blue and white below: shows any turn or mirroring."""
    image = Image.new("RGB", (width, height), WHITE)
    image.paste(RED, (0, 0, width // 2, height // 2))
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    return image


def encode(image: Image.Image, format_: str, **options: Any) -> bytes:
    """The bytes of a file in a format that Pillow writes."""
    if format_ == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def animation(format_: str, colors: list[tuple[int, int, int]], **options: Any) -> bytes:
    """One plain frame for each colour."""
    frames = [Image.new("RGB", (WIDTH, HEIGHT), color) for color in colors]
    return encode(frames[0], format_, save_all=True, append_images=frames[1:], **options)


def shades(count: int) -> list[tuple[int, int, int]]:
    """Colours that tell frames apart; the red part is the frame's index times 5."""
    return [(index * 5 % 256, 255 - index * 5 % 256, 40) for index in range(count)]


def turned(orientation: int, format_: str = "PNG", **options: Any) -> bytes:
    """`quarters`, stored so that only a reader that follows the EXIF orientation sees it upright."""
    # What undoes each orientation, seen from the stored pixels; mirrored and turned ones undo themselves.
    store = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = quarters()
    if orientation in store:
        image = image.transpose(store[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(image, format_, exif=exif.tobytes(), **options)


def png(
    rows: np.ndarray[Any, Any],
    depth: int,
    color: int,
    *chunks: tuple[bytes, bytes],
    size: tuple[int, int] | None = None,
) -> bytes:
    """A PNG written by hand, for what Pillow does not write: `rows` holds each row's bytes as stored."""
    width, height = size or (rows.shape[1] * 8 // (depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]), rows.shape[0])
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(png_chunk, parts))


def png_chunk(part: tuple[bytes, bytes]) -> bytes:
    """Length, kind, data and checksum."""
    kind, data = part
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_parts(data: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a sound PNG."""
    parts, at = [], 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        parts.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return parts


def png_of(parts: list[tuple[bytes, bytes]], *wrong: bytes) -> bytes:
    """A PNG of these chunks; those of a kind in `wrong` get a wrong checksum."""
    written = []
    for part in parts:
        chunk = png_chunk(part)
        written.append(chunk[:-4] + bytes(byte ^ 0x55 for byte in chunk[-4:]) if part[0] in wrong else chunk)
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def png_with(data: bytes, kind: bytes, content: bytes, *wrong: bytes) -> bytes:
    """A PNG with one more chunk before its pixels."""
    parts = png_parts(data)
    at = next(at for at, part in enumerate(parts) if part[0] == b"IDAT")
    return png_of([*parts[:at], (kind, content), *parts[at:]], *wrong)


def apng(size: tuple[int, int], frames: list[tuple[Image.Image, tuple[int, int], int, int]]) -> bytes:
    """An animation of RGBA frames: each with its place, how it is disposed of (0 to 2), and 1 where it is laid over."""
    head = struct.pack(">IIBBBBB", *size, 8, 6, 0, 0, 0)
    parts = [(b"IHDR", head), (b"acTL", struct.pack(">II", len(frames), 0))]
    number = 0
    for at, (image, place, dispose, blend) in enumerate(frames):
        control = struct.pack(">5I2H2B", number, *image.size, *place, 1, 10, dispose, blend)
        pixels = b"".join(content for kind, content in png_parts(encode(image, "PNG")) if kind == b"IDAT")
        parts.append((b"fcTL", control))
        number += 1
        if at == 0:
            parts.append((b"IDAT", pixels))
        else:
            parts.append((b"fdAT", struct.pack(">I", number) + pixels))
            number += 1
    return png_of([*parts, (b"IEND", b"")])


def webp_film(size: tuple[int, int], frames: list[tuple[Image.Image, tuple[int, int], int, int]]) -> bytes:
    """An animation of RGBA frames, as `apng`; disposed of by 1, laid over by 1, and at even places."""

    def three(value: int) -> bytes:
        return value.to_bytes(3, "little")

    chunks = [(b"VP8X", b"\x12\0\0\0" + three(size[0] - 1) + three(size[1] - 1)), (b"ANIM", bytes(6))]
    for image, (left, top), dispose, blend in frames:
        whole = encode(image, "WEBP", lossless=True, exact=True)
        at = whole.index(b"VP8L")
        pixels = whole[at : at + 8 + int.from_bytes(whole[at + 4 : at + 8], "little")]
        pixels += bytes(len(pixels) % 2)
        sides = three(left // 2) + three(top // 2) + three(image.width - 1) + three(image.height - 1)
        chunks.append((b"ANMF", sides + three(10) + bytes([2 * (1 - blend) + dispose]) + pixels))
    return riff(chunks)


def riff(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A WebP of these chunks."""
    body = b"WEBP"
    for kind, content in chunks:
        body += kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif_film(
    size: tuple[int, int],
    frames: list[tuple[np.ndarray[Any, Any], tuple[int, int], int, int | None]],
    palette: list[tuple[int, int, int]],
) -> bytes:
    """An animation of frames of indexes: each with its place, how it is disposed of (0 to 7), and its clear index.

    Eight or fewer colours, written without compression.
    """
    colors = b"".join(map(bytes, palette)).ljust(24, b"\0")
    out = b"GIF89a" + struct.pack("<HHBBB", *size, 0xA2, 0, 0) + colors
    for indexes, place, dispose, clear in frames:
        control = dispose << 2 | (clear is not None)
        out += struct.pack("<BBBBHBB", 0x21, 0xF9, 4, control, 10, clear or 0, 0)
        out += b"\x2c" + struct.pack("<4HB", *place, indexes.shape[1], indexes.shape[0], 0) + b"\3"
        # A clear code before every sixth index keeps all codes 4 bits long.
        codes = [code for at, value in enumerate(indexes.ravel()) for code in ([8] * (at % 6 == 0) + [int(value)])]
        codes = [8, 9] if not codes else [*codes, 9]
        codes += [0] * (len(codes) % 2)
        packed = bytes(low | high << 4 for low, high in zip(codes[::2], codes[1::2], strict=True))
        blocks = [packed[at : at + 255] for at in range(0, len(packed), 255)]
        out += b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
    return out + b";"


def png_16(values: np.ndarray[Any, Any], color: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with 16 bits a channel; `values` is (height, width * channels)."""
    return png(values.astype(">u2").view(np.uint8), 16, color, *chunks)


def tiff(values: bytes, size: tuple[int, int], **tags: Any) -> bytes:
    """A little-endian TIFF written by hand, in one strip. Tags: bits, photometric, format (1 whole, 2 signed, 3 float),
    following (where the next page is)."""
    entries = [
        (256, 4, size[0]),
        (257, 4, size[1]),
        (258, 3, tags["bits"]),
        (259, 3, 1),
        (262, 3, tags.get("photometric", 1)),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, size[1]),
        (279, 4, len(values)),
        (339, 3, tags.get("format", 1)),
    ]
    table = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(values)) + values
    return head + struct.pack("<H", len(entries)) + table + struct.pack("<I", tags.get("following", 0))


def tiff_with(data: bytes, *tags: tuple[int, int, int, bytes]) -> bytes:
    """The first page of a little-endian TIFF with more tags, or others: number, kind, how many values, and these."""
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    table = {data[place : place + 2]: data[place : place + 12] for place in range(at + 2, at + 2 + 12 * count, 12)}
    out = bytearray(data)
    for tag, kind, length, content in tags:
        value = content.ljust(4, b"\0") if len(content) <= 4 else struct.pack("<I", len(out))
        table[struct.pack("<H", tag)] = struct.pack("<HHI", tag, kind, length) + value
        out += content if len(content) > 4 else b""
    out[4:8] = struct.pack("<I", len(out))
    return bytes(out) + struct.pack("<H", len(table)) + b"".join(table.values()) + bytes(4)


NO_NOTES = b"II*\0\x08\0\0\0\0\0\0\0\0\0"
"""EXIF of no tags."""


def exif(kind: int, count: int, values: bytes) -> bytes:
    """EXIF that says nothing but an orientation, of any kind and length."""
    return tiff_with(NO_NOTES, (0x0112, kind, count, values))


def avif_with(note: bytes) -> bytes:
    """`quarters` as an AVIF with any EXIF, for what Pillow does not write."""
    data = encode(quarters(), "AVIF", quality=95, subsampling="4:4:4", exif=NO_NOTES)
    place = struct.Struct(">HHHII")  # of the second item: where it begins, and how long it is
    at = data.index(place.pack(2, 0, 1, data.index(b"mdat") + 4, len(NO_NOTES) + 4))
    return b"".join((data[:at], place.pack(2, 0, 1, len(data), len(note) + 4), data[at + place.size :], bytes(4), note))


def jpeg_in_scans() -> bytes:
    """`quarters` as a JPEG that is not progressive, with a scan for each channel: Pillow writes one for all."""
    channels = [encode(channel, "JPEG", quality=95) for channel in quarters().convert("YCbCr").split()]
    frame, scan = channels[0].index(b"\xff\xc0"), channels[0].index(b"\xff\xda")
    parts = b"".join(bytes((number, 0x11, 0)) for number in (1, 2, 3))
    head = channels[0][:frame] + b"\xff\xc0\0\x11" + channels[0][frame + 4 : frame + 9] + b"\3" + parts
    scans = [b"\xff\xda\0\x08\1" + bytes((number, 0)) for number in (1, 2, 3)]
    pixels = [each[scan + 7 : -2] for each in channels]
    after = channels[0][frame + 13 : scan]
    return head + after + b"".join(map(bytes.__add__, scans, pixels)) + b"\xff\xd9"


def gif(count: int, width: int = 1, height: int = 1) -> bytes:
    """The smallest frames a GIF can have, many of them: one pixel each, on a canvas of any size."""
    frame = b"\x2c\0\0\0\0\1\0\1\0\0\x02\x02\x44\x01\0"
    palette = bytes((*RED, *BLUE))
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + palette + frame * count + b";"


@cache
def good() -> dict[str, bytes]:
    """A file of each format that is read, by name; all show `quarters`, though lossy ones only nearly."""
    image = quarters()
    return {
        "image.png": encode(image, "PNG"),
        "image.jpg": encode(image, "JPEG", quality=95, subsampling=0),
        "image.webp": encode(image, "WEBP", lossless=True),
        "image.gif": encode(image, "GIF"),
        "image.bmp": encode(image, "BMP"),
        "image.dib": encode(image, "DIB"),
        "image.tiff": encode(image, "TIFF", compression="tiff_lzw"),
        "image.ppm": encode(image, "PPM"),
        "image.ico": encode(quarters(16, 16), "ICO"),
        "image.avif": encode(image, "AVIF", quality=95, subsampling="4:4:4"),
        "image.heic": encode(image, "HEIF", quality=95, chroma=444),
        "animated.gif": animation("GIF", shades(6)),
        "animated.png": animation("PNG", shades(6)),
        "animated.webp": animation("WEBP", shades(6), lossless=True),
        "animated.avif": animation("AVIF", shades(6)),
        "pages.tiff": animation("TIFF", shades(6)),
    }


@cache
def bad() -> dict[str, tuple[str, bytes]]:
    """Files that hold no picture, by name: the kind of error each must give, and its bytes."""
    image = good()["image.png"]
    return {
        "empty.png": ("empty", b""),
        "text.png": ("not-an-image", b"Dear diary,\n"),
        "page.jpg": ("not-an-image", b"<!DOCTYPE html><title>404</title>"),
        "pointer.png": ("not-an-image", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        "drawing.png": ("unsupported", b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'),
        "document.png": ("unsupported", b"%PDF-1.7\n"),
        "film.png": ("unsupported", b"\0\0\0\x18ftypisom\0\0\2\0isommp41"),
        "half.png": ("truncated", image[: len(image) * 3 // 4]),
        "half.jpg": ("truncated", good()["image.jpg"][:-40]),
        "half.gif": ("truncated", good()["image.gif"][:-8]),
        "noise.png": ("corrupt", image[:33] + bytes(range(256))),
        "bomb.png": ("too-many-pixels", bomb(60_000, 60_000)),
    }


def bomb(width: int, height: int) -> bytes:
    """A small PNG that says it is huge."""
    return png(np.zeros((1, 1), np.uint8), 8, 0, size=(width, height))


def text_bomb(length: int) -> bytes:
    """A small PNG with a note that unpacks to `length` bytes."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(length // 1_000_000)) + packer.flush()
    return png(np.zeros((1, 1), np.uint8), 8, 0, (b"zTXt", b"Comment\0\0" + packed))


@contextmanager
def unprivileged() -> Iterator[None]:
    """Without root's right to read everything, in the current folder; skips the test where that cannot be had."""
    if os.name != "posix":
        pytest.skip("files have no modes here")
    user = os.geteuid()
    Path.cwd().chmod(0o755)
    try:
        if user == 0:
            os.seteuid(65534)
        yield
    finally:
        os.seteuid(user)


def webp_canvas(width: int, height: int) -> bytes:
    """An animated WebP with one small frame on a canvas of any size."""
    data = animation("WEBP", shades(2))
    at = data.index(b"VP8X") + 12
    return data[:at] + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3] + data[at + 6 :]
