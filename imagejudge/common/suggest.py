"""Suggest the known name that a misspelt one probably stands for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like this one, whatever the case of their letters; None when none is like it."""
    names = {str(each).lower(): str(each) for each in known}
    found = difflib.get_close_matches(name.lower(), names, n=1) if names else ()
    return names[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint that asks whether the closest known name was meant; `otherwise` when none is close."""
    near = closest(name, known)
    return otherwise if near is None else f"did you mean {near!r}?"
