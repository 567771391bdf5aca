"""Work begun before its results are asked for, in order and within bounds."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_EXPECTED: Final = 20_000_000
"""Bytes that a result is taken to have, until one was larger or this one is there."""


def prefetch(begin: Callable[[T], Future[R]], items: Iterable[T], depth: int) -> Iterator[R]:
    """What is begun, in order, with at most `depth` items begun beyond the one that is being handed out."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(begin(item))
        if len(waiting) > depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def made_ahead(
    pool: ThreadPoolExecutor,
    make: Callable[[T], R],
    items: Iterable[T],
    depth: int,
    size: Callable[[R], int],
    room: int,
) -> Generator[R, None, None]:
    """As `prefetch`, where results also wait only as long as they have fewer than `room` bytes together.

    Beyond that, only the one that is to be handed out next is made. The first few, whose sizes are not known, may be
    larger. Close it to stop early: threads may wait for room.
    """
    shelf = _Shelf(room)

    def work(number: int, item: T) -> R:
        shelf.begin(number)
        made = 0
        try:
            result = make(item)
            made = size(result)
        finally:
            shelf.put(number, made)
        return result

    begun = enumerate(items)
    try:
        results = prefetch(lambda numbered: pool.submit(work, *numbered), begun, depth)
        for number, result in enumerate(results):
            shelf.take(number)
            yield result
    finally:
        shelf.close()


class _Shelf:
    """What waits to be handed out in order, by size; and who may make more of it."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._sizes: dict[int, int] = {}
        """By number; of what is being made, the size that is expected."""
        self._next = 0
        self._largest = _EXPECTED
        self._changed = threading.Condition()
        self._closed = False

    def begin(self, number: int) -> None:
        """Wait until there is room, or everything before was handed out."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or number == self._next or sum(self._sizes.values()) + self._largest <= self._room
            )
            if self._closed:
                raise CancelledError
            self._sizes[number] = self._largest

    def put(self, number: int, size: int) -> None:
        """Say how large it has become."""
        with self._changed:
            self._largest = max(self._largest, size)
            self._sizes[number] = size
            self._changed.notify_all()

    def take(self, number: int) -> None:
        """It was handed out."""
        with self._changed:
            self._sizes.pop(number, None)
            self._next = number + 1
            self._changed.notify_all()

    def close(self) -> None:
        """Wake all threads that wait, for good."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
