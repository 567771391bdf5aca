"""Folders in a network: the addresses of all files below one, and of what cannot be listed there."""

from __future__ import annotations

import errno
import re
import time
from functools import partial
from typing import Any, Final

from imagejudge.images.remote import system_of, tried
from imagejudge.images.signed import whole

_LONGEST: Final = 3600
"""Seconds for all below one folder, which are many answers."""
_DEEPEST: Final = 50
"""Folders in one another. A server with links in a circle has no end of them, and each has another address."""
_BACK: Final = re.compile(r"(^|/)\.{1,2}(/|$)")
"""Matches ways that lead back to where they come from."""
_ABOUT_PAGE: Final = re.compile(r"[?#]")
"""Follows the path in links to the same page, such as those that sort it."""


def list_address(address: str) -> dict[str, OSError | None]:
    """The addresses of all files below a folder, in the order of their names; of a file, itself alone.

    Folders that cannot be listed are among them, with the reason. Raises `UnknownAddressError`, or `OSError` where it
    cannot be told what is at the address.
    """
    if whole(address) != address:  # a signature is that of one file
        return {address: None}
    system, root = system_of(address)
    if not tried(lambda: system.isdir(root)):
        return {address: None}
    try:
        found = _walked(system, root) if _has_folders(system) else _listed(system, root)
    except OSError as error:
        return {address: error}
    return {address.rstrip("/") + "/" + path[len(root) :].lstrip("/"): found[path] for path in sorted(found)}


def _has_folders(system: Any) -> bool:
    """Whether each has to be listed by itself. Stores of objects list all that is below a name, in a few answers."""
    from fsspec import AbstractFileSystem
    from fsspec.asyn import AsyncFileSystem

    kind = type(system)
    return getattr(kind, "_find", kind.find) in (AbstractFileSystem.find, AsyncFileSystem._find)


def _listed(system: Any, root: str) -> dict[str, OSError | None]:
    return dict.fromkeys(tried(lambda: system.find(root), seconds=_LONGEST))


def _walked(system: Any, root: str) -> dict[str, OSError | None]:
    """The same, folder by folder: fsspec's own walk leaves out those that cannot be listed, without a word."""
    found: dict[str, OSError | None] = {}
    folders, known = [(root, 0)], {root.rstrip("/")}
    end = time.monotonic() + _LONGEST
    while folders:
        folder, depth = folders.pop()
        if time.monotonic() > end:
            raise TimeoutError(errno.ETIMEDOUT, f"no end within {_LONGEST:,} seconds")
        try:
            if depth > _DEEPEST:
                raise OSError(errno.ELOOP, f"lies below {_DEEPEST} folders, maybe in a circle of links")
            entries = tried(partial(system.ls, folder, detail=True))
        except OSError as error:
            if folder == root:
                raise
            found[folder] = error
            continue
        for entry in entries:
            path = str(entry["name"])
            if path.rstrip("/") in known or _BACK.search(path[len(root) :]):
                continue
            if entry["type"] != "directory":
                found[path] = None
            elif not (root.startswith("http") and _ABOUT_PAGE.search(path)):
                known.add(path.rstrip("/"))
                folders.append((path, depth + 1))
    return found
