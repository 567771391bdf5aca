"""Shorter lines: verdicts without those of their steps that are not wanted."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from imagejudge.judge.scores import image_score
from imagejudge.output.resume import Identity
from imagejudge.verdict import STEPS, RuleResult, RuleStatus, Step, Steps, StepStatus, Verdict


def trimmed(verdict: Verdict, steps: Steps) -> Verdict:
    """A verdict with these of its steps. Its settings say which, and a score that they would not tell stands beside."""
    if steps is Steps.ALL:
        return verdict
    rules = tuple(result.model_copy(update={"steps": _kept(result, steps)}) for result in verdict.rules)
    score = None if steps is Steps.ASKED else image_score(verdict)
    return verdict.model_copy(update={"rules": rules, "settings": _with(verdict.settings, steps), "score": score})


def identity_with(identity: Identity, steps: Steps) -> Identity:
    """What lines with these steps have in common."""
    if steps is Steps.ALL:
        return identity
    return dataclasses.replace(identity, settings=_with(identity.settings, steps))


def _with(settings: Mapping[str, str | int] | None, steps: Steps) -> Mapping[str, str | int]:
    return {**(settings or {}), STEPS: steps.value}


def _kept(result: RuleResult, steps: Steps) -> tuple[Step, ...]:
    if steps is Steps.ASKED:
        return tuple(step for step in result.steps if step.status is not StepStatus.NOT_ASKED)
    return result.steps if steps is Steps.FOUND and result.status is not RuleStatus.CLEAR else ()
