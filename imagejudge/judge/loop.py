"""The loop that all judging of images goes through: from files to results, in order, one each.

Each file is opened and asked about in one of several threads, which take turns at the engines; the thread that iterates
concludes, and is the only one that keeps answers. Knows nothing of what is asked or concluded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from imagejudge.common.crash_log import CrashLog
from imagejudge.common.memory_budget import Budget
from imagejudge.common.prefetch import prefetch
from imagejudge.common.system import threads
from imagejudge.engine.allowance import room_hint
from imagejudge.engine.base import Engine
from imagejudge.errors import EngineFailure, ImageJudgeError
from imagejudge.images.video.reader import Decoders
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.cached_view import ImageAnswers
from imagejudge.judge.conclusion import Trouble
from imagejudge.judge.model_answers import ModelAnswers
from imagejudge.judge.opened_image import OpenedImage, R, open_image
from imagejudge.judge.plan import Plan
from imagejudge.judge.turn import IdleEngines, Turn

_AHEAD = 1 if threads() < 4 else 2
"""Threads beyond one for each engine, which open images while the engines answer. On two cores, a second one made a
scan of known images 20 % slower."""
_PICTURES = 400_000_000
"""Bytes of all pictures that are decoded. The first few, whose sizes are not known before, may take more."""
_EXPECTED = 20_000_000
"""Bytes that an image's pictures are taken to have, until some had more."""

A = TypeVar("A")
"""What was found out about an image."""
T = TypeVar("T")
"""What is made of it."""
X = TypeVar("X")


@dataclass(frozen=True, slots=True)
class _Unopened(Generic[R]):
    ref: R
    why: Trouble


@dataclass(frozen=True, slots=True)
class _Asked(Generic[R, A]):
    image: OpenedImage[R]
    found: A | EngineFailure


class Loop(ABC, Generic[R, A, T]):
    """Judges images by one plan with one or more engines, which stay open for the next run until `close`.

    What goes wrong with an image costs that image alone; an `ImageJudgeError` ends the run.
    """

    def __init__(self, plan: Plan, cache: Cache, engines: Sequence[Engine]) -> None:
        self.plan = plan
        self.model = ModelAnswers(plan, cache)
        self.closed = False
        self._cache = cache
        self._engines = engines
        self._idle = IdleEngines(engines)
        self._pictures = Budget(_PICTURES)
        self._largest = _EXPECTED
        self._decoders = Decoders()
        self._crashes = CrashLog()

    @abstractmethod
    def ask(self, image: OpenedImage[R], turn: Turn) -> A:
        """Find out all that matters about an image, in any thread; an engine is only taken for what is not known.

        `EngineFailure` costs the image.
        """

    @abstractmethod
    def conclude(self, image: OpenedImage[R], found: A) -> T:
        """What follows from it, while the engine is asked about the next image; the pictures are given up by then."""

    @abstractmethod
    def fail(self, ref: R, why: Trouble, image: OpenedImage[R] | None) -> T:
        """What is made of an image that cannot be judged; `image` is None where it could not be opened."""

    def run(self, refs: Iterable[R]) -> Generator[T, None, None]:
        """The result of each image, in order. To stop early, close the iterator, which closes the engines too."""
        count = len(self._engines) + _AHEAD
        pool = ThreadPoolExecutor(count, "judge")
        try:
            for asked in prefetch(lambda ref: pool.submit(self._open_and_ask, ref), refs, 2 * count):
                if self.closed:  # by another thread: its engines would fail for all images that are left
                    return
                yield self._finish(asked)
        except BaseException:
            self.close()  # a thread that waits for an engine then gets its failure at once
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Close the engines, also while they answer, and end what decodes videos."""
        self.closed = True
        self._decoders.close()
        for engine in self._engines:
            engine.close()

    def _open_and_ask(self, ref: R) -> _Asked[R, A] | _Unopened[R]:
        with self._pictures.room(self._largest) as correct:
            opened = self._attempt(ref, lambda: open_image(ref, self.plan.limits, self._answers_about, self._decoders))
            if not isinstance(opened, OpenedImage):
                return _Unopened(ref, opened)
            correct(opened.pictures.held)
            self._largest = max(self._largest, opened.pictures.held)
            with Turn(self._idle) as turn:
                found = self._attempt(ref, lambda: self.ask(opened, turn))
            opened.pictures.give_up()
            return _Asked(opened, found)

    def _answers_about(self, sha256: str) -> ImageAnswers:
        return self._cache.load(self.plan.answers, sha256)

    def _finish(self, asked: _Asked[R, A] | _Unopened[R]) -> T:
        if isinstance(asked, _Unopened):
            return self.fail(asked.ref, asked.why, None)
        image = asked.image
        result = self._attempt(image.ref, lambda: self._keep_and_conclude(image, asked.found))
        return self.fail(image.ref, result, image) if isinstance(result, EngineFailure) else result

    def _keep_and_conclude(self, image: OpenedImage[R], found: A | EngineFailure) -> T:
        self._cache.save(self.plan.answers, image.sha256, image.answers)
        if isinstance(found, EngineFailure):
            raise found
        return self.conclude(image, found)

    def _attempt(self, ref: R, action: Callable[[], X]) -> X | EngineFailure:
        """What the action gives, or what went wrong with this one image."""
        try:
            return action()
        except EngineFailure as failure:
            return failure
        except ImageJudgeError:
            raise
        except Exception as error:
            return self._unforeseen(ref, error)

    def _unforeseen(self, ref: R, error: Exception) -> EngineFailure:
        if isinstance(error, MemoryError) or room_hint(str(error)) is not None:
            hint = room_hint() or "end other programs, or use a machine with more memory"
            words = f"there is not enough memory: {str(error) or type(error).__name__}; {hint}"
            return EngineFailure("internal", words)
        where = self._crashes.add(error, about=ref.path)
        return EngineFailure("internal", f"this is a bug in imagejudge, or something it should have foreseen; {where}")
