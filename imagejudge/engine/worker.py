"""Any engine in a child process, because native code can abort, hang or eat all memory: that costs one image.

Knows the wire and the child's life, nothing of models.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from imagejudge.engine import wire
from imagejudge.engine.base import Answer, Engine, Reasoning, View
from imagejudge.errors import EngineFailure, ModelError
from imagejudge.picture import Box, Picture
from imagejudge.questions import Question

_POLL = 0.2
"""Seconds between two looks at the clock and the child's memory while it works."""

_BUFFER = 2**20
"""Bytes: a request leaves in one piece, since between two pieces other threads of this process have their turn."""

_ENVIRONMENT = {"GOMP_SPINCOUNT": "1000"}
"""Threads that wait for each other sleep after microseconds. GNU's OpenMP would let them spin for milliseconds, which
gains nothing on an idle machine and makes a scan ten times slower on a busy one. docs/benchmarks.md has the figures."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one image, or one text to be written, may cost, and how long a child may live."""

    seconds: float = 600.0
    """Wall-clock time for all questions about one image with all its frames, and for one text."""
    memory: int | None = None
    """Resident bytes of the child (read on Linux only); None: no limit."""
    pictures: int = 2000
    """A child is replaced after so many pictures: native memory is known to grow (llama.cpp #27725, #28008)."""


class Worker(Engine):
    """Starts the child at the first question and again after it died.

    `factory` is `module:function`; the child calls it with `options`, which must be JSON. A view is good until the next
    call of `view`. Raises `EngineFailure` for what costs one image, `ModelError` when the engine refuses to start.

    What is asked first goes to the child right behind the picture, so that it need not idle in between.
    """

    def __init__(self, factory: str, options: Mapping[str, Any], limits: Limits) -> None:
        self._factory = factory
        self._options = dict(options)
        self._limits = limits
        self._child: _Child | None = None
        self._pictures = 0
        self._deadline = 0.0
        self._numbers = itertools.count()
        self._ahead: dict[str, Any] | None = None
        """A request that was sent before anyone waits for its reply."""
        self._closed = False

    def view(self, picture: Picture | None, first: Sequence[Question] = (), *, same_image: bool = False) -> View:
        """Hand a picture to the child, starting or replacing it where needed."""
        if self._child is not None and self._pictures >= self._limits.pictures:
            self._stop()
        loaded = self._child is not None
        child = self._child or self._start()
        self._pictures += 1
        if not (same_image and loaded):
            self._deadline = time.monotonic() + self._limits.seconds
        number = next(self._numbers)
        size = {"width": picture.width, "height": picture.height} if picture else {"width": 0, "height": 0}
        look = {"do": "look", "view": number, **size}
        self._call(child, look, picture.rgb if picture else b"", ahead=_asking(number, first) if first else None)
        return _WorkerView(self, child, number)

    def write(self, prompt: str, grammar: str, limit: int) -> str:
        """Let the child write; a child that dies of it is replaced at the next call."""
        child = self._child or self._start()
        self._deadline = time.monotonic() + self._limits.seconds
        text = self._call(child, {"do": "write", "prompt": prompt, "grammar": grammar, "limit": limit})
        return str(text)

    def close(self) -> None:
        """End the child, also while another thread waits for it: that thread sees an `EngineFailure`."""
        self._closed = True
        self._stop()

    def _start(self) -> _Child:
        if self._closed:
            raise EngineFailure("engine-error", "the engine was closed")
        try:
            self._child = child = _Child()
        except OSError as error:
            hint = "it needs a temporary folder that can be written (TMPDIR) and the right to start processes"
            raise ModelError(f"the engine cannot be started: {error.strerror or error}", hint) from error
        self._pictures = 0
        try:
            if self._closed:  # meanwhile, when there was no child yet that could be ended
                raise EngineFailure("engine-error", "the engine was closed")
            # No time limit: a large model on a slow disk takes what it takes, and `close` or Ctrl-C ends it.
            child.send({"factory": self._factory, "options": self._options})
            reply = child.receive()
        except BaseException as failure:
            self._stop()
            if self._closed or not isinstance(failure, EngineFailure):
                raise
            raise ModelError(
                f"the model's engine ended while loading: {failure.message}",
                "`imagejudge doctor` shows what the machine can do; a damaged model file is the usual cause",
            ) from failure
        if "refused" in reply:
            self._stop()
            raise ModelError(*reply["refused"])
        return child

    def _stop(self) -> None:
        child, self._child, self._ahead = self._child, None, None
        if child is not None:
            child.kill()

    def _call(
        self, child: _Child, request: dict[str, Any], payload: bytes = b"", *, ahead: dict[str, Any] | None = None
    ) -> Any:
        """The reply to a request. `ahead` is sent right behind it; its reply waits for the call that asks the same."""
        if child is not self._child:
            raise EngineFailure("engine-crash", "the engine that held this view is gone")
        sent, self._ahead = self._ahead, ahead
        try:
            with child.within(self._deadline, self._limits.memory):
                if sent != request:
                    if sent is not None:
                        child.receive()  # for nobody
                    child.send(request, payload)
                if ahead is not None:
                    child.send(ahead)
                reply = child.receive()
        except BaseException:  # also Ctrl-C: a reply that nobody waits for would be taken for the next one's
            self._stop()
            raise
        if "failure" in reply:
            raise EngineFailure(*reply["failure"])
        return reply["ok"]

    def _edit(self, child: _Child, view: int, edit: str, box: Box) -> View:
        number = next(self._numbers)
        self._call(child, {"do": edit, "view": view, "new": number, "box": dataclasses.asdict(box)})
        return _WorkerView(self, child, number)


@dataclass(frozen=True, slots=True)
class _WorkerView(View):
    worker: Worker
    child: _Child
    number: int

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        return [Answer(*reply) for reply in self.worker._call(self.child, _asking(self.number, questions))]

    def reason(self, question: Question) -> Reasoning | None:
        reply = self._call({"do": "reason", "question": [question.kind, question.subject]})
        return Reasoning(**reply) if reply else None

    def locate(self, objects: Sequence[str]) -> Box | None:
        reply = self._call({"do": "locate", "objects": list(objects)})
        return Box(**reply) if reply else None

    def without(self, box: Box) -> View:
        return self.worker._edit(self.child, self.number, "without", box)

    def crop(self, box: Box) -> View:
        return self.worker._edit(self.child, self.number, "crop", box)

    def _call(self, request: dict[str, Any]) -> Any:
        return self.worker._call(self.child, {**request, "view": self.number})


def _asking(view: int, questions: Sequence[Question]) -> dict[str, Any]:
    return {"do": "ask", "questions": [[question.kind, question.subject] for question in questions], "view": view}


class _Child:
    """One process and its pipes. Whoever calls simply waits; a thread ends the process when that costs too much."""

    def __init__(self) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        # -P: the folder one happens to stand in, perhaps a download folder, must not supply modules.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "imagejudge.engine.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=_BUFFER,
            env={**_ENVIRONMENT, **os.environ},
        )
        self._requests, self._replies = cast("BinaryIO", self._process.stdin), cast("BinaryIO", self._process.stdout)
        self._lock = threading.Lock()
        self._allowed: tuple[float | None, int | None] = None, None
        """Until when (monotonic seconds) what is under way may last, and the bytes the process may take."""
        self._excess: EngineFailure | None = None
        """Why the process was ended here."""
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._watch_over, daemon=True)
        self._watch.start()

    def send(self, request: dict[str, Any], payload: bytes = b"") -> None:
        """Send a request, which may have to wait until the child reads it. `receive` tells if that failed."""
        with contextlib.suppress(OSError, ValueError):  # its end is gone, or `kill` closed ours
            wire.send(self._requests, request, payload)

    def receive(self) -> dict[str, Any]:
        """Wait for the reply to the earliest request that has had none. Raises `EngineFailure`."""
        with contextlib.suppress(OSError, ValueError):
            if (message := wire.receive(self._replies)) is not None:
                return message[0]
        raise self._died()

    @contextlib.contextmanager
    def within(self, deadline: float, memory: int | None) -> Iterator[None]:
        """End the process at `deadline` (monotonic seconds) or above `memory` bytes. Raises `EngineFailure` if so."""
        trouble: EngineFailure | None = None
        with self._lock:
            self._allowed = deadline, memory
        try:
            yield
        except EngineFailure as failure:
            trouble = failure
        finally:
            with self._lock:
                self._allowed = None, None
        # Why it was ended says more than that it died; and it may have grown since the last look.
        if trouble := self._excess or self._exceeded(None, memory) or trouble:
            raise trouble

    def kill(self) -> None:
        """End the process and wait for it."""
        self._ended.set()
        self._process.kill()
        self._process.wait()
        self._watch.join()
        self._replies.close()
        with contextlib.suppress(OSError):  # what was still to be sent cannot be any more
            self._requests.close()
        self._log.close()

    def _watch_over(self) -> None:
        while not self._ended.wait(_POLL):
            with self._lock:
                self._excess = self._exceeded(*self._allowed)
                if self._excess is not None:
                    self._process.kill()
                    return

    def _exceeded(self, deadline: float | None, memory: int | None) -> EngineFailure | None:
        if deadline is not None and time.monotonic() > deadline:
            return EngineFailure("engine-timeout", "no answer within the time limit (--timeout)")
        if memory is not None and (used := _resident(self._process.pid)) > memory:
            words = f"the engine took {used / 1e9:.1f} GB, more than the limit (--memory-limit)"
            return EngineFailure("engine-memory", words)
        return None

    def _died(self) -> EngineFailure:
        try:
            code = self._process.wait(timeout=5)
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


def _resident(pid: int) -> int:
    """Resident bytes of a process; 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    import resource

    return pages * resource.getpagesize()
