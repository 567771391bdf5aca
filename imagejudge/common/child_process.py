"""How a child process of this program begins: it outlives no parent, and nothing it loads can corrupt its replies."""

from __future__ import annotations

import os
import signal
import threading
import time
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


def _end_with(parent: int) -> None:
    """End when the parent has, also while native code hangs and never reads that its requests have ended."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
