"""How long the hub's server may take: what is asked of it is done in a thread, and waited for within limits.

Timeouts of sockets begin again with each byte, so a server that sends one now and then could be listened to for ever:
in the head of its answer, in its body, or in what frames the body.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, Final, TypeVar

import httpx2

from imagejudge.common import waiting
from imagejudge.common.waiting import SLOWEST

T = TypeVar("T")

WINDOW: Final = 60.0
"""Seconds within which an answer must begin, and after which its pace is measured."""
_AHEAD: Final = 16
"""Pieces of a body that may wait to be taken."""


class TooSlow(httpx2.TransportError):
    """Bytes arrive, but so few that it would never end."""


def within(seconds: float, ask: Callable[[], T]) -> T:
    """What `ask` gives. Raises what it raises, and `httpx2.ReadTimeout` if it takes longer: it is then left behind."""
    try:
        return waiting.within(seconds, ask)
    except TimeoutError as error:
        raise httpx2.ReadTimeout(str(error)) from None


def body_of(response: httpx2.Response, window: float) -> Generator[bytes, None, None]:
    """The body, piece by piece. Raises `TooSlow` when fewer than 1,000 bytes a second arrived in `window` seconds."""
    pieces = _Pieces(response)
    try:
        began, arrived = time.monotonic(), 0
        while True:
            piece = pieces.next(max(0.0, began + window - time.monotonic()))
            if piece:
                arrived += len(piece)
                yield piece
            elif piece is None:
                return
            if (passed := time.monotonic() - began) > window:
                if arrived < SLOWEST * passed:
                    raise TooSlow(f"only {arrived:,} bytes arrived in {passed:,.0f} seconds")
                began, arrived = time.monotonic(), 0
    finally:
        pieces.leave()


class _Failed:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Pieces:
    """A body that is read in a thread."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._waiting: queue.Queue[bytes | _Failed | None] = queue.Queue(_AHEAD)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._read, name="body", daemon=True)
        self._thread.start()

    def next(self, seconds: float) -> bytes | None:
        """The next piece, which is empty if none arrives in time; None at the end."""
        try:
            piece = self._waiting.get(timeout=seconds)
        except queue.Empty:
            return b""
        if isinstance(piece, _Failed):
            raise piece.error
        return piece

    def leave(self) -> None:
        """Read no more, and wait until no thread does: a socket must not be closed while it is read from."""
        self._left.set()
        self._thread.join(0.1)
        if self._thread.is_alive():
            stream: Any = self._response.extensions.get("network_stream")
            with suppress(AttributeError, OSError):
                socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_RDWR)
            self._thread.join(5)

    def _read(self) -> None:
        try:
            for piece in self._response.iter_raw():
                if not self._put(piece):
                    return
            self._put(None)
        except BaseException as error:
            self._put(_Failed(error))

    def _put(self, piece: bytes | _Failed | None) -> bool:
        """False when it is not wanted any more."""
        while not self._left.is_set():
            with suppress(queue.Full):
                self._waiting.put(piece, timeout=0.05)
                return True
        return False
