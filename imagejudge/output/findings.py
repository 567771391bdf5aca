"""What a verdict holds that a person may want to look at, one rule at a time. Knows no output format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imagejudge.common.text import clock, printable
from imagejudge.constitution import Severity
from imagejudge.judge.frames import where
from imagejudge.judge.summary import unmeasured
from imagejudge.judge.world import is_outside
from imagejudge.verdict import Region, RuleResult, RuleStatus, Step, StepStatus, Verdict, Violation

_SPANS = 3
"""Times that a message tells."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that an image violates, or that could not be decided."""

    rule: str | None
    """None: of all rules alike, as the picture is out of the model's world."""
    severity: Severity | None
    """None: it could not be decided."""
    message: str
    """Fit for terminals and logs."""
    accepted: bool


def findings(verdict: Verdict) -> Iterator[Finding]:
    """First what is violated, then what is undecided."""
    results = {result.rule: result for result in verdict.rules} if verdict.violations else {}
    for violation in verdict.violations:
        message = (_times(violation) or _at(results.get(violation.rule))) + violation.rationale
        yield Finding(violation.rule, violation.severity, printable(message), violation.accepted)
    unsure = [result for result in verdict.rules if result.status is RuleStatus.UNSURE]
    if unsure and is_outside(verdict.out_of_world):  # once, not for each rule: a list that is cut has room for others
        yield Finding(None, None, printable(verdict.rationale), all(result.accepted for result in unsure))
        return
    for result in unsure:
        yield Finding(result.rule, None, printable(_at(result) + _doubt(result)), result.accepted)


def settled(verdict: Verdict) -> bool:
    """Whether nothing is left to look at: the image is safe, or all that was found in it is accepted."""
    return verdict.error is None and all(finding.accepted for finding in findings(verdict))


def is_of_its_frame(verdict: Verdict, result: RuleResult) -> bool:
    """Whether a rule is told of the frame that its line is about, which is the one that pictures show."""
    return result.time == verdict.time and result.frame in (verdict.frame, None)


def located(verdict: Verdict, result: RuleResult) -> tuple[Region, ...]:
    """Where things were found that a rule is about, in the frame that its line is about."""
    return result.regions if is_of_its_frame(verdict, result) else ()


def _at(result: RuleResult | None) -> str:
    """Which frame tells most of a rule; empty for still images."""
    place = where(result.frame, result.time) if result else ""
    return f"{place.capitalize()}: " if place else ""


def _times(violation: Violation) -> str:
    """When a rule is violated in a video; empty for images."""
    spans = [f"{clock(span.start)} to {clock(span.end)}" for span in violation.spans or ()]
    more = f" and {len(spans) - _SPANS} times more" if len(spans) > _SPANS else ""
    return f"From {', '.join(spans[:_SPANS])}{more}: " if spans else ""


def _doubt(result: RuleResult) -> str:
    open_ = "; ".join(_words(step) for step in result.steps if step.status is StepStatus.UNSURE)
    return f"undecided: {open_}" if open_ else "undecided"


def _words(step: Step) -> str:
    if unmeasured(step):
        return f"{step.ask} (unmeasured)"
    return step.ask if step.p_yes is None else f"{step.ask} ({step.p_yes:.2f})"
