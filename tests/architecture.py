"""What the shape of the package must hold, as checks over a folder of source files. Each yields what it finds wrong."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

ROOT = "imagejudge"
ORDER = (
    *("errors", "common", "constitution", "prompts", "verdict", "images", "engine", "models", "judge", "output"),
    *("blocks", "ray", "drafting", "evaluate", "cli", "builtin"),
)
"""Rooms from the one that knows nothing to those that know the rest. None knows its followers; no two share a rank."""
FACES = ("__init__", "__main__")
"""At the top: the public names, and `python -m`."""
TRAINING = (*("shape", "scenes", "language", "network", "benchmark"), "__main__")
"""The same order within the training code."""
LINES = 350
ENTRIES = 18
HOMES: Mapping[str, set[str]] = {
    "PIL": {"images", "evaluate", "builtin"},
    "aiohttp": {"images"},
    "av": {"images"},
    "ctypes": {"common", "engine", "images"},
    "fsspec": {"images"},
    "gguf": {"builtin"},
    "httpx2": {"models"},
    "huggingface_hub": {"models"},
    "jinja2": {"engine", "evaluate"},
    "llama_cpp": {"engine"},
    "pathspec": {"images"},
    "platformdirs": {"judge", "models"},
    "pyarrow": {"images", "output"},
    "pydantic": {"common", "drafting", "models", "output", "verdict"},
    "ray": {"blocks"},
    "resvg_py": {"builtin"},
    "rich": {"cli", "output"},
    "sklearn": {"evaluate"},
    "sqlite3": {"judge"},
    "subprocess": {"builtin", "engine", "images"},
    "tokenizers": {"builtin"},
    "tomli": {"common"},
    "tomlkit": {"drafting", "evaluate", "models", "output"},
    "torch": {"builtin"},
    "tqdm": {"cli"},
    "typer": {"cli"},
    "zstandard": {"images", "output"},
}
"""Rooms that may import a library, each of which must. What is not listed is numpy or the standard library's."""
DYNAMIC = {"import_module", "__import__"}
MAY_IMPORT_BY_NAME = {
    *("imagejudge", "imagejudge.cli.commands", "imagejudge.engine.process_main", "imagejudge.evaluate.datasets"),
    "imagejudge.images.pillow_reader",
}
"""Public names are imported when used, commands and adapters when called, the engine's factory and Pillow's plugins as
needed.
"""
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+\b")
QUOTED = re.compile(r"(?<!`)`([\w./]+)`(?!`)")
DOTTED = re.compile(r"[a-z_]+(\.\w+)+$")
CLASS = re.compile(r"_?[A-Z][a-z]+[A-Za-z]*$")
DATA = (".toml", ".txt", ".json", ".lock")
"""Names of files that are no code."""
PRIVATE = re.compile(r"^_[a-zA-Z]\w*$")


@dataclass(frozen=True)
class Module:
    """One source file."""

    name: str
    """Dotted, from `imagejudge` on; a package's `__init__` has the package's name."""
    source: str
    is_package: bool

    @cached_property
    def tree(self) -> ast.Module:
        return _parsed(self.source)

    @property
    def room(self) -> str:
        """The entry at the top of the package that the module belongs to."""
        return self.name.split(".")[1] if "." in self.name else "__init__"

    def imports(self) -> Iterator[str]:
        """Full names of all that is imported, wherever in the file; relative names are resolved."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                yield from (f"{base}.{alias.name}" for alias in node.names)

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        above = parts[: len(parts) - node.level + self.is_package]
        return ".".join([*above, *filter(None, [node.module])])


class House:
    """All modules below a package's folder; `planted` are files, by their paths in it, that it has besides."""

    def __init__(self, folder: Path, planted: Mapping[str, str] | None = None) -> None:
        sources = {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*.py")}
        self.modules = {module.name: module for module in _modules(sources | (planted or {}))}

    def target(self, name: str) -> str | None:
        """The module that an imported name leads to: itself, or the one that defines it."""
        while name:
            if name in self.modules:
                return name
            name = name.rpartition(".")[0]
        return None

    def edges(self, module: Module) -> set[str]:
        """Modules of the package that a module imports, itself left out."""
        found = {self.target(name) for name in module.imports() if name.split(".")[0] == ROOT}
        return {name for name in found if name is not None and name != module.name}


def _modules(sources: Mapping[str, str]) -> Iterator[Module]:
    for path, source in sorted(sources.items()):
        parts = (ROOT, *path.removesuffix(".py").split("/"))
        is_package = parts[-1] == "__init__"
        yield Module(".".join(parts[:-1] if is_package else parts), source, is_package)


_parsed = lru_cache(maxsize=1000)(ast.parse)
"""The same files are looked at by every check."""


def cycles(house: House) -> Iterator[str]:
    """Modules that reach themselves, function-level imports included; a package does not count as its own part."""
    edges = {name: house.edges(module) for name, module in house.modules.items()}
    for name in edges:
        seen: set[str] = set()
        ahead = [other for other in edges[name] if not name.startswith(f"{other}.")]
        while ahead:
            other = ahead.pop()
            if other == name:
                yield f"{name} imports itself in a circle"
                break
            if other not in seen:
                seen.add(other)
                ahead += [next_ for next_ in edges[other] if not other.startswith(f"{next_}.")]


def order(house: House) -> Iterator[str]:
    """Imports of a room that comes later, at the top and within the training code."""
    for within, rooms in ((ROOT, ORDER), (f"{ROOT}.builtin.training", TRAINING)):
        rank = {f"{within}.{room}": number for number, room in enumerate(rooms)}
        depth = within.count(".") + 2
        for module in house.modules.values():
            own = rank.get(".".join(module.name.split(".")[:depth]))
            for other in house.edges(module):
                theirs = rank.get(".".join(other.split(".")[:depth]))
                if own is not None and theirs is not None and theirs > own:
                    yield f"{module.name} must not know {other}"


def entries(house: House) -> Iterator[str]:
    """Top-level names that are not listed, or listed and missing, and more of them than one can keep in mind."""
    found = {module.room for module in house.modules.values()} | {"__init__"}
    for name in found ^ {*ORDER, *FACES}:
        yield f"{name} is {'not listed in ORDER' if name in found else 'listed in ORDER but not there'}"
    if len(found) > ENTRIES:
        yield f"{len(found)} entries at the top, more than {ENTRIES}"


def relative_imports(house: House) -> Iterator[str]:
    """Relative imports, which hide where a name comes from."""
    for module in house.modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                yield f"{module.name}:{node.lineno} imports relatively"


def dynamic_imports(house: House) -> Iterator[str]:
    """Imports by name, which no other check can follow."""
    for module in house.modules.values():
        if module.name in MAY_IMPORT_BY_NAME:
            continue
        for node in ast.walk(module.tree):
            used = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            named = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            if DYNAMIC & {used, *named}:
                yield f"{module.name}:{getattr(node, 'lineno', 0)} imports by name"


def private_names(house: House) -> Iterator[str]:
    """Names that begin with an underscore, taken from another module."""
    for module in house.modules.values():
        borrowed = {name.rpartition(".")[2]: name for name in module.imports() if name.split(".")[0] == ROOT}
        for name in borrowed.values():
            if PRIVATE.match(name.rpartition(".")[2]):
                yield f"{module.name} takes {name}"
        aliases = {alias: house.modules.get(name) for alias, name in borrowed.items()}
        for node in ast.walk(module.tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and aliases.get(node.value.id) is not None
                and PRIVATE.match(node.attr)
            ):
                yield f"{module.name}:{node.lineno} takes {node.value.id}.{node.attr}"


def prints(house: House) -> Iterator[str]:
    """Calls of `print` outside the command line and the training code."""
    for module in house.modules.values():
        if module.room in {"cli", "builtin"}:
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                yield f"{module.name}:{node.lineno} prints"


def option_names(house: House) -> Iterator[str]:
    """Names of command-line options in strings outside the command line: a library does not know who calls it."""
    for module in house.modules.values():
        if module.room in {"cli", "builtin"} or module.name == ROOT:
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found = OPTION.search(node.value)
                if found and not _is_argument_of_git(module, node.value):
                    yield f"{module.name}:{node.lineno} says {found[0]}"


def _is_argument_of_git(module: Module, text: str) -> bool:
    """Whether a string is wholly an argument of another program, in the one room that calls git."""
    return module.room == "images" and OPTION.match(text) is not None and " " not in text


def homes(house: House) -> Iterator[str]:
    """Libraries outside their rooms, and rooms that are said to need a library they do not import."""
    users: dict[str, set[str]] = {library: set() for library in HOMES}
    for module in house.modules.values():
        for name in module.imports():
            library = name.split(".")[0]
            if library in HOMES:
                users[library].add(module.room)
                if module.room not in HOMES[library]:
                    yield f"{module.name} must not import {library}"
    for library, rooms in HOMES.items():
        for room in rooms - users[library]:
            yield f"{room} is a home of {library} but does not import it"


def names_in_words(house: House) -> Iterator[str]:
    """Files, dotted names and classes in backticks, in docstrings and comments, that are nowhere in the package."""
    files = {f"{name.replace('.', '/')}.py" for name in house.modules}
    known = set(dir(builtins)).union(*(name.split(".") for name in house.modules))
    known = known.union(*(_identifiers(module.source) for module in house.modules.values()))
    for module in house.modules.values():
        for name in QUOTED.findall(module.source):
            if name.endswith(".py"):
                there = any(f"/{file}".endswith(f"/{name}") for file in files)
            else:
                of_code = (DOTTED.match(name) or CLASS.match(name)) and not name.endswith(DATA)
                there = not of_code or known.issuperset(name.split("."))
            if not there:
                yield f"{module.name} speaks of `{name}`, which is not there"


@lru_cache(maxsize=1000)
def _identifiers(source: str) -> set[str]:
    nodes = list(ast.walk(_parsed(source)))
    kinds = (("name", ast.ClassDef | ast.FunctionDef | ast.alias), ("id", ast.Name), ("attr", ast.Attribute))
    found = {getattr(node, field) for node in nodes for field, kind in kinds if isinstance(node, kind)}
    return {part for name in found for part in name.split(".")}


def lengths(house: House) -> Iterator[str]:
    """Modules that are longer than one can keep in mind."""
    for module in house.modules.values():
        if (lines := module.source.count("\n")) > LINES:
            yield f"{module.name} has {lines} lines, more than {LINES}"


CHECKS: tuple[Callable[[House], Iterator[str]], ...] = (
    *(cycles, order, entries, relative_imports, dynamic_imports, private_names, prints, option_names, homes),
    *(names_in_words, lengths),
)
