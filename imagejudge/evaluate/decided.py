"""What people decided about verdicts, as labels of the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from imagejudge.common.existing import is_file
from imagejudge.common.text import counted
from imagejudge.evaluate.labels import Label
from imagejudge.output.decisions import LONGEST, Decisions, Truth, decision_of
from imagejudge.verdict import Outcome, Verdict


class Decided(NamedTuple):
    """What decisions say of some verdicts."""

    labels: Sequence[Label]
    verdicts: Sequence[Verdict]
    """Without those on an image that had a labelled one's name and other bytes."""
    notes: tuple[str, ...]
    """What the user should know of them."""


def is_decisions(path: Path) -> bool:
    """Whether a file holds decisions, not a table of labels: by its first line."""
    if not is_file(path):  # a pipe can be read only once
        return False
    try:
        with path.open("rb") as file:
            decision_of(file.readline(LONGEST))
    except (OSError, ValueError, RecursionError):
        return False
    return True


def labels_of(decisions: Decisions, verdicts: Sequence[Verdict]) -> Decided:
    """Labels of the images that were decided on.

    An image is unsafe where a person says so, or says of a rule that it is violated: the label then names these rules.
    It is safe where a person says so, or says of all that was found that it is not there.
    """
    found: dict[tuple[str, str | None], Label | None] = {}
    for verdict in filter(decisions.about, verdicts):
        key = verdict.path, verdict.sha256
        if found.get(key) is None:
            found[key] = _label(decisions, verdict)
    labels = {key: label for key, label in found.items() if label is not None}
    names = {label.name for label in labels.values()}
    same = [each for each in verdicts if each.path not in names or (each.path, each.sha256) in labels]
    lost = len(found) - len(labels)
    left_out = f"{counted(lost, 'image is', 'images are')} left out: somebody looked, but decided nothing about safety"
    return Decided(list(labels.values()), same, (left_out,) if lost else ())


def _label(decisions: Decisions, verdict: Verdict) -> Label | None:
    truths = decisions.truths(verdict)
    whole = truths.get(None)
    violated = tuple(rule for rule, truth in truths.items() if rule and truth is Truth.VIOLATED)
    if whole is Truth.UNSURE:
        return None
    if whole is Truth.VIOLATED or violated:
        return Label(verdict.path, unsafe=True, rules=violated)
    if whole is Truth.CLEAR:
        return Label(verdict.path, unsafe=False)
    if decisions.applied(verdict).verdict is Outcome.SAFE:
        return Label(verdict.path, unsafe=False, rules=tuple(rule for rule in truths if rule))
    return None
