"""The score of a rule, by hand."""

from __future__ import annotations

import pytest

from imagejudge.judge.scores import rule_score, statement_score
from imagejudge.verdict import By, RuleResult, RuleStatus, Step, StepStatus


def step(p_yes: float, item: int | None = 1, **more: object) -> Step:
    fields = {"status": StepStatus.SATISFIED, "by": By.PRIOR, "prior": 0.5, "off_mass": 0.0, **more}
    return Step(ask="?", item=item, p_yes=p_yes, gap=0.0, centric=None, rationale=None, **fields)  # type: ignore[arg-type]


def rule(*steps: Step) -> RuleResult:
    return RuleResult(rule="r", status=RuleStatus.CLEAR, steps=steps)


@pytest.mark.parametrize(
    ("p_yes", "prior", "score"),
    [(0.3, None, 0.3), (0.3, 0.5, 0.3), (0.9, 0.8, 0.75), (0.4, 0.8, 0.25), (0.8, 0.8, 0.5), (1, 1, 0.5), (0, 0, 0.5)],
)
def test_the_prior_comes_to_lie_in_the_middle(p_yes: float, prior: float | None, score: float) -> None:
    assert statement_score(step(p_yes, prior=prior)) == pytest.approx(score)


def test_the_thresholds_are_where_they_are_said_to_be() -> None:
    for prior in (0.01, 0.5, 0.97):
        assert statement_score(step(prior + 0.8 * (1 - prior), prior=prior)) == pytest.approx(0.9)
        assert statement_score(step(0.7 * prior, prior=prior)) == pytest.approx(0.35)


def test_costlier_steps_move_the_score() -> None:
    assert statement_score(step(0.6, by=By.REASONING)) == 0.9
    assert statement_score(step(0.95, by=By.CENTRIC)) == pytest.approx(0.95)
    assert statement_score(step(0.6, by=By.REASONING, status=StepStatus.NOT_SATISFIED)) == 0.35


def test_a_rule_is_the_least_of_the_greatest() -> None:
    assert rule_score(rule(step(0.2), step(0.8), step(0.6, 2))) == pytest.approx(0.6)
    assert rule_score(rule(step(0.1), Step.not_asked("?", 2))) == pytest.approx(0.1)


def test_exceptions_pull_down() -> None:
    assert rule_score(rule(step(0.9), step(0.7, None))) == pytest.approx(0.3)
    assert rule_score(rule(step(0.9), step(0.05, None))) == pytest.approx(0.9)


def test_what_was_not_measured_has_no_score() -> None:
    assert rule_score(rule(step(0.9, off_mass=0.95))) is None
    assert rule_score(rule(step(0.9), step(0.9, 2, off_mass=0.95))) is None
    assert rule_score(rule(Step.not_asked("?", 1))) is None
