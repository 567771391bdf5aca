"""Other rules on recorded answers: verdict lines judged again, without images and, where these suffice, a model.

Knows what a verdict line tells of the answers behind it. What it does not tell counts as missing, never as No: a
statement that was not asked, one that would now need to be reasoned about or looked at more closely, and an animation,
whose line is about only one of its frames.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imagejudge import __version__
from imagejudge.constitution import Constitution
from imagejudge.engine.base import Answer, Reasoning, View
from imagejudge.images.picture import Box
from imagejudge.judge.cached_view import CachedView, ImageAnswers, Stopwatch, frame_part
from imagejudge.judge.carried import asks_otherwise, carried_over, left_to_probes
from imagejudge.judge.clue import Inquiry, inquire
from imagejudge.judge.plan import Plan
from imagejudge.judge.summary import summarise
from imagejudge.judge.world import is_outside
from imagejudge.prompts import Kind, Question, visible
from imagejudge.verdict import (
    STEPS,
    By,
    ImageFacts,
    Outcome,
    RuleResult,
    RuleStatus,
    Step,
    StepStatus,
    Timing,
    Verdict,
    has_all_steps,
)

_WHOLE = Box(0.0, 0.0, 1.0, 1.0)
"""Stands for a region that was found: what came of it is recorded. Where it lay is taken from the line at the end."""

PROBED_WITH = ("probe", "skip_below", "audit")
"""Settings in a verdict line that say which rules were left to probes."""
JUDGED_WITH = ("arithmetic", "per_path_ignores", STEPS, *PROBED_WITH)
"""Settings in a verdict line that say nothing of answers, but what follows from them and is told."""


class Unrecorded(Exception):  # noqa: N818 - a lack, which may be supplied
    """The recorded answers do not suffice; `lack` is what is missing first, in words."""

    def __init__(self, lack: str) -> None:
        super().__init__(lack)
        self.lack = lack


@dataclass(frozen=True, slots=True)
class _Share(Answer):
    """An answer of which only the probability was recorded."""

    share: float

    @property
    def p_yes(self) -> float:
        """As it was recorded, to the last digit."""
        return self.share


def _answer_of(share: float) -> Answer:
    return _Share(gap=0.0, off_mass=0.0, share=share)


@dataclass(frozen=True, slots=True)
class _Record:
    """What a line tells about one question."""

    answer: Answer
    prior: Answer | None
    centric: float | None
    sought: bool
    """A region was looked for."""
    pondered: bool
    """The model was let think."""
    reasoning: Reasoning | None
    """What came of it; None: no summary that could be read."""


class _Replay(View):
    """A view that gives what was recorded and raises `Unrecorded` for the rest."""

    def __init__(
        self,
        records: Mapping[Question, _Record],
        about: Mapping[tuple[str, ...], Sequence[Question]],
        image: ImageFacts | None,
    ) -> None:
        self._records = records
        self._about = about
        self._image = image

    @property
    def tokens(self) -> int | None:
        return self._image.tokens if self._image else None

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        return [self._record(question).answer for question in questions]

    def reason(self, questions: Sequence[Question]) -> list[Reasoning | None]:
        return [self._reasoning(question) for question in questions]

    def _reasoning(self, question: Question) -> Reasoning | None:
        record = self._record(question)
        if not record.pondered:
            raise Unrecorded(f"reasoning about: {question.subject}")
        return record.reasoning

    def locate(self, objects: Sequence[str]) -> Box | None:
        records = [self._records[question] for question in self._about[tuple(objects)] if question in self._records]
        if any(record.centric is not None for record in records):
            return _WHOLE
        if any(record.sought for record in records):
            return None
        raise Unrecorded(f"a region: {', '.join(objects)}")

    def without(self, box: Box) -> View:
        return _Remainder(self._records)

    def crop(self, box: Box) -> View:
        raise Unrecorded("a crop")

    def _record(self, question: Question) -> _Record:
        if question not in self._records:
            raise Unrecorded(question.subject)
        return self._records[question]


class _Remainder(_Replay):
    """The picture without its central region."""

    def __init__(self, records: Mapping[Question, _Record]) -> None:
        super().__init__(records, {}, None)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        return [_answer_of(self._centric(question)) for question in questions]

    def _centric(self, question: Question) -> float:
        centric = self._record(question).centric
        if centric is None:
            raise Unrecorded(f"without its region: {question.subject}")
        return centric


class _Priors(dict[Question, Answer]):
    def __missing__(self, question: Question) -> Answer:
        raise Unrecorded(f"without an image: {question.subject}")


def answered_with(settings: Mapping[str, str | int] | None) -> dict[str, str | int]:
    """Those of a line's settings that decide answers, not what follows from them."""
    return {name: value for name, value in (settings or {}).items() if name not in JUDGED_WITH}


class Rejudge:
    """Judges recorded answers by one plan, of which the model and the limits do not matter."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._texts = {rule.text for rule in plan.constitution.rules}
        self._about: dict[tuple[str, ...], list[Question]] = {}
        for rule in plan.constitution.rules:
            for statement in rule.statements:
                self._about.setdefault(statement.objects, []).append(visible(statement.ask))

    @property
    def constitution(self) -> Constitution:
        """The rules."""
        return self._plan.constitution

    def judge(self, verdict: Verdict) -> Verdict:
        """The verdict that a scan would give now. Raises `Unrecorded` where the line does not tell enough.

        An image that could not be judged stays one.
        """
        if verdict.verdict is Outcome.ERROR:
            return self._again(verdict)
        constitution = self._plan.constitution_for(verdict.path)
        judged = self.inquiry(verdict, left_to_probes(verdict)).results()
        if changed := asks_otherwise(verdict, judged):
            raise Unrecorded(f"the rule {changed}, which was left to its probe and has changed")
        rules = carried_over(verdict, judged)
        summary = summarise(constitution, rules, verdict.out_of_world)
        return self._again(
            verdict,
            verdict=summary.outcome,
            rationale=summary.rationale,
            violations=summary.violations,
            rules=rules,
        )

    def inquiry(self, verdict: Verdict, left: Collection[str]) -> Inquiry:
        """What a scan that leaves these rules to their probes would find out about an image that could be judged.

        Raises `Unrecorded` where the line does not tell enough.
        """
        if not has_all_steps(verdict):
            raise Unrecorded("steps that the lines were written without")
        if verdict.sampled is not None:
            raise Unrecorded("the other frames of a video")
        if verdict.image is not None and verdict.image.frames > 1:
            raise Unrecorded("the other frames of an animation")
        records = self._records(verdict)
        priors = _Priors({q: record.prior for q, record in records.items() if record.prior is not None})
        view = _Replay(records, self._about, verdict.image)
        look_into = Inquiry if is_outside(verdict.out_of_world) else inquire  # the first asks nothing by itself
        return look_into(self._plan.constitution_for(verdict.path), view, priors, self._plan.method, left)

    def settings(self, line: Verdict) -> Mapping[str, str | int] | None:
        """What decides the new verdict: how the recorded answers came to be, and how they are judged now."""
        if line.settings is None:
            return None
        by_probe = {name: line.settings[name] for name in PROBED_WITH if name in line.settings}
        return {**answered_with(line.settings), **(self._plan.settings or {}), **by_probe}

    def _again(self, line: Verdict, **found: object) -> Verdict:
        plan: dict[str, Any] = {"constitution": self._plan.constitution.label, "method": self._plan.method.label}
        plan["settings"] = self.settings(line)
        return line.model_copy(update={**plan, "imagejudge": __version__, "seconds": Timing(), **found})

    def remember(self, verdict: Verdict, memory: ImageAnswers) -> None:
        """Add the recorded answers about an image to what is known of it, where they are not known better.

        Regions are left out: they are to be looked for, since where they lay is not recorded. Nothing is marked to be
        kept, since a line may tell a crop's answer where the whole picture was asked first.
        """
        records = self._records(verdict)
        replay = _Replay(records, self._about, verdict.image)
        fresh = dict(memory.fresh)
        known = CachedView(memory, frame_part(verdict.frame or 0), lambda _: replay, Stopwatch())
        known.ask(list(records))
        known.reason([question for question, record in records.items() if record.pondered])
        memory.fresh = fresh

    def _records(self, verdict: Verdict) -> dict[Question, _Record]:
        """What a line tells, by question. Rules that share a statement share its answer; one may tell more."""
        records: dict[Question, _Record] = {}
        for result in verdict.rules if has_all_steps(verdict) else ():  # one tells little without those beside it
            alone = sum(step.item is not None for step in result.steps) == 1
            for step in result.steps:
                if step.gap is not None and step.off_mass is not None:
                    question = self._question(step, alone)
                    told = _record(result, step, Answer(step.gap, step.off_mass), verdict.method)
                    records[question] = _fuller(records.get(question), told)
        return records

    def _question(self, step: Step, alone: bool) -> Question:
        """What was asked. A line does not tell whether a lone statement is a precondition or a whole rule's text."""
        whole = alone and step.item is not None and step.ask in self._texts
        return Question(Kind.RULE, step.ask) if whole else visible(step.ask)


def _record(result: RuleResult, step: Step, answer: Answer, method: str) -> _Record:
    reasoning = None
    if step.by is By.REASONING:
        reasoning = Reasoning(step.status is StepStatus.SATISFIED, step.rationale or "", thoughts="")
    return _Record(
        answer=answer,
        prior=_prior(step, method),
        centric=step.centric,
        sought=_was_sought(result, step) and method in ("clue", "clue-no-reasoning"),
        pondered=_was_pondered(result, step) and method in ("clue", "clue-no-debias"),
        reasoning=reasoning,
    )


def _prior(step: Step, method: str) -> Answer | None:
    """The answer without an image; where the method asked for one and the line has none, it was not measured."""
    if step.prior is not None:
        return _answer_of(step.prior)
    return Answer(0.0, 1.0) if method in ("clue", "clue-no-reasoning") else None


def _was_sought(result: RuleResult, step: Step) -> bool:
    """Whether a region was looked for, if the statement named objects.

    It was for every statement that arithmetic left open, if at that time, before any reasoning, its rule might still
    hold and its item was still undecided.
    """
    if step.by is By.REASONING:
        return True
    if step.status is not StepStatus.UNSURE:
        return False
    if result.status is RuleStatus.CLEAR and (step.item is None or _failed_by_arithmetic(result)):
        return False
    beside = [other for other in result.steps if other.item == step.item]
    earlier = beside[: next(number for number, other in enumerate(beside) if other is step)]
    decided = any(other.status is StepStatus.SATISFIED and other.by in (By.PRIOR, By.THRESHOLD) for other in beside)
    return not decided and all(other.by is not By.CENTRIC for other in earlier)


def _failed_by_arithmetic(result: RuleResult) -> bool:
    """Whether an item failed without any reasoning."""
    items: dict[int | None, bool] = {}
    for step in result.steps:
        failed = step.status is StepStatus.NOT_SATISFIED and step.by is not By.REASONING
        items[step.item] = items.get(step.item, True) and failed
    return any(failed for item, failed in items.items() if item is not None)


def _was_pondered(result: RuleResult, step: Step) -> bool:
    """Whether the model was let think: it decided, or in vain about what leaves the whole rule undecided."""
    if step.by is By.REASONING:
        return True
    if result.status not in (RuleStatus.UNSURE, RuleStatus.EXCEPTED) or step.status is not StepStatus.UNSURE:
        return False
    return all(other.status is not StepStatus.SATISFIED for other in result.steps if other.item == step.item)


def _fuller(one: _Record | None, other: _Record) -> _Record:
    if one is None:
        return other
    return dataclasses.replace(
        one,
        prior=other.prior if one.prior is None else one.prior,
        centric=other.centric if one.centric is None else one.centric,
        sought=one.sought or other.sought,
        pondered=one.pondered or other.pondered,
        reasoning=one.reasoning or other.reasoning,
    )
