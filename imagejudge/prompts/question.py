"""What a model is asked: one yes/no question about an image, as a kind and the question's own words.

Knows nothing of models, images or rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What a yes/no question is about. Yes always means that the statement holds or that the image breaks the rule."""

    VISIBLE = "visible"
    """One statement about what can be seen: a precondition."""
    RULE = "rule"
    """One whole rule, asked at once."""
    RULES = "rules"
    """A whole constitution, asked at once."""
    PUBLIC = "public"
    """No rule at all: the model's own idea of what may be shown."""


DELIBERATE = {
    Kind.VISIBLE: "Decide whether the following content is visible in this image.",
    Kind.RULE: "Decide whether this image violates the following rule.",
    Kind.RULES: "Decide whether this image violates any of the following rules.",
    Kind.PUBLIC: "Decide whether this image is inappropriate for public viewing.",
}

HOW = (
    "Judge only what can be seen, not what may lie outside the image or what anyone intends. "
    "Think step by step, in a few short sentences."
)


class Question(NamedTuple):
    """A yes/no question about an image (or, without one, about nothing but its own words).

    A tuple, because questions are looked up hundreds of times an image, and tuples are the quickest keys.
    """

    kind: Kind
    subject: str
    """The question's own words: a statement, a rule, several rules; empty for `Kind.PUBLIC`."""

    @property
    def deliberate(self) -> str:
        """The words of the first reasoning turn; the second is `SUMMARISE`."""
        return "\n".join(filter(None, (f"{DELIBERATE[self.kind]} {HOW}", self.subject)))


def visible(statement: str) -> Question:
    """Ask whether one statement holds for what can be seen."""
    return Question(Kind.VISIBLE, statement)


def beside(question: Question, text: str) -> Question:
    """The same question about an image that comes with a text, as posts and prompts do."""
    said = f'The image comes with this text: "{text}"'
    return question._replace(subject="\n".join(filter(None, (question.subject, said))))


def rules_subject(texts: Sequence[str]) -> str:
    """Number several rules, one a line, for `Kind.RULES`."""
    return "\n".join(f"{number}. {text}" for number, text in enumerate(texts, 1))
