"""What is said of an image."""

from __future__ import annotations

import pytest

from imagejudge.constitution import Constitution, Rule, Severity
from imagejudge.judge.summary import summarise
from imagejudge.verdict import By, Outcome, RuleResult, RuleStatus, Step, StepStatus

RULES = Constitution("t", "1", (Rule("a", "No A.", "cat", Severity.LOW), Rule("b", "No B.", "", Severity.HIGH)))


def step(
    ask: str, item: int | None, p_yes: float, status: StepStatus = StepStatus.SATISFIED, said: str | None = None
) -> Step:
    return Step(
        ask=ask,
        item=item,
        status=status,
        by=By.REASONING if said else By.PRIOR,
        p_yes=p_yes,
        gap=p_yes * 10,
        prior=0.5,
        centric=None,
        off_mass=0.0,
        rationale=said,
    )


def result(rule: str, status: RuleStatus, *steps: Step) -> RuleResult:
    return RuleResult(rule=rule, status=status, steps=steps)


VIOLATED = result("a", RuleStatus.VIOLATED, step("A dog is visible.", 1, 0.7), step("A cat is visible.", 1, 0.9))
DOUBTFUL = result("b", RuleStatus.UNSURE, step("TV sets burn.", 1, 0.6, StepStatus.UNSURE))
CLEAR = result("b", RuleStatus.CLEAR, step("TV sets burn.", 1, 0.1, StepStatus.NOT_SATISFIED))


def test_one_violation_makes_an_image_unsafe() -> None:
    summary = summarise(RULES, [VIOLATED, DOUBTFUL])
    assert summary.outcome is Outcome.UNSAFE
    assert summary.rationale == "a: a cat is visible (0.90)."
    (violation,) = summary.violations
    assert (violation.rule, violation.category, violation.severity) == ("a", "cat", Severity.LOW)


def test_one_doubt_makes_an_image_unsure() -> None:
    summary = summarise(RULES, [DOUBTFUL])
    assert (summary.outcome, summary.violations) == (Outcome.UNSURE, ())
    assert summary.rationale == "b: not sure that TV sets burn (0.60)."


def test_a_safe_image_needs_no_reason() -> None:
    assert summarise(RULES, [CLEAR]).rationale == ""
    assert summarise(RULES, [CLEAR]).outcome is Outcome.SAFE


def test_an_exception_is_a_reason() -> None:
    excepted = result("a", RuleStatus.EXCEPTED, step("A dog.", 1, 0.9), step("It is a toy.", None, 0.95))
    assert summarise(RULES, [excepted]).rationale == "a: excepted, it is a toy (0.95)."


def test_the_model_is_quoted_when_it_reasoned() -> None:
    reasoned = result("a", RuleStatus.VIOLATED, step("A dog is visible.", 1, 0.6, said="There is a dog."))
    summary = summarise(RULES, [reasoned])
    assert summary.rationale == "a: a dog is visible (0.60, reasoned: There is a dog.)."


def test_where_reasoning_overruled_the_figure_that_is_said() -> None:
    against = step("Flames are visible.", 1, 0.17, said="Flames rise from the roof.")
    summary = summarise(RULES, [result("a", RuleStatus.VIOLATED, against)])
    assert summary.rationale == (
        "a: flames are visible (decided by reasoning; 0.17 before it: Flames rise from the roof.)."
    )
    silent = against.model_copy(update={"rationale": None})
    said = summarise(RULES, [result("a", RuleStatus.VIOLATED, silent)]).rationale
    assert said == "a: flames are visible (decided by reasoning; 0.17 before it)."
    even = against.model_copy(update={"p_yes": 0.5})
    assert "decided by" not in summarise(RULES, [result("a", RuleStatus.VIOLATED, even)]).rationale


@pytest.mark.parametrize("severity", list(Severity))
def test_severity_comes_from_the_rule(severity: Severity) -> None:
    rules = Constitution("t", "1", (Rule("a", "No A.", severity=severity),))
    assert summarise(rules, [VIOLATED]).violations[0].severity is severity
