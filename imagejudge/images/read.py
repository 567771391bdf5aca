"""A file's bytes, or why there are none. Anything may lie at a path: it is looked at without waiting for it.

Knows nothing of what the bytes mean.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from typing import BinaryIO, Final, Literal, TypeVar

from imagejudge.common.file_stamp import Stamp
from imagejudge.errors import UsageError
from imagejudge.images.remote import (
    RangeFile,
    RemoteFile,
    UnknownAddressError,
    is_address,
    open_address,
    state_of,
)
from imagejudge.images.special_files import is_special

_EVERY: Final = 1.0
_TRIES: Final = 3
"""How often a file is read that changes meanwhile."""


_File = TypeVar("_File", RemoteFile, RangeFile)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost."""

    bytes: int = 100_000_000
    """Size of the file."""
    pixels: int = 100_000_000
    """Width times height of a frame."""
    frames: int = 4
    """How many frames of an animation, or pages, are looked at; at least 1."""
    every: float = _EVERY
    """Seconds between the frames of a video that are looked at; more than 0. Doubled while there are over 600."""
    video_frames: int | None = None
    """How many frames of a video are looked at instead, in the middle of as many equal parts; 1 to 600."""
    scenes: bool = False
    """Instead, in the middle of each scene of a video, and of each part of a long one; at most 600."""

    def __post_init__(self) -> None:
        if sum((self.every != _EVERY, self.video_frames is not None, self.scenes)) > 1:
            raise UsageError("`every`, `video_frames` and `scenes` exclude each other", "give one of them")

    @property
    def video_method(self) -> Literal["every", "spread", "scenes"]:
        """By what the frames of a video are chosen, as verdict lines call it."""
        return "scenes" if self.scenes else "every" if self.video_frames is None else "spread"

    @property
    def video_settings(self) -> dict[str, str | int]:
        """The one of the last three that is in force, by its name, as verdict lines tell it."""
        if self.scenes:
            return {"scenes": "on"}
        return {"every": f"{self.every:g}"} if self.video_frames is None else {"video_frames": self.video_frames}


def stamp_now(path: str) -> Stamp | None:
    """What is said of a file now; None when there is none."""
    if is_address(path):
        with suppress(OSError, UnknownAddressError):
            return state_of(path)
        return None
    try:
        return Stamp.of(os.stat(path))  # noqa: PTH116 - Path rewrites "" and "a/"
    except (OSError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a file gives no picture: a kind for programs (docs/images.md lists them), a message for people."""

    kind: str
    message: str
    sha256: str | None = None
    """Of the file's bytes; None when they could not be read."""
    stamp: Stamp | None = None


_IMPOSSIBLE: Final = Unreadable("missing", "no file can have this name")
NOT_FETCHED: Final = Unreadable("missing", "is an address, and only files are read; copy it to a file first")
_NOT_LISTED: Final = Unreadable("permission", "may not list this folder; give yourself the right to read it")
_NOTHING: Final = Unreadable("missing", "nothing is at this address; check it")
_ANY_SIZE: Final = Limits(bytes=sys.maxsize)
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Source:
    """A file's bytes."""

    path: str
    data: bytes
    sha256: str
    stamp: Stamp | None = None
    """Of the file that the bytes came from; None when it had just been written, so that a change might not show."""


def read_image(path: str, limits: Limits) -> Source | Unreadable:
    """Read a regular file of at most `limits.bytes`; anything else is told without waiting for it."""
    if is_address(path):
        return _read(path, limits, _fetch_once)
    try:
        # Before opening, since opening a device may already do something; and again after, since it may have changed.
        status = os.stat(path)  # noqa: PTH116 - Path rewrites "" and "a/"
    except ValueError:  # a NUL byte, or a surrogate that stands for no byte
        return _IMPOSSIBLE
    except OSError as error:
        return _os_error(path, error)
    try:
        found = _refuse(path, path, status, limits) or _read(path, limits, _read_once)
    except OSError as error:
        found = _os_error(path, error)
    return found if found.stamp or found.sha256 else dataclasses.replace(found, stamp=Stamp.of(status))


def open_regular(path: str) -> BufferedReader | Unreadable:
    """A regular file of any size, open for reading; anything else is told without waiting for it.

    What lies at an address can be read from front to back alone.
    """
    if is_address(path):
        return _at_address(open_address, path)
    try:
        status = os.stat(path)  # noqa: PTH116 - Path rewrites "" and "a/"
        if refusal := _refuse(path, path, status, _ANY_SIZE):
            return refusal
        file = os.fdopen(os.open(path, _FLAGS), "rb")
        if refusal := _refuse(path, file.fileno(), os.fstat(file.fileno()), _ANY_SIZE):
            file.close()
            return refusal
    except ValueError:
        return _IMPOSSIBLE
    except OSError as error:
        return _os_error(path, error)
    return file


def open_ranges(path: str) -> BufferedReader | RangeFile | Unreadable:
    """The same as `open_regular`, but any part of the file can be read, also at an address."""
    return _at_address(RangeFile, path) if is_address(path) else open_regular(path)


def state_now(file: BinaryIO | RangeFile) -> Stamp | None:
    """What is said of an open file now; of one at an address, what was said when it was opened."""
    return file.state if isinstance(file, RemoteFile | RangeFile) else Stamp.of(os.fstat(file.fileno()))


def state_at_end(file: BinaryIO | RangeFile) -> Stamp | None:
    """The same when all of it was read, for which a server is asked once more. Raises `OSError`."""
    return file.state_again() if isinstance(file, RemoteFile | RangeFile) else state_now(file)


def _at_address(open_: Callable[[str], _File], address: str) -> _File | Unreadable:
    try:
        return open_(address)
    except UnknownAddressError as error:
        return Unreadable("missing", str(error))
    except FileNotFoundError:
        return _NOTHING
    except OSError as error:
        return _os_error(address, error)


def unlisted(error: OSError) -> Unreadable:
    """Why a folder at an address gives no images."""
    if isinstance(error, PermissionError):
        return _NOT_LISTED
    if isinstance(error, FileNotFoundError):
        return _NOTHING
    return Unreadable("io", f"cannot be listed: {error.strerror or error}")


def given_image(name: str, data: bytes, limits: Limits) -> Source | Unreadable:
    """Bytes that lie in memory already, by the same limits as a file's."""
    if len(data) > limits.bytes:
        return too_large(limits)
    if not data:
        return Unreadable("empty", "the image has no bytes", hashlib.sha256().hexdigest())
    return Source(name, data, hashlib.sha256(data).hexdigest())


def _refuse(path: str, where: str | int, status: os.stat_result, limits: Limits) -> Unreadable | None:
    """Why not to read on; `where` is the path, or the number of the open file."""
    if (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)) and is_special(where, status.st_dev):
        return Unreadable("not-a-file", "lies in a file system of the kernel, where reading has effects; leave it out")
    if stat.S_ISDIR(status.st_mode):
        if not os.access(path, os.R_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            return _NOT_LISTED
        return Unreadable("folder", "is a folder, where an image file is wanted")
    if not stat.S_ISREG(status.st_mode):
        return Unreadable("not-a-file", "is a pipe, socket or device, not a file; save the image to a file first")
    if status.st_size > limits.bytes:
        return too_large(limits)
    return None


def _read(path: str, limits: Limits, once: Callable[[str, Limits], Source | Unreadable | None]) -> Source | Unreadable:
    """The bytes of one state of the file: one that changes while it is read `once` is read again."""
    for _ in range(_TRIES):
        if (found := once(path, limits)) is not None:
            return found
    return Unreadable("io", "the file changed while it was read; wait until it is written")


def _read_once(path: str, limits: Limits) -> Source | Unreadable | None:
    with os.fdopen(os.open(path, _FLAGS), "rb") as file:
        status, now = os.fstat(file.fileno()), time.time_ns()
        if refusal := _refuse(path, file.fileno(), status, limits):
            return refusal
        data = _all_of(file, status.st_size + 1)
        if len(data) > status.st_size:  # it grew meanwhile, or its file system tells no sizes
            data += _all_of(file, limits.bytes + 1 - len(data))
        stamp = Stamp.of(status)
        if Stamp.of(os.fstat(file.fileno())) != stamp:
            return None
    settled = stamp.settled(now)
    if len(data) > limits.bytes:
        return too_large(limits)
    if not data:
        return Unreadable(
            "empty", "the file is empty; copy or download it again", hashlib.sha256().hexdigest(), settled
        )
    return Source(path, data, hashlib.sha256(data).hexdigest(), settled)


def _fetch_once(address: str, limits: Limits) -> Source | Unreadable | None:
    file = _at_address(open_address, address)
    if isinstance(file, Unreadable):
        return file
    with file:
        try:
            data = file.read_whole(limits.bytes + 1)
            if state_at_end(file) != state_now(file):
                return None
        except OSError as error:
            return _os_error(address, error)
    return dataclasses.replace(given_image(address, data, limits), stamp=state_now(file))


def _all_of(file: BinaryIO, most: int) -> bytes:
    """At most so many bytes; `BlockingIOError` where reading would have to wait."""
    data: bytes | None = file.read(most)
    if data is None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return data


def too_large(limits: Limits) -> Unreadable:
    """What is said of more bytes than one image may have."""
    return Unreadable("too-large", f"the file is larger than {limits.bytes:,} bytes; raise the limit with `max_bytes`")


def _os_error(path: str, error: OSError) -> Unreadable:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        with suppress(OSError, ValueError):
            if stat.S_ISLNK(os.lstat(path).st_mode):
                return Unreadable("missing", "is a symbolic link to a file that does not exist")
        return Unreadable("missing", "no such file; check its name")
    if isinstance(error, PermissionError):
        return Unreadable("permission", "may not read this file; give yourself the right to read it")
    if error.errno in (errno.ENXIO, errno.ENODEV):
        return Unreadable("not-a-file", "is a socket or device, not a file; save the image to a file first")
    return Unreadable("io", f"cannot be read: {error.strerror or error}")
