"""Every word that is sent to a model about an image, and the grammars its replies must follow.

Knows nothing of models, images or rules. A change to any text here changes `WORDING`, and with it the keys of the
answers cache and what verdict lines say they were made with. Raise `PROMPT_VERSION` where the same words come to be
used in another way.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

PROMPT_VERSION = 2


def _digest_of(words: Any) -> str:
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()


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


_DIRECT = {
    Kind.VISIBLE: "Is the following content visible in this image? Answer Yes or No.",
    Kind.RULE: "Does this image violate the following rule? Answer Yes or No.",
    Kind.RULES: "Does this image violate any of the following rules? Answer Yes or No.",
    Kind.PUBLIC: "Is this image inappropriate for public viewing? Answer Yes or No.",
}

_DELIBERATE = {
    Kind.VISIBLE: "Decide whether the following content is visible in this image.",
    Kind.RULE: "Decide whether this image violates the following rule.",
    Kind.RULES: "Decide whether this image violates any of the following rules.",
    Kind.PUBLIC: "Decide whether this image is inappropriate for public viewing.",
}

_HOW = (
    "Judge only what can be seen, not what may lie outside the image or what anyone intends. "
    "Think step by step, in a few short sentences."
)

SUMMARISE = 'Summarise your decision as JSON: {"rating": "Yes" or "No", "rationale": one short sentence}.'

RATING = ('{"rating":', r'root ::= " \"" ("Yes" | "No")')
RATIONALE = (
    '", "rationale":',
    r"""
root ::= " \"" char+ "\"" "}"?
char ::= [^"\\\x00-\x1F\x7F] | "\\" ["\\/bnrt]
""".strip(),
)
"""How the model's summary goes: words that are put into its mouth, and a grammar for those that are its own.

What is given ends before a space, because a word and the space or quote before it are often one token.
"""


class Question(NamedTuple):
    """A yes/no question about an image (or, without one, about nothing but its own words).

    A tuple, because questions are looked up hundreds of times an image, and tuples are the quickest keys.
    """

    kind: Kind
    subject: str
    """The question's own words: a statement, a rule, several rules; empty for `Kind.PUBLIC`."""

    @property
    def direct(self) -> str:
        """The words whose first answer token is read; the subject stands last, so that all before it can be shared."""
        return PROMPT_STYLES[DIRECT].words(self)

    @property
    def deliberate(self) -> str:
        """The words of the first reasoning turn; the second is `SUMMARISE`."""
        return "\n".join(filter(None, (f"{_DELIBERATE[self.kind]} {_HOW}", self.subject)))


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


@dataclass(frozen=True, slots=True)
class PromptStyle:
    """How a model was taught to be asked a yes/no question, and which words its answer begins with."""

    ask: Mapping[Kind, str]
    """What is asked; the question's own words stand below it."""
    form: str = "{question}"
    """What both are filled into."""
    yes: str = "Yes"
    no: str = "No"
    """In any case, and with a space before them or without."""
    system: str = ""
    """What is said before everything else; empty: nothing."""
    variable: str = ""
    """The variable of the model's chat template that takes the question; empty: it is the user's turn."""
    switches: Mapping[str, str] = field(default_factory=dict)
    """Other variables of the chat template."""
    question_first: bool = False
    """The image comes after the question, so that it must be read again for each."""
    thinks: bool = True
    """It can think aloud, in the words of `Question.deliberate`; a guard that only ever says one word cannot."""

    def words(self, question: Question) -> str:
        """All that is said to ask a question, but for `system`."""
        return self.form.format(question="\n".join(filter(None, (self.ask[question.kind], question.subject))))

    @property
    def digest(self) -> str:
        """Of all that a model sees of this style, in hex: answers to other words are other answers."""
        return _digest_of(dataclasses.asdict(self))


DIRECT = "direct"
"""imagejudge's own wording, for models that were not taught any other."""

PROMPT_STYLES = {
    DIRECT: PromptStyle(_DIRECT),
    # Shieldstral's card, as public programs quote it: a fixed system turn, then instruction, one yes/no question, and
    # what is to be judged.
    "shieldstral": PromptStyle(
        ask={
            Kind.VISIBLE: "Is the following content visible in the Document?",
            Kind.RULE: "Does the Document violate the following rule?",
            Kind.RULES: "Does the Document violate any of the following rules?",
            Kind.PUBLIC: "Is the Document inappropriate for public viewing?",
        },
        form=(
            "<Instruct>: You check images against the rules of a house. Judge only what can be seen.\n\n"
            "<Query>: {question}\n\n<Document>: "
        ),
        yes="yes",
        no="no",
        system=(
            "Judge whether the Document meets the requirements based on the Query and the Instruction provided. "
            'Note that the answer can only be "yes" or "no".'
        ),
        question_first=True,
        thinks=False,
    ),
    # SingGuard's page: its chat template takes the rules in place of its own, and the first line is safe or unsafe.
    "sing-guard": PromptStyle(
        ask={
            Kind.VISIBLE: "Content in which this is visible:",
            Kind.RULE: "Content that violates this rule:",
            Kind.RULES: "Content that violates any of these rules:",
            Kind.PUBLIC: "Content that is inappropriate for public viewing.",
        },
        form="### A. Forbidden\n  - {question}\n\n### Safe\n  - All other content.",
        yes="unsafe",
        no="safe",
        variable="policy",
        switches={"thinking_type": "fast"},
        question_first=True,
        thinks=False,
    ),
}
"""By the name a model's registry entry gives."""


@dataclass(frozen=True, slots=True)
class BoxStyle:
    """How a model was taught to write a box: JSON key, order of the numbers, and the number for a whole side."""

    key: str
    order: str
    scale: int

    @property
    def digest(self) -> str:
        """Of all that a model sees of this style, in hex."""
        return _digest_of([self.locate(["?"]), self.grammar])

    @property
    def grammar(self) -> str:
        """GBNF for one box of whole numbers up to `scale` (a power of ten), or null when the thing is not there."""
        box = ' ", " '.join(["number"] * 4)
        number = f'"0" | [1-9] [0-9]{{0,{len(str(self.scale)) - 2}}} | "{self.scale}"'
        return f'root ::= "{{\\"{self.key}\\": " (box | "null") "}}"\nbox ::= "[" {box} "]"\nnumber ::= {number}'

    def locate(self, objects: Sequence[str]) -> str:
        """The words that ask for one box around all of `objects`."""
        numbers = ", ".join(f"{axis}{end}" for axis, end in zip(self.order, "1122", strict=True))
        shape = json.dumps({self.key: "?"}).replace('"?"', f"[{numbers}]")
        missing = json.dumps({self.key: None})
        return (
            f"Where in this image is this: {' and '.join(objects)}? "
            f"Answer as JSON, {shape} from 0 to {self.scale}, or {missing} if it is not visible."
        )

    def write(self, left: float, top: float, right: float, bottom: float) -> str:
        """The reply for a box given in fractions of the image's sides."""
        ends = {"x1": left, "y1": top, "x2": right, "y2": bottom}
        return json.dumps({self.key: [round(ends[name] * self.scale) for name in self._names]})

    def read(self, reply: str) -> tuple[float, float, float, float] | None:
        """(left, top, right, bottom) in fractions of the sides; None for null and for a box that makes no sense."""
        numbers = json.loads(reply)[self.key]
        if numbers is None:
            return None
        ends = dict(zip(self._names, (number / self.scale for number in numbers), strict=True))
        left, top, right, bottom = ends["x1"], ends["y1"], ends["x2"], ends["y2"]
        return (left, top, right, bottom) if 0 <= left < right <= 1 and 0 <= top < bottom <= 1 else None

    @property
    def _names(self) -> list[str]:
        return [f"{axis}{end}" for axis, end in zip(self.order, "1122", strict=True)]


BOX_STYLES = {
    "bbox-xyxy-1000": BoxStyle("bbox_2d", "xyxy", 1000),
    "box-yxyx-1000": BoxStyle("box_2d", "yxyx", 1000),
}
"""Known conventions by the name a model's registry entry gives: Qwen3-VL's and the builtin's first, Gemma's second."""

WORDING: Final = _digest_of(
    [
        PROMPT_VERSION,
        *(_DIRECT, _DELIBERATE, _HOW, SUMMARISE, *RATING, *RATIONALE),
        {name: prompts.digest for name, prompts in PROMPT_STYLES.items()},
        {name: boxes.digest for name, boxes in BOX_STYLES.items()},
    ]
)[:12]
"""Digest of all words above. Verdicts name it, and answers are kept under it."""
