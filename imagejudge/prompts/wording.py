"""imagejudge's own words: the style of models that were taught no other, and how a model sums up what it thought.

A change to any text here or in `direct.toml` changes `WORDING`, and with it the keys of the answers cache and what
verdict lines say they were made with. Raise `PROMPT_VERSION` where the same words come to be used in another way.
"""

from __future__ import annotations

from typing import Final

from imagejudge.prompts.boxes import BOX_STYLES
from imagejudge.prompts.digest import digest_of
from imagejudge.prompts.question import DELIBERATE, HOW, Question
from imagejudge.prompts.shipped import DIRECT, find_prompt_style

PROMPT_VERSION = 3

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

HOUSE: Final = find_prompt_style(DIRECT)
"""The style of models that were taught no other."""


def direct(question: Question) -> str:
    """A question in imagejudge's own words; the subject stands last, so that all before it can be shared."""
    return HOUSE.asked(question)


WORDING: Final = digest_of(
    [
        PROMPT_VERSION,
        *(HOUSE.digest, DELIBERATE, HOW, SUMMARISE, *RATING, *RATIONALE),
        {name: boxes.digest for name, boxes in BOX_STYLES.items()},
    ]
)[:12]
"""Digest of all of imagejudge's own words. Verdicts name it, and answers are kept under it; the words of other styles
have digests of their own.
"""
