"""Whether a model can judge on this machine: it is shown one picture whose content is beyond doubt, and asked.

Knows engines and answers, nothing of files, rules or tables.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from imagejudge.engine.base import Abilities, Answer, Engine, View
from imagejudge.errors import EngineFailure, ModelError
from imagejudge.images.picture import Box
from imagejudge.images.sample import HEART, red_heart
from imagejudge.judge.answering import check_answers
from imagejudge.prompts import Question, visible

_THERE, _NOT_THERE = visible("A heart is visible."), visible("A dog is visible.")
_MARGIN = 0.1
"""By how much the answer about what is there must be the surer one, and surer than without the picture (ours)."""


@dataclass(slots=True)
class Acceptance:
    """What was found out, by title, in the order in which a person wants to read it."""

    findings: dict[str, str] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    """In plain words: why it cannot judge."""


def accept(engine: Engine, abilities: Abilities) -> Iterator[Acceptance]:
    """Try the model, and give what is known so far after every step, which may be the last that it gets through.

    Raises `ModelError` as loading does, and where the model fails at what it is asked.
    """
    found = Acceptance()
    try:
        yield from _tried(engine, abilities, found)
    except EngineFailure as failure:
        raise ModelError(f"the model failed at a red heart: {failure.message}") from failure


def _tried(engine: Engine, abilities: Abilities, found: Acceptance) -> Iterator[Acceptance]:
    with _timed() as loading:
        blank = engine.view(None)
        unseen = blank.ask([_THERE, _NOT_THERE])
    found.findings["load and first words"] = f"{loading.seconds:.2f} s"
    found.findings |= engine.facts()
    found.findings["without an image"] = _said(unseen)
    yield found
    with _timed() as looking:
        view = engine.view(red_heart())
        first = view.ask([_THERE])
    with _timed() as asking:
        second = view.ask([_NOT_THERE])
    seen = [*first, *second]
    found.findings["shown a red heart"] = _said(seen)
    found.findings["seconds"] = f"{looking.seconds:.2f} to look and answer, {asking.seconds:.3f} for the next question"
    for answers, about in ((unseen, "without an image"), (seen, "about a red heart")):
        try:
            check_answers(answers, about)
        except ModelError as error:
            found.troubles.append(error.message)
    if not found.troubles and (words := _blindness(seen, unseen)):
        found.troubles.append(words)
    yield found
    if abilities.boxes:
        with _timed() as locating:
            box = view.locate(["heart"])
        found.findings["box"] = f"{_placed(box)}; {locating.seconds:.2f} s"
        yield found
    if abilities.thoughts:
        found.findings["reasoning"] = _reasoned(view, _THERE)
    found.findings |= engine.facts()  # what it takes has grown by now
    yield found


def _blindness(seen: list[Answer], unseen: list[Answer]) -> str:
    """What is wrong with answers about the heart and the dog; empty: nothing."""
    surer, before = (there.p_yes - not_there.p_yes for there, not_there in (seen, unseen))
    if surer < _MARGIN:
        return (
            "shown a red heart, it is no surer of a heart than of a dog: "
            "it sees neither, or is not asked in the way that it was taught"
        )
    if surer - before < _MARGIN:
        return "shown a red heart, it answers as it does without an image: it does not see"
    return ""


def _said(answers: list[Answer]) -> str:
    words = [
        f"{name}: {f'p(Yes) {answer.p_yes:.2f}' if answer.measured else 'unmeasured'}, off-mass {answer.off_mass:.3f}"
        for name, answer in zip(("heart", "dog"), answers, strict=True)
    ]
    return "; ".join(words)


def _placed(box: Box | None) -> str:
    if box is None:
        return "none, though the heart is there"
    wide = min(box.right, HEART.right) - max(box.left, HEART.left)
    high = min(box.bottom, HEART.bottom) - max(box.top, HEART.top)
    common = max(0.0, wide) * max(0.0, high)
    share = common / (box.area + HEART.area - common)
    corners = ", ".join(f"{side:.2f}" for side in (box.left, box.top, box.right, box.bottom))
    return f"{corners}; it overlaps the heart by {share:.2f} (intersection over union)"


def _reasoned(view: View, question: Question) -> str:
    with _timed() as thinking:
        (reasoning,) = view.reason([question])
    if reasoning is None:
        return f"no rating; {thinking.seconds:.2f} s"
    return f"{'Yes' if reasoning.yes else 'No'}: {reasoning.rationale}; {thinking.seconds:.2f} s"


@dataclass(slots=True)
class _Clock:
    seconds: float = 0.0


@contextmanager
def _timed() -> Iterator[_Clock]:
    clock, started = _Clock(), time.perf_counter()
    yield clock
    clock.seconds = time.perf_counter() - started
