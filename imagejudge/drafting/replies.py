"""From a model's text to checked values: the one place that reads what a model wrote.

A grammar shaped the text, but it may have been cut off, and other engines have no grammars.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from imagejudge.common.text import printable
from imagejudge.common.unseen import described, unseen
from imagejudge.drafting.prompts import MOST_ALTERNATIVES, MOST_ITEMS, MOST_OBJECTS, Task
from imagejudge.drafting.revision import DraftRejected
from imagejudge.engine.base import Engine


def _visible(text: str) -> str:
    if char := unseen(text):
        raise ValueError(f"it holds {described(char)}")
    return text


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_visible)]


class Reply(BaseModel):
    """What all replies have in common: no other types, no other keys."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class RatingReply(Reply):
    """A reply to `words.rate`."""

    explanation: Line
    rating: Annotated[int, Field(ge=1, le=10)]


class RuleReply(Reply):
    """A reply to `words.rewrite`."""

    rule: Line


class StatementReply(Reply):
    """One statement of a chain, with its central objects."""

    ask: Line
    objects: Annotated[list[Line], Field(max_length=MOST_OBJECTS)]


class ChainReply(Reply):
    """A reply to `words.decompose`."""

    preconditions: Annotated[
        list[Annotated[list[StatementReply], Field(min_length=1, max_length=MOST_ALTERNATIVES)]],
        Field(min_length=1, max_length=MOST_ITEMS),
    ]


_Kind = TypeVar("_Kind", bound=Reply)


def ask(engine: Engine, task: Task, kind: type[_Kind]) -> _Kind:
    """Let the model do a task. Raises `DraftRejected` for a reply that cannot be read, `EngineFailure` for none."""
    text = engine.write(task.prompt, task.grammar, task.limit)
    try:
        reply = kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        reason = f"{place}: {first['msg']}" if place else first["msg"]
        raise DraftRejected(f"the model's reply cannot be read ({printable(reason)}): {_excerpt(text)}") from None
    if text in task.examples:
        raise DraftRejected(f"the model gave back an example of its prompt: {_excerpt(text)}")
    return reply


def _excerpt(text: str) -> str:
    return printable(text if len(text) <= 160 else f"{text[:120]} ... {text[-30:]}") or "nothing"
