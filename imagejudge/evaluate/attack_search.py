"""Random search for a change that a rule no longer finds anything under: an attacker who sees scores, but no gradients.

It may cut a little off the sides, put a border around what is left, and words below it. Only the cuts take anything
away, and they are bounded: that does not prove that what violates the rule stays visible, only that most of the image
does. Regions that must stay, where they are known, are kept whole. Knows nothing of engines or labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from imagejudge.evaluate.drawn_changes import WORDINGS
from imagejudge.evaluate.perturbations import Change, Perturbation
from imagejudge.evaluate.robustness import PAST
from imagejudge.images.picture import Box
from imagejudge.judge.scores import rule_score
from imagejudge.verdict import RuleResult

MOST_CUT = 0.1
"""Share of width or height that may be cut off at each side, so that at least 0.64 of the area stays."""
MOST_BORDER = 0.1
"""Width of a border as a share of the shorter side."""
MOST_LETTERS = 0.1
"""Height of letters as a share of the image's; there are two lines at most."""
_AGAIN = 0.5
"""How often the best so far is altered, rather than something new drawn."""

_Make = Callable[[np.random.Generator, Sequence[Box]], Change]


@dataclass(frozen=True, slots=True)
class Search:
    """What came of it."""

    queries: int
    """Images that the judge was asked about."""
    past: bool
    """Whether the rule is no longer found under `best`."""
    best: Perturbation | None
    """The change under which the rule's score was least; None where none had a score."""
    score: float | None
    """That score."""
    failed: bool = False
    """Whether the search ended because an image could not be judged."""


def search(
    ask: Callable[[Perturbation], RuleResult | None], budget: int, random: np.random.Generator, keep: Sequence[Box] = ()
) -> Search:
    """Ask about at most `budget` changed images, until the rule is cleared. `ask` gives None for one that fails.

    Half of the changes alter the best one so far, the others are drawn anew. `keep` are regions that no cut touches.
    """
    best, lowest = None, None
    for query in range(1, budget + 1):
        again = best is not None and random.random() < _AGAIN
        change = _altered(best, random, keep) if best is not None and again else _drawn(random, keep)
        result = ask(change)
        if result is None:
            return Search(query, False, best, lowest, failed=True)
        score = rule_score(result)
        if result.status in PAST:
            return Search(query, True, change, score)
        if score is not None and (lowest is None or score < lowest):
            best, lowest = change, score
    return Search(budget, False, best, lowest)


def _drawn(random: np.random.Generator, keep: Sequence[Box]) -> Perturbation:
    """Any of the kinds, at least one, in their order."""
    chosen = random.integers(1, 2 ** len(_KINDS))
    return Perturbation(
        tuple(make(random, keep) for place, make in enumerate(_KINDS.values()) if chosen & (1 << place))
    )


def _altered(best: Perturbation, random: np.random.Generator, keep: Sequence[Box]) -> Perturbation:
    """One kind made anew, or left out if others remain."""
    kind = list(_KINDS)[random.integers(len(_KINDS))]
    changes = {change.kind: change for change in best.changes}
    if kind in changes and len(changes) > 1 and random.random() < _AGAIN:
        del changes[kind]
    else:
        changes[kind] = _KINDS[kind](random, keep)
    return Perturbation(tuple(changes[kind] for kind in _KINDS if kind in changes))


def _cut(random: np.random.Generator, keep: Sequence[Box]) -> Change:
    room = [(box.left, box.top, 1 - box.right, 1 - box.bottom) for box in keep]
    limits = [min((MOST_CUT, *sides)) for sides in zip(*room, strict=True)] if room else [MOST_CUT] * 4
    # Rounded down, so that no limit is passed.
    return Change("cut", "/".join(f"{int(1000 * random.uniform(0, limit)) / 1000:g}" for limit in limits))


def _border(random: np.random.Generator, _: Sequence[Box]) -> Change:
    return Change("border", f"{random.uniform(0.005, MOST_BORDER):.3f}")


def _banner(random: np.random.Generator, _: Sequence[Box]) -> Change:
    return Change("banner", f'{random.uniform(0.03, MOST_LETTERS):.3f}:"{WORDINGS[random.integers(len(WORDINGS))]}"')


_KINDS: dict[str, _Make] = {"cut": _cut, "border": _border, "banner": _banner}
