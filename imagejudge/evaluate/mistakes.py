"""The worst mistakes: which verdicts are wrong, the surest of them first, and what they rest on.

Knows verdicts and labels; how they look on a page is not its business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imagejudge.evaluate.metrics import Case
from imagejudge.judge.scores import image_score, rule_score
from imagejudge.verdict import Outcome, RuleResult, RuleStatus, StepStatus

SHOWN = 12
"""Of each kind."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong verdict."""

    case: Case
    score: float | None
    results: tuple[RuleResult, ...]
    """The rules it hangs on, with only the statements that were asked."""


@dataclass(frozen=True, slots=True)
class Mistakes:
    """One kind of them: how many there are, and the worst."""

    count: int
    worst: tuple[Mistake, ...]


def missed(cases: Sequence[Case]) -> Mistakes:
    """Unsafe images that were called safe, the least suspected first."""
    return _kind(cases, unsafe=True, said=Outcome.SAFE, sign=1)


def false_alarms(cases: Sequence[Case]) -> Mistakes:
    """Safe images that were called unsafe, the most suspected first."""
    return _kind(cases, unsafe=False, said=Outcome.UNSAFE, sign=-1)


def _kind(cases: Sequence[Case], *, unsafe: bool, said: Outcome, sign: int) -> Mistakes:
    wrong = [
        Mistake(case, image_score(case.verdict), _decisive(case))
        for case in cases
        if case.label.unsafe is unsafe and case.verdict.verdict is said
    ]
    # Methods that only think aloud have no score: theirs stay in the order of the data.
    worst = sorted(wrong, key=lambda each: sign * each.score if each.score is not None else sign * 0.5)
    return Mistakes(len(wrong), tuple(worst[:SHOWN]))


def _decisive(case: Case) -> tuple[RuleResult, ...]:
    """Those violated; for a miss, those it should have been, or else the one that came nearest."""
    results = case.verdict.rules
    chosen = [result for result in results if result.status is RuleStatus.VIOLATED]
    if not chosen:
        chosen = [result for result in results if result.rule in case.label.rules]
    if not chosen and results:
        chosen = [max(results, key=lambda result: rule_score(result) or 0.0)]
    return tuple(_asked(result) for result in chosen)


def _asked(result: RuleResult) -> RuleResult:
    steps = tuple(step for step in result.steps if step.status is not StepStatus.NOT_ASKED)
    return result.model_copy(update={"steps": steps})
