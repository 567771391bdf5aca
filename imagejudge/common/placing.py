"""Putting a file in its place: whole or not at all, and never over another, even one that another process puts there.

Whenever the process is killed, a file is whole in its old place or in its new one; between two file systems perhaps in
both, and what is not whole yet has the name that `unfinished` gives.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO, Final

from imagejudge.common.atomic_write import unfinished
from imagejudge.common.file_lock import lock_file
from imagejudge.common.open_input import open_input
from imagejudge.common.renaming import refuse_if_there, rename

_BLOCK: Final = 1_000_000
"""Bytes that are read at once."""


class ContentChanged(Exception):  # noqa: N818 - the caller refuses one file
    """A file does not have the content that it should."""


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex. Raises `OSError`."""
    with open_input(path) as file:
        return _digest(file)


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def lies_there(path: Path) -> bool:
    """Whether the folder that a path names is no link, nor below one, so that what is put there stays there."""
    return os.path.realpath(path.parent) == str(path.parent)


def move(source: Path, target: Path, sha256: str) -> None:
    """Move a file whose content has this digest. Raises `OSError`, `ContentChanged`."""
    try:
        rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy(source, target, sha256)
        source.unlink()


def copy(source: Path, target: Path, sha256: str) -> None:
    """Copy a file, its mode and its times, and read it again to see that it is whole.

    Raises `OSError`, and `ContentChanged` where the copy has not this digest.
    """
    with _new(target) as fresh, open_input(source) as old:
        shutil.copyfileobj(old, fresh, _BLOCK)
        fresh.seek(0)
        if _digest(fresh) != sha256:
            raise ContentChanged
        with suppress(OSError):  # some file systems keep no modes, or nothing else of this
            shutil.copystat(source, fresh.name)


def write(data: bytes, target: Path) -> None:
    """Write a new file. Raises `OSError`."""
    with _new(target) as fresh:
        fresh.write(data)


@contextmanager
def _new(target: Path) -> Iterator[BufferedRandom]:
    """A file to write what is to be at the target, where it is at the end, on the disk. Raises `OSError`."""
    path = unfinished(target)
    with _alone_in(target.parent):
        refuse_if_there(target)
        path.unlink(missing_ok=True)  # a killed process may have left it
        fresh = path.open("x+b")
        try:
            with fresh:
                yield fresh
                fresh.flush()
                os.fsync(fresh.fileno())  # a copy of what may only be read cannot be opened again for it
                made = os.fstat(fresh.fileno())
            rename(path, target)
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise
        if not os.path.samestat(made, target.lstat()):  # without locks, another process can have made it anew meanwhile
            raise FileExistsError(str(target))
        sync_folder(target.parent)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Have others wait that would write a new file into a folder at the same time, where it can be locked."""
    with ExitStack() as stack:
        with suppress(OSError):
            opened = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, opened)
            lock_file(opened, wait=True)
        yield


def sync_folder(folder: Path) -> None:
    """Have a new name on the disk before an old one is given up."""
    with suppress(OSError):  # not all systems can
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
