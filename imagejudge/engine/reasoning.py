"""Thinking aloud about several questions side by side: one token for each of them at a time, in one batch.

Thoughts end where the model ends them, with a conclusion, or at a limit. Then its rating is read, and a rationale is
asked for only where that is Yes: each token that is not written saves a whole step of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from imagejudge.engine import parse
from imagejudge.engine.base import Reasoning
from imagejudge.engine.llama_bindings import Grammar, Vocabulary
from imagejudge.engine.prefix_cache import Branches, PrefixCache, Tokens
from imagejudge.prompts import RATING, RATIONALE

_THOUGHT_TOKENS, _RATING_TOKENS, _RATIONALE_TOKENS = 192, 8, 96
_GROWTH = _THOUGHT_TOKENS + _RATING_TOKENS + _RATIONALE_TOKENS


def reasonings(
    prefixes: PrefixCache,
    vocabulary: Vocabulary,
    prompts: Sequence[Tokens],
    summing_up: Callable[[int, Tokens], Tokens],
) -> list[Reasoning | None]:
    """What comes of each prompt, which ends where thoughts begin; None where the model gives no rating.

    As many as there is room for are thought about at once. `summing_up` gives the whole prompt of the second turn for
    the number of a prompt and the thoughts that it led to. Raises `NoRoom`, and `EngineFailure` as the memory does.
    """
    given = [vocabulary.tokenize(words, special=False) for words, _ in (RATING, RATIONALE)]
    more = len(summing_up(0, [])) - len(prompts[0]) + sum(map(len, given))
    found: list[Reasoning | None] = []
    while len(found) < len(prompts):
        rest = prompts[len(found) :]
        group = range(len(found), len(found) + prefixes.side_by_side(rest, _GROWTH + more))
        with prefixes.branches([prompts[n] for n in group]) as branches:
            writer = _Writer(branches, vocabulary)
            texts = {place: list(prompts[n]) for place, n in enumerate(group)}
            thoughts = writer.extend(texts, _THOUGHT_TOKENS, over=parse.concluded)
            texts = {place: summing_up(n, texts[place][len(prompts[n]) :]) + given[0] for place, n in enumerate(group)}
            ratings = writer.extend(
                texts, _RATING_TOKENS, RATING[1], over=lambda reply: parse.rating(reply) is not None
            )
            decided = {place: parse.rating(reply) for place, reply in ratings.items()}
            told = {place: texts[place] + given[1] for place, yes in decided.items() if yes}
            rationales = writer.extend(told, _RATIONALE_TOKENS, RATIONALE[1], over=parse.quoted)
            found += [
                None if (yes := decided[place]) is None else parse.reasoning(said, yes, rationales.get(place, ""))
                for place, said in thoughts.items()
            ]
    return found


class _Writer:
    """Lets texts grow by their likeliest tokens, all of them in step."""

    def __init__(self, branches: Branches, vocabulary: Vocabulary) -> None:
        self._branches = branches
        self._vocabulary = vocabulary

    def extend(
        self,
        texts: dict[int, Tokens],
        limit: int,
        grammar: str | None = None,
        *,
        over: Callable[[str], bool],
    ) -> dict[int, str]:
        """Add to each text until its reply is `over`, the model ends it or it has `limit` tokens; gives the replies."""
        replies = dict.fromkeys(texts, b"")
        growing = dict(texts)
        with ExitStack() as freed:
            rules = {place: freed.enter_context(Grammar(self._vocabulary, grammar)) for place in texts}
            for _ in range(limit):
                if not growing:
                    break
                for place, logits in self._branches.read(growing).items():
                    token = rules[place].choose(logits)
                    if not self._vocabulary.ends(token):
                        texts[place].append(token)
                        replies[place] += self._vocabulary.piece(token)
                        if not over(replies[place].decode(errors="ignore")):
                            continue
                    del growing[place]
        return {place: reply.decode(errors="ignore") for place, reply in replies.items()}
