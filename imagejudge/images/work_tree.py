"""What is ignored in the folders of git work trees: as git says where it can be asked, else by the .gitignore files.

Knows names only; never opens an image.
"""

# Folders keep their spelling, and pathlib rewrites it.
# ruff: noqa: PTH112, PTH113, PTH118, PTH123

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import Final, TypeAlias

from pathspec import GitIgnoreSpec

from imagejudge.images.gitignore import GitFailed, GitListing, list_with_git, patterns

_LONGEST_FILE: Final = 1_000_000
"""Bytes of an ignore file that is read without git. What is in a longer one is judged rather than left out."""
_STARS: Final = re.compile(r"\*+")
_MOST_STARS: Final = 4
"""In a pattern: the time that matching takes grows with the length of a path to the power of their number."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Ignore patterns, and the way from the folder they count from to the one being walked: '' or ending in '/'."""

    spec: GitIgnoreSpec
    way: str = ""

    def ignores(self, name: str) -> bool | None:
        """True: leave it out; False: a later `!pattern` takes it back; None: not mentioned."""
        return self.spec.check_file(self.way + name).include

    def below(self, name: str) -> Rules:
        """The same, as seen from a folder in the one being walked."""
        return Rules(self.spec, f"{self.way}{name}/")


@dataclass(frozen=True, slots=True)
class NotIgnored:
    """What git does not ignore in a work tree, and the way to here as in `Rules`."""

    names: Container[str]
    way: str = ""

    def ignores(self, name: str) -> bool:
        """Whether git ignores a name in this folder. A folder's name ends in '/'."""
        return self.way + name.removesuffix("/") not in self.names

    def below(self, name: str) -> NotIgnored:
        """The same, as seen from a folder in this one."""
        return NotIgnored(self.names, f"{self.way}{name}/")


@dataclass(frozen=True, slots=True)
class IgnoreFiles:
    """The .gitignore files that count in a folder, outermost first: what is left where git cannot be asked."""

    rules: tuple[Rules, ...] = ()

    def ignores(self, name: str) -> bool:
        """What the innermost of the rules that mention a name says of it. A folder's name ends in '/'."""
        verdicts = (each.ignores(name) for each in reversed(self.rules))
        return next((verdict for verdict in verdicts if verdict is not None), False)

    def below(self, name: str) -> IgnoreFiles:
        """The same, as seen from a folder in this one."""
        return IgnoreFiles(tuple(each.below(name) for each in self.rules))

    def inside(self, folder: str) -> IgnoreFiles:
        """With the rules that stand in the folder itself."""
        return IgnoreFiles((*self.rules, *_git_file(folder)))


Ignored: TypeAlias = NotIgnored | IgnoreFiles


class WorkTrees:
    """Ignore rules of the folders that a walk begins in.

    Git is asked once for each work tree, about all `named` folders in it together: in a large tree, listing them costs
    less than listing all of it, and each process of its own some milliseconds.
    """

    def __init__(self, named: Iterable[str], warn: Callable[[str], None]) -> None:
        self._named = named
        self._warn = warn
        self._asked: dict[str, GitListing | None] = {}
        """By the root of a work tree; None where git failed."""

    def of(self, folder: str) -> Ignored | None:
        """What is ignored below a folder that is named, or that is reached by a link, or a work tree of its own.

        None where it lies in no work tree.
        """
        chain = _up_to_repository(folder)
        if chain is None:
            return None
        kept = self._kept(folder, str(chain[-1]), _way(chain))
        if kept is None:
            return _ignore_files_above(chain)
        way = _way(chain)
        # Naming an ignored folder means that it is wanted: then only the rules within it count.
        return IgnoreFiles() if way in kept.ignored else NotIgnored(kept.names, way and f"{way}/")

    def _kept(self, folder: str, root: str, way: str) -> GitListing | None:
        ways = self._ways.get(root, ())
        if root in self._asked:
            kept = self._asked[root]
            # A link into what was listed needs no git, unless git ignores where it leads.
            if kept is None or way in ways or (way in kept.names and any(_is_below(way, each) for each in ways)):
                return kept
        try:
            kept = list_with_git(root, ways if way in ways else (way,))
        except GitFailed as reason:
            self._warn(f"{folder}: .gitignore files are read without git, which may differ in details: {reason}")
            kept = None
        if way in ways or kept is None:
            self._asked.setdefault(root, kept)
        return kept

    @cached_property
    def _ways(self) -> Mapping[str, Sequence[str]]:
        """The ways to the named folders, by the work tree in which they lie."""
        ways: dict[str, dict[str, None]] = defaultdict(dict)
        for path in self._named:
            if os.path.isdir(path) and (chain := _up_to_repository(path)) is not None:
                ways[str(chain[-1])][_way(chain)] = None
        return {root: tuple(found) for root, found in ways.items()}


def _is_below(way: str, folder: str) -> bool:
    return not folder or way.startswith(f"{folder}/")


def _up_to_repository(folder: str) -> list[PurePath] | None:
    """The folder and all above it, up to the root of its git work tree; None when it lies in none."""
    real = PurePath(os.path.realpath(folder))
    chain = [real, *real.parents]
    root = next((at for at, each in enumerate(chain) if os.path.lexists(each / ".git")), None)
    return None if root is None else chain[: root + 1]


def _way(chain: Sequence[PurePath]) -> str:
    """From the root of a work tree, the last of the chain, to the folder that is its first; '' for the root."""
    return "/".join(each.name for each in reversed(chain[:-1]))


def _ignore_files_above(chain: Sequence[PurePath]) -> IgnoreFiles:
    """The .gitignore files from the root of a work tree, the last of the chain, down to above the first."""
    files = IgnoreFiles()
    for folder, below in zip(reversed(chain[1:]), reversed(chain[:-1]), strict=True):
        files = files.inside(str(folder))
        # Naming a folder means that it is wanted: rules that ignore it must not ignore what it holds.
        files = IgnoreFiles() if files.ignores(below.name + "/") else files.below(below.name)
    return files


def _git_file(folder: str) -> tuple[Rules, ...]:
    """The rules of a folder's .gitignore; nothing when there is none that can be read."""
    path = os.path.join(folder, ".gitignore")
    try:
        if not os.path.isfile(path):  # opening a pipe would wait for ever
            return ()
        with open(path, "rb") as file:
            text = file.read(_LONGEST_FILE + 1)
    except OSError:
        return ()
    if len(text) > _LONGEST_FILE:
        return ()
    rules: list[str] = []
    for line in os.fsdecode(text.removeprefix(b"\xef\xbb\xbf")).split("\n"):
        if len(_STARS.findall(line)) > _MOST_STARS:
            continue
        with suppress(ValueError, re.error):  # git skips patterns that mean nothing
            patterns([line.removesuffix("\r")])
            rules.append(line.removesuffix("\r"))
    return (Rules(patterns(rules)),)
