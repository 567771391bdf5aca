"""From logits and raw replies to facts: answers, reasonings, boxes. Knows nothing of tokens' order or llama.cpp.

Replies are untrusted text: they are bounded, cleaned and parsed only where a grammar shaped them.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imagejudge.engine.base import Answer, Reasoning
from imagejudge.errors import EngineFailure
from imagejudge.images.picture import Box
from imagejudge.prompts import BoxStyle

Logits = NDArray[np.float64]

_THOUGHTS_LIMIT, _RATIONALE_LIMIT = 2000, 400


def spellings(word: str) -> frozenset[str]:
    """All that counts as a word where an answer begins."""
    return frozenset(space + each for space in ("", " ") for each in (word.capitalize(), word.lower(), word.upper()))


def answer(logits: Logits, yes: Sequence[int], no: Sequence[int]) -> Answer:
    """Yes against No over all tokens that spell each, from the logits of the whole vocabulary."""
    whole = total(logits)
    for_yes, for_no = np.logaddexp.reduce(logits[list(yes)]), np.logaddexp.reduce(logits[list(no)])
    off_mass = 1 - np.exp(np.logaddexp(for_yes, for_no) - whole)
    return Answer(float(for_yes - for_no), float(np.clip(off_mass, 0, 1)))


def total(logits: Logits) -> float:
    """The logarithm of the sum of their exponentials; `np.logaddexp.reduce` takes several times as long.

    Raises `EngineFailure` where a logit is no number.
    """
    highest = logits.max()
    if not np.isfinite(highest):
        raise EngineFailure("engine-error", "a logit is no number; try a model file of another precision")
    return float(highest + np.log(np.exp(logits - highest).sum()))


def reasoning(thoughts: str, summary: str) -> Reasoning | None:
    """Read a reply that follows `SUMMARY_GRAMMAR`, also one cut off within its rationale."""
    try:
        # An escape may be cut in half; outside escapes a backslash cannot stand.
        read = json.loads(summary if summary.endswith('"}') else summary.rstrip("\\") + '"}')
        return Reasoning(
            read["rating"] == "Yes", clean(read["rationale"], _RATIONALE_LIMIT), clean(thoughts, _THOUGHTS_LIMIT)
        )
    except (ValueError, KeyError, TypeError):
        return None


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
