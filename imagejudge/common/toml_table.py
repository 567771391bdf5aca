"""One TOML table under reading: hands out its values, checked, and gathers complaints with their lines.

Knows how tables and complaints look, not what a file is for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, cast

from imagejudge.common.suggest import closest, did_you_mean
from imagejudge.common.toml_lines import Path, nearest
from imagejudge.common.unseen import described, instead_of, is_control, unseen

MAX_WORD = 64
"""Characters of a name, an id or an object."""
_MAX_TOLD = 100
"""Complaints that are shown of one file."""
_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{MAX_WORD - 1}}}")
_SPACE = " \t\r\n"
_KINDS = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}

_T = TypeVar("_T")


def is_id(text: object) -> bool:
    """Whether `text` can stand in a command line, a label and a file name alike."""
    return isinstance(text, str) and bool(_ID.fullmatch(text))


def kind_of(value: object) -> str:
    """What a TOML value is, in words."""
    return _KINDS.get(type(value), "a date or time")


def quote(text: str) -> str:
    """A user's words in a complaint, short and printable."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


class Report:
    """Complaints so far, and where in the file things stand."""

    def __init__(self, lines: Mapping[Path, int], examples: Mapping[str, str]) -> None:
        self.lines = lines
        self.examples = examples
        """What to write for each key, for complaints about it."""
        self._found: list[tuple[int, str]] = []

    @property
    def full(self) -> bool:
        """Whether there are more complaints already than are shown."""
        return len(self._found) > _MAX_TOLD

    def add(self, path: Path, problem: str, instead: str) -> None:
        """Complain of the value at `path`."""
        self._found.append((nearest(self.lines, path), f"{problem}; {instead}"))

    def message(self, name: str) -> str:
        """All complaints, one a line, in the order of the file called `name`; the last line counts those left out."""
        found = sorted(self._found, key=lambda complaint: complaint[0])
        told = [f"{name}:{line}: {words}" for line, words in found[:_MAX_TOLD]]
        if len(found) > _MAX_TOLD:
            told.append(f"{name}: and {len(found) - _MAX_TOLD:,} more mistakes")
        return "\n".join(told)

    def line(self, value: object, path: Path, what: str, limit: int) -> str:
        """A string of one line without spaces around it; complains of anything else."""
        return self._line(value, path, what, limit, lambda text: next(filter(is_control, text), ""))

    def wording(self, value: object, path: Path, what: str, limit: int) -> str:
        """A `line` that is fit to be sent to a model: it says to the model what it says to a reader."""
        return self._line(value, path, what, limit, unseen)

    def _line(self, value: object, path: Path, what: str, limit: int, unfit: Callable[[str], str]) -> str:
        if not isinstance(value, str):
            self.add(path, f"{what} must be a string, not {kind_of(value)}", 'put it between quotes: "..."')
            return ""
        text = value.strip(_SPACE)
        if not text:
            self.add(path, f"{what} is empty", "write what it should say")
        elif len(text) > limit:
            self.add(path, f"{what} is {len(text):,} characters long", f"write at most {limit:,}")
        elif found := unfit(text):
            self.add(path, f"{what} holds {described(found)}", instead_of(found))
        return text


def of_another_schema(document: Mapping[str, object], schema: int, report: Report) -> bool:
    """Whether a file names another schema than the one that is read, which is complained of."""
    found = document.get("schema")
    if type(found) is not int or found == schema:
        return False
    # Another schema has other keys: complaining of them would mislead.
    problem = f"schema {found} is not one that this version reads"
    report.add(("schema",), problem, f"write schema = {schema}, or use a newer imagejudge")
    return True


class Table:
    """One TOML table: what it may hold is asked for key by key, and everything else in it is complained of.

    Values that were complained of come back as None, an empty string or an empty list.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        path: Path,
        what: str,
        keys: Collection[str],
        report: Report,
        *,
        silent: str = "",
    ) -> None:
        self.what = what
        self.meant: set[str] = set()
        """Keys that a misspelt one probably stands for; that they are missing is not said again."""
        self._values = values
        self._path = path
        self._report = report
        for key in values:
            if key not in keys and key != silent:
                self._unknown(key, keys)

    @property
    def line(self) -> int:
        """Where it stands."""
        return nearest(self._report.lines, self._path)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def _unknown(self, key: str, keys: Collection[str]) -> None:
        likely = () if self._report.full else keys  # of thousands, looking each up would take longest of all
        if meant := closest(key, likely):
            self.meant.add(meant)
        instead = did_you_mean(key, likely, f"valid keys are {', '.join(keys)}")
        self.complain(key, f"unknown key {quote(key)} in {self.what}", instead)

    def path(self, key: str) -> Path:
        """Where the value of `key` stands."""
        return (*self._path, key)

    def complain(self, key: str, problem: str, instead: str = "") -> None:
        """Complain of one value; what to write instead is the key's example unless it is given."""
        self._report.add(self.path(key), problem, instead or f"write {self._report.examples[key]}")

    def get(self, key: str, kind: type[_T], *, required: bool = False) -> _T | None:
        """The value if it has the right type; a whole number may stand for a number."""
        value = self._values.get(key)
        if value is None:  # TOML has no null
            if required and key not in self.meant:
                self.complain(key, f"{self.what} has no {key!r}")
            return None
        if type(value) is kind or (kind is float and type(value) is int):
            return cast("_T", value)
        self.complain(key, f"{key!r} in {self.what} must be {_KINDS[kind]}, not {kind_of(value)}")
        return None

    def sentence(self, key: str, limit: int, *, required: bool = True) -> str:
        """A string of one line, not empty, fit to be sent to a model."""
        text = self.get(key, str, required=required)
        return "" if text is None else self._report.wording(text, self.path(key), f"{key!r} in {self.what}", limit)

    def prose(self, key: str, limit: int) -> str:
        """Words for people only: they may have several lines, and may be missing."""
        text = (self.get(key, str) or "").strip()
        if not text:
            return ""
        flat = text.replace("\n", " ").replace("\t", " ")
        self._report.line(flat, self.path(key), f"{key!r} in {self.what}", limit)
        return text

    def text(self, key: str, limit: int, *, required: bool = False) -> str:
        """A string as it stands, with its line breaks, tabs and outer spaces; not empty, fit to be sent to a model."""
        text = self.get(key, str, required=required)
        if text is None:
            return ""
        flat = text.replace("\n", " ").replace("\t", " ")
        self._report.wording(flat, self.path(key), f"{key!r} in {self.what}", limit)
        return text

    def id(self, key: str, *, required: bool = False) -> str:
        """A string for which `is_id` holds."""
        text = self.get(key, str, required=required)
        if text is not None and not is_id(text):
            problem = f"{key!r} in {self.what} is {quote(text)}"
            allowed = f"write 1 to {MAX_WORD} of a-z, A-Z, 0-9, '-' and '_', beginning with a letter or digit"
            self.complain(key, problem, allowed)
        return text or ""

    def items(self, key: str, limit: int, *, required: bool = False) -> list[tuple[Path, Any]]:
        """Each item of a list with its place. An empty list is a mistake; a missing one only if `required`."""
        values = self.get(key, list, required=required)
        if values is None:
            return []
        if not values:
            instead = f"write {self._report.examples[key]}" + (not required) * ", or leave it out"
            self.complain(key, f"{key!r} in {self.what} is empty", instead)
        elif len(values) > limit:
            self.complain(key, f"{key!r} in {self.what} has {len(values):,} items", f"write at most {limit:,}")
            return []
        return [((*self.path(key), index), value) for index, value in enumerate(values)]
