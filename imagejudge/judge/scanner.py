"""Images judged by a plan's own method: what a scan asks about each, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from imagejudge.constitution import Constitution
from imagejudge.engine.base import Answer, Engine
from imagejudge.errors import EngineFailure, ModelError
from imagejudge.images.ref import ImageRef
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.cached_view import CachedView, Stopwatch
from imagejudge.judge.claims import questions_of
from imagejudge.judge.clue import Inquiry, inquire
from imagejudge.judge.conclusion import Found, Trouble, error_verdict, verdict_on
from imagejudge.judge.frame_views import frame_views
from imagejudge.judge.loop import Loop
from imagejudge.judge.opened_image import OpenedImage
from imagejudge.judge.plan import Plan
from imagejudge.judge.summary import summarise
from imagejudge.judge.turn import Turn
from imagejudge.judge.world import is_outside
from imagejudge.prompts import Question
from imagejudge.verdict import ProbeScore, Probing, RuleResult, Timing, Verdict


class _Looked(NamedTuple):
    """What was found out about a frame."""

    inquiry: Inquiry
    scores: Mapping[str, ProbeScore]
    """By rule, where probes are used."""
    out_of_world: float | None = None

    def results(self) -> tuple[RuleResult, ...]:
        """What follows for each rule."""
        results = self.inquiry.results()
        if not self.scores:
            return results
        return tuple(each.model_copy(update={"probe": self.scores.get(each.rule)}) for each in results)


class _Answered(NamedTuple):
    """What was found out about an image."""

    frames: Mapping[int, _Looked]
    """By its index."""
    audited: bool
    watch: Stopwatch

    def probing(self) -> Probing:
        """What was left out, in all frames together."""
        each = [looked.inquiry for looked in self.frames.values()]
        return Probing(
            audited=self.audited, asked=sum(one.asked for one in each), spared=sum(one.spared for one in each)
        )


class Scanner(Loop[ImageRef, _Answered, Verdict]):
    """Gives one verdict for each image. An engine is only used for answers that are not known.

    Raises `ModelError` when an engine cannot start, or the model does not answer.
    """

    def __init__(self, plan: Plan, cache: Cache, engines: Sequence[Engine]) -> None:
        super().__init__(plan, cache, engines)
        self._priors: Mapping[Question, Answer] = {}

    def ask(self, image: OpenedImage[ImageRef], turn: Turn) -> _Answered:
        """Inquire about each frame; the priors are measured before the first one."""
        if not self._priors and self.plan.method.needs_priors:
            self._priors = self._measure_priors(turn)
        constitution = self.plan.constitution_for(image.ref.path)
        audited = self.plan.gate is not None and self.plan.gate.audits(image.sha256)
        watch = Stopwatch()
        frames = {
            frame.index: self._look(constitution, view, audited)
            for frame, view in frame_views(image, turn, self.plan.abilities, watch)
        }
        return _Answered(frames, audited, watch)

    def _look(self, constitution: Constitution, view: CachedView, audited: bool) -> _Looked:
        distance = view.out_of_world(self.plan.world) if self.plan.world is not None else None
        if is_outside(distance):
            return _Looked(Inquiry(constitution, view, self._priors, self.plan.method), {}, distance)
        scores = self.plan.gate.scores(view.embedding()) if self.plan.gate is not None else {}
        left = frozenset(rule for rule, score in scores.items() if score.certainly_not and not audited)
        return _Looked(inquire(constitution, view, self._priors, self.plan.method, left), scores, distance)

    def conclude(self, image: OpenedImage[ImageRef], found: _Answered) -> Verdict:
        """The verdict."""
        watch = found.watch
        constitution = self.plan.constitution_for(image.ref.path)
        frames = {}
        for index, looked in found.frames.items():
            results = looked.results()
            distance = looked.out_of_world
            frames[index] = Found(results, summarise(constitution, results, distance), distance)
        seconds = [round(each, 4) for each in (image.seconds, watch.view, watch.ask, watch.reason)]
        timing = Timing(**dict(zip(("decode", "view", "ask", "reason"), seconds, strict=True)))
        probing = found.probing() if self.plan.gate is not None else None
        verdict = verdict_on(image, frames, self.plan, self.plan.method.label, timing, probing)
        self.model.check_first([verdict], verdict.path)
        return verdict

    def fail(self, ref: ImageRef, why: Trouble, image: OpenedImage[ImageRef] | None) -> Verdict:
        """The verdict `error`."""
        return error_verdict(ref, why, image, self.plan, self.plan.method.label)

    def _measure_priors(self, turn: Turn) -> dict[Question, Answer]:
        """Ask every question with no image, all at once: the answers must not depend on which image came first."""
        questions = questions_of(self.plan.constitution)
        try:
            answers = self.model.blank(turn, partial(turn.view, None)).ask(questions)
        except EngineFailure as failure:
            raise ModelError(
                f"the model could not be asked without an image: {failure.message}",
                "`imagejudge doctor` shows what the machine can do",
            ) from failure
        return dict(zip(questions, answers, strict=True))
