"""Settings files: where they are looked for, and what may stand in them.

The nearest one alone counts; nothing is merged. Knows nothing of command lines: it is told which options there are.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from imagejudge.common.existing import is_file
from imagejudge.common.suggest import did_you_mean
from imagejudge.common.text import printable
from imagejudge.common.text_file import read_text, reading
from imagejudge.common.toml_lines import Path as Place
from imagejudge.common.toml_lines import nearest
from imagejudge.common.toml_read import parse
from imagejudge.common.toml_table import Report, Table, quote
from imagejudge.constitution import Constitution
from imagejudge.errors import SettingsError
from imagejudge.images.gitignore import patterns
from imagejudge.images.names import shard_of
from imagejudge.images.remote import is_address
from imagejudge.output.location import below

NAMES = (".imagejudge.toml", "imagejudge.toml")
"""Looked for in this order in every folder; then `[tool.imagejudge]` in `PROJECT`."""
PROJECT = "pyproject.toml"
IGNORES = "per-path-ignores"

_MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Option:
    """What a settings file may say about one option."""

    kind: type
    """`str`, `bool`, `int`, `float`, or `list` for a list of strings."""
    example: str
    """A right value, as TOML."""
    choices: Sequence[str] = ()
    is_there: Callable[[Path], bool] | None = None
    """Whether at a path lies what can be meant: then relative paths start from the settings file's folder."""


@dataclass(frozen=True, slots=True)
class PathIgnores:
    """Rules that are not applied to some files."""

    pattern: str
    """As in .gitignore, from the settings file's folder."""
    rules: tuple[str, ...]
    """Ids or categories."""
    lines: tuple[int, ...]
    """Where each of these stands in the settings file."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What one file sets."""

    path: Path | None = None
    """The file; None when there is none."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """By the option's name, as in the file."""
    ignores: tuple[PathIgnores, ...] = ()

    @property
    def ignores_digest(self) -> str:
        """Names the rules that are not applied to some files, in hex."""
        ignores = [[each.pattern, sorted(each.rules)] for each in self.ignores]
        return hashlib.sha256(json.dumps(ignores).encode()).hexdigest()[:12]

    def ignored(self, path: str) -> frozenset[str]:
        """Rules, by id or category, that are not applied to the file at `path`.

        Of a member of a shard, the shard's path counts: the name in it is a stranger's, and must switch off no rule.
        """
        if self.path is None or not self.ignores:
            return frozenset()
        file = shard_of(path) or path
        if not is_address(file):
            folder = os.path.realpath(self.path.parent)
            file = os.path.relpath(PurePath(folder, below(folder, file)), folder)
        return frozenset(
            rule for ignores in self.ignores if patterns([ignores.pattern]).match_file(file) for rule in ignores.rules
        )

    def unknown(self, rules: Constitution) -> Iterator[str]:
        """For each name in `ignores` that none of these rules and categories has, one line that says so."""
        known = rules.rule_names
        lines: dict[str, int] = {}
        for ignores in self.ignores:
            for name, line in zip(ignores.rules, ignores.lines, strict=True):
                lines.setdefault(name, line)
        for name, line in lines.items():
            if name not in known:
                problem = f"no rule or category of {rules.name!r} is called {quote(name)}"
                hint = did_you_mean(name, known, "nothing is ignored by it")
                yield f"{printable(self.path)}:{line}: {problem}; {hint}"


def find_settings(start: Path) -> Path | None:
    """The settings file of the nearest folder, from `start` upwards, that has one."""
    for folder in (start, *start.parents):
        for name in NAMES:
            if is_file(folder / name):
                return folder / name
        if is_file(folder / PROJECT) and _table(_read(folder / PROJECT)[0], folder / PROJECT) is not None:
            return folder / PROJECT
    return None


def load_settings(path: Path, options: Mapping[str, Option]) -> Settings:
    """Read a settings file. Raises `SettingsError` with every mistake in it."""
    document, lines = _read(path)
    values = _table(document, path)
    if values is None:
        raise SettingsError(f"{printable(path)}: there is no [tool.imagejudge] in it", "add one, or name another file")
    place = ("tool", "imagejudge") if path.name == PROJECT else ()
    ignores = values.get(IGNORES)
    examples = dict.fromkeys(ignores if isinstance(ignores, dict) else (), '["rule"]')
    examples |= {name: option.example for name, option in options.items()} | {IGNORES: '{ "icons/**" = ["rule"] }'}
    report = Report(lines, examples)
    table = Table(values, place, "the settings", (*options, IGNORES), report)
    found = {
        name: _value(table, name, option, path.parent, report) for name, option in options.items() if name in table
    }
    settings = Settings(path, found, _ignores(table, report))
    if mistakes := report.message(printable(path)):
        raise SettingsError(mistakes)
    return settings


def _read(path: Path) -> tuple[dict[str, Any], Mapping[Place, int]]:
    name = printable(path)
    with reading(name, SettingsError, "check --config", problem=f"{name}: cannot be read"):
        return parse(read_text(path, _MAX_BYTES))


def _table(document: dict[str, Any], path: Path) -> dict[str, Any] | None:
    if path.name != PROJECT:
        return document
    tool = document.get("tool")
    table = tool.get("imagejudge") if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else None


def _value(table: Table, name: str, option: Option, folder: Path, report: Report) -> Any:
    if option.kind is list:
        return [
            report.line(item, place, f"an item of {name!r}", limit=1000)
            for place, item in table.items(name, limit=1000)
        ]
    value = table.get(name, option.kind)
    if value == "":
        table.complain(name, f"{name!r} is empty")
    elif option.choices and value is not None and value not in option.choices:
        table.complain(name, f"{name!r} is {quote(str(value))}", f"write one of {', '.join(option.choices)}")
    if option.is_there is not None and isinstance(value, str) and option.is_there(folder / value):
        return str(folder / value)
    return value


def _ignores(table: Table, report: Report) -> tuple[PathIgnores, ...]:
    given = table.get(IGNORES, dict) or {}
    inner = Table(given, table.path(IGNORES), f"[{IGNORES}]", tuple(given), report)
    for pattern in given:
        try:
            patterns([pattern])
        except (ValueError, re.error) as error:
            problem = f"{quote(pattern)} in [{IGNORES}] is no pattern: {error}"
            inner.complain(pattern, problem, "write it as in a .gitignore file")
    return tuple(_path_ignores(pattern, inner, report) for pattern in given)


def _path_ignores(pattern: str, table: Table, report: Report) -> PathIgnores:
    items = table.items(pattern, limit=1000)
    rules = (report.line(item, place, f"an item of {quote(pattern)}", limit=100) for place, item in items)
    return PathIgnores(pattern, tuple(rules), tuple(nearest(report.lines, place) for place, _ in items))
