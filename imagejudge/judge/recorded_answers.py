"""What a verdict line tells of the answers behind it, and of which picture each was given: the whole, or a part.

What a line does not tell is not there, and never a No. It names no objects: where something was looked for is known by
the rule and its words.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from imagejudge.engine.base import Answer, Reasoning
from imagejudge.images.picture import Box
from imagejudge.judge.clue import CROP_MARGIN, SMALL, box_of
from imagejudge.judge.summary import unmeasured
from imagejudge.prompts import Kind, Question, visible
from imagejudge.verdict import By, RuleResult, RuleStatus, Step, StepStatus, Verdict, has_all_steps

_SOMEWHERE = Box(0.0, 0.0, 1.0, 1.0)
"""Stands for a region that was found, in a line of a version that did not say where."""
_UNMEASURED = Answer(0.0, 1.0)

Statement: TypeAlias = tuple[str, Question]
"""Of a rule, by its id."""


@dataclass(frozen=True, slots=True)
class _Share(Answer):
    """An answer of which only the probability was recorded."""

    share: float

    @property
    def p_yes(self) -> float:
        """As it was recorded, to the last digit."""
        return self.share


@dataclass(frozen=True, slots=True)
class Told:
    """What was answered about one picture."""

    answers: dict[Question, Answer] = field(default_factory=dict)
    reasoned: dict[Question, Reasoning | None] = field(default_factory=dict)
    """What came of letting the model think; None: no summary that could be read."""


class RecordedAnswers:
    """What a line tells. Rules that share a statement share its answer; one may tell more.

    `texts` are those of whole rules. A line does not tell whether a lone statement is a precondition or such a text.
    """

    def __init__(self, verdict: Verdict, texts: Container[str]) -> None:
        self.whole = Told()
        self.crops: dict[Box, Told] = {}
        self.rests: dict[Box, Told] = {}
        """Of the picture without a region."""
        self.priors: dict[Question, Answer] = {}
        self.places: dict[Statement, set[Box | None]] = {}
        """Where that which a statement is about was found; None: it was looked for in vain."""
        self._method = verdict.method
        if not has_all_steps(verdict):  # one tells little without those beside it
            return
        first: dict[str, int] = {}
        for turn, _, step in _by_turns(verdict.rules):
            first.setdefault(step.ask, turn)
        chains = [[step for step in result.steps if step.item is not None] for result in verdict.rules]
        alone = {result.rule for result, chain in zip(verdict.rules, chains, strict=True) if len(chain) == 1}
        for turn, result, step in _by_turns(verdict.rules):
            if step.gap is not None and step.off_mass is not None:
                whole_rule = result.rule in alone and step.item is not None and step.ask in texts
                question = Question(Kind.RULE, step.ask) if whole_rule else visible(step.ask)
                sought = self._method in ("clue", "clue-no-reasoning") and _was_sought(result, step, turn, first)
                self._add(result, step, question, Answer(step.gap, step.off_mass), sought)

    def _add(self, result: RuleResult, step: Step, question: Question, answer: Answer, sought: bool) -> None:
        places = {box_of(region) for region in result.regions if region.ask == step.ask}
        if not places and step.centric is not None:
            places = {_SOMEWHERE}
        if places or sought:
            known = self.places.setdefault((result.rule, question), set())
            known.update(places or {None})
            if sum(other.ask == step.ask for other in result.steps) > 1:
                known.add(None)  # it may be that of the same words about other objects
        if step.prior is not None:
            self.priors.setdefault(question, _share(step.prior))
        elif self._method in ("clue", "clue-no-reasoning"):  # which asked for it: it was not measured
            self.priors.setdefault(question, _UNMEASURED)
        seen = self._seen(step, question, places)
        seen.answers.setdefault(question, answer)
        if step.by is By.REASONING:
            yes = step.status is StepStatus.SATISFIED
            seen.reasoned[question] = Reasoning(yes, step.rationale or "", thoughts="")
        elif _was_pondered(result, step) and self._method in ("clue", "clue-no-debias"):
            seen.reasoned.setdefault(question, None)
        if len(places) == 1:
            (place,) = places
            rest = self.rests.setdefault(place, Told())
            if step.centric is not None:
                rest.answers[question] = _share(step.centric)
            elif sought:
                rest.answers.setdefault(question, _UNMEASURED)

    def _seen(self, step: Step, question: Question, places: set[Box]) -> Told:
        """What is told of the picture that a step's figures are of; where that is unknown, it is left out."""
        if step.whole is not None:
            self.whole.answers.setdefault(question, Answer(step.whole.gap, step.whole.off_mass))
            crops = [box.grown(CROP_MARGIN) for box in places]
            return self.crops.setdefault(crops[0], Told()) if len(crops) == 1 else Told()
        # Of a crop too, in a line of a version that did not tell the whole picture's figures beside it.
        return Told() if any(box.area < SMALL for box in places) else self.whole


def _share(share: float) -> Answer:
    return _Share(gap=0.0, off_mass=0.0, share=share)


def _by_turns(results: Sequence[RuleResult]) -> Iterator[tuple[int, RuleResult, Step]]:
    """The steps as their regions came to be looked at, if they did: those of all chains, then all exceptions."""
    steps = [(result, step) for result in results for step in result.steps]
    steps.sort(key=lambda each: each[1].item is None)
    return ((turn, *each) for turn, each in enumerate(steps))


def _was_sought(result: RuleResult, step: Step, turn: int, first: Mapping[str, int]) -> bool:
    """Whether a region was certainly looked for, if the statement named objects.

    It was for every statement that arithmetic left open, each at its turn and all before any reasoning, where its rule
    might then still hold and its item was undecided. `first` are the first turns of statements, by their words.
    """
    if step.by is By.REASONING:
        return True
    if step.status is not StepStatus.UNSURE or unmeasured(step) or result.by is not None:
        return False
    if step.item is None and result.status is RuleStatus.CLEAR:
        return False
    items: dict[int | None, list[Step]] = {}
    for other in result.steps:
        items.setdefault(other.item, []).append(other)
    ends = [[other] for other in items.pop(step.item) if other.status is StepStatus.SATISFIED]
    items.pop(None, None)
    ends += (item for item in items.values() if all(each.status is StepStatus.NOT_SATISFIED for each in item))
    decided = (end for end in ends if all(each.by is not By.REASONING for each in end))
    return all(any(_by_region(each) and first[each.ask] > turn for each in end) for end in decided)


def _by_region(step: Step) -> bool:
    """Whether it was decided when its region was looked at, at one of its turns."""
    return step.by is By.CENTRIC or (step.whole is not None and step.by is not By.REASONING)


def _was_pondered(result: RuleResult, step: Step) -> bool:
    """Whether the model was let think in vain: about what leaves the whole rule undecided, it was."""
    if result.status not in (RuleStatus.UNSURE, RuleStatus.EXCEPTED) or step.status is not StepStatus.UNSURE:
        return False
    return all(other.status is not StepStatus.SATISFIED for other in result.steps if other.item == step.item)
