"""One number for how strongly a verdict says that a rule is violated: what ranking and calibration are measured on.

A verdict decides by steps; a ranking needs a scale. This one is ours, and is read off the verdict line alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from imagejudge.engine.base import UNMEASURED
from imagejudge.judge.clue import EVEN
from imagejudge.verdict import By, RuleResult, Step, Steps, StepStatus, Verdict, steps_in

WHOLE = "*"
"""Stands for a rule where a method asks once about everything."""

_HELD = 0.9
"""The score above which a statement is satisfied by the default thresholds: 0.5 + 0.5 * 0.8."""
_FAILED = 0.35
"""The score below which it is not satisfied: 0.5 - 0.5 * 0.3."""


def statement_score(step: Step) -> float | None:
    """p_yes stretched so that the prior comes to lie at 0.5, in [0, 1]; None when it was not asked or not measured.

    With an even prior, or none, it is p_yes itself. A statement that was decided by a costlier step is moved to where
    arithmetic would have decided the same.
    """
    if step.p_yes is None or (step.off_mass or 0.0) > UNMEASURED:
        return None
    prior = EVEN if step.prior is None else step.prior
    if step.p_yes > prior:
        score = 0.5 + 0.5 * (step.p_yes - prior) / (1 - prior)
    else:
        score = 0.5 * step.p_yes / prior if prior else 0.5
    if step.by in (By.CENTRIC, By.REASONING):
        return max(score, _HELD) if step.status is StepStatus.SATISFIED else min(score, _FAILED)
    return score


def rule_score(result: RuleResult) -> float | None:
    """The least of its preconditions, each the greatest of its alternatives; an exception that holds pulls it down.

    Preconditions that were not asked, because one before them had failed, are left out. None when one was asked and
    nothing was measured.
    """
    items = [_greatest(result, item) for item in _asked_items(result)]
    measured = [score for score in items if score is not None]
    if not measured or len(measured) < len(items):
        return None
    excepted = _greatest(result, None)
    return min(*measured, 1.0) if excepted is None else min(*measured, 1 - excepted)


def image_score(verdict: Verdict) -> float | None:
    """The greatest of its rules'; None when no rule has one."""
    if steps_in(verdict) in (Steps.FOUND, Steps.NONE):
        return verdict.score
    scores = [score for result in verdict.rules if (score := rule_score(result)) is not None]
    return max(scores, default=None)


def _asked_items(result: RuleResult) -> Sequence[int]:
    asked = (step for step in result.steps if step.status is not StepStatus.NOT_ASKED)
    return list(dict.fromkeys(step.item for step in asked if step.item is not None))


def _greatest(result: RuleResult, item: int | None) -> float | None:
    scores = [score for step in result.steps if step.item == item and (score := statement_score(step)) is not None]
    return max(scores, default=None)
