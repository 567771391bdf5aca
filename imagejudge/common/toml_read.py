"""Parsing TOML within bounds: nothing that is written in one can make it slow, endless or deep."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import tomli

from imagejudge.common.text_file import UnreadableError
from imagejudge.common.toml_lines import Path as Place
from imagejudge.common.toml_lines import locate, nearest

_DOTS = 100
"""Dots outside strings in one line: for each, the parser walks all before it, and every table around is remembered."""
_STRING = re.compile(r""" "(?:\\.|[^"\\])*(?:"|$) | '[^']*(?:'|$) """, re.VERBOSE)
_DEPTH = 200
"""Keys and indices above a value. Lines are looked up with three calls for each, and Python allows 1,000."""
_WHOLE = range(-(2**63), 2**63)
_SIMPLER = "write it more simply"
_DIGITS = re.compile(r"[0-9_]{1000}")


class _Lines(Mapping[Place, int]):
    """Where the values of a text stand, looked up when it is first asked for: most files have no mistake to point at,
    and of a large one it takes longer than to parse it."""

    def __init__(self, text: str) -> None:
        self._text = text

    @functools.cached_property
    def _found(self) -> Mapping[Place, int]:
        return locate(self._text)

    def __getitem__(self, place: Place) -> int:
        return self._found[place]

    def __iter__(self) -> Iterator[Place]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def parse(text: str) -> tuple[dict[str, Any], Mapping[Place, int]]:
    """A text's values, and the lines on which they stand. Raises `UnreadableError`."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _DOTS and _STRING.sub("", line).count(".") > _DOTS:
            raise UnreadableError(f"more than {_DOTS} dots", _SIMPLER, number)
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        problem = f"not TOML at column {error.colno}: {error.msg[:1].lower()}{error.msg[1:]}"
        raise UnreadableError(problem[:300], "correct what stands there or just before", error.lineno) from None
    except (RecursionError, ValueError):
        digits = _DIGITS.search(text)
        where = text.count("\n", 0, digits.start()) + 1 if digits else None
        problem = "a number too long" if digits else "nested too deeply or a number too long"
        raise UnreadableError(problem, _SIMPLER, where) from None
    lines = _Lines(text)
    _check_values(document, lines)
    return document, lines


def _check_values(document: Mapping[str, Any], lines: Mapping[Place, int]) -> None:
    """Refuse what is nested too deeply to tell its line, and whole numbers of more than 64 bits: some can neither be
    shown nor be compared with fractions."""
    left: list[tuple[Place, Any]] = [((), document)]
    too_long: Place | None = None
    while left:
        place, value = left.pop()
        if len(place) > _DEPTH:
            raise UnreadableError(f"nested more than {_DEPTH} deep", _SIMPLER)
        if isinstance(value, dict):
            left += [((*place, key), below) for key, below in value.items()]
        elif isinstance(value, list):
            left += [((*place, number), below) for number, below in enumerate(value)]
        elif type(value) is int and value not in _WHOLE:
            too_long = place
    if too_long is not None:
        raise UnreadableError("a number too long", "write one of at most 64 bits", nearest(lines, too_long))
