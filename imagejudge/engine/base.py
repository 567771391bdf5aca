"""What every engine can do: look at a picture once, then answer many questions about it.

An engine returns facts (how strongly Yes beats No), never verdicts; it knows nothing of rules or thresholds.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from imagejudge.engine.embedding import Embedding, EncodedTokens
from imagejudge.errors import EngineFailure
from imagejudge.images.picture import Box, Picture
from imagejudge.prompts import Question

UNMEASURED = 0.9
"""Above this off-mass, Yes and No together are too rare among first tokens for their ratio to mean anything (ours)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a model answered a yes/no question at its first token. Raises `EngineFailure` for what is no number."""

    gap: float
    """logit(Yes) - logit(No) in nats, over all spellings of each word. Unlike the probability it never saturates."""
    off_mass: float
    """Probability of every token that is neither Yes nor No, in [0, 1]."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.gap) and 0 <= self.off_mass <= 1):
            raise EngineFailure("engine-error", "the answer is no number; try a model file of another precision")

    @property
    def measured(self) -> bool:
        """Whether Yes and No were likely enough for their ratio to mean anything."""
        return self.off_mass <= UNMEASURED

    @property
    def p_yes(self) -> float:
        """p(Yes) / (p(Yes) + p(No)), in [0, 1]: M(x, c) of arXiv 2501.00192."""
        return 1 / (1 + math.exp(-self.gap)) if self.gap >= 0 else math.exp(self.gap) / (1 + math.exp(self.gap))


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model decided after thinking aloud."""

    yes: bool
    rationale: str
    """One sentence, as the model put it: untrusted text. For a Yes its summary, for a No the end of its thoughts."""
    thoughts: str
    """The free text that led there: untrusted text."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model can be asked for besides yes and no. Nothing is kept of what was not asked."""

    boxes: bool = True
    thoughts: bool = True
    several_rules: bool = True
    """Several rules in one question; a guard may have been taught to judge by one at a time."""


class View(ABC):
    """One picture (or none), encoded once, ready for any number of questions.

    Every method may raise `EngineFailure`. A view, with all views made from it, is good until its engine looks at
    another picture or is closed; some engines keep it longer.
    """

    @property
    @abstractmethod
    def tokens(self) -> int | None:
        """How many tokens the picture takes in the model; None where there is none, or that is not known."""

    @abstractmethod
    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer yes/no questions together, in their order."""

    @abstractmethod
    def reason(self, questions: Sequence[Question]) -> list[Reasoning | None]:
        """Let the model think aloud about each, side by side, then decide; None where its decision cannot be read.

        Not to be called for a model that cannot think aloud: see `Abilities`.
        """

    def embedding(self) -> Embedding:
        """What the image encoder made of the picture, pooled over all its tokens: see `engine.embedding`.

        It costs next to nothing, since the picture is encoded already. `EngineFailure` where there is no picture, or
        where only answers about it are at hand.
        """
        raise EngineFailure("engine-error", "there is no picture to embed")

    def encoded(self) -> EncodedTokens:
        """What the image encoder made of the picture, token by token. Costs and raises as `embedding` does."""
        raise EngineFailure("engine-error", "there is no picture to embed")

    @abstractmethod
    def locate(self, objects: Sequence[str]) -> Box | None:
        """One box around all of `objects`; None when the model sees none.

        Not to be called for a model that cannot give boxes: see `Abilities`.
        """

    @abstractmethod
    def without(self, box: Box) -> View:
        """A view of the picture with the box filled by its mean colour."""

    @abstractmethod
    def crop(self, box: Box) -> View:
        """A view of the box alone."""


class Engine(ABC):
    """A model that is ready to look at pictures. Use it as a context manager, or call `close`."""

    @abstractmethod
    def view(self, picture: Picture | None, first: Sequence[Question] = (), *, same_image: bool = False) -> View:
        """Look at a picture; with None, questions are asked with no image at all.

        `first` may name what will be asked next, so that an engine in another process can begin with it. `same_image`
        says that it is a further frame of the last image, whose time limit runs on.
        """

    @abstractmethod
    def write(self, prompt: str, grammar: str, limit: int) -> str:
        """What the model says to a prompt, without any picture: its likeliest words that follow a GBNF grammar.

        The text ends in the middle after `limit` tokens, and is untrusted. May raise `EngineFailure`; views stay good.
        """

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """What a person who tries a model wants to see of it as it is loaded, by title. Untrusted text."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the engine holds. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
