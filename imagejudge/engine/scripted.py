"""An engine that answers from a function instead of a model: for tests, also of programs that use this package.

engine = Scripted(lambda picture, question: 0.9 if "person" in question.subject else 0.1)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from imagejudge.engine.base import Answer, Engine, Reasoning, View
from imagejudge.engine.embedding import Embedding, EncodedTokens, pooled
from imagejudge.errors import EngineFailure
from imagejudge.images.picture import Box, Picture
from imagejudge.prompts import Question


def certain(p_yes: float, off_mass: float = 0.0) -> Answer:
    """An answer with a given probability of Yes, in (0, 1)."""
    return Answer(gap=math.log(p_yes / (1 - p_yes)), off_mass=off_mass)


@dataclass(slots=True)
class Scripted(Engine):
    """Answers what `answer` says, and remembers what it was asked."""

    answer: Callable[[Picture | None, Question], float | Answer]
    """The probability of Yes for a picture (None: no image) and a question, or a whole `Answer`."""
    reason: Callable[[Picture | None, Question], Reasoning | None] = lambda picture, question: None
    locate: Callable[[Picture | None, tuple[str, ...]], Box | None] = lambda picture, objects: None
    encode: Callable[[Picture], Sequence[float]] = lambda picture: _of_pixels(picture)
    """What an encoder makes of a picture, as one token; by default four numbers that only equal pictures share."""
    write_text: Callable[[str], str] = lambda prompt: ""
    """The text for a prompt; nothing holds it to the grammar or the limit that it would have in a model."""
    image_tokens: int | None = None
    """What every picture takes in this model."""
    waves: list[list[Question]] = field(default_factory=list)
    """Every list of questions that was asked at once, about any picture."""
    reasoned: list[Question] = field(default_factory=list)
    """Every question that was reasoned about."""
    located: list[tuple[str, ...]] = field(default_factory=list)
    """Every group of objects that was looked for."""
    embedded: int = 0
    """How often it was asked for what the encoder made of a picture."""

    def view(self, picture: Picture | None, first: Sequence[Question] = (), *, same_image: bool = False) -> View:
        """Look at a picture."""
        del first, same_image
        return _ScriptedView(self, picture)

    def write(self, prompt: str, grammar: str, limit: int) -> str:
        """Say what the script says."""
        del grammar, limit
        return self.write_text(prompt)

    def facts(self) -> dict[str, str]:
        """Nothing is loaded."""
        return {}

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True)
class _ScriptedView(View):
    engine: Scripted
    picture: Picture | None

    @property
    def tokens(self) -> int | None:
        return self.engine.image_tokens if self.picture else None

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        self.engine.waves.append(list(questions))
        replies = [self.engine.answer(self.picture, question) for question in questions]
        return [reply if isinstance(reply, Answer) else certain(reply) for reply in replies]

    def reason(self, questions: Sequence[Question]) -> list[Reasoning | None]:
        self.engine.reasoned += questions
        return [self.engine.reason(self.picture, question) for question in questions]

    def embedding(self) -> Embedding:
        return pooled([self.encoded()])

    def encoded(self) -> EncodedTokens:
        if self.picture is None:
            raise EngineFailure("engine-error", "there is no picture to embed")
        self.engine.embedded += 1
        return np.array([self.engine.encode(self.picture)], np.float32)

    def locate(self, objects: Sequence[str]) -> Box | None:
        self.engine.located.append(tuple(objects))
        return self.engine.locate(self.picture, tuple(objects))

    def without(self, box: Box) -> View:
        return _ScriptedView(self.engine, self.picture and self.picture.without(box))

    def crop(self, box: Box) -> View:
        return _ScriptedView(self.engine, self.picture and self.picture.crop(box))


def _of_pixels(picture: Picture) -> Sequence[float]:
    size = f"{picture.width} {picture.height} ".encode()
    return [byte / 255 for byte in hashlib.sha256(size + picture.rgb).digest()[:4]]
