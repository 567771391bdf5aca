"""A model's chat template, taken apart into its own words and the holes between them.

Templates come out of model files and are untrusted. Knows nothing of tokens or llama.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from imagejudge.engine.readout import clean
from imagejudge.errors import ModelError

_SOURCE_LIMIT = 256 * 1024
_OUTPUT_LIMIT = 64 * 1024
_IMAGE = "\ue000image\ue001"


@dataclass(frozen=True, slots=True)
class Frame:
    """The template's own words in a chat whose turns are left open."""

    before_image: str | None
    """All that stands before the image; None in a chat without one."""
    around: tuple[str, ...]
    """Before the first turn's text (after the image), between turns, and after the last: one more than turns."""


class ChatTemplate:
    """Renders chats once with holes for every turn, so that no text put into a hole is ever seen by the template.

    ModelError when the template is too large, fails, or does not give every turn back exactly once and in order.
    """

    def __init__(self, source: str, *, bos: str, eos: str) -> None:
        if len(source) > _SOURCE_LIMIT:
            raise _refused(f"it is {len(source)} characters long")
        world = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, autoescape=False, extensions=["jinja2.ext.loopcontrols"]
        )
        world.globals.update(raise_exception=_raise_exception, strftime_now=_strftime_now)
        self._special = {"bos_token": bos, "eos_token": eos}
        try:
            self._template = world.from_string(source)
        except Exception as error:  # a hostile source can make the compiler fail in any way
            raise _refused(str(error)) from error

    def frame(self, turns: int, *, image: bool) -> Frame:
        """The words around `turns` turns, the first the user's, the last open for the assistant's reply."""
        reasons = []
        for user_parts, assistant_parts in ((True, True), (True, False), (False, False)):
            chat = [_turn(turn, (user_parts, assistant_parts)[turn % 2], image) for turn in range(turns)]
            try:
                return _cut(self._render(chat), turns, image=image)
            except Exception as error:  # templates written for one form of content fail on another in many ways
                reasons.append(str(error))
        raise _refused(reasons[-1])

    def _render(self, chat: list[dict[str, Any]]) -> str:
        text = ""
        for piece in self._template.generate(
            messages=chat, add_generation_prompt=True, enable_thinking=False, **self._special
        ):
            text += piece
            if len(text) > _OUTPUT_LIMIT:
                raise ValueError("its output does not end")
        return text


def _turn(turn: int, parts: bool, image: bool) -> dict[str, Any]:
    texts = ([_IMAGE] if image and turn == 0 else []) + [_hole(turn)]
    content = [{"type": "text", "text": text} for text in texts] if parts else "".join(texts)
    return {"role": ("user", "assistant")[turn % 2], "content": content}


def _hole(turn: int) -> str:
    return f"\ue000{turn}\ue001"


def _cut(text: str, turns: int, *, image: bool) -> Frame:
    if "'type'" in text:
        raise ValueError("it prints a list of parts as it stands")
    around = []
    for mark in [_IMAGE] * image + [_hole(turn) for turn in range(turns)]:
        if text.count(mark) != 1:
            raise ValueError("it drops, repeats or reorders what a turn says")
        words, _, text = text.partition(mark)
        around.append(words)
    return Frame(around.pop(0) if image else None, (*around, text))


def _refused(reason: str) -> ModelError:
    return ModelError(
        f"the model's chat template cannot be used: {clean(reason, 200)}",
        "Use a GGUF of an instruction-tuned vision model whose tokenizer.chat_template is the original one.",
    )


def _raise_exception(message: str) -> NoReturn:
    """What templates call to refuse a chat."""
    raise jinja2.TemplateError(message)


def _strftime_now(_format: str) -> str:
    """Some templates write today's date into the prompt. A fixed one keeps answers comparable from day to day."""
    return "1 January 2025"
