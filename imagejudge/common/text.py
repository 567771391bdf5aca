"""Text of unknown origin, made fit for terminals and messages."""

from __future__ import annotations

import re
from typing import Final

# Controls that JSON need not escape, line ends of Unicode, and characters that turn the direction of text around.
_ACTING: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

_WORD: Final = re.compile(r"[^\s'\"]+")
_ADDRESS: Final = re.compile(r"(\b[a-z][a-z0-9+.-]{0,30}:/+)([^/?@]*@)?", re.IGNORECASE)
"""Where one begins, with a user's name, if any. Bounded: hostile text must not take the square of its length."""


def printable(text: object) -> str:
    """Write everything a terminal might act on, and bytes that are not UTF-8, as escapes."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(text))


def without_secrets(text: str) -> str:
    """The same, but of addresses in it without what follows their `?`, which may be a signature, and without names."""
    return _WORD.sub(lambda word: _without_secrets(word[0]), text)


def _without_secrets(word: str) -> str:
    if (begin := _ADDRESS.search(word)) is None:
        return word
    place = word.find("?", begin.end())
    if 0 <= place < len(word) - 1:
        member = word.find("::", place)
        rest = word[member:] if member >= 0 else ":" if word.endswith(":") else ""
        word = f"{word[:place]}?...{rest}"
    return _ADDRESS.sub(lambda found: f"{found[1]}...@" if found[2] else found[0], word)


def quiet_json(text: str) -> str:
    """JSON that means the same, with escapes for what a terminal or an editor might act on."""
    if text.isascii() and "\x7f" not in text:
        return text  # a line of 10 kB in a hundredth of the time of the search
    return _ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def counted(number: int, one: str, many: str = "") -> str:
    """So many things: `1 image`, `2 images`; `many` where more is another word, or a verb follows."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def clock(seconds: float) -> str:
    """A time in a video as players show it: `0:12`, `1:02:03`. Parts of a second are left out."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
