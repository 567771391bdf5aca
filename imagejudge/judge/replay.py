"""Other rules on recorded answers: verdict lines judged again, without images and, where these suffice, a model.

What a line does not tell counts as missing, never as No: a statement that was not asked, one that would now need to be
reasoned about or looked at more closely, and an animation, of whose frames a line tells each rule of one alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from imagejudge import __version__
from imagejudge.constitution import Constitution, rule_digest
from imagejudge.engine.base import Answer, Reasoning, View
from imagejudge.images.picture import Box
from imagejudge.judge.cached_view import CachedView, ImageAnswers, Stopwatch, frame_part
from imagejudge.judge.carried import carried_over, left_to_probes, probed_otherwise
from imagejudge.judge.clue import Inquiry, inquire
from imagejudge.judge.plan import Plan
from imagejudge.judge.recorded_answers import RecordedAnswers, Statement, Told
from imagejudge.judge.summary import summarise
from imagejudge.judge.world import is_outside
from imagejudge.prompts import Question, visible
from imagejudge.verdict import STEPS, ImageFacts, Outcome, Timing, Verdict, has_all_steps

PROBED_WITH = ("probe", "skip_below", "audit")
"""Settings in a verdict line that say which rules were left to probes."""
JUDGED_WITH = ("arithmetic", "per_path_ignores", STEPS, *PROBED_WITH)
"""Settings in a verdict line that say nothing of answers, but what follows from them and is told."""


class Unrecorded(Exception):  # noqa: N818 - a lack, which may be supplied
    """The recorded answers do not suffice; `lack` is what is missing first, in words."""

    def __init__(self, lack: str) -> None:
        super().__init__(lack)
        self.lack = lack


class _Part(View):
    """A part of a picture, which gives what was recorded and raises `Unrecorded` for the rest."""

    def __init__(self, told: Told | None, lack: str) -> None:
        self._told = told or Told()
        self._lack = lack
        """Which answers are missing where some are, in words."""

    @property
    def tokens(self) -> int | None:
        return None

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        return [self._answer(question) for question in questions]

    def _answer(self, question: Question) -> Answer:
        if question not in self._told.answers:
            raise Unrecorded(f"{self._lack}{question.subject}")
        return self._told.answers[question]

    def reason(self, questions: Sequence[Question]) -> list[Reasoning | None]:
        return [self._reasoning(question) for question in questions]

    def _reasoning(self, question: Question) -> Reasoning | None:
        if question not in self._told.reasoned:
            raise Unrecorded(f"reasoning about: {question.subject}")
        return self._told.reasoned[question]

    def locate(self, objects: Sequence[str]) -> Box | None:
        raise Unrecorded("a region of a part")

    def without(self, box: Box) -> View:
        raise Unrecorded("a part of a part")

    def crop(self, box: Box) -> View:
        raise Unrecorded("a part of a part")


class _Replay(_Part):
    """The whole picture. `about` says which statements of today's rules name which objects."""

    def __init__(
        self,
        recorded: RecordedAnswers,
        about: Mapping[tuple[str, ...], Collection[Statement]],
        image: ImageFacts | None,
    ) -> None:
        super().__init__(recorded.whole, "")
        self._recorded = recorded
        self._about = about
        self._image = image

    @property
    def tokens(self) -> int | None:
        return self._image.tokens if self._image else None

    def locate(self, objects: Sequence[str]) -> Box | None:
        places = self._places(tuple(objects))
        if len(places) != 1:
            raise Unrecorded(f"a region: {', '.join(objects)}")
        return next(iter(places))

    def _places(self, objects: tuple[str, ...]) -> set[Box | None]:
        """Where objects were found: by statements that name them, else by those with the same words in other rules.

        Not by those that are known to name others.
        """
        about, told = self._about[objects], self._recorded.places
        if own := [told[each] for each in about if each in told]:
            return set().union(*own)
        words = {question for _, question in about}
        known = {each for statements in self._about.values() for each in statements}
        return set().union(*(told[each] for each in told.keys() - known if each[1] in words))

    def without(self, box: Box) -> View:
        return _Part(self._recorded.rests.get(box), "without its region: ")

    def crop(self, box: Box) -> View:
        return _Part(self._recorded.crops.get(box), "a crop and the whole picture: ")


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
        self._digests = {rule.id: rule_digest(plan.constitution, rule) for rule in plan.constitution.rules}
        self._about: dict[tuple[str, ...], set[Statement]] = {}
        for rule in plan.constitution.rules:
            for statement in rule.statements:
                self._about.setdefault(statement.objects, set()).add((rule.id, visible(statement.ask)))

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
        if rule := probed_otherwise(verdict, judged, self._digests, self._plan.method):
            raise Unrecorded(f"the rule {rule}, which was left to its probe and may be judged otherwise now")
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
        recorded = RecordedAnswers(verdict, self._texts)
        view = _Replay(recorded, self._about, verdict.image)
        look_into = Inquiry if is_outside(verdict.out_of_world) else inquire  # the first asks nothing by itself
        priors = _Priors(recorded.priors)
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
        """Add the recorded answers about the whole image to what is known of it, where they are not known better.

        Regions are left out, and what was seen of parts: they are to be looked for again. Nothing is marked to be
        kept, since a line of the first version may tell a crop's answer as the whole picture's.
        """
        if verdict.frame is not None:  # each rule may be of another one
            return
        recorded = RecordedAnswers(verdict, self._texts)
        replay = _Replay(recorded, self._about, verdict.image)
        fresh = dict(memory.fresh)
        known = CachedView(memory, frame_part(0), lambda _: replay, Stopwatch())
        known.ask(list(recorded.whole.answers))
        known.reason(list(recorded.whole.reasoned))
        memory.fresh = fresh
