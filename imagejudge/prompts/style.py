"""How a model was taught to be asked a yes/no question, and how its answer is read: data, without any code in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from imagejudge.prompts.digest import digest_of
from imagejudge.prompts.question import Kind, Question

IMAGE, QUESTION, TEXT = "{image}", "{question}", "{text}"
"""What a style's words leave open: where the image stands, the question, and within that the question's own words."""


@dataclass(frozen=True, slots=True)
class PromptStyle:
    """All words around a question's own. `prompts.style_file` checks what these fields promise."""

    name: str
    ask: Mapping[Kind, str]
    """What is asked, each with one `TEXT`; without `Kind.RULES`, the model is asked about one rule at a time."""
    yes: Sequence[str]
    no: Sequence[str]
    """Words that an answer may begin with, in any case, and with a space before them or without."""
    system: str = ""
    """What is said before everything else; empty: nothing."""
    user: str = IMAGE + QUESTION
    """The user's turn, with one `IMAGE`; and one `QUESTION`, unless one of `variables` has it."""
    reply: str = ""
    """Words that the model's answer has begun with."""
    variables: Mapping[str, str | bool] = field(default_factory=dict)
    """Variables of the model's chat template."""
    reasoning: bool = False
    """It can think aloud, in the words of `Question.deliberate`; a guard that only ever says one word cannot."""

    @property
    def image_first(self) -> bool:
        """Whether all that differs between questions stands behind the image, which is then read once for all."""
        return self.question_variable is None and self.user.startswith(IMAGE)

    @property
    def question_variable(self) -> str | None:
        """The variable of the chat template that takes the question, in the place of the user's turn."""
        return next((name for name, value in self.variables.items() if QUESTION in str(value)), None)

    def asked(self, question: Question) -> str:
        """The question. Without words of its own, the line that they would stand on is left out."""
        words = self.ask[question.kind]
        return (words if question.subject else words.replace(f"\n{TEXT}", TEXT)).replace(TEXT, question.subject)

    def around_image(self, question: Question) -> tuple[str, str]:
        """All that is said before the image and behind it, but for `system` and `reply`."""
        asked = self.asked(question)
        if (variable := self.question_variable) is not None:
            return str(self.variables[variable]).replace(QUESTION, asked), ""
        before, _, behind = self.user.partition(IMAGE)
        return before.replace(QUESTION, asked), behind.replace(QUESTION, asked)

    @property
    def digest(self) -> str:
        """Of all that a model sees of this style, in hex: answers to other words are other answers."""
        words = dataclasses.asdict(self)
        del words["name"]
        return digest_of(words)

    @property
    def label(self) -> str:
        """Its name, with the start of its digest: files of one name may hold other words."""
        return f"{self.name}@{self.digest[:12]}"
