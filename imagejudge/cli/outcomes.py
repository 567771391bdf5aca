"""Verdicts by the words that `--only` takes."""

from __future__ import annotations

from collections.abc import Sequence

from imagejudge.common.suggest import did_you_mean
from imagejudge.errors import UsageError
from imagejudge.verdict import Outcome


def outcomes(values: Sequence[str]) -> list[Outcome]:
    """Those that `--only` names, in each value one or several with commas between. Raises `UsageError`."""
    return [_outcome(word) for value in values for word in value.split(",")]


def _outcome(word: str) -> Outcome:
    try:
        return Outcome(word.strip())
    except ValueError:
        known = f"there are: {', '.join(Outcome)}"
        raise UsageError(f"--only {word!r} is no verdict", did_you_mean(word, Outcome, known)) from None
