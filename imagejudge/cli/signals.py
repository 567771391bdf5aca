"""Ctrl-C, SIGTERM and SIGHUP: all of them stop a command in the same way, and each has its exit code."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any, Final

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C; the other signals have 128 and their number."""

_SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """The program was told to stop. Whatever ends well after Ctrl-C also ends well after this."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


def watch_signals() -> None:
    """Let SIGTERM and SIGHUP raise `Stopped`, unless they are ignored, as after `nohup`."""
    for number in _SIGNALS[1:]:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, frame: Any) -> None:
    del frame
    signal.signal(number, signal.SIG_IGN)  # what is under way now is the end already
    raise Stopped(number)


@contextlib.contextmanager
def unbroken() -> Iterator[None]:
    """Hold back what would stop the program until something is whole, such as a line."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    late: list[int] = []
    usual = {number: signal.getsignal(number) for number in _SIGNALS}
    watched = [number for number, handler in usual.items() if callable(handler)]
    for number in watched:
        signal.signal(number, lambda which, _: late.append(which))
    try:
        yield
    finally:
        for number in watched:
            signal.signal(number, usual[number])
    for number in late:
        handler: Any = usual[number]
        handler(number, None)
