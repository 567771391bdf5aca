"""From questions to the tokens that a model reads: its chat template, in the prompt style that it was taught.

Knows nothing of pictures or of decoding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain

from imagejudge.engine.chat import ChatTemplate, Frame
from imagejudge.engine.chat_tokens import join_words, split_words
from imagejudge.engine.llama_bindings import Vocabulary
from imagejudge.engine.parse import clean
from imagejudge.engine.prefix_cache import Tokens
from imagejudge.engine.thought import open_thought
from imagejudge.errors import EngineFailure, ModelError
from imagejudge.prompts import PromptStyle, Question, visible

_TELLING = 20
"""Characters of a line that a template hardly has by chance."""


class PromptBuilder:
    """Puts chats together. What is said in them stays plain text, whatever of it looks like a control token.

    Raises `ModelError`, with the model's name, where its template cannot be used or does not go with the style.
    """

    def __init__(self, template: ChatTemplate, style: PromptStyle, vocabulary: Vocabulary, model: str) -> None:
        self._style = style
        self._vocabulary = vocabulary
        # The same questions are asked about every image.
        self._tokens_of = lru_cache(maxsize=1000)(partial(vocabulary.tokenize, special=False))
        chats = [(turns, image) for turns in ((1, 3) if style.reasoning else (1,)) for image in (True, False)]
        frames = {(turns, image): template.frame(turns, image=image) for turns, image in chats}
        _check_thoughts(frames.values(), model)
        self._check_words(frames[1, True], model)
        before = {frame.before_image for (_, image), frame in frames.items() if image}
        if len(before) != 1:
            raise ModelError(
                f"the chat template of {model} changes the words before the image as a chat grows",
                "Such a model's view of an image cannot be shared between questions.",
            )
        self.before_image = before.pop() or ""
        """All that stands before the image in every chat; empty where questions stand before it."""
        self._around = {key: [split_words(text, vocabulary) for text in frame.around] for key, frame in frames.items()}
        self._frame = frames[1, True]

    def question(self, question: Question, *, image: bool) -> Tokens:
        """All that is read to answer it, up to the first token of the answer; with an image, all that stands behind it.

        EngineFailure where the style has no words for such a question.
        """
        words = "".join(self._said(question))
        return self.chat([words], image=image, reply=self._style.reply)

    def question_around_image(self, question: Question) -> tuple[Tokens, Tokens]:
        """The same for a style in which the image stands behind the question: what comes before it, and behind it."""
        return self.around_image(*self._said(question), self._style.reply)

    def chat(self, turns: Sequence[str | Tokens], *, image: bool, reply: str = "") -> Tokens:
        """All tokens after the image (all of them, without one) of a chat whose last turn awaits a reply, or its rest.

        What the model wrote may be given as the tokens that it wrote.
        """
        first, *rest = self._around[len(turns), image]
        words = [*first]
        for turn, after in zip(turns, rest, strict=True):
            words += [turn] if isinstance(turn, str) else turn
            words += after
        tokens = join_words([*words, reply], self._tokens_of)
        return tokens if image else self._vocabulary.started(tokens)

    def around_image(self, before: str, behind: str = "", reply: str = "") -> tuple[Tokens, Tokens]:
        """A chat of one turn in which words stand before the image: all before it, and all behind it."""
        start, to_image, from_image, end = self._around[1, True]
        head = join_words([*start, before, *to_image], self._tokens_of)
        return self._vocabulary.started(head), join_words([*from_image, behind, *end, reply], self._tokens_of)

    def shown(self) -> str:
        """For people: how a statement is asked."""
        before, behind = self._style.around_image(visible("[statement]"))
        if self._style.image_first:
            words, said = [self.before_image, *self._frame.around], ["[image]", behind]
        else:
            words, said = [*self._frame.around], [before, "[image]", behind]
        return "".join(chain.from_iterable(zip(words, [*said, self._style.reply], strict=True)))

    def _said(self, question: Question) -> tuple[str, str]:
        if question.kind not in self._style.ask:
            raise EngineFailure("engine-error", f"in the style {self._style.name}, one rule is asked about at a time")
        return self._style.around_image(question)

    def _check_words(self, frame: Frame, model: str) -> None:
        """A style's own words must be words to the template and to the vocabulary, and stand in the prompt once."""
        whole = "".join([frame.before_image or "", *frame.around])
        if told := next((line for line in _telling_lines(self._style) if line in whole), None):
            raise ModelError(
                f"the chat template of {model} writes the prompt of the style {self._style.name} itself, "
                f"which would then stand there twice ({clean(told, 60)})",
                "Give a template that writes nothing but turns, with `chat_template`; docs/models.md has some.",
            )
        for text in (self._style.system, *map(str, self._style.variables.values())):
            for token in self._vocabulary.tokenize(text, special=True):
                if (mark := self._vocabulary.control(token)) is not None:
                    raise ModelError(
                        f"the style {self._style.name} holds {clean(mark, 40)}, which is a control token of {model}",
                        "Take it out: the chat template writes all that are needed.",
                    )


def _telling_lines(style: PromptStyle) -> Iterator[str]:
    for line in re.split(r"\n|\{\w+\}", style.user):
        if len(line.strip()) >= _TELLING:
            yield line.strip()


def _check_thoughts(frames: Iterable[Frame], model: str) -> None:
    for frame in frames:
        if (mark := open_thought(frame.around[-1])) is not None:
            raise ModelError(
                f"the prompt of {model} ends inside a thought ({clean(mark, 40)}): "
                "the model's first word would be no answer",
                "Use an Instruct file of the same family, or a GGUF whose chat template can switch thinking off "
                "(enable_thinking).",
            )
