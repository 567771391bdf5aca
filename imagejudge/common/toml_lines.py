"""Where in a TOML text each key, value and item of an array stands, which TOML parsers do not tell.

It reads only text that a parser has accepted, so it checks nothing again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import tomli

Path = tuple[str | int, ...]
"""Keys and array indices from the top of the document to a value."""

_TOKEN = re.compile(
    r'''
    (?P<blank>  [ \t\r]+ | \#[^\n]* )
    | (?P<newline> \n )
    | (?P<string>
        """ (?: \\. | [^\\] )*? "{3,5}     # the text itself may end with one or two quotes
        | \'\'\' .*? \'{3,5}
        | " (?: \\. | [^"\\] )* "
        | ' [^']* '
      )
    | (?P<bare> [\w+:-]+ )                 # a key, or part of a number, a date or a word
    | (?P<mark> [\[\]{},.=] )
    ''',
    re.VERBOSE | re.DOTALL,
)


class Span(NamedTuple):
    """A part of the text: offsets of its first character and behind its last."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand in a TOML text."""

    lines: dict[Path, int] = field(default_factory=dict)
    """As `locate` gives them."""
    values: dict[Path, Span] = field(default_factory=dict)
    """Of each value behind an equals sign and each item between brackets, without comments around it."""
    sections: list[tuple[Path, Span]] = field(default_factory=list)
    """Of each header with the pairs below it: the table that they fill. Comments behind the last pair are outside."""


class _Token(NamedTuple):
    kind: str
    text: str
    line: int
    start: int


def locate(text: str) -> dict[Path, int]:
    """Line, counted from 1, of each key and array item; a table stands where its header or its first key does.

    `text` must be TOML that a parser accepts.
    """
    return lay_out(text).lines


def lay_out(text: str) -> Layout:
    """The place of everything in `text`, which must be TOML that a parser accepts."""
    finder = _Finder(_tokens(text))
    finder.document()
    return finder.layout


def nearest(lines: Mapping[Path, int], path: Path) -> int:
    """The line of the value at `path`, or of the innermost table around it that has one; else 1."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        kind, found = match.lastgroup or "", match.group()
        if kind != "blank":
            yield _Token(kind, found, line, match.start())
        line += found.count("\n")
    yield _Token("newline", "\n", line, len(text))
    yield _Token("end", "", line, len(text))


class _Finder:
    """One pass over the tokens, noting places on the way."""

    def __init__(self, tokens: Iterator[_Token]) -> None:
        self.layout = Layout()
        self._end = 0
        """Where the last token ended that was no line end."""
        self._tokens = tokens
        self._token = next(tokens)
        self._sizes: dict[Path, int] = {}
        """How many `[[headers]]` each array of tables has had so far."""

    def document(self) -> None:
        table: Path = ()
        start: int | None = None
        while self._token.kind != "end":
            if self._token.kind == "newline":
                self._next()
            elif self._token.text == "[":
                self._note_section(table, start)
                start = self._token.start
                table = self._header()
            else:
                self._pair(table)
        self._note_section(table, start)

    def _note_section(self, table: Path, start: int | None) -> None:
        if start is not None:
            self.layout.sections.append((table, Span(start, self._end)))

    def _next(self) -> _Token:
        """Hand out the current token and step on."""
        token, self._token = self._token, next(self._tokens, self._token)
        if token.kind != "newline":
            self._end = token.start + len(token.text)
        return token

    def _header(self) -> Path:
        """`[a.b]` or `[[a.b]]`: the path of the table that the following lines fill."""
        line = self._next().line
        array = self._token.text == "["
        if array:
            self._next()
        *outer, last = self._key()
        path: Path = ()
        for name in outer:
            path = self._newest((*path, name), line)
        path = (*path, last)
        if array:
            self.layout.lines.setdefault(path, line)
            self._sizes[path] = self._sizes.get(path, 0) + 1
        path = self._newest(path, line)
        while self._next().kind != "newline":
            pass
        return path

    def _newest(self, path: Path, line: int) -> Path:
        """`path`, or its newest element where it is an array of tables."""
        if path in self._sizes:
            path = (*path, self._sizes[path] - 1)
        self.layout.lines.setdefault(path, line)
        return path

    def _key(self) -> list[str]:
        """A dotted key."""
        names = [_name(self._next())]
        while self._token.text == ".":
            self._next()
            names.append(_name(self._next()))
        return names

    def _pair(self, table: Path) -> None:
        line = self._token.line
        path = table
        for name in self._key():
            path = (*path, name)
            self.layout.lines.setdefault(path, line)
        self._next()  # the equals sign
        self._value(path)

    def _value(self, path: Path) -> None:
        start = self._token.start
        if self._token.text == "[":
            self._array(path)
        elif self._token.text == "{":
            self._inline_table(path)
        else:
            while self._token.kind != "newline" and self._token.text not in (",", "]", "}"):
                self._next()
        self.layout.values[path] = Span(start, self._end)

    def _array(self, path: Path) -> None:
        self._next()
        index = 0
        while self._token.text != "]":
            if self._token.kind == "newline" or self._token.text == ",":
                self._next()
                continue
            item = (*path, index)
            self.layout.lines[item] = self._token.line
            self._value(item)
            index += 1
        self._next()

    def _inline_table(self, path: Path) -> None:
        self._next()
        while self._token.text != "}":
            if self._token.kind == "newline" or self._token.text == ",":
                self._next()
            else:
                self._pair(path)
        self._next()


def _name(token: _Token) -> str:
    """The key a token spells, quotes and escapes undone by the parser itself."""
    if token.kind == "bare":
        return token.text
    return str(tomli.loads(f"key = {token.text}")["key"])
