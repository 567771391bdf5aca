"""What git ignores below a folder: git itself is asked, since nothing else reads ignore rules quite as it does.

Also patterns in .gitignore's form that a user gives. Knows names only; never opens an image.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence

from pathspec import GitIgnoreSpec

_SECONDS = 60
"""Within which git must have listed one work tree: a rule file that is a pipe would let it wait for ever."""
_LIST = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
_IS_IGNORED = ("check-ignore", "--quiet", "--no-index", ".")
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


class GitFailed(Exception):  # noqa: N818 - whoever asks says what follows from it
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


def kept_below(folder: str) -> frozenset[str] | None:
    """Names that git does not ignore below a folder of a work tree, counted from it, with all folders above them.

    A link, a submodule and a repository within the repository are names that nothing lies below. What is tracked is not
    ignored. None when the folder itself is ignored. Raises `GitFailed`.
    """
    is_root = os.path.lexists(os.path.join(folder, ".git"))  # noqa: PTH118 - folders keep their spelling
    if not is_root and _git(folder, _IS_IGNORED).returncode == 0:  # the rule ** would be said to ignore a root
        return None
    done = _git(folder, _LIST)
    if done.returncode:
        (first, *_) = done.stderr.decode(errors="replace").splitlines() or ["no reason given"]
        raise GitFailed(f"git says: {first}")
    kept: set[str] = set()
    for name in filter(None, done.stdout.split(b"\0")):
        way = os.fsdecode(name.rstrip(b"/"))
        while way and way not in kept:
            kept.add(way)
            way = way.rpartition("/")[0]
    return frozenset(kept)


def _git(folder: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    git = shutil.which("git")
    if git is None:
        raise GitFailed("there is no git on the PATH")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    try:
        return subprocess.run(  # noqa: S603 - the program is git, the arguments are fixed
            [git, *_SAFE, *arguments],
            cwd=folder,
            env={**environment, **_OFFLINE, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise GitFailed(f"git did not answer within {_SECONDS} s") from error
    except (OSError, ValueError) as error:
        raise GitFailed(f"git cannot be started: {error}") from error
