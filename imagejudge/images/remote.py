"""Files in a network by their addresses, such as `s3://bucket/a.tar`. fsspec (an extra) reads them.

Credentials are what fsspec finds. What a library says of an error may hold an address with a signature in it, so that
only its kind is told.
"""

from __future__ import annotations

import errno
import hashlib
import io
import re
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Self, TypeVar

from imagejudge.common.extras import how_to_install
from imagejudge.common.file_stamp import Stamp
from imagejudge.common.waiting import SLOWEST, within
from imagejudge.errors import UsageError
from imagejudge.images.signed import whole

INSTALL: Final = how_to_install("remote")
"""What makes addresses readable."""
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://")
_WITH_NAME: Final = re.compile(r"https?://[^/?#]*@")
_LOCAL: Final = ("file", "local")
_CONNECT: Final = 30
_SILENCE: Final = 60
"""Seconds in which a server has to say something."""
_ANSWER: Final = 300
"""Seconds for an answer as a whole; of a file that is read as a stream, for its beginning."""
_WINDOW: Final = 60
"""Seconds of waiting for bytes after which the pace of a stream is measured."""
_PAUSES: Final = (1, 4)
"""Seconds before a second and a third try."""
_BUFFER: Final = 1 << 20
_LEAST: Final = 512
"""Bytes that are waited for, if there are as many: what a file is, its first bytes tell."""
_MARKS: Final = (
    "ETag",
    "etag",
    "mtime",
    "LastModified",
    "Last-Modified",
    "last_modified",
    "updated",
    "created",
    "md5Hash",
)
"""What file systems call that which changes with a file's content."""
_CERTAIN: Final = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)
"""What another try does not change."""
_NO_PARTS: Final = "the server gives no parts of files, which tables are read by"
_T = TypeVar("_T")


class UnknownAddressError(Exception):
    """An address that is not read; the message says why, or what to install."""


def is_address(path: str) -> bool:
    """Whether it is written as that of something in a network."""
    return _ADDRESS.match(path) is not None


def refuse_name(address: str) -> None:
    """Raise `UsageError` where the name of a user, and maybe a password, is written into it."""
    if _WITH_NAME.match(address):
        hint = "put it where fsspec looks for it, such as ~/.netrc: verdicts have the whole address"
        raise UsageError("an address has the name of a user in it", hint)


class RemoteFile(io.BufferedReader):
    """A file that is open for reading; `state` is its size and two numbers that change with it, where they are told.

    It is that of the bytes, or an older one, and never a newer one: then they would be taken for what came later.
    `state_again` gives it once they are read, by which a file that changed meanwhile is known. Raises `OSError`.
    """

    def __init__(self, raw: io.RawIOBase, state: Stamp | None, state_again: Callable[[], Stamp | None]) -> None:
        super().__init__(raw, _BUFFER)
        self.state = state
        self.state_again = state_again

    def read(self, size: int | None = -1, /) -> bytes:
        """At most so many bytes, as many as are there; none at the end. What had arrived comes before any `OSError`."""
        return super().read1(-1 if size is None else size)

    def read_whole(self, most: int) -> bytes:
        """The same, but fewer only at the end of the file. Raises `OSError`."""
        return super().read(most)


class RangeFile:
    """A file of which any part can be read; close it. `state` and `state_again` are as in `RemoteFile`."""

    def __init__(self, address: str) -> None:
        """Raises `UnknownAddressError`, or `OSError`."""
        system, path = system_of(address)
        told = tried(lambda: system.info(path))
        self.state, self.size = _state(told), int(told.get("size") or 0)
        self.state_again = partial(state_of, address)
        self._file = tried(lambda: system.open(path, "rb"))
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read_at(self, offset: int, size: int) -> bytes:
        """So many bytes, fewer at the end. Raises `OSError`, also where the server gives no parts of files."""

        def read() -> bytes:
            with self._lock:  # a process that took over asks while the last answer to the other is on its way
                self._file.seek(offset)
                return bytes(self._file.read(size))

        return tried(read)


def open_address(address: str) -> RemoteFile:
    """Open a file to be read once, from front to back. Raises `UnknownAddressError`, or `OSError`."""
    if "http" in address[:5]:
        return _open_stream(address)
    system, path = system_of(address)
    state = state_of(address)
    file = tried(lambda: system.open(path, "rb"))
    return RemoteFile(_Raw(file), state, partial(state_of, address))


def _open_stream(address: str) -> RemoteFile:
    """The same over HTTP: one answer, which every server can give, and which also says what it is the content of."""
    system, path = system_of(address)
    file = tried(lambda: system.open(path, "rb", block_size=0))
    headers = file.r.headers
    told = {mark: headers.get(mark) for mark in ("ETag", "Last-Modified")}
    if headers.get("Content-Encoding", "identity") == "identity":
        told["size"] = headers.get("Content-Length")
    state = _state(told)
    return RemoteFile(_Raw(file), state, lambda: state)


def state_of(address: str) -> Stamp | None:
    """Size of the file and two numbers that change with its content; None where its server tells nothing of it."""
    system, path = system_of(address)
    return _state(tried(lambda: system.info(path)))


def _state(told: Mapping[str, Any]) -> Stamp | None:
    marks = [str(told[mark]) for mark in _MARKS if told.get(mark)]
    if not marks:
        return None
    number = int.from_bytes(hashlib.sha256("\n".join(marks).encode()).digest()[:7], "big")
    return Stamp(int(told.get("size") or 0), number, number)


class _Raw(io.RawIOBase):
    """Gives what has arrived before it tells what is wrong. Raises `OSError`, also where too little arrives."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._at = 0
        self._broken: OSError | None = None
        self._rest = b""
        """What had arrived when it broke."""
        self._waited, self._arrived = 0.0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        got = 0
        while got < min(len(buffer), _LEAST) and (data := self._some(len(buffer) - got)):
            buffer[got : got + len(data)] = data
            got += len(data)
        if self._broken is not None and not got:
            raise self._broken
        self._at += got
        return got

    def _some(self, most: int) -> bytes:
        """What is there; nothing at the end, and when all that had arrived before it broke is given."""
        if self._broken is None:
            began = time.monotonic()
            try:
                data: bytes = _translated(lambda: self._file.read(most))  # once: a stream cannot be read again
            except OSError as error:
                self._broken, self._rest = error, _arrived(self._file)
            else:
                self._pace(len(data), time.monotonic() - began)
                return data
        data, self._rest = self._rest[:most], self._rest[most:]
        return data

    def _pace(self, size: int, seconds: float) -> None:
        self._arrived += size
        self._waited += seconds
        if self._waited > _WINDOW:
            if self._arrived < SLOWEST * self._waited:
                words = f"only {self._arrived:,} bytes arrived in {self._waited:,.0f} seconds"
                self._broken = OSError(errno.EIO, words)
            self._waited, self._arrived = 0.0, 0

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        self._file.close()
        super().close()


def _arrived(file: Any) -> bytes:
    """What a stream over HTTP that failed has received and not given."""
    content = getattr(getattr(file, "r", None), "content", None)
    if content is None or content.exception() is None:
        return b""
    content.set_exception(None)  # while there is one, it gives nothing else
    return bytes(content.read_nowait())


def system_of(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises `UnknownAddressError`, or `OSError`."""
    scheme = address.partition("://")[0]
    if scheme in _LOCAL:
        raise UnknownAddressError("is the address of a local file; give its path")
    try:
        import fsspec
    except ImportError:
        raise UnknownAddressError(f"is an address; to read it: {INSTALL}") from None
    try:
        how = {"client_kwargs": _client()} if scheme in ("http", "https") else {}
        system, path = fsspec.core.url_to_fs(whole(address), **how)
    except ImportError as error:  # which says what to install
        raise UnknownAddressError(f"is an address that needs one more package: {error}") from None
    except ValueError:
        raise UnknownAddressError("is an address of an unknown kind") from None
    except Exception as error:
        raise OSError(errno.EIO, _words(error)) from None
    return system, str(path)


def _client() -> dict[str, Any]:
    """How servers are asked: for files as they are, since one that is packed to be sent has other marks."""
    import aiohttp

    patience = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENCE)
    return {"timeout": patience, "headers": {"Accept-Encoding": "identity"}}


def tried(do: Callable[[], _T], *, seconds: float | None = None) -> _T:
    """What a call gives within so long (None: `_ANSWER`), tried again where the network may be at fault.

    Raises `OSError`.
    """
    seconds = _ANSWER if seconds is None else seconds
    for pause in _PAUSES:
        try:
            return _translated(lambda: within(seconds, do))
        except _TemporaryError:
            time.sleep(pause)
    return _translated(lambda: within(seconds, do))


class _TemporaryError(OSError):
    """What another try may change."""


def _translated(do: Callable[[], _T]) -> _T:
    """What a call gives. Raises `OSError`, without words that may hold an address."""
    try:
        return do()
    except Exception as error:
        status = _status(error)
        if isinstance(error, ValueError) and "range requests" in str(error):
            raise OSError(errno.EIO, _NO_PARTS) from None
        if status in (401, 403):
            raise PermissionError(errno.EACCES, _words(error)) from None
        if status in (404, 410):
            raise FileNotFoundError(errno.ENOENT, _words(error)) from None
        if status is None and isinstance(error, _CERTAIN) and not _is_unanswered(error):
            raise
        kind = _TemporaryError if status is None or status >= 500 else OSError
        raise kind(errno.EIO, _words(error)) from None


def _is_unanswered(error: Exception) -> bool:
    """Whether an HTTP server gave no answer; fsspec takes that for a file that is not there."""
    cause = error.__cause__
    by_http = isinstance(cause, TimeoutError) or type(cause).__module__.partition(".")[0] == "aiohttp"
    return by_http and isinstance(error, FileNotFoundError)


def _status(error: Exception) -> int | None:
    """What an HTTP server answered with; fsspec takes most answers for a file that is not there."""
    status = getattr(error.__cause__ or error, "status", None)
    return status if isinstance(status, int) and status else None


def _words(error: Exception) -> str:
    status = _status(error)
    if status is not None:
        return f"the server answers with {status}"
    return type(error.__cause__ if _is_unanswered(error) else error).__name__
