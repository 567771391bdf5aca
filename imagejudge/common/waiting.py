"""How long others may take: what is asked of them is done in a thread, and waited for only so long."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

SLOWEST: Final = 1000
"""Bytes a second below which a connection counts as lost: at this pace a gigabyte would take twelve days."""


def within(seconds: float, ask: Callable[[], T]) -> T:
    """What `ask` gives. Raises what it raises, and `TimeoutError` if it takes longer: it is then left behind."""
    ended: queue.SimpleQueue[T | _Failed] = queue.SimpleQueue()

    def run() -> None:
        try:
            ended.put(ask())
        except BaseException as error:
            ended.put(_Failed(error))

    threading.Thread(target=run, name="ask", daemon=True).start()
    try:
        found = ended.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if isinstance(found, _Failed):
        raise found.error
    return found


class _Failed:
    def __init__(self, error: BaseException) -> None:
        self.error = error
