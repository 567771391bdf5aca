"""Which files to judge: files, folders, and lists of them, in a stable order.

Knows names, folders and ignore rules; never opens an image, so what a file really is stays for `decode` to say.
"""

# A path must come out exactly as it went in, and pathlib rewrites `./a`, `a//b` and the empty path.
# ruff: noqa: PTH109, PTH112, PTH113, PTH116, PTH118, PTH122, PTH123

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath
from typing import BinaryIO, Final

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from imagejudge.errors import UsageError

EXTENSIONS: Final = frozenset(
    (
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".avif", ".heic", ".heif"),
        *(".bmp", ".dib", ".tif", ".tiff", ".ico", ".ppm", ".pgm", ".pbm", ".pnm"),
    )
)
"""What a file found in a folder must end in, in lower case; a file that is named may end in anything."""


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A file to judge. Nothing says that it exists or is an image."""

    path: str
    """As given, or the folder as given joined with the way below it. Bytes that are not UTF-8 are surrogates."""


def find(
    paths: Sequence[str], *, exclude: Sequence[str] = (), respect_gitignore: bool = True, force_exclude: bool = False
) -> Iterator[ImageRef]:
    """Every file to judge, once: named files as they are, folders with all images below them.

    `exclude` holds patterns as in .gitignore, counted from each named folder. Named paths are taken in spite of them,
    unless `force_exclude`: then they are matched as well, counted from the current folder. A folder that cannot be
    listed is given too, for decoding to report. Raises UsageError for a pattern that means nothing.
    """
    try:
        excluded = GitIgnoreSpec.from_lines(exclude)
    except (ValueError, re.error) as error:
        raise UsageError(f"cannot use an exclude pattern: {error}", "write it as in a .gitignore file") from None
    if force_exclude:
        paths = [path for path in paths if not excluded.match_file(_from_here(path))]
    return (ImageRef(path) for path in _find(paths, _Rules(excluded), respect_gitignore))


def read_list(stream: BinaryIO, nul: bool) -> Iterator[str]:
    """The paths in a list, one a line (LF or CRLF), or ended by NUL bytes. Empty entries are skipped."""
    for entry in stream.read().split(b"\0" if nul else b"\n"):
        if entry := entry if nul else entry.removesuffix(b"\r"):
            yield os.fsdecode(entry)


@dataclass(frozen=True, slots=True)
class _Rules:
    """Ignore patterns, and the way from the folder they count from to the one being walked: '' or ending in '/'."""

    spec: GitIgnoreSpec
    way: str = ""

    def ignores(self, name: str) -> bool | None:
        """True: leave it out; False: a later `!pattern` takes it back; None: not mentioned."""
        return self.spec.check_file(self.way + name).include

    def below(self, name: str) -> _Rules:
        return _Rules(self.spec, f"{self.way}{name}/")


@dataclass(frozen=True, slots=True)
class _Level:
    """One folder in the middle of being walked."""

    key: str
    entries: Iterator[os.DirEntry[str]]
    excluded: _Rules
    git: tuple[_Rules, ...] | None
    """The .gitignore files that count here, outermost first; None outside a git repository."""

    def ignores(self, name: str) -> bool:
        return bool(self.excluded.ignores(name)) or _ignored(self.git or (), name)


def _find(paths: Sequence[str], excluded: _Rules, respect_gitignore: bool) -> Iterator[str]:
    walk = _Walk(respect_gitignore, frozenset(map(_key, paths)))
    done: set[str] = set()
    for path in paths:
        key = _key(path)
        if key in done:
            continue
        done.add(key)
        if os.path.isdir(path):
            yield from walk.below(path, excluded)
        else:
            yield path


class _Walk:
    """Goes through the named folders, through each real folder once.

    Folders are known by device and inode, so that a loop of links ends, and a tree of links to one folder, which may
    hold a billion ways through it, is walked once. Files need no such set, which would grow with the data: in one walk
    they all differ, and a file that is named as well is left for where it is named.
    """

    def __init__(self, respect_gitignore: bool, named: Container[str]) -> None:
        self._respect_gitignore = respect_gitignore
        self._named = named
        self._walked: set[tuple[int, int]] = set()

    def below(self, folder: str, excluded: _Rules) -> Iterator[str]:
        """The images below a named folder, and the folders that cannot be listed."""
        git = _git_above(folder) if self._respect_gitignore else None
        stack: list[_Level] = []  # our own, as folders may lie deeper than calls may go
        yield from self._enter(stack, folder, _key(folder), excluded, git)
        while stack:
            level = stack[-1]
            entry = next(level.entries, None)
            if entry is None:
                stack.pop()
                continue
            name, key = entry.name, os.path.join(level.key, entry.name)
            if name.startswith("."):
                continue
            if _is_folder(entry):
                if not level.ignores(name + "/"):
                    git = None if level.git is None else tuple(rules.below(name) for rules in level.git)
                    yield from self._enter(stack, entry.path, key, level.excluded.below(name), git)
            elif os.path.splitext(name)[1].lower() in EXTENSIONS and key not in self._named and not level.ignores(name):
                yield entry.path

    def _enter(
        self, stack: list[_Level], path: str, key: str, excluded: _Rules, git: tuple[_Rules, ...] | None
    ) -> Iterator[str]:
        """Put a folder on the stack; give its path instead when it cannot be listed."""
        try:
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in self._walked:
                return
            self._walked.add((status.st_dev, status.st_ino))
            with os.scandir(path) as listing:
                entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
        except OSError:
            yield path
            return
        if self._respect_gitignore:
            held = {entry.name for entry in entries}
            if ".git" in held:
                git = ()  # a repository of its own: what stands above it does not count
            if git is not None and ".gitignore" in held:
                git = (*git, *_git_file(path))
        stack.append(_Level(key, iter(entries), excluded, git))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # such as a link to itself: given as a file, for decoding to report
        return False


def _key(path: str) -> str:
    """One spelling for `a/b`, `./a//b` and the absolute path. `..` stays: through a link it leads elsewhere."""
    return str(PurePath(os.getcwd(), path))


def _from_here(path: str) -> str:
    """A named path as patterns see it: counted from the current folder where it is below it, a folder with '/'."""
    here, key = PurePath(os.getcwd()), PurePath(_key(path))
    seen = key.relative_to(here) if key.is_relative_to(here) else key
    return seen.as_posix().lstrip("/") + ("/" if os.path.isdir(path) else "")


def _git_above(folder: str) -> tuple[_Rules, ...] | None:
    """The .gitignore files from the repository's root down to above a named folder; None when in no repository."""
    real = PurePath(os.path.realpath(folder))
    chain = [real, *real.parents]
    root = next((at for at, each in enumerate(chain) if os.path.lexists(each / ".git")), None)
    if root is None:
        return None
    rules: tuple[_Rules, ...] = ()
    for at in range(root, 0, -1):
        rules = (*rules, *_git_file(str(chain[at])))
        # Naming a folder means that it is wanted: rules that ignore it must not go on to ignore what it holds.
        name = chain[at - 1].name
        rules = () if _ignored(rules, name + "/") else tuple(each.below(name) for each in rules)
    return rules


def _ignored(rules: Sequence[_Rules], name: str) -> bool:
    """What the innermost of the rules that mention a name says of it. A folder's name ends in '/'."""
    verdicts = (each.ignores(name) for each in reversed(rules))
    return next((verdict for verdict in verdicts if verdict is not None), False)


def _git_file(folder: str) -> tuple[_Rules, ...]:
    """The rules of a folder's .gitignore; nothing when there is none that can be read."""
    path = os.path.join(folder, ".gitignore")
    try:
        if not os.path.isfile(path):  # opening a pipe would wait for ever
            return ()
        with open(path, "rb") as file:
            lines = os.fsdecode(file.read().removeprefix(b"\xef\xbb\xbf")).split("\n")
    except OSError:
        return ()
    patterns = []
    for line in lines:
        with suppress(ValueError, re.error):  # git skips patterns that mean nothing
            patterns.append(GitIgnoreSpecPattern(line.removesuffix("\r")))
    return (_Rules(GitIgnoreSpec(patterns)),)
