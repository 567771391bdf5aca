"""Turns at engines, where several images are at hand and engines are few."""

from __future__ import annotations

import queue
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from imagejudge.engine.base import Engine, View
from imagejudge.errors import ImageJudgeError
from imagejudge.images.picture import Picture
from imagejudge.prompts import Question


class IdleEngines:
    """Engines that nobody asks just now."""

    def __init__(self, engines: Iterable[Engine]) -> None:
        self._queue: queue.SimpleQueue[Engine] = queue.SimpleQueue()
        self._end: ImageJudgeError | None = None
        for engine in engines:
            self._queue.put(engine)

    def take(self) -> Engine:
        """One of them; waits for it. Raises what an earlier turn ended with that ends the run."""
        engine = self._queue.get()
        if self._end is not None:
            self._queue.put(engine)  # for the next that waits
            raise self._end
        return engine

    def give_back(self, engine: Engine, end: ImageJudgeError | None) -> None:
        """It is idle again; `end` is why nothing more is to be asked of any."""
        self._end = self._end or end
        self._queue.put(engine)


class Turn:
    """Takes an idle engine when something is first asked, and gives it back at the end of the `with` statement."""

    def __init__(self, idle: IdleEngines) -> None:
        self._idle = idle
        self._engine: Engine | None = None

    def take(self) -> Engine:
        """The engine; waits until one is idle, unless this turn has one."""
        if self._engine is None:
            self._engine = self._idle.take()
        return self._engine

    def view(self, picture: Picture | None, first: Sequence[Question] = (), *, same_image: bool = False) -> View:
        """As the engine's own."""
        return self.take().view(picture, first, same_image=same_image)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._engine is not None:
            self._idle.give_back(self._engine, error if isinstance(error, ImageJudgeError) else None)
