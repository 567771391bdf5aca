"""Characters that nobody sees, or that look like a space: a model reads other words around them than a person does."""

from __future__ import annotations

import unicodedata
from typing import Final

_CONTROLS: Final = ("Cc", "Zl", "Zp")
_BLANK: Final = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and signs to Unicode, which show nothing."""
_SHAPING: Final = "\u180e\u200c\u200d"
"""They show nothing, but the form of what stands beside them: of letters in Persian, Hindi or Mongolian, and of emoji.
So they pass where such a letter, mark or symbol is, and nowhere else."""
_SHAPED: Final = ("Lm", "Lo", "Mc", "Me", "Mn", "Sk", "So")


def is_control(char: str) -> bool:
    """Whether a terminal or a reader of lines might act on it."""
    return unicodedata.category(char) in _CONTROLS


def unseen(text: str) -> str:
    """The first control character, invisible one, or space other than the plain one; empty where there is none.

    What this Python does not know, as an emoji of a later year, is taken for visible.
    """
    if text.isascii() and text.isprintable():
        return ""
    for at, char in enumerate(text):
        if (char in _BLANK or not char.isprintable()) and not (unicodedata.category(char) == "Cn" or _shapes(text, at)):
            return char
    return ""


def described(char: str) -> str:
    """What to call one in a message, as an escape."""
    if is_control(char):
        return f"the control character {char!a}"
    name = unicodedata.name(char, "")
    return f"the character {char!a}" + (f" ({name})" if name else "")


def instead_of(char: str) -> str:
    """What to do about one."""
    if is_control(char):
        return "write it as one plain line"
    return "write a plain space" if char in _BLANK or unicodedata.category(char) == "Zs" else "leave it out"


def _shapes(text: str, at: int) -> bool:
    """Whether the character there decides how one beside it looks; the second of two decides nothing."""
    if text[at] not in _SHAPING:
        return False
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    return before not in (*_SHAPING,) and any(unicodedata.category(char) in _SHAPED for char in before + after)
