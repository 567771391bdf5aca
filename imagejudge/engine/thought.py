"""Whether a prompt leaves the model inside a thought, where the next word is none of an answer's.

Families mark thoughts in ways of their own; what they share is a bracketed word for thinking that is opened and not yet
closed. Knows nothing of templates or tokens.
"""

from __future__ import annotations

import re

_WORD = (
    r"(?:\w+[_:-])?(?:think|thinking|thoughts?|reason|reasoning|reflection|analysis|scratchpad|monologue)(?:[_-]\w+)?"
)
_OPENED = re.compile(
    rf"[<\[\u25c1]\|?{_WORD}\|?[>\]\u25b7]"  # <think>, [THINK], <|START_THINKING|>, <seed:think>
    r"|<\|?channel\|?>\s*(?:analysis|thought|thinking|reasoning|commentary)\b"
    r"|<unused94>\s*thought\b"
    r"|<\|inner_prefix\|>"
    r"|<\|open\|>think<\|sep\|>"
    r"|\bhere are my reasoning steps:",
    re.IGNORECASE,
)
_CLOSED = re.compile(
    rf"[<\[\u25c1]\|?(?:/|end(?:_of)?_){_WORD}\|?[>\]\u25b7]"
    r"|<\|?channel\|?>\s*final\b"
    r"|<\|close\|>think<\|sep\|>"
    r"|\[BEGIN FINAL RESPONSE\]"
    r"|<channel\|>|<unused95>|<\|inner_suffix\|>",
    re.IGNORECASE,
)


def open_thought(prompt: str) -> str | None:
    """The mark that opened the thought in which the prompt ends; None when it ends in none.

    `prompt` is what a template writes after the user's last turn.
    """
    opened = None
    for mark in sorted([*_OPENED.finditer(prompt), *_CLOSED.finditer(prompt)], key=lambda match: match.start()):
        opened = None if _CLOSED.fullmatch(mark[0]) else mark[0]
    return opened
