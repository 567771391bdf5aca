"""Arithmetic on answers: which rules an image violates. The method is CLUE (arXiv 2501.00192).

Pure and synchronous: it sees a `View`, the priors and a constitution, never files, models or clocks.

A rule is an AND of ORs. Rules walk their chains together, one precondition at a time, so that a wave of questions goes
to the model at once and none is asked twice. What arithmetic cannot decide is put off until the rule's other
preconditions have been tried, because a chain that fails anywhere needs no reasoning anywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from imagejudge.constitution import Constitution
from imagejudge.engine.base import Answer, Reasoning, View
from imagejudge.images.picture import Box
from imagejudge.judge.claims import Case, Claim, Item, cases_of
from imagejudge.prompts import Question
from imagejudge.verdict import By, Region, RuleResult, RuleStatus, Step, StepStatus, WholeAnswer

ARITHMETIC = 3
"""Version of what follows from answers. Verdict lines name it: raise it where the same answers come to mean another
verdict."""
CONFIDENT = 0.05
"""Least confidence of a central region (the paper's, for its detector)."""
SMALL = 0.01
"""A central region below this share of the image is looked at in a crop."""
CROP_MARGIN = 2.0
"""How many times as long as the region's the crop's sides are: bare pixels tell a model little (ours)."""
EVEN = 0.5
"""The prior that is assumed where none is measured: not asked for, or drowned in other words (`Answer.measured`)."""


@dataclass(frozen=True, slots=True)
class Method:
    """How answers become findings."""

    name: Literal["clue", "threshold"] = "clue"
    """`threshold` is the plain baseline: p_yes >= 0.5, no debiasing, no reasoning."""
    reasoning: bool = True
    debias: bool = True
    """Compare with the prior and with the image whose central region is removed."""

    @property
    def label(self) -> str:
        """Name for the verdict line."""
        if self.name == "threshold":
            return self.name
        return self.name + "-no-debias" * (not self.debias) + "-no-reasoning" * (not self.reasoning)

    @property
    def needs_priors(self) -> bool:
        """Whether the questions must also be asked with no image."""
        return self.name == "clue" and self.debias


class _Finding(NamedTuple):
    """What is known of a claim so far. `open` means that a costlier step may still decide it."""

    answer: Answer
    prior: float | None
    """p_yes of the claim's words with no image; None where the method does not use it or it was not measured."""
    status: StepStatus
    by: By | None = None
    open: bool = False
    centric: float | None = None
    rationale: str | None = None
    box: Box | None = None
    """Where what it is about was found."""
    seen: View | None = None
    """The crop that `answer` is of and reasoning should use, when that is not the whole picture."""


def judge(
    constitution: Constitution, view: View, priors: Mapping[Question, Answer], method: Method
) -> tuple[RuleResult, ...]:
    """Apply every enabled rule to one view, in the constitution's order. `inquire` tells of the rest."""
    return inquire(constitution, view, priors, method).results()


def inquire(
    constitution: Constitution,
    view: View,
    priors: Mapping[Question, Answer],
    method: Method,
    left: Collection[str] = (),
) -> Inquiry:
    """Find out all that the enabled rules depend on; what follows from it needs the view no more.

    Nothing is asked for the sake of the rules in `left`, by id: they are left to their probes. `priors` holds an answer
    without image for each of `questions_of(constitution)` where `method.needs_priors`.
    Raises `EngineFailure` as the view does.
    """
    inquiry = Inquiry(constitution, view, priors, method, left)
    cases = [case for case in inquiry.cases if case.rule.id not in left]
    chains = [case.chain for case in cases]
    inquiry.walk(chains)
    inquiry.settle(chains)
    exceptions = [(case.exceptions,) for case in cases if case.exceptions and inquiry.may_hold(case.chain)]
    inquiry.walk(exceptions)
    inquiry.settle(exceptions)
    return inquiry


class Inquiry:
    """All that has been found out about one view. Claims are shared by rules and looked into once."""

    def __init__(
        self,
        constitution: Constitution,
        view: View,
        priors: Mapping[Question, Answer],
        method: Method,
        left: Collection[str] = (),
    ) -> None:
        self.cases = cases_of(constitution)
        self._view = view
        self._priors = priors
        self._thresholds = constitution.thresholds
        self._method = method
        self._left = left
        self.answers: dict[Question, Answer] = {}
        """To questions about the whole picture."""
        self.findings: dict[Claim, _Finding] = {}

    def results(self) -> tuple[RuleResult, ...]:
        """What follows for each enabled rule, in the constitution's order.

        One that is left to its probe is clear, unless what was asked for other rules decides it.
        """
        results = (_result(case, self) for case in self.cases)
        return tuple(_left_to_probe(each) if each.rule in self._left else each for each in results)

    @property
    def asked(self) -> int:
        """Questions about the whole picture."""
        return len(self.answers)

    @property
    def spared(self) -> int:
        """Questions that were not asked, as far as chains of rules that were left out begin with them."""
        first = {claim.question for case in self.cases if case.rule.id in self._left for claim in case.chain[0]}
        return len(first - self.answers.keys())

    def status(self, item: Item) -> StepStatus:
        """Three-valued OR of an item's claims; a claim that was not asked counts as unsure."""
        status = StepStatus.NOT_SATISFIED
        for claim in item:
            finding = self.findings.get(claim)
            if finding is None or finding.status is StepStatus.UNSURE:
                status = StepStatus.UNSURE
            elif finding.status is StepStatus.SATISFIED:
                return finding.status
        return status

    def may_hold(self, chain: Sequence[Item]) -> bool:
        """Whether no item of the chain has failed."""
        return StepStatus.NOT_SATISFIED not in map(self.status, chain)

    def walk(self, chains: Iterable[Sequence[Item]]) -> None:
        """Ask the chains' items, all first ones together, then all second ones of those still standing, and so on."""
        depth, standing = 0, list(chains)
        while standing := [chain for chain in standing if depth < len(chain)]:
            self._ask(claim for chain in standing for claim in chain[depth])
            standing = [chain for chain in standing if self.status(chain[depth]) is not StepStatus.NOT_SATISFIED]
            depth += 1

    def settle(self, chains: Sequence[Sequence[Item]]) -> None:
        """Spend the costlier steps on what is open in chains that may still hold: first regions, then reasoning."""
        if not any(finding.open for finding in self.findings.values()):
            return  # as for most images
        for chain in chains:
            looked: set[Claim] = set()
            while (claim := self._next_open(chain, looked)) is not None:
                looked.add(claim)
                self.findings[claim] = self._look_closer(claim)
        while self._method.reasoning and (claims := dict.fromkeys(self._each_next_open(chains))):
            self._reason(claims)

    def _each_next_open(self, chains: Iterable[Sequence[Item]]) -> Iterator[Claim]:
        """One claim for each chain at a time: its answer may spare the chain's others."""
        for chain in chains:
            if (claim := self._next_open(chain)) is not None:
                yield claim

    def _next_open(self, chain: Sequence[Item], but: Container[Claim] = ()) -> Claim | None:
        """The first open claim on which the chain still depends."""
        if not self.may_hold(chain):
            return None
        unsure = (item for item in chain if self.status(item) is StepStatus.UNSURE)
        return next(
            (claim for item in unsure for claim in item if self.findings[claim].open and claim not in but), None
        )

    def _ask(self, claims: Iterable[Claim]) -> None:
        new = list(dict.fromkeys(claim for claim in claims if claim not in self.findings))
        questions = [q for q in dict.fromkeys(claim.question for claim in new) if q not in self.answers]
        if questions:
            self.answers.update(zip(questions, self._view.ask(questions), strict=True))
        for claim in new:
            self.findings[claim] = self._weigh(claim, self.answers[claim.question])

    def _weigh(self, claim: Claim, answer: Answer) -> _Finding:
        """Decide by arithmetic alone, or leave the claim open."""
        prior_answer = self._priors[claim.question] if self._method.needs_priors else None
        measured = prior_answer.p_yes if prior_answer is not None and prior_answer.measured else None
        if not answer.measured:
            return _Finding(answer, measured, StepStatus.UNSURE)
        p_yes = answer.p_yes
        if self._method.name == "threshold":
            status = StepStatus.SATISFIED if p_yes >= EVEN else StepStatus.NOT_SATISFIED
            return _Finding(answer, measured, status, By.THRESHOLD)
        prior, by = (EVEN, By.THRESHOLD) if measured is None else (measured, By.PRIOR)
        thresholds = claim.thresholds or self._thresholds
        if p_yes - prior < -thresholds.unsatisfied * prior:
            return _Finding(answer, measured, StepStatus.NOT_SATISFIED, by)
        if p_yes - prior > thresholds.satisfied * (1 - prior):
            return _Finding(answer, measured, StepStatus.SATISFIED, by)
        return _Finding(answer, measured, StepStatus.UNSURE, open=True)

    def _look_closer(self, claim: Claim) -> _Finding:
        """The centric step: does the answer hang on the region the claim is about?"""
        finding = self.findings[claim]
        if not (claim.objects and self._method.debias):
            return finding
        box = self._view.locate(claim.objects)
        if box is None or box.confidence < CONFIDENT:
            return finding
        if box.area < SMALL:
            crop = self._view.crop(box.grown(CROP_MARGIN))
            closer = crop.ask([claim.question])[0]
            if closer.measured:  # else the crop tells nothing, and the whole picture is still what is looked at
                finding = self._weigh(claim, closer)._replace(seen=crop)
        finding = finding._replace(box=box)
        if finding.open:
            rest = self._view.without(box).ask([claim.question])[0]
            if not rest.measured:
                return finding
            whole = self.answers[claim.question].p_yes
            finding = finding._replace(centric=rest.p_yes)
            if whole - rest.p_yes > (claim.thresholds or self._thresholds).centric:
                finding = finding._replace(status=StepStatus.SATISFIED, by=By.CENTRIC, open=False)
        return finding

    def _reason(self, claims: Collection[Claim]) -> None:
        """Let the model think, side by side about the whole picture; what it concludes stands."""
        crops = [(seen, [claim]) for claim in claims if (seen := self.findings[claim].seen) is not None]
        whole = [claim for claim in claims if self.findings[claim].seen is None]
        for view, about in [(self._view, whole)] * bool(whole) + crops:
            questions = list(dict.fromkeys(claim.question for claim in about))
            concluded = dict(zip(questions, view.reason(questions), strict=True))
            for claim in about:
                self.findings[claim] = self._conclude(self.findings[claim], concluded[claim.question])

    @staticmethod
    def _conclude(finding: _Finding, reasoning: Reasoning | None) -> _Finding:
        if reasoning is None:
            return finding._replace(open=False)
        status = StepStatus.SATISFIED if reasoning.yes else StepStatus.NOT_SATISFIED
        return finding._replace(status=status, by=By.REASONING, open=False, rationale=reasoning.rationale)


def _result(case: Case, inquiry: Inquiry) -> RuleResult:
    steps = [_step(claim, number, inquiry) for number, item in enumerate(case.chain, 1) for claim in item]
    steps += [_step(claim, None, inquiry) for claim in case.exceptions]
    return RuleResult(
        rule=case.rule.id, status=_status(case, inquiry), steps=tuple(steps), regions=tuple(_regions(case, inquiry))
    )


def _left_to_probe(result: RuleResult) -> RuleResult:
    unsure = result.status is RuleStatus.UNSURE
    return result.model_copy(update={"status": RuleStatus.CLEAR, "by": "probe"}) if unsure else result


def _regions(case: Case, inquiry: Inquiry) -> Iterator[Region]:
    for claim in dict.fromkeys(claim for item in (*case.chain, case.exceptions) for claim in item):
        finding = inquiry.findings.get(claim)
        if finding is not None and (box := finding.box) is not None:
            sides = {"left": box.left, "top": box.top, "right": box.right, "bottom": box.bottom}
            yield Region(ask=claim.question.subject, **sides)


def box_of(region: Region) -> Box:
    """The region as it was found, but for how sure the model was of it."""
    return Box(region.left, region.top, region.right, region.bottom)


def _status(case: Case, inquiry: Inquiry) -> RuleStatus:
    if not inquiry.may_hold(case.chain):
        return RuleStatus.CLEAR
    excepted = inquiry.status(case.exceptions)
    if excepted is StepStatus.SATISFIED:
        return RuleStatus.EXCEPTED
    decided = excepted is StepStatus.NOT_SATISFIED and StepStatus.UNSURE not in map(inquiry.status, case.chain)
    return RuleStatus.VIOLATED if decided else RuleStatus.UNSURE


def _step(claim: Claim, item: int | None, inquiry: Inquiry) -> Step:
    finding = inquiry.findings.get(claim)
    if finding is None:
        return _not_asked(claim.question.subject, item)
    whole = None if finding.seen is None else inquiry.answers[claim.question]
    return Step(
        ask=claim.question.subject,
        item=item,
        status=finding.status,
        by=finding.by,
        p_yes=finding.answer.p_yes,
        gap=finding.answer.gap,
        prior=finding.prior,
        centric=finding.centric,
        off_mass=finding.answer.off_mass,
        rationale=finding.rationale,
        whole=None if whole is None else WholeAnswer(gap=whole.gap, off_mass=whole.off_mass),
    )


_not_asked = lru_cache(maxsize=10_000)(Step.not_asked)
"""The same for every image, and most of what is said of most."""
