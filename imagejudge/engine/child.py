"""The process that an engine runs in, with its pipes: started, watched over, ended. Knows nothing of what is asked."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, cast

from imagejudge.common import messages
from imagejudge.engine.allowance import Allowance
from imagejudge.errors import EngineFailure

_POLL = 0.2
"""Seconds between two looks at the clock and the child's memory while it works."""

_BUFFER = 2**20
"""Bytes: a request leaves in one piece, since between two pieces other threads of this process have their turn."""

_ENVIRONMENT = {"GOMP_SPINCOUNT": "1000", "GGML_NO_BACKTRACE": "1"}
"""Without a backtrace an abort takes no seconds, and its last line says why.

Threads that wait for each other sleep after microseconds. GNU's OpenMP would let them spin for milliseconds, which
gains nothing on an idle machine and makes a scan ten times slower on a busy one. docs/benchmarks.md has the figures."""

# A child that is stopped between fork and exec would stop all threads of its maker, if it were made with vfork.
subprocess._USE_VFORK = False  # type: ignore[misc]


class _Process(subprocess.Popen[bytes]):
    """One that can be ended while it is still being made: until its program begins, its maker waits for it."""

    def __init__(self, child: Child, **options: Any) -> None:
        child.process = self
        self.pid = None  # type: ignore[assignment] # until there is one
        # -P: the folder one happens to stand in, perhaps a download folder, must not supply modules.
        super().__init__([sys.executable, "-P", "-m", "imagejudge.engine.process_main"], **options)


class Child:
    """One process and its pipes. Whoever calls simply waits; a thread ends the process when that costs too much."""

    def __init__(self) -> None:
        self.process: _Process | None = None
        self._lock = threading.Lock()
        self._allowed = Allowance()
        """For what is under way."""
        self._excess: EngineFailure | None = None
        """Why the process was ended here."""
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._watch_over, daemon=True)

    def start(self) -> None:
        """Start the process. OSError, RuntimeError or MemoryError when that cannot be."""
        self._watch.start()  # first, since a process can be stopped before its program begins
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        process = _Process(
            self,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=_BUFFER,
            env={**_ENVIRONMENT, **os.environ},
        )
        self._requests, self._replies = cast("BinaryIO", process.stdin), cast("BinaryIO", process.stdout)
        if self._ended.is_set():  # `kill` came before there was anything to end
            raise EngineFailure("engine-error", "the engine was closed")

    def send(self, request: dict[str, Any], payload: bytes = b"") -> None:
        """Send a request, which may have to wait until the child reads it. `receive` tells if that failed."""
        with contextlib.suppress(OSError, ValueError):  # its end is gone, or `kill` closed ours
            messages.send(self._requests, request, payload)

    def receive(self) -> dict[str, Any]:
        """Wait for the reply to the earliest request that has had none. Raises `EngineFailure`."""
        with contextlib.suppress(OSError, ValueError):
            if (message := messages.receive(self._replies)) is not None:
                return message[0]
        raise self._died()

    @contextlib.contextmanager
    def within(self, allowance: Allowance) -> Iterator[None]:
        """End the process when it takes more than it may. Raises `EngineFailure` if so."""
        trouble: EngineFailure | None = None
        with self._lock:
            self._allowed = allowance
        try:
            yield
        except EngineFailure as failure:
            trouble = failure
        finally:
            with self._lock:
                self._allowed = Allowance()
        # Why it was ended says more than that it died; and it may have grown since the last look.
        pid = self.pid
        if trouble := self._excess or (pid and allowance.exceeded(pid, timely=False)) or trouble:
            raise trouble

    @property
    def pid(self) -> int | None:
        """Of the process; None until there is one."""
        return self.process.pid if self.process is not None else None

    def kill(self) -> None:
        """End the process and wait for it. May be called twice, also while the process is being made."""
        self._ended.set()
        if (process := self.process) is not None and process.pid is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdout, process.stdin):
                with contextlib.suppress(OSError, AttributeError):  # what was still to be sent cannot be any more
                    pipe.close()  # type: ignore[union-attr]
            self._log.close()
        if self._watch.ident is not None:
            self._watch.join()

    def _watch_over(self) -> None:
        while not self._ended.wait(_POLL):
            process = self.process
            with self._lock:
                if process is not None and process.pid is not None:
                    self._excess = self._allowed.exceeded(process.pid)
                if process is not None and self._excess is not None:
                    process.kill()
                    return

    def _died(self) -> EngineFailure:
        try:
            code = cast("_Process", self.process).wait(timeout=5)
        except subprocess.TimeoutExpired:
            return EngineFailure("engine-crash", "the engine closed its pipe")
        cause = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        last = self._last_words()
        return EngineFailure("engine-crash", f"the engine {cause}" + (f": {last}" if last else ""))

    def _last_words(self) -> str:
        """The line of the child's standard error that most likely says why it died."""
        try:
            self._log.seek(max(0, self._log.seek(0, 2) - 16384))
            lines = [line.strip() for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        except ValueError:
            return ""
        telling = [line for line in lines if "ASSERT" in line or "rror" in line]
        return (telling or lines or [""])[-1][:300]
