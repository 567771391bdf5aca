"""What is known of a model beside any image: what it answers without one, and that it answers at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from imagejudge.engine.base import Abilities, Answer, View
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.answering import PROVED, check_answers, check_verdicts
from imagejudge.judge.cached_view import CachedView, ImageAnswers, Stopwatch
from imagejudge.judge.plan import Plan
from imagejudge.judge.turn import Turn
from imagejudge.prompts import Question
from imagejudge.verdict import Verdict

_BLANK = "blank"
"""Stands for the image where there is none, in the answers cache."""


class ModelAnswers:
    """What one model answered beside any image, in this run and earlier ones. Any thread may use it."""

    def __init__(self, plan: Plan, cache: Cache) -> None:
        self._plan = plan
        self._cache = cache
        self._lock = threading.Lock()
        self._answers = cache.load(plan.answers, _BLANK)

    def blank(self, turn: Turn, open_view: Callable[[Sequence[Question]], View]) -> View:
        """A view of no image, to be asked for priors. `open_view` opens the engine's own, if any answer is not known.

        Raises `ModelError` when most of the answers are not measured.
        """
        return _Blank(self._answers, open_view, self._plan.abilities, turn, self._lock, self._save)

    def check_first(self, verdicts: Iterable[Verdict], path: str) -> None:
        """The first image about which anything was asked tells whether the model answers, once for all runs.

        Later ones do not: one image that nothing can be said of is unsure, also where a run is resumed with it. Raises
        `ModelError`.
        """
        with self._lock:
            if PROVED not in self._answers.known and check_verdicts(verdicts, f"about the first image, {path},"):
                self._answers.add(PROVED, True)
                self._save()

    def _save(self) -> None:
        self._cache.save(self._plan.answers, _BLANK, self._answers)


class _Blank(CachedView):
    """No image. One thread asks at a time, so that the others find its answers."""

    def __init__(
        self,
        answers: ImageAnswers,
        open_view: Callable[[Sequence[Question]], View],
        abilities: Abilities,
        turn: Turn,
        lock: threading.Lock,
        save: Callable[[], None],
    ) -> None:
        super().__init__(answers, _BLANK, open_view, Stopwatch(), abilities)
        self._turn = turn
        self._lock = lock
        self._save = save

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer, and keep what is new."""
        if not self.knows(questions):
            self._turn.take()  # before the lock: another turn may hold the engine, and ask this view next
        with self._lock:
            answers = super().ask(questions)
            self._save()
        check_answers(answers, "without an image")
        return answers
