"""From a chat's words to tokens, as the whole chat would be tokenised at once.

Pieces that are tokenised one by one meet wrongly: SPM tokenizers put a space marker before each, and no word reaches
over a border. So neighbouring plain text is joined before it is tokenised, and only words of the template become
control tokens. Knows nothing of templates, pictures or llama.cpp.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Protocol

from imagejudge.engine.prefix_cache import Tokens

Words = tuple[str | int, ...]
"""Plain text, and control tokens by their ids."""


class Tokenizer(Protocol):
    """What is asked of a vocabulary."""

    def tokenize(self, text: str, *, special: bool) -> Tokens:
        """The tokens of a text, in which control tokens are recognised only if it is `special`."""

    def control(self, token: int) -> str | None:
        """How a control token is written; None for all other tokens."""


def split_words(text: str, tokenizer: Tokenizer) -> Words:
    """A template's words as plain text and control tokens, which give the same tokens when they are put together.

    Where no such parts are found, all tokens stand for themselves: nothing is joined with them.
    """
    tokens = tokenizer.tokenize(text, special=True)
    for left, right in itertools.product((False, True), repeat=2):
        words = _cut_at_controls(text, tokens, tokenizer, left=left, right=right)
        if join_words(words, lambda plain: tokenizer.tokenize(plain, special=False)) == tokens:
            return words
    return tuple(tokens)


def join_words(words: Sequence[str | int], tokenize: Callable[[str], Tokens]) -> Tokens:
    """The tokens of plain text and control tokens; texts that follow each other are tokenised as one."""
    tokens: Tokens = []
    for kind, run in itertools.groupby(words, type):
        part = [*run]
        tokens += tokenize("".join(map(str, part))) if kind is str else map(int, part)
    return tokens


def _cut_at_controls(text: str, tokens: Tokens, tokenizer: Tokenizer, *, left: bool, right: bool) -> Words:
    """The parts, where control tokens swallow the spaces on their left or right, or neither."""
    words: list[str | int] = []
    for token in tokens:
        mark = tokenizer.control(token)
        if mark is None or mark not in text:
            continue
        plain, _, text = text.partition(mark)
        words += (plain.rstrip() if left else plain, token)
        text = text.lstrip() if right else text
    return tuple(word for word in (*words, text) if word != "")
