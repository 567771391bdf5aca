"""The run: labelled images judged by several methods at once, then once more for each perturbation.

Methods share what is seen of an image and what is answered about it; answers are kept where `scan` keeps them, so a run
that was stopped goes on where it was. Knows nothing of figures.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Generator, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from imagejudge import __version__
from imagejudge.common.crash_log import CrashLog
from imagejudge.engine.base import Answer, Engine
from imagejudge.errors import EngineFailure, ImageJudgeError
from imagejudge.evaluate.image_views import EngineSlot, ImageViews, ReopenableView, subject_of
from imagejudge.evaluate.labels import Item, Label
from imagejudge.evaluate.methods import METHODS, Found
from imagejudge.evaluate.metrics import Case, Cost, correct
from imagejudge.evaluate.perturbations import Perturbation
from imagejudge.evaluate.views import Guarded, cost_of_bill
from imagejudge.images.read import Unreadable
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.answering import PROVED, check_answers, check_verdicts
from imagejudge.judge.cached_view import CachedView, ImageAnswers, Stopwatch
from imagejudge.judge.plan import Plan
from imagejudge.verdict import Failure, Outcome, Verdict

_BLANK = "blank"
"""What `scan` keeps answers without an image under."""
_RANK = {Outcome.SAFE: 0, Outcome.UNSURE: 1, Outcome.UNSAFE: 2}


@dataclass(frozen=True, slots=True)
class Perturbed:
    """What became of a right verdict when the image was changed."""

    method: str
    perturbation: str
    before: Outcome
    after: Outcome


@dataclass(frozen=True, slots=True)
class Tried:
    """One image: a case for each method, and what its changes did to those that were right."""

    cases: Mapping[str, Case]
    perturbed: tuple[Perturbed, ...] = ()
    memory: ImageAnswers | None = None
    """What was answered about it and is not kept yet."""


class Trial:
    """Judges labelled images by one plan, but with several methods; closes the engines it is given."""

    def __init__(
        self,
        plan: Plan,
        cache: Cache,
        engines: Sequence[Engine],
        methods: Sequence[str],
        perturbations: Sequence[Perturbation] = (),
    ) -> None:
        self._plan = plan
        self._cache = cache
        self._engines = engines
        self._methods = [name for name in METHODS if name in methods]
        self._perturbations = perturbations
        self._priors = cache.load(plan.answers, _BLANK)
        self._lock = threading.Lock()
        self._crashes = CrashLog()
        self._idle: queue.SimpleQueue[EngineSlot] = queue.SimpleQueue()
        for engine in engines:
            self._idle.put(EngineSlot(engine))

    def run(self, items: Iterable[Item]) -> Generator[Tried, None, None]:
        """Every image, in order. Close the iterator to stop early."""
        pool = ThreadPoolExecutor(len(self._engines), "trial")
        waiting: deque[Future[Tried]] = deque()
        rest = iter(items)
        try:
            while True:
                wanted = 2 * len(self._engines) - len(waiting)
                waiting.extend(pool.submit(self._try, item) for item in islice(rest, wanted))
                if not waiting:
                    return
                tried = waiting.popleft().result()
                verdicts = [case.verdict for case in tried.cases.values()]
                self._check_first(verdicts)
                self._keep(tried)
                yield replace(tried, memory=None)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for engine in self._engines:
                engine.close()

    def _check_first(self, verdicts: Sequence[Verdict]) -> None:
        """As `scan` does: the first image about which anything was asked tells whether the model answers."""
        with self._lock:
            if PROVED not in self._priors.known and check_verdicts(
                verdicts, f"about the first image, {verdicts[0].path},"
            ):
                self._priors.add(PROVED, True)
                self._cache.save(self._plan.answers, _BLANK, self._priors)

    def _keep(self, tried: Tried) -> None:
        digest = next(iter(tried.cases.values())).verdict.sha256
        if tried.memory is not None and digest is not None:
            self._cache.save(self._plan.answers, digest, tried.memory)

    def _try(self, item: Item) -> Tried:
        """Judge one image by all methods. Whatever goes wrong with it costs this image alone."""
        try:
            return self._judge(item)
        except ImageJudgeError:
            raise
        except Exception as error:
            why = f"this is a bug in imagejudge, or something it should have foreseen; {self._crashes.add(error)}"
            return self._failed(item, Failure(kind="internal", message=why), None)

    def _failed(self, item: Item, failure: Failure, sha256: str | None) -> Tried:
        verdicts = {name: self._error(name, item.label, failure, sha256=sha256) for name in self._methods}
        return Tried({name: Case(item.label, verdict, Cost(0, 0, None)) for name, verdict in verdicts.items()})

    def _judge(self, item: Item) -> Tried:
        subject = subject_of(item, self._plan.limits)
        if isinstance(subject, Unreadable):
            return self._failed(item, Failure(kind=subject.kind, message=subject.message), subject.sha256)
        memory = self._cache.load(self._plan.answers, subject.sha256)
        stage = self._idle.get()
        try:
            blank = partial(self._blank, stage)
            clean = ImageViews(subject, memory, stage, blank, self._plan.abilities)
            cases = {name: self._case(name, clean, stage) for name in self._methods}
            right = [name for name in self._methods if correct(item.label, cases[name].verdict)]
            perturbed = []
            for change in self._perturbations if right else ():
                sight = ImageViews(subject, memory, stage, blank, self._plan.abilities, change)
                for name in right:
                    after = self._case(name, sight, stage).verdict.verdict
                    perturbed.append(Perturbed(name, change.label, cases[name].verdict.verdict, after))
        finally:
            self._idle.put(stage)
        return Tried(cases, tuple(perturbed), memory)

    def _blank(self, stage: EngineSlot) -> Guarded:
        """Priors are asked by one thread at a time, so that they do not depend on which engine came first."""
        staged = ReopenableView(stage, lambda: None, Stopwatch())
        view = CachedView(self._priors, _BLANK, lambda _: staged, Stopwatch(), self._plan.abilities)

        def asked(answers: Sequence[Answer]) -> None:
            self._cache.save(self._plan.answers, _BLANK, self._priors)
            check_answers(answers, "without an image")

        return Guarded(view, self._lock, asked)

    def _case(self, name: str, sight: ImageViews, stage: EngineSlot) -> Case:
        label = sight.subject.label
        try:
            return self._judged(name, sight)
        except EngineFailure as failure:
            stage.clear()
            error = Failure(kind=failure.kind, message=failure.message)
            facts = {"sha256": sight.subject.sha256, "image": sight.subject.facts}
            return Case(label, self._error(name, label, error, **facts), Cost(0, 0, None))

    def _judged(self, name: str, sight: ImageViews) -> Case:
        """The worst frame speaks for the image."""
        subject, bill = sight.subject, set[Hashable]()
        constitution = self._plan.constitution_for(subject.label.name)
        found = [(frame.index, METHODS[name](constitution, sight.look(frame, bill))) for frame in subject.frames]
        index, worst = max(found, key=lambda each: _badness(each[1]))
        verdict = self._verdict(
            name,
            subject.label,
            sha256=subject.sha256,
            frame=index if subject.facts.frames > 1 else None,
            verdict=worst.summary.outcome,
            rationale=worst.summary.rationale,
            violations=worst.summary.violations,
            rules=worst.results,
            image=subject.facts,
        )
        return Case(subject.label, verdict, cost_of_bill(bill, sight.meter))

    def _error(self, name: str, label: Label, error: Failure, **facts: Any) -> Verdict:
        return self._verdict(name, label, verdict=Outcome.ERROR, rationale=error.message, error=error, **facts)

    def _verdict(self, name: str, label: Label, **fields: Any) -> Verdict:
        return Verdict(
            path=label.name,
            model=self._plan.model,
            constitution=self._plan.constitution.label,
            method=name,
            settings=self._plan.settings,
            imagejudge=__version__,
            **fields,
        )


def _badness(found: Found) -> tuple[int, int]:
    return _RANK[found.summary.outcome], len(found.summary.violations)
