"""What unpacking an AVIF or a HEIC takes, by what its file says of its depth and of how coarse its colours are.

Both are unpacked to planes of their own depth, from which the picture is made beside them. All figures are measured.
"""

from __future__ import annotations

import re
from typing import Final

_AV1: Final = re.compile(rb"av1C\x81.(.)", re.DOTALL)
_HEVC: Final = re.compile(rb"hvcC\x01.{15}(.)(.)(.)", re.DOTALL)
_AV1_OWN: Final = 1.2
"""Bytes a pixel that the decoder takes for itself."""
_UNKNOWN: Final = 10.5
"""Bytes a pixel of a HEIC that does not say."""


def bytes_per_pixel(format_: str, data: bytes, bands: int) -> float:
    """Bytes that each pixel of a file takes at most, of a picture with so many bands. 0 for other formats."""
    alpha = bands in (2, 4)
    if format_ == "AVIF":
        # Of planes there is one copy, of the picture two, one of them with transparency in any case.
        planes = max((_av1_planes(flags, alpha=alpha) for flags in _AV1.findall(data)), default=3.0 + alpha)
        return planes + bands + 4 + _AV1_OWN
    if format_ == "HEIF":
        return max((_hevc(*found, bands=bands, alpha=alpha) for found in _HEVC.findall(data)), default=_UNKNOWN)
    return 0.0


def _av1_planes(flags: bytes, *, alpha: bool) -> float:
    bits = flags[0]
    colors = 0.0 if bits & 0x10 else 2 / ((1 + (bits >> 3 & 1)) * (1 + (bits >> 2 & 1)))
    return (1 + colors + alpha) * (2 if bits & 0x40 else 1)


def _hevc(chroma: bytes, luma_depth: bytes, chroma_depth: bytes, *, bands: int, alpha: bool) -> float:
    colors = (0.0, 0.5, 1.0, 2.0)[chroma[0] & 3]
    deep = 2 if max(luma_depth[0] & 7, chroma_depth[0] & 7) else 1  # beyond 8 bits
    planes, full = (1 + colors + alpha) * deep, (3 + alpha) * deep
    # The usual coarse colours become a picture at once, others by way of planes with all colours.
    return 2 * planes + bands + 1.2 if colors <= 0.5 else planes + full + bands + 0.5
