"""One image's turn at an engine, where several images are at hand and engines are few."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from imagejudge.engine.base import Engine, View
from imagejudge.images.picture import Picture
from imagejudge.prompts import Question


class Turn:
    """Takes an idle engine when something is first asked, and gives it back at the end of the `with` statement."""

    def __init__(self, idle: queue.SimpleQueue[Engine]) -> None:
        self._idle = idle
        self._engine: Engine | None = None

    def take(self) -> Engine:
        """The engine; waits until one is idle, unless this turn has one."""
        if self._engine is None:
            self._engine = self._idle.get()
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
            self._idle.put(self._engine)
