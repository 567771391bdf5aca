"""Which format a file has, by its first bytes: those that are read, those that are known but not read, and no other."""

from __future__ import annotations

import re
from typing import Final

PLUGINS: Final = {
    "AVIF": "AvifImagePlugin",
    "BMP": "BmpImagePlugin",
    "DIB": "BmpImagePlugin",
    "GIF": "GifImagePlugin",
    "ICO": "IcoImagePlugin",
    "JPEG": "JpegImagePlugin",
    "PNG": "PngImagePlugin",
    "PPM": "PpmImagePlugin",
    "TIFF": "TiffImagePlugin",
    "WEBP": "WebPImagePlugin",
}
"""The one Pillow plugin that reads each format."""


class Refused(Exception):  # noqa: N818 - leaves `decode` as an Unreadable
    """The bytes give no picture: a kind for programs, a message for people."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


_SIGNATURES: Final = (
    (rb"\x89PNG", "PNG"),
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"RIFF....WEBP", "WEBP"),
    (rb"GIF8[79]a", "GIF"),
    (rb"II[*+]\0|MM\0[*+]", "TIFF"),
    (rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", "BMP"),
    (rb"[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", "DIB"),
    (rb"P[1-6f][\s#]", "PPM"),
    (rb"\0\0\x01\0", "ICO"),
    # From here on, known but not read.
    (rb"8BPS", "Photoshop"),
    (rb"%PDF", "PDF"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000"),
    (rb"\0\0\x02\0(?!\0\0)", "Windows cursor"),
    (rb"icns", "Apple icon"),
    (rb"gimp xcf", "GIMP"),
    (rb"DDS ", "DirectDraw"),
    (rb"qoif", "QOI"),
    (rb"\x76\x2f\x31\x01", "OpenEXR"),
    (rb"#\?RADIANCE", "Radiance HDR"),
)


AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
"""Brands of still pictures, as `AVIF_BRANDS` are: MP4 keeps films in the same kind of file."""


def brands(data: bytes) -> set[bytes] | None:
    """What a file says that it follows, if it is kept as MP4 keeps films; None if it is not."""
    if data[4:8] != b"ftyp":
        return None
    told = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
    return {told[at : at + 4] for at in range(0, len(told), 4)}


def sniff(data: bytes) -> str:
    """The format by its first bytes, whatever the file is called. Pillow is never asked to guess: it knows more
    formats than we trust, some of which start other programs.
    """
    head = data[:64]
    if (named := brands(data)) is not None:
        if named & AVIF_BRANDS:
            return "AVIF"
        if named & HEIF_BRANDS:
            return "HEIF"
        raise Refused("unsupported", "is a video, where an image is wanted; export a frame of it as PNG or JPEG")
    for signature, name in _SIGNATURES:
        if re.match(signature, head, re.DOTALL):
            if name in PLUGINS:
                return name
            raise Refused("unsupported", f"{name} files are not read; export it as PNG or JPEG")
    text = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<svg", b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in text:
        raise Refused("unsupported", "SVG files are not read, as they are drawings without pixels; export it as PNG")
    if text.startswith((b"<!doctype html", b"<html")):
        raise Refused("not-an-image", "is a web page under an image's name; download the image again")
    if text.startswith(b"version https://git-lfs.github.com/spec/"):
        raise Refused("not-an-image", "is a Git LFS pointer in place of the image; run `git lfs pull`")
    raise Refused("not-an-image", "is not an image of a known format; leave it out or convert it to PNG or JPEG")
