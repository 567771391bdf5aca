"""Every word that is sent to a model to draft rules, and the grammars its replies must follow.

Knows nothing of models or files. Rules are a user's words and stand last, behind two worked examples.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LONGEST_EXPLANATION = 240
"""Characters; then the grammar closes it, so that the number behind it is always said."""
MOST_ITEMS, MOST_ALTERNATIVES, MOST_OBJECTS = 8, 8, 3
"""What a drafted chain may have: preconditions, alternatives of each, objects of each."""

_CHARS = r"""
text ::= "\"" char+ "\""
char ::= [^"\\\x00-\x1F\x7F] | "\\\""
""".strip()

_RATE = (
    "You are an impartial judge of rules for images. Say how objective a rule is, from 1 to 10. "
    "10 means: any two people who look at the same image agree whether it breaks the rule, because the rule names "
    "things, places or measures. 1 means: it is a matter of taste. "
    "First explain in one sentence, then give the number, as JSON."
)
_REWRITE = (
    "Rewrite a rule for images so that any two people who look at the same image agree whether it breaks the rule. "
    "Stay with what the rule is about. In the place of opinions, name things, places or measures that can be seen. "
    "Answer with one sentence, as JSON."
)
_DECOMPOSE = (
    "Take a rule for images apart into preconditions. An image breaks the rule exactly when all of them hold. "
    "Each one says in a short sentence what can be seen, the most general first; where one of several things is "
    "enough, they stand together in one list. Never write and, or, not. "
    "With each sentence name the objects that it is about, in its own words. Answer as JSON."
)

# Odd things on purpose: hardly any rule is about them, so that a chain about them was copied.
_CHAINS: Sequence[tuple[Mapping[str, str], Mapping[str, Sequence[Sequence[Mapping[str, object]]]]]] = (
    (
        {"Rule": "Should not show a lighthouse or a windmill with stripes on its wall."},
        {
            "preconditions": [
                [
                    {"ask": "A lighthouse is visible.", "objects": ["lighthouse"]},
                    {"ask": "A windmill is visible.", "objects": ["windmill"]},
                ],
                [{"ask": "A wall has stripes.", "objects": ["wall"]}],
            ]
        },
    ),
    (
        {"Rule": "Should not show a violin whose neck is broken."},
        {
            "preconditions": [
                [{"ask": "A violin is visible.", "objects": ["violin"]}],
                [{"ask": "The neck of a violin is broken.", "objects": ["neck"]}],
            ]
        },
    ),
)
WORKED_STATEMENTS = frozenset(
    statement["ask"] for _, reply in _CHAINS for item in reply["preconditions"] for statement in item
)
"""The statements that a model is shown for rules that it is not asked about."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a model is to write."""

    prompt: str
    grammar: str
    limit: int
    """Tokens."""
    examples: tuple[str, ...]
    """The replies that the prompt shows: a model that gives one of them back has not understood."""


def rate(rule: str) -> Task:
    """Ask for `{"explanation": string, "rating": 1 to 10}`."""
    explained = f'"\\"" char{{1,{LONGEST_EXPLANATION}}} "\\""'
    grammar = rf"""
root ::= "{{\"explanation\": " explained ", \"rating\": " rating "}}"
explained ::= {explained}
rating ::= "10" | [1-9]
{_CHARS}
"""
    examples = (
        (
            {"Rule": "Should not show untidy rooms."},
            {"explanation": "People differ in what they call untidy.", "rating": 3},
        ),
        (
            {"Rule": "Should not show a person who wears a red hat."},
            {"explanation": "A hat is red or it is another colour, and everyone sees which.", "rating": 10},
        ),
    )
    return _task(_RATE, examples, {"Rule": rule}, grammar, limit=200)


def rewrite(rule: str, weakness: str) -> Task:
    """Ask for `{"rule": string}`."""
    grammar = f'root ::= "{{\\"rule\\": " text "}}"\n{_CHARS}'
    examples = (
        (
            {"Rule": "Should not show untidy rooms.", "Weakness": "People differ in what they call untidy."},
            {"rule": "Should not show a room with clothes or dirty dishes on its floor."},
        ),
        (
            {"Rule": "No reckless driving.", "Weakness": "What is reckless is a matter of opinion."},
            {"rule": "Should not show a driver who holds a telephone at the wheel of a car."},
        ),
    )
    return _task(_REWRITE, examples, {"Rule": rule, "Weakness": weakness}, grammar, limit=200)


def decompose(rule: str) -> Task:
    """Ask for `{"preconditions": [[{"ask": string, "objects": [string, ...]}, ...], ...]}`: an AND of ORs."""
    grammar = rf"""
root ::= "{{\"preconditions\": [" item (", " item){{0,{MOST_ITEMS - 1}}} "]}}"
item ::= "[" statement (", " statement){{0,{MOST_ALTERNATIVES - 1}}} "]"
statement ::= "{{\"ask\": " text ", \"objects\": [" text (", " text){{0,{MOST_OBJECTS - 1}}} "]}}"
{_CHARS}
"""
    return _task(_DECOMPOSE, _CHAINS, {"Rule": rule}, grammar, limit=800)


def _task(
    instruction: str,
    examples: Sequence[tuple[Mapping[str, str], Mapping[str, object]]],
    asked: Mapping[str, str],
    grammar: str,
    limit: int,
) -> Task:
    replies = tuple(json.dumps(reply, ensure_ascii=False) for _, reply in examples)
    worked = [f"{_lines(given)}\n{reply}" for (given, _), reply in zip(examples, replies, strict=True)]
    return Task("\n\n".join([instruction, *worked, _lines(asked)]), grammar, limit, replies)


def _lines(fields: Mapping[str, str]) -> str:
    return "\n".join(f"{name}: {text}" for name, text in fields.items())
