"""A model's chat template, taken apart into its own words and the holes between them.

Templates come out of model files and are untrusted. Knows nothing of tokens or llama.cpp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from imagejudge.engine.parse import clean
from imagejudge.engine.sandbox import Budget, Exhausted, Sandbox, confined
from imagejudge.errors import ModelError
from imagejudge.prompts import HOUSE, PromptStyle

_SOURCE_LIMIT = 256 * 1024
_OUTPUT_LIMIT = 64 * 1024
_IMAGE = "\ue000image\ue001"
_WITHOUT_THOUGHTS = {
    "enable_thinking": False,  # Qwen, Gemma, GLM and most others
    "thinking": False,  # DeepSeek, Granite, Kimi
    "thinking_mode": "disabled",  # MiniMax
    "reasoning": False,  # Cohere
}
"""Variables by which families let thinking be switched off. Templates that know none of them do not look."""
_TODAY = date(2025, 1, 1)
_DIRECTIVE = re.compile(r"%-?[aAbBdHIjmMpSuUwWyY]|%%")
"""Parts of a date in a format that are the same on every machine, and as long as they look."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The template's own words in a chat whose turns are left open."""

    before_image: str | None
    """All that stands before the image; None in a chat without one, and where the first turn's text comes first."""
    around: tuple[str, ...]
    """Before the first turn's text (after the image), between turns, and after the last: one more than turns.

    Where text comes before the image, the image counts as a turn, and what is said behind it as another.
    """


class _Generation(Extension):
    """`{% generation %}`, by which transformers masks replies in training, and which says nothing here."""

    tags = {"generation"}  # noqa: RUF012 - as in the class it stands in for

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """What stands within, as if the tag were not there."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class ChatTemplate:
    """Renders chats once with holes for every turn, so that no text put into a hole is ever seen by the template.

    ModelError when the template is too large, fails, or does not give every turn back exactly once and in order.
    """

    def __init__(self, source: str, *, bos: str, eos: str, style: PromptStyle = HOUSE) -> None:
        if len(source) > _SOURCE_LIMIT:
            raise _refused(f"it is {len(source)} characters long")
        extensions = ("jinja2.ext.loopcontrols", _Generation)
        world = Sandbox(trim_blocks=True, lstrip_blocks=True, autoescape=False, extensions=extensions)
        world.globals.update(raise_exception=_raise_exception, strftime_now=_strftime_now)
        self._style = style
        self._variables = {"bos_token": bos, "eos_token": eos, **style.variables}
        if style.question_variable is not None:
            self._variables[style.question_variable] = _hole(0)
        self._budget = Budget()
        try:
            with confined():
                self._template = world.from_string(source)
        except (Exception, Exhausted) as error:  # a hostile source can make the compiler fail in any way
            raise _refused(str(error)) from error

    def frame(self, turns: int, *, image: bool) -> Frame:
        """The words around `turns` turns, the first the user's, the last open for the assistant's reply."""
        variable, question = self._style.question_variable, _hole(0)
        first = [question]
        if image:
            first = [_IMAGE, question] if self._style.image_first else [question, _IMAGE, _hole(turns)]
        said = [first, *([_hole(turn)] for turn in range(1, turns))]
        marks = [mark for texts in said for mark in texts]
        if variable is not None:
            said[0] = first[1:]
        reasons = []
        for user_parts, assistant_parts in ((True, True), (True, False), (False, False)):
            forms = (("user", user_parts), ("assistant", assistant_parts))
            chat = [_message("system", user_parts, [self._style.system])] if self._style.system else []
            chat += [_message(*forms[turn % 2], texts) for turn, texts in enumerate(said)]
            try:
                words = _cut(self._render(chat), marks)
                return Frame(words.pop(0) if marks[0] == _IMAGE else None, tuple(words))
            except Exhausted as error:  # another form would not change that
                raise _refused(str(error)) from error
            except Exception as error:  # templates written for one form of content fail on another in many ways
                reasons.append(str(error))
        wanted = "" if variable is None else f"; it must take {variable!r} to be asked in this style"
        raise _refused(reasons[-1] + wanted)

    def _render(self, chat: list[dict[str, Any]]) -> str:
        variables = {"messages": chat, "add_generation_prompt": True, **_WITHOUT_THOUGHTS, **self._variables}
        with confined():
            return self._budget.render(self._template, variables, _OUTPUT_LIMIT)


def _message(role: str, parts: bool, texts: list[str]) -> dict[str, Any]:
    content = [{"type": "text", "text": text} for text in texts] if parts else "".join(texts)
    return {"role": role, "content": content}


def _hole(turn: int) -> str:
    return f"\ue000{turn}\ue001"


def _cut(text: str, marks: list[str]) -> list[str]:
    if "'type'" in text:
        raise ValueError("it prints a list of parts as it stands")
    around = []
    for mark in marks:
        if text.count(mark) != 1:
            raise ValueError("it drops, repeats or reorders what a turn says")
        words, _, text = text.partition(mark)
        around.append(words)
    return [*around, text]


def _refused(reason: str) -> ModelError:
    return ModelError(
        f"the model's chat template cannot be used: {clean(reason, 200)}",
        "Use a GGUF of an instruction-tuned vision model whose tokenizer.chat_template is the original one.",
    )


def _raise_exception(message: str) -> NoReturn:
    """What templates call to refuse a chat."""
    raise jinja2.TemplateError(message)


def _strftime_now(wanted: str) -> str:
    """Some templates write today's date into the prompt. A fixed one keeps answers comparable from day to day."""
    return _DIRECTIVE.sub(lambda directive: _TODAY.strftime(directive[0]), wanted)
