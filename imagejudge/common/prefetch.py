"""Work begun before its results are asked for, in order and within bounds."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_EXPECTED: Final = 20_000_000
"""Bytes that a share is taken to have before its size is known, until one was larger."""


def prefetch(begin: Callable[[T], Future[R]], items: Iterable[T], depth: int) -> Iterator[R]:
    """What is begun, in order, with at most `depth` items begun beyond the one that is being handed out."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(begin(item))
        if len(waiting) > depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class Room:
    """Memory that threads share: one that wants some waits while there is not enough, unless nobody else has any.

    The first few shares, whose sizes are not known before, may be larger than `size` bytes together.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._shares: dict[object, int] = {}
        self._largest = _EXPECTED
        self._changed = threading.Condition()

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """A share of the memory, to be told how many bytes it has once that is known."""
        share = object()

        def hold(size: int) -> None:
            with self._changed:
                self._largest = max(self._largest, size)
                self._shares[share] = size
                self._changed.notify_all()

        with self._changed:
            self._changed.wait_for(self._has_room)
            self._shares[share] = self._largest
        try:
            yield hold
        finally:
            with self._changed:
                del self._shares[share]
                self._changed.notify_all()

    def _has_room(self) -> bool:
        return not self._shares or sum(self._shares.values()) + self._largest <= self._size
