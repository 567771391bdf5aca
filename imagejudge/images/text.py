"""The text of a file, which may lie in a network."""

from __future__ import annotations

import errno
from pathlib import Path

from imagejudge.common.text_file import decoded, read_text
from imagejudge.images.read import Unreadable, open_regular
from imagejudge.images.remote import is_address

_CHUNK = 1 << 20


def text_at(path: str, limit: int) -> str:
    """The text of at most `limit` bytes at a path or an address, without a byte order mark.

    Raises `UnreadableError`, or `OSError`, whose `strerror` says why there is none.
    """
    return _fetched(path, limit) if is_address(path) else read_text(Path(path), limit)


def _fetched(address: str, limit: int) -> str:
    file = open_regular(address)
    if isinstance(file, Unreadable):
        raise OSError(errno.EIO, file.message)
    with file:
        data = bytearray()
        while len(data) <= limit and (more := file.read(_CHUNK)):
            data += more
    return decoded(bytes(data), limit)
