"""From logits and raw replies to facts: answers, reasonings, boxes. Knows nothing of tokens' order or llama.cpp.

Replies are untrusted text: they are bounded, cleaned and parsed only where a grammar shaped them.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from imagejudge.engine.base import Answer, Reasoning
from imagejudge.images.picture import Box
from imagejudge.prompts import BoxStyle

Logits = NDArray[np.float32]

_THOUGHTS_LIMIT, _RATIONALE_LIMIT = 2000, 400
_QUOTE = re.compile(r'(?<!\\)(?:\\\\)*"')
_ANSWER = re.compile(r"\b(?:answer|decision|rating)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\S)")
_BREAK = re.compile(r"(?<=[.!?:])[\s*_]+|\n+")
"""Between sentences, in Markdown too."""
_CONCLUSION = re.compile(
    r"[*_#>\s-]*(?:so(?! far\b)|therefore|thus|hence|overall|in conclusion|in summary|"
    r"(?:the|my) (?:final )?(?:answer|decision))\b",
    re.IGNORECASE,
)
"""How a sentence begins that says what follows from the others."""


def spellings(words: Iterable[str]) -> frozenset[str]:
    """All that counts as one of the words where an answer begins."""
    cased = {each for word in words for each in (word.capitalize(), word.lower(), word.upper())}
    return frozenset(space + each for space in ("", " ") for each in cased)


def answer(logits: Logits, yes: Sequence[int], no: Sequence[int]) -> Answer:
    """Yes against No over all tokens that spell each, from the logits of the whole vocabulary."""
    whole = total(logits)
    for_yes, for_no = (np.logaddexp.reduce(logits[list(each)].astype(np.float64)) for each in (yes, no))
    off_mass = 1 - np.exp(np.logaddexp(for_yes, for_no) - whole)
    return Answer(float(for_yes - for_no), float(np.clip(off_mass, 0, 1)))


def total(logits: Logits) -> float:
    """The logarithm of the sum of their exponentials; `np.logaddexp.reduce` takes several times as long."""
    highest = float(logits.max())
    return highest + float(np.log(np.exp(logits.astype(np.float64) - highest).sum()))


def concluded(thoughts: str) -> bool:
    """Whether thoughts have come to their conclusion: what follows would only say it again."""
    tail = thoughts[-_RATIONALE_LIMIT:]  # asked after each token, of untrusted text
    if not tail.rstrip("*_ ").endswith((".", "!", "?", "\n")):
        return False
    sentences = [sentence for sentence in _BREAK.split(tail) if sentence.strip()]
    return bool(sentences) and _CONCLUSION.match(sentences[-1]) is not None


def rating(reply: str) -> bool | None:
    """Read a reply that follows the grammar of `RATING`; None when it is not whole yet."""
    return {"Yes": True, "No": False}.get(reply.strip(' "'))


def quoted(reply: str) -> bool:
    """Whether a reply that follows the grammar of `RATIONALE` is whole."""
    return len(_QUOTE.findall(reply)) > 1


def reasoning(thoughts: str, yes: bool, rationale: str) -> Reasoning:
    """From thoughts, the rating and a reply that follows the grammar of `RATIONALE`, which may be cut off or empty."""
    said = rationale.strip().removesuffix("}").strip()
    try:
        # An escape may be cut in half; outside escapes a backslash cannot stand.
        text = str(json.loads(said if quoted(said) else said.rstrip("\\") + '"'))
    except ValueError:
        text = ""
    thought = clean(thoughts, _THOUGHTS_LIMIT)
    return Reasoning(yes, clean(text, _RATIONALE_LIMIT) or _last_reason(thought), thought)


def _last_reason(thought: str) -> str:
    """The last sentence that says more than what the answer is."""
    sentences = _SENTENCE_END.split(thought)
    reasons = [sentence for sentence in sentences if not _ANSWER.search(sentence)] or sentences
    return reasons[-1][-_RATIONALE_LIMIT:]


def box(style: BoxStyle, pieces: Sequence[tuple[str, float]]) -> Box | None:
    """Read a reply in `style`, given as pieces with their probabilities.

    The confidence is the geometric mean of the probabilities that the model gave its number tokens before the grammar
    ruled anything out.
    """
    reply, chances = "", []
    for piece, chance in pieces:
        if "[" in reply and any(c.isdigit() for c in piece):
            chances.append(chance)
        reply += piece
    try:
        ends = style.read(reply)
    except ValueError:  # cut off, or a number with leading zeros
        return None
    return Box(*ends, confidence=float(np.exp(np.mean(np.log(np.maximum(chances, 1e-30)))))) if ends else None


def clean(reply: str, limit: int) -> str:
    """One line of at most `limit` characters without control, direction and other invisible characters."""
    kept = "".join(" " if c.isspace() else c for c in reply if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join(kept.split())[:limit].rstrip()
