"""How a child process of this program begins: it outlives no parent, and nothing it loads can corrupt its replies,
nor take all the machine has."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from typing import BinaryIO


def serve_parent() -> BinaryIO:
    """Where replies go: what was standard output. What native code prints goes to standard error from here on.

    Signals from a terminal, which reach the whole process group, are left to the parent to act on.
    """
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if (number := getattr(signal, name, None)) is not None:
            signal.signal(number, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def confine(memory: int, cpu_seconds: int) -> None:
    """At most so many bytes of address space, and so much time of all threads, and no writing to files.

    Where the system has no such bounds, there are none.
    """
    with suppress(ImportError):
        import resource

        for kind, most in (
            (resource.RLIMIT_AS, memory),
            (resource.RLIMIT_CPU, cpu_seconds),
            (resource.RLIMIT_FSIZE, 0),
        ):
            with suppress(OSError, ValueError):  # a lower one is in force
                resource.setrlimit(kind, (most, most))


def _end_with(parent: int) -> None:
    """End when the parent has, also while native code hangs and never reads that its requests have ended."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
