"""Any engine in a child process, because native code can abort, hang or eat all memory: that costs one image.

Knows what is asked of a child and when it is replaced, nothing of models or pipes.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imagejudge.common.hashed_file import HashedFile
from imagejudge.engine.allowance import Allowance, gigabytes, resident, room_hint, unloadable
from imagejudge.engine.base import Answer, Engine, Reasoning, View
from imagejudge.engine.child import Child
from imagejudge.engine.embedding import Embedding, EncodedTokens, unpacked
from imagejudge.errors import EngineFailure, ModelError
from imagejudge.images.picture import Box, Picture
from imagejudge.prompts import Question


@dataclass(frozen=True, slots=True)
class Limits:
    """What one image, or one text to be written, may cost, and how long a child may live."""

    seconds: float = 600.0
    """Wall-clock time for all questions about one image with all its frames, one frame of a video, and for one text."""
    memory: int | None = None
    """Resident bytes of the child (read on Linux only); None: no limit."""
    pictures: int = 2000
    """A child is replaced after so many pictures: native memory is known to grow (llama.cpp #27725, #28008)."""
    load_seconds: float = 3600.0
    """Wall-clock time to start a child and to load its model: 50 GB from a disk that gives 20 MB a second take 2500."""


_PATIENCE = 10.0
"""Seconds of loading after which the caller is told that the model is still loading."""


class EngineProcess(Engine):
    """Starts the child at the first question and again after it died.

    `factory` is `module:function`; the child calls it with `options`, which must be JSON. A view is good until the next
    call of `view`. Raises `EngineFailure` for what costs one image, `ModelError` when the engine refuses to start.

    `files` are what the child opens, as they were when their digests were taken. An engine of other content than that
    answers nothing: a child whose files look changed is replaced, and where they did change, that is a `ModelError`.

    What is asked first goes to the child right behind the picture, so that it need not idle in between. `notify` is
    called, in a thread of its own, when loading takes long.
    """

    def __init__(
        self,
        factory: str,
        options: Mapping[str, Any],
        limits: Limits,
        notify: Callable[[str], None] = lambda message: None,
        files: Sequence[HashedFile] = (),
    ) -> None:
        self._factory = factory
        self._options = dict(options)
        self._limits = limits
        self._notify = notify
        self._files = list(files)
        self._child: Child | None = None
        self._pictures = 0
        self._deadline = 0.0
        self._numbers = itertools.count()
        self._ahead: dict[str, Any] | None = None
        """A request that was sent before anyone waits for its reply."""
        self._closed = False

    def view(self, picture: Picture | None, first: Sequence[Question] = (), *, same_image: bool = False) -> View:
        """Hand a picture to the child, starting or replacing it where needed."""
        # llama.cpp maps weights into memory, so that what is written over a file is read by a child that runs already.
        if self._child is not None and (self._pictures >= self._limits.pictures or self._touched() is not None):
            self._stop()
        loaded = self._child is not None
        child = self._child or self._start()
        self._pictures += 1
        if not (same_image and loaded):
            self._deadline = time.monotonic() + self._limits.seconds
        number = next(self._numbers)
        shown, ahead = picture or Picture(0, 0, b""), _asking(number, first) if first else None
        look = {"do": "look", "view": number, "width": shown.width, "height": shown.height}
        tokens = self._call(child, look, shown.rgb, ahead=ahead)
        return _WorkerView(self, child, number, tokens)

    def write(self, prompt: str, grammar: str, limit: int) -> str:
        """Let the child write; a child that dies of it is replaced at the next call."""
        child = self._child or self._start()
        self._deadline = time.monotonic() + self._limits.seconds
        text = self._call(child, {"do": "write", "prompt": prompt, "grammar": grammar, "limit": limit})
        return str(text)

    def facts(self) -> dict[str, str]:
        """What the child says of its engine, and what it takes here."""
        child = self._child or self._start()
        self._deadline = time.monotonic() + self._limits.seconds
        said: dict[str, str] = self._call(child, {"do": "facts"})
        return {**said, "memory": gigabytes(resident(child.pid)) if child.pid else "unknown"}

    def close(self) -> None:
        """End the child, also while another thread waits for it: that thread sees an `EngineFailure`."""
        self._closed = True
        self._stop()

    def _start(self) -> Child:
        if self._closed:
            raise EngineFailure("engine-error", "the engine was closed")
        self._child = child = Child()  # known before its process is there, so that `close` can end that at any time
        self._pictures = 0
        try:
            self._recognise_files()
            reply = self._loaded(child)
            if (file := self._touched()) is not None:  # which of two contents was loaded cannot be told
                raise _changed(file)
            if self._closed:  # meanwhile, and perhaps before there was a process that could be ended
                raise EngineFailure("engine-error", "the engine was closed")
        except BaseException as failure:
            self._stop()
            child.kill()
            if isinstance(failure, OSError | RuntimeError | MemoryError):
                hint = "it needs a temporary folder that can be written (TMPDIR) and the right to start processes"
                reason = getattr(failure, "strerror", None) or str(failure) or "there is no memory left"
                words = f"the engine cannot be started: {reason}"
                raise ModelError(words, room_hint(words) or hint) from failure
            if self._closed or not isinstance(failure, EngineFailure):
                raise
            raise unloadable(failure) from failure
        if "refused" in reply:
            self._stop()
            message, hint = reply["refused"]
            raise ModelError(message, room_hint(message) or hint)
        return child

    def _touched(self) -> HashedFile | None:
        """One of the files that does not look as it did."""
        return next((file for file in self._files if not file.untouched), None)

    def _recognise_files(self) -> None:
        for number, file in enumerate(self._files):
            if (same := file.recognised()) is None:
                raise _changed(file)
            self._files[number] = same

    def _loaded(self, child: Child) -> dict[str, Any]:
        """What a new child says when it has loaded the model, or cannot."""
        seconds = self._limits.load_seconds
        late = f"the model was not loaded within {seconds:g} seconds (`load_timeout`)"
        notice = threading.Timer(_PATIENCE, self._notify, [f"still loading the model; given up after {seconds:g} s"])
        notice.daemon = True
        notice.start()
        try:
            with child.within(Allowance(time.monotonic() + seconds, late, self._limits.memory)):
                child.start()
                child.send({"factory": self._factory, "options": self._options})
                return child.receive()
        finally:
            notice.cancel()

    def _stop(self) -> None:
        child, self._child, self._ahead = self._child, None, None
        if child is not None:
            child.kill()

    def _call(
        self, child: Child, request: dict[str, Any], payload: bytes = b"", *, ahead: dict[str, Any] | None = None
    ) -> Any:
        """The reply to a request. `ahead` is sent right behind it; its reply waits for the call that asks the same."""
        if child is not self._child:
            raise EngineFailure("engine-crash", "the engine that held this view is gone")
        sent, self._ahead = self._ahead, ahead
        try:
            late = f"no answer within the time limit of {self._limits.seconds:g} seconds (`timeout`)"
            with child.within(Allowance(self._deadline, late, self._limits.memory)):
                if sent != request:
                    if sent is not None:
                        child.receive()  # not wanted any more
                    child.send(request, payload)
                if ahead is not None:
                    child.send(ahead)
                reply = child.receive()
        except BaseException as failure:  # also Ctrl-C: a reply not waited for would be taken for the next one's
            self._stop()
            if isinstance(failure, EngineFailure) and failure.kind == "engine-crash" and (hint := room_hint()):
                raise EngineFailure(failure.kind, f"{failure.message}; {hint}") from failure
            raise
        if "failure" in reply:
            raise EngineFailure(*reply["failure"])
        return reply["ok"]

    def _edit(self, child: Child, view: int, edit: str, box: Box) -> View:
        number = next(self._numbers)
        tokens = self._call(child, {"do": edit, "view": view, "new": number, "box": dataclasses.asdict(box)})
        return _WorkerView(self, child, number, tokens)


def _changed(file: HashedFile) -> ModelError:
    return ModelError(
        f"{file.path} changed since this run began, and verdicts name the model by what was in it then",
        "run the command again when the file is whole",
    )


@dataclass(frozen=True, slots=True)
class _WorkerView(View):
    worker: EngineProcess
    child: Child
    number: int
    tokens: int | None

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        return [Answer(*reply) for reply in self.worker._call(self.child, _asking(self.number, questions))]

    def reason(self, questions: Sequence[Question]) -> list[Reasoning | None]:
        replies = self._call({"do": "reason", "questions": [[each.kind, each.subject] for each in questions]})
        return [Reasoning(**reply) if reply else None for reply in replies]

    def embedding(self) -> Embedding:
        return unpacked(self._call({"do": "embed"}))

    def encoded(self) -> EncodedTokens:
        reply = self._call({"do": "encoded"})
        return unpacked(reply["values"]).reshape(reply["tokens"], -1)

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
