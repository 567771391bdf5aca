"""Ctrl-C, SIGTERM and SIGHUP: all of them stop a command in the same way, and each has its exit code.

It is 128 and the signal's number, unless `watch_preemption` was called: then SIGUSR1 is one of them too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, Final

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C; the other signals have 128 and their number."""
PREEMPTED: Final = 75
"""Exit code of a scan by blocks that a scheduler told to stop: the same command goes on (EX_TEMPFAIL of sysexits.h)."""

_SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """The program was told to stop. Whatever ends well after Ctrl-C also ends well after this."""


_codes: dict[int, int] = {}
"""Exit codes of signals that mean something else than to the system."""
_number: int | None = None
"""The signal that told the program to stop."""
_held = False
"""Signals wait until something is whole."""
_late: list[int] = []
"""Those that came meanwhile."""


def watch_signals() -> None:
    """Let Ctrl-C raise `KeyboardInterrupt`, SIGTERM and SIGHUP `Stopped`; what is ignored, as after `nohup`, stays so.

    The handlers stay for good: to replace them around every line would take three system calls for each.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def watch_preemption() -> None:
    """Take SIGTERM and SIGUSR1, with which schedulers announce that they take a machine away, for such: `PREEMPTED`."""
    for number in (getattr(signal, name, None) for name in ("SIGTERM", "SIGUSR1")):
        if number is not None:
            _codes[number] = PREEMPTED
            signal.signal(number, _stop)


def exit_code() -> int | None:
    """With what a program leaves that a signal told to stop; None where none did."""
    return None if _number is None else _codes.get(_number, 128 + _number)


def _stop(number: int, frame: Any) -> None:
    del frame
    global _number
    if _held:
        _late.append(number)
        return
    _number = number
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_IGN)  # what is under way now is the end already
    raise Stopped(number)


def leave_if_stopped() -> None:
    """End the program at once with the exit code of the signal, if one told it to stop.

    Nothing is waited for: a signal that comes while the main thread takes a lock can leave it taken for good, and a
    thread that waits for it would keep the program from ending. All files are closed by now.
    """
    if (code := exit_code()) is None:
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


@contextlib.contextmanager
def unbroken() -> Iterator[None]:
    """Hold back what would stop the program until something is whole, such as a line."""
    global _held
    if threading.current_thread() is not threading.main_thread():  # where no signal arrives
        yield
        return
    _held = True
    try:
        yield
    finally:
        _held = False
    while _late:
        _stop(_late.pop(0), None)
