"""Which files to judge: files, folders, and lists of them, in a stable order.

Knows names, folders and ignore rules; opens no image, so what a file really is stays for `decode` to say.
"""

# A path must come out exactly as it went in, and pathlib rewrites `./a`, `a//b` and the empty path.
# ruff: noqa: PTH109, PTH112, PTH116, PTH118, PTH123

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import BinaryIO, Final

from imagejudge.errors import UsageError
from imagejudge.images.gitignore import patterns
from imagejudge.images.names import (
    PACKED_ENDINGS,
    SHARED_EXTENSIONS,
    VIDEO_EXTENSIONS,
    Unread,
    extension,
    is_found_shard,
    is_image,
    is_shard,
)
from imagejudge.images.read import unlisted
from imagejudge.images.ref import ImageRef
from imagejudge.images.remote import UnknownAddressError, is_address, refuse_name
from imagejudge.images.remote_folder import list_address
from imagejudge.images.shards import can_read
from imagejudge.images.signed import name_of
from imagejudge.images.special_files import is_special
from imagejudge.images.video import pyav
from imagejudge.images.video.container import is_transport_stream
from imagejudge.images.work_tree import Ignored, IgnoreFiles, Rules, WorkTrees

_CHUNK: Final = 65_536
_LONGEST_PATH: Final = 100_000
"""Bytes; no system takes longer ones."""
_LONGEST_LIST: Final = 1_000_000_000
"""Bytes of a list; that of ten million paths has most often fewer."""


def find_images(
    paths: Sequence[str],
    *,
    exclude: Sequence[str] = (),
    respect_gitignore: bool = True,
    force_exclude: bool = False,
    warn: Callable[[str], None] = lambda message: None,
    passed_over: Callable[[str, Unread], None] = lambda path, what: None,
) -> Iterator[ImageRef]:
    """Every file to judge, once: named files as they are, folders with all images, videos and shards below them.

    A shard is a file of many images, and comes as one; `shards.expand` gives what is in it.

    Of what lies in folders and cannot be read, though it may hold images, `passed_over` is told.

    With `respect_gitignore`, folders of a git work tree are searched for what git does not ignore. Where git is missing
    or fails, `warn` is told, and the .gitignore files are read without it.

    `exclude` holds patterns as in .gitignore, counted from each named folder. Named paths are taken in spite of them,
    unless `force_exclude`: then they are matched as well, counted from the current folder. A folder that cannot be
    listed is given too, for decoding to report. Raises UsageError for a pattern that means nothing.

    Web addresses are called without signatures; see `signed`.
    """
    try:
        excluded = patterns(exclude)
    except (ValueError, re.error) as error:
        raise UsageError(f"cannot use an exclude pattern: {error}", "write it as in a .gitignore file") from None
    paths = list(map(name_of, paths))
    if force_exclude:
        paths = [path for path in paths if not excluded.match_file(_from_here(path))]
    # What is named like an image is hardly ever a folder, and there may be a million of them.
    folders = [path for path in paths if not is_image(path)]
    trees = WorkTrees(folders, warn) if respect_gitignore else None
    walk = _Walk(trees, frozenset(map(_key, paths)), passed_over)
    return _find(paths, Rules(excluded), walk)


def read_list(stream: BinaryIO, nul: bool) -> Iterator[str]:
    """The paths in a list, one a line (LF or CRLF), or ended by NUL bytes. Empty entries are skipped.

    Raises UsageError for one that is longer than any path, and for a list without end.
    """
    size, rest = 0, b""
    while chunk := stream.read(_CHUNK):
        size += len(chunk)
        *entries, rest = (rest + chunk).split(b"\0" if nul else b"\n")
        if len(rest) > _LONGEST_PATH:
            raise UsageError("an entry in the list is longer than any path", "give one path a line, or end them by NUL")
        if size > _LONGEST_LIST:
            raise UsageError(f"the list is longer than {_LONGEST_LIST:,} bytes", "give several, one after another")
        yield from _paths(entries, nul)
    yield from _paths([rest], nul)


def _paths(entries: Sequence[bytes], nul: bool) -> Iterator[str]:
    for entry in entries:
        if entry := entry if nul else entry.removesuffix(b"\r"):
            yield os.fsdecode(entry)


@dataclass(frozen=True, slots=True)
class _Level:
    """One folder in the middle of being walked."""

    key: str
    """Its `_key`, ending in a separator."""
    entries: Iterator[os.DirEntry[str]]
    excluded: Rules
    git: Ignored | None
    """What git says of what lies here; None outside a git work tree, and where it is not asked for."""

    def ignores(self, name: str, entry: os.DirEntry[str] | None = None) -> bool:
        """Whether a folder (its name ends in '/') or an entry that is none is left out."""
        if self.excluded.ignores(name):
            return True
        unknown = self.git is not None and self.git.ignores(name)
        return unknown and (entry is None or entry.is_file() or entry.is_symlink())  # git lists no pipes or devices


def _find(paths: Sequence[str], excluded: Rules, walk: _Walk) -> Iterator[ImageRef]:
    done: set[str] = set()
    for path in paths:
        key = _key(path)
        if key in done:
            continue
        done.add(key)
        if is_address(path):
            yield from walk.below_address(path, excluded)
        elif os.path.isdir(path):
            yield from map(ImageRef, walk.below(path, excluded))
        else:
            yield ImageRef(path)
    yield from map(ImageRef, walk.behind_links())


class _Walk:
    """Goes through the named folders, through each real folder once.

    Folders are known by device and inode, so that a loop of links ends, and a tree of links to one folder, which may
    hold a billion ways through it, is walked once. Links that are found are followed when all that is named was walked:
    what is left out of a folder, its own path decides, not that of a link to it. Files need no such set, which would
    grow with the data: in one walk they all differ, and a file that is named as well is left for where it is named.
    """

    def __init__(
        self, trees: WorkTrees | None, named: Container[str], passed_over: Callable[[str, Unread], None]
    ) -> None:
        self._trees = trees
        self._named = named
        self._passed_over = passed_over
        self._walked: set[tuple[int, int]] = set()
        self._links: deque[tuple[str, Rules]] = deque()
        """Links to folders that were found, and are not followed yet."""

    def behind_links(self) -> Iterator[str]:
        """The same as `below` for the links to folders that were found, and those found behind them."""
        while self._links:
            yield from self.below(*self._links.popleft())

    def below(self, folder: str, excluded: Rules) -> Iterator[str]:
        """The images below a folder that is named or linked to, and the folders that cannot be listed."""
        stack: list[_Level] = []  # our own, as folders may lie deeper than calls may go
        yield from self._enter(stack, folder, _key(folder), excluded, lambda: self._git_of(folder))
        while stack:
            level = stack[-1]
            entry = next(level.entries, None)
            if entry is None:
                stack.pop()
                continue
            name, key = entry.name, level.key + entry.name
            if name.startswith("."):
                continue
            if _is_folder(entry):
                if level.ignores(name + "/"):
                    continue
                below = level.excluded.below(name)
                if entry.is_symlink():
                    self._links.append((entry.path, below))
                else:
                    yield from self._enter(stack, entry.path, key, below, partial(self._git_below, level, entry))
            elif is_image(name):
                if key not in self._named and not level.ignores(name, entry):
                    yield entry.path
            elif _is_video(entry) and key not in self._named and not level.ignores(name, entry):
                if pyav() is not None:
                    yield entry.path
                else:
                    self._passed_over(entry.path, Unread.VIDEO)
            elif is_found_shard(name) and key not in self._named and not level.ignores(name, entry):
                if can_read(name):
                    yield entry.path
                else:
                    self._passed_over(entry.path, Unread.SHARD)
            elif name.lower().endswith(PACKED_ENDINGS) and key not in self._named and not level.ignores(name, entry):
                self._passed_over(entry.path, Unread.PACKED)

    def below_address(self, address: str, excluded: Rules) -> Iterator[ImageRef]:
        """The same at an address; where there is no folder, the address itself.

        Why a folder cannot be listed is told with it: asking again, of what may answer then, would tell something else.
        """
        refuse_name(address)
        try:
            found = {address: None} if is_image(address) or is_shard(address) else list_address(address)
        except (OSError, UnknownAddressError):
            found = {address: None}
        for each, error in found.items():
            way = each[len(address) :].strip("/")
            if error is not None:
                if each == address or not _is_left_out(way + "/", excluded):
                    yield ImageRef(each, trouble=unlisted(error))
            elif each == address:
                yield ImageRef(each)
            elif not _is_left_out(way, excluded):
                if is_image(each):
                    yield ImageRef(each)
                elif is_found_shard(each.rpartition("/")[2]):
                    if can_read(each):
                        yield ImageRef(each)
                    else:
                        self._passed_over(each, Unread.SHARD)
                elif extension(each) in VIDEO_EXTENSIONS - SHARED_EXTENSIONS:
                    if pyav() is not None:
                        yield ImageRef(each)
                    else:
                        self._passed_over(each, Unread.VIDEO)
                elif each.lower().endswith(PACKED_ENDINGS):
                    self._passed_over(each, Unread.PACKED)

    def _enter(
        self, stack: list[_Level], path: str, key: str, excluded: Rules, ask_git: Callable[[], Ignored | None]
    ) -> Iterator[str]:
        """Put a folder on the stack, unless it was walked before; give its path instead when it cannot be listed."""
        try:
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in self._walked:
                return
            self._walked.add((status.st_dev, status.st_ino))
            if is_special(path, status.st_dev):  # there are ways through /proc to all that the machine has
                yield path
                return
            with os.scandir(path) as listing:
                entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
        except OSError:
            yield path
            return
        git = ask_git()
        if isinstance(git, IgnoreFiles) and any(entry.name == ".gitignore" for entry in entries):
            git = git.inside(path)
        stack.append(_Level(os.path.join(key, ""), iter(entries), excluded, git))

    def _git_of(self, folder: str) -> Ignored | None:
        """What git says of a folder that is named or linked to, or that is a work tree of its own."""
        return None if self._trees is None else self._trees.of(folder)

    def _git_below(self, level: _Level, entry: os.DirEntry[str]) -> Ignored | None:
        """The same for a folder that was found: a repository of its own is asked about by itself."""
        if self._trees is None:
            return None
        if os.path.lexists(os.path.join(entry.path, ".git")):
            return self._git_of(entry.path)
        return None if level.git is None else level.git.below(entry.name)


def _is_left_out(way: str, excluded: Rules) -> bool:
    """Whether a file, or any folder on the way to it, is hidden or excluded. The way of a folder ends in '/'."""
    if any(part.startswith(".") for part in way.split("/")):
        return True
    folders = [way[: at + 1] for at, mark in enumerate(way) if mark == "/"]
    return any(excluded.ignores(each) for each in (*folders, way))


def _is_video(entry: os.DirEntry[str]) -> bool:
    """Whether it is called as one, and begins as one where the name may mean something else."""
    ending = extension(entry.name)
    if ending not in SHARED_EXTENSIONS:
        return ending in VIDEO_EXTENSIONS
    try:
        if not entry.is_file():  # opening a pipe would wait for ever
            return False
        with open(entry.path, "rb") as file:
            return is_transport_stream(file.read(1024))
    except OSError:
        return True  # for decoding to report


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
