"""Putting a file in its place: whole or not at all, and never over another.

Whenever the process is killed, a file is whole in its old place or in its new one; between two file systems perhaps in
both, and what is not whole yet has the name that `unfinished` gives.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from imagejudge.common.atomic_write import replacing
from imagejudge.common.open_input import open_input

_BLOCK: Final = 1_000_000
"""Bytes that are read at once."""


class ContentChanged(Exception):  # noqa: N818 - the caller refuses one file
    """A file does not have the content that it should."""


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex. Raises `OSError`."""
    digest = hashlib.sha256()
    with open_input(path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def lies_there(path: Path) -> bool:
    """Whether the folder that a path names is no link, nor below one, so that what is put there stays there."""
    return os.path.realpath(path.parent) == str(path.parent)


def move(source: Path, target: Path, sha256: str) -> None:
    """Move a file whose content has this digest. Raises `OSError`, `ContentChanged`."""
    _refuse_if_there(target)
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy(source, target, sha256)
        source.unlink()


def copy(source: Path, target: Path, sha256: str) -> None:
    """Copy a file, its mode and its times, and read it again to see that it is whole.

    Raises `OSError`, and `ContentChanged` where the copy has not this digest.
    """
    _refuse_if_there(target)
    with replacing(target, locked=True) as fresh:
        shutil.copyfile(source, fresh)
        if digest_of(fresh) != sha256:
            raise ContentChanged
        with suppress(OSError):  # some file systems keep no modes, or nothing else of this
            shutil.copystat(source, fresh)
        _refuse_if_there(target)
    sync_folder(target.parent)


def write(data: bytes, target: Path) -> None:
    """Write a new file. Raises `OSError`."""
    _refuse_if_there(target)
    with replacing(target, locked=True) as fresh:
        fresh.write_bytes(data)
        _refuse_if_there(target)
    sync_folder(target.parent)


def _refuse_if_there(target: Path) -> None:
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))


def sync_folder(folder: Path) -> None:
    """Have a new name on the disk before an old one is given up."""
    with suppress(OSError):  # not all systems can
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
