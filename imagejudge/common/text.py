"""Text of unknown origin, made fit for terminals and messages."""

from __future__ import annotations


def printable(text: object) -> str:
    """Write everything a terminal might act on, and bytes that are not UTF-8, as escapes."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(text))
