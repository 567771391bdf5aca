"""Rate how objective a rule's text is, and let it be rewritten until it is."""

from __future__ import annotations

import dataclasses

from imagejudge.constitution import Constitution, Rule, lint_constitution
from imagejudge.drafting import prompts
from imagejudge.drafting.replies import RatingReply, RuleReply, ask
from imagejudge.drafting.revision import DraftRejected, Rating, Revision
from imagejudge.engine.base import Engine

ENOUGH = 9
"""The rating from which on a text is left as it is: the one of arXiv 2501.00192."""
REWRITES = 3
"""How often a text is rewritten before the model is given up."""


def objectify(engine: Engine, rule: Rule) -> Revision:
    """Rate a rule's text; below `ENOUGH`, or where the linter finds it vague, let it be rewritten and rate that.

    Raises `DraftRejected` when a reply cannot be used or no rewriting is good enough, `EngineFailure` when there is
    none.
    """
    before = rating = _rate(engine, rule.text)
    texts = [rule.text]
    while (weakness := _weakness(texts[-1], rating)) is not None:
        if len(texts) > REWRITES:
            raise DraftRejected(f"still not objective after {REWRITES} rewritings: {texts[-1]!r} ({weakness})")
        text = ask(engine, prompts.rewrite(texts[-1], weakness), RuleReply).rule
        if text in texts:
            raise DraftRejected(f"the model has no better words than {text!r} ({weakness})")
        texts.append(text)
        rating = _rate(engine, text)
    return Revision(dataclasses.replace(rule, text=texts[-1]), before, rating if len(texts) > 1 else None)


def _rate(engine: Engine, text: str) -> Rating:
    reply = ask(engine, prompts.rate(text), RatingReply)
    return Rating(reply.rating, reply.explanation)


def _weakness(text: str, rating: Rating) -> str | None:
    """Why a text is to be rewritten. The linter's word counts as much as the model's, which flatters itself."""
    for remark in lint_constitution(Constitution("draft", "1", (Rule("draft", text),))):
        if remark.code == "vague-word":
            return remark.message
    return f"rated {rating.score} of 10: {rating.explanation}" if rating.score < ENOUGH else None
