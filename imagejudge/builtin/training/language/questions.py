"""Whole questions about a scene and their true answers: a rule, several rules, a box."""

from __future__ import annotations

import numpy as np

from imagejudge.builtin.training.language.claims import Asker, Claim
from imagejudge.builtin.training.language.facts import Facts
from imagejudge.builtin.training.language.words import BODIES, Target
from imagejudge.builtin.training.scenes.scene import SIZE
from imagejudge.prompts import BOX_STYLES, Kind, Question, rules_subject

GRID = 16  # boxes are told in sixteenths of the sides
BOXES = BOX_STYLES["bbox-xyxy-1000"]


def rule_question(asker: Asker, facts: Facts) -> tuple[Question, bool, Claim] | None:
    """A whole rule and whether the scene violates it."""
    claim = asker.claim(
        facts,
        balanced=bool(facts.scene.things),
        kind=str(
            asker.random.choice(
                ["visible", "class", "both", "either", "touch", "hold", "count"],
                p=[0.2, 0.2, 0.2, 0.1, 0.2, 0.05, 0.05],
            )
        ),
    )
    return None if claim is None else (Question(Kind.RULE, asker.rule(claim)), claim.truth, claim)


def rules_question(asker: Asker, facts: Facts) -> tuple[Question, bool, Claim] | None:
    """Several rules and whether the scene violates any; about as often as not."""
    low, high = asker.one_of(((2, 4), (2, 4), (4, 8), (8, 15)))  # long ones are hard: the short ones show the way
    count = int(asker.random.integers(low, high))
    wanted = bool(asker.random.random() < 0.5)
    claims: list[Claim] = []
    for _ in range(count * 6):
        if len(claims) == count:
            break
        claim = asker.claim(
            facts,
            balanced=False,
            kind=str(asker.random.choice(["visible", "class", "both", "touch"], p=[0.3, 0.3, 0.2, 0.2])),
        )
        if claim is not None and not claim.truth:
            claims.append(claim)
    if wanted:
        violated = asker.claim(facts, kind=str(asker.random.choice(["visible", "class", "both", "touch"])))
        if violated is None or not violated.truth or not claims:
            return None
        claims[int(asker.random.integers(len(claims)))] = violated
    if len(claims) < 2:
        return None
    shown = next((claim for claim in claims if claim.truth), claims[0])
    return Question(Kind.RULES, rules_subject([asker.rule(claim) for claim in claims])), wanted, shown


def box_request(asker: Asker, facts: Facts) -> tuple[str, str, list[Target]] | None:
    """A request for a box, its reply, and what is asked for."""
    asked: list[Target] = []
    for _ in range(1 if asker.random.random() < 0.7 else 2):
        chosen = asker.some_kind(facts, bool(asker.random.random() < 0.8), 0.35)
        if chosen is not None:
            asked.append(
                asker.one_of(BODIES[:2]) if chosen == "person" and asker.random.random() < 0.2 else asker.words(chosen)
            )
    if not asked or any(facts.visible(what) is None for what in asked):
        return None
    found = [facts.matching(what) for what in asked]
    words = [what.phrase if asker.random.random() < 0.2 else what.bare for what in asked]
    if not all(found):
        return BOXES.locate(words), '{"bbox_2d": null}', asked
    boxes = np.array([facts.scene.things[number].box for numbers in found for number in numbers]) / SIZE * GRID
    low, high = np.floor(boxes[:, :2].min(0) + 0.25) / GRID, np.ceil(boxes[:, 2:].max(0) - 0.25) / GRID
    box = BOXES.write(low[0], low[1], max(high[0], low[0] + 1 / GRID), max(high[1], low[1] + 1 / GRID))
    return BOXES.locate(words), box, asked
