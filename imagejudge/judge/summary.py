"""From rule results to what is said of the whole image: the outcome, its violations and the reasons in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from imagejudge.constitution import Constitution, Rule
from imagejudge.engine.base import UNMEASURED
from imagejudge.judge.world import is_outside
from imagejudge.verdict import By, Outcome, RuleResult, RuleStatus, Step, StepStatus, Violation


@dataclass(frozen=True, slots=True)
class Summary:
    """What a verdict line says above its details."""

    outcome: Outcome
    rationale: str
    violations: tuple[Violation, ...]


def summarise(constitution: Constitution, results: Sequence[RuleResult], out_of_world: float | None = None) -> Summary:
    """One violated rule makes an image unsafe; else one undecided rule makes it unsure.

    So do all rules where a picture lies too far from what the model was made for: that is then the reason.
    """
    if results and is_outside(out_of_world):
        return Summary(Outcome.UNSURE, f"out of its world: {out_of_world:.2f}", ())
    rules = {rule.id: rule for rule in constitution.rules}
    violations = tuple(_violation(rules[r.rule], r) for r in results if r.status is RuleStatus.VIOLATED)
    if violations:
        reasons = " ".join(f"{violation.rule}: {violation.rationale}" for violation in violations)
        return Summary(Outcome.UNSAFE, reasons, violations)
    unsure = [result for result in results if result.status is RuleStatus.UNSURE]
    if unsure:
        return Summary(Outcome.UNSURE, " ".join(f"{r.rule}: {_doubt(r)}" for r in unsure), ())
    excepted = [result for result in results if result.status is RuleStatus.EXCEPTED]
    return Summary(Outcome.SAFE, " ".join(f"{r.rule}: excepted, {_grounds(r, None)}." for r in excepted), ())


def _violation(rule: Rule, result: RuleResult) -> Violation:
    items = dict.fromkeys(step.item for step in result.steps if step.item is not None)
    reasons = "; ".join(_grounds(result, item) for item in items) + "."
    return Violation(rule=rule.id, category=rule.category, severity=rule.severity, rationale=reasons)


def _grounds(result: RuleResult, item: int | None) -> str:
    """Why an item holds: its strongest alternative."""
    held = [step for step in result.steps if step.item == item and step.status is StepStatus.SATISFIED]
    return _words(max(held, key=lambda step: step.gap or 0.0))


def _doubt(result: RuleResult) -> str:
    doubtful = [step for step in result.steps if step.status is StepStatus.UNSURE]
    return "not sure that " + "; ".join(_words(step) for step in doubtful) + "."


def unmeasured(step: Step) -> bool:
    """Whether the model was asked and said neither Yes nor No, so that its figures mean nothing."""
    return step.off_mass is not None and step.off_mass > UNMEASURED


def overruled(step: Step) -> bool:
    """Whether reasoning decided against the figure, or against what stands for a figure that was never measured."""
    if step.by is not By.REASONING or step.p_yes is None:
        return False
    return (step.p_yes >= 0.5) is not (step.status is StepStatus.SATISFIED)


def _words(step: Step) -> str:
    return f"{_within_a_sentence(step.ask)} ({_figures(step)})"


def _figures(step: Step) -> str:
    if unmeasured(step):
        return "unmeasured"
    if step.p_yes is None:
        return "not asked"
    if overruled(step):
        said = f": {step.rationale}" if step.rationale else ""
        return f"decided by reasoning; {step.p_yes:.2f} before it{said}"
    if step.by is By.REASONING and step.rationale:
        return f"{step.p_yes:.2f}, reasoned: {step.rationale}"
    if step.by is By.CENTRIC and step.centric is not None:
        return f"{step.p_yes:.2f}; {step.centric:.2f} without its region"
    return f"{step.p_yes:.2f}"


@lru_cache(maxsize=10_000)
def _within_a_sentence(ask: str) -> str:
    ask = ask.rstrip(".")
    # A capital that only begins the sentence goes; one of an acronym or a name of one letter stays.
    return ask[0].lower() + ask[1:] if ask[1:2].islower() or ask.startswith("A ") else ask
