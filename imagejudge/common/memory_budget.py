"""A share of memory that many threads use together: a thread that needs some waits until there is room.

Knows nothing of what the memory is for.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Budget:
    """So many bytes, handed out in the order in which they were asked for, so that the largest is not passed over.

    A request for more than all of them is granted when no other thread holds any.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._taken = 0
        self._waiting: deque[_Share] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def room(self, need: int) -> Iterator[Callable[[int], None]]:
        """Wait for `need` bytes, and give them back at the end; meanwhile it can be told how many they really are."""
        share = _Share(need)

        def correct(size: int) -> None:
            with self._changed:
                self._taken += size - share.size
                share.size = size
                self._changed.notify_all()

        with self._changed:
            self._waiting.append(share)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is share and self._fits(need))
                self._taken += need
            finally:
                self._waiting.remove(share)
                self._changed.notify_all()
        try:
            yield correct
        finally:
            correct(0)

    def _fits(self, need: int) -> bool:
        return not self._taken or self._taken + need <= self._total


class _Share:
    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size
