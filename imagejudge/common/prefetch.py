"""Work begun before its results are asked for, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetch(begin: Callable[[T], Future[R]], items: Iterable[T], depth: int) -> Iterator[R]:
    """What is begun, in order, with at most `depth` items begun beyond the one that is being handed out."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(begin(item))
        if len(waiting) > depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
