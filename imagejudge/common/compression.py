"""How compressed files begin, and how far they may refer back."""

from __future__ import annotations

from typing import Final

GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
ZSTD_WINDOW: Final = 2**27
"""Bytes that a Zstandard stream may refer back to: those who write for long distances take as many, and its own tool
takes no more either, unless it is told to."""
