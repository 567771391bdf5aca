"""Whether a model answers at all. One that says neither Yes nor No leaves everything unsure, which looks like a result.

Knows answers and verdicts, nothing of engines or files.
"""

from __future__ import annotations

from collections.abc import Iterable

from imagejudge.engine.base import UNMEASURED, Answer
from imagejudge.errors import ModelError
from imagejudge.judge.cached_view import AnswerKey
from imagejudge.verdict import Verdict

PROVED = AnswerKey("answers", b"")
"""What is kept once the model has answered about an image."""

HINT = (
    "use an Instruct file rather than one that thinks first, a file with its original chat template, or the prompt "
    "style that the model was taught (`prompt_style`); `imagejudge doctor` with `model` asks it a few questions"
)


def check_answers(answers: Iterable[Answer], about: str) -> None:
    """Raise `ModelError` when most of the answers are not measured."""
    _check([answer.off_mass for answer in answers], about)


def check_verdicts(verdicts: Iterable[Verdict], about: str) -> bool:
    """The same of all that was asked for one image's verdicts; whether anything was."""
    found = {
        (result.rule, step.ask): step.off_mass
        for verdict in verdicts
        for result in verdict.rules
        for step in result.steps
        if step.off_mass is not None
    }
    _check(list(found.values()), about)
    return bool(found)


def _check(off_masses: list[float], about: str) -> None:
    lost = [each for each in off_masses if each > UNMEASURED]
    if 2 * len(lost) > len(off_masses):
        mean = sum(off_masses) / len(off_masses)
        raise ModelError(
            f"the model does not answer Yes or No: {len(lost)} of {len(off_masses)} questions {about} are unmeasured "
            f"(on average {mean:.0%} of its first words are others)",
            HINT,
        )
