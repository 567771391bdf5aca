"""What git ignores below a folder: git itself is asked, since nothing else reads ignore rules quite as it does.

Also patterns in .gitignore's form that a user gives. Knows names only; never opens an image.
"""

# Folders keep their spelling, and pathlib rewrites it.
# ruff: noqa: PTH116, PTH118, PTH120, PTH208

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

_SECONDS = 60
"""Within which git must have listed one work tree."""
_PATIENCE = 0.5
"""Seconds after which it is looked for a rule file that is a pipe, which would let git wait for ever."""
_LONGEST_COMMAND = 50_000
"""Characters of folders' names; where there are more, the whole work tree is listed."""
_LIST = ("--literal-pathspecs", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
_ARE_IGNORED = ("check-ignore", "--stdin", "-z", "--no-index")
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false")
"""A repository's own settings could otherwise name a program that git starts."""
_OFFLINE = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none", "GIT_OPTIONAL_LOCKS": "0"}
"""A partial clone would else fetch an ignore file that it lacks, with a program that its settings name."""
_KEPT = {"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH"}
_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \t",
    "cntrl": "\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": " \t\n\r\f\v",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}
_CLASS = re.compile(r"\[:(\w+):\]")


class GitFailed(Exception):  # noqa: N818 - the caller decides what follows from it
    """Git is missing, or could not tell what it ignores. The text says why."""


def patterns(lines: Sequence[str]) -> GitIgnoreSpec:
    """Patterns as in .gitignore. Raises ValueError or re.error for one that means nothing."""
    return GitIgnoreSpec.from_lines([_CLASS.sub(_posix_class, line) for line in lines])


def _posix_class(found: re.Match[str]) -> str:
    """The characters of a POSIX class within brackets, which pathspec would hand on to `re`, which has none."""
    try:
        return _CLASSES[found[1]]
    except KeyError:
        raise ValueError(f"there is no character class {found[0]}") from None


@dataclass(frozen=True, slots=True)
class GitListing:
    """What git says of some folders of a work tree. All names count from its root."""

    names: frozenset[str]
    """What it does not ignore below them, with all folders above.

    A link, a submodule and a repository within the repository are names that nothing lies below. What is tracked is not
    ignored.
    """
    ignored: frozenset[str]
    """Those of the folders that it ignores."""


def list_with_git(root: str, folders: Sequence[str]) -> GitListing:
    """Ask git about folders of a work tree, given as ways from its root; '' is the root. Raises `GitFailed`."""
    below = [folder for folder in folders if folder]
    ignored: set[str] = set()
    if below:  # the rule ** would be said to ignore a root
        listed = b"\0".join(map(os.fsencode, below)) + b"\0"
        ignored.update(_names(_git(root, _ARE_IGNORED, below, given=listed)))
    whole = len(below) < len(folders) or sum(map(len, below)) > _LONGEST_COMMAND
    done = _git(root, _LIST if whole else (*_LIST, "--", *below), below)
    if done.returncode:
        (first, *_) = done.stderr.decode(errors="replace").splitlines() or [
            f"nothing, and leaves with {done.returncode}"
        ]
        raise GitFailed(f"git says: {first}")
    kept: set[str] = set()
    for way in _names(done):
        while way and way not in kept:
            kept.add(way)
            way = way.rpartition("/")[0]
    return GitListing(frozenset(kept), frozenset(ignored))


def _names(done: subprocess.CompletedProcess[bytes]) -> Iterator[str]:
    return (os.fsdecode(name.rstrip(b"/")) for name in done.stdout.split(b"\0") if name)


def _git(
    root: str, arguments: Sequence[str], folders: Sequence[str], given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run git at the root of a work tree, to look at some folders in it."""
    git = shutil.which("git")
    if git is None:
        raise GitFailed("there is no git on the PATH")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    # The settings of a repository could otherwise lay its work tree elsewhere, so that nothing would be found here; and
    # git would take a broken one for a folder of the repository around it.
    command = [git, f"--work-tree={root}", *_SAFE, *arguments]
    bounds = {"GIT_CEILING_DIRECTORIES": os.path.dirname(root)}
    try:
        with subprocess.Popen(  # noqa: S603 - the program is git, the arguments are fixed but for folders after --
            command,
            cwd=root,
            env={**environment, **_OFFLINE, **bounds, "LC_ALL": "C"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            endless: list[str] = []
            watch = threading.Timer(_PATIENCE, _end_if_waiting, (process, root, folders, endless))
            watch.daemon = True
            watch.start()
            try:
                said = process.communicate(given, _SECONDS)
            finally:
                process.kill()
                watch.cancel()
    except subprocess.TimeoutExpired as error:
        raise GitFailed(f"git did not answer within {_SECONDS} s") from error
    except (OSError, ValueError) as error:
        raise GitFailed(f"git cannot be started: {error}") from error
    if endless:
        raise GitFailed(f"{endless[0]} is a pipe or a device, for which git would wait")
    return subprocess.CompletedProcess(command, process.returncode, *said)


def _end_if_waiting(process: subprocess.Popen[bytes], root: str, folders: Sequence[str], endless: list[str]) -> None:
    """End git if there is something among the files it reads that may never end, and say what."""
    for path in _files_read(root, folders):
        if process.poll() is not None:
            return
        with suppress(OSError, ValueError):
            status = os.stat(path)
            if stat.S_ISFIFO(status.st_mode) or (stat.S_ISCHR(status.st_mode) and not _is_null(status)):
                endless.append(path)
                process.kill()
                return

    while process.poll() is None:
        if _awaits_writer(process):
            endless.append("a file that git's settings name")
            process.kill()
        time.sleep(_PATIENCE)


def _awaits_writer(process: subprocess.Popen[bytes]) -> bool:
    """Whether it is opening a pipe, as far as the kernel says what a process waits for (Linux)."""
    try:
        return Path(f"/proc/{process.pid}/wchan").read_text() == "wait_for_partner"
    except OSError:
        return False


def _is_null(status: os.stat_result) -> bool:
    return status.st_rdev == os.stat(os.devnull).st_rdev


def _files_read(root: str, folders: Sequence[str]) -> Iterator[str]:
    """What git may open: its own files, and ignore files in folders, above and below them."""
    for place in (".git", ".git/info"):
        with suppress(OSError):
            yield from (os.path.join(root, place, name) for name in os.listdir(os.path.join(root, place)))
    above = {parent for folder in folders for parent in _above(folder)}
    yield from (os.path.join(root, folder, ".gitignore") for folder in sorted(above))
    for folder in folders or ("",):
        for place, inside, _ in os.walk(os.path.join(root, folder)):
            inside[:] = [name for name in inside if name != ".git"]
            yield os.path.join(place, ".gitignore")


def _above(way: str) -> Iterator[str]:
    while way:
        way = way.rpartition("/")[0]
        yield way
