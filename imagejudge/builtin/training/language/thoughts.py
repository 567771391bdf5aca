# ruff: noqa: E501 - forms of words read better on long lines
"""The two reasoning turns as they should be: what the scene shows of that which was asked for, and the answer; then the
same as the reason. No list of all that is there: it would be wrong as soon as one thing in it is, and after it the model
has lost what it was asked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from imagejudge.builtin.training.language.claims import Claim
from imagejudge.builtin.training.language.facts import Facts
from imagejudge.builtin.training.language.phrases import sentence, several
from imagejudge.builtin.training.language.words import NOUNS, PLURALS
from imagejudge.builtin.training.scenes.concepts import CONCEPTS
from imagejudge.builtin.training.scenes.scene import Scene


def listed(words: Sequence[str]) -> str:
    """Words joined by commas and "and"."""
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else words[0]


OTHER = {
    "other animal": "an animal",
    "other food": "some food",
    "other vehicle": "a vehicle",
    "other thing": "another object",
}


NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}


def several_of(words: str, count: int) -> str:
    """ "two men" from "a man"; what has no article stays as it is."""
    first, _, rest = words.partition(" ")
    if count < 2 or first not in ("a", "an", "another"):
        return words
    head, _, tail = rest.partition(" of ")  # two cups of tea, two bottles of champagne
    start, last = (head[: len(head) - len(head.split()[-1])], head.split()[-1])
    return f"{NUMBERS[count]} {'other ' * (first == 'another')}{start}{PLURALS.get(last, last + 's')}{' of ' * bool(tail)}{tail}"


def told(scene: Scene) -> str:
    """What the scene shows, in one sentence; nothing is named twice."""
    counts: dict[str, int] = {}
    for number in sorted(thing.concept for thing in scene.things):
        concept = CONCEPTS[number]
        word = concept.nouns[0].removesuffix("+") if concept.nouns else OTHER[concept.name]
        word = "a child" if concept.name == "child" else word
        counts[word] = counts.get(word, 0) + 1
    if not counts:
        return "The image shows nothing."
    return f"The image shows {listed([several_of(word, count) for word, count in counts.items()])}."


def named(text: str) -> frozenset[str]:
    """The concepts and classes that a sentence of ours names; the longest words that fit count, so that "a toy bear"
    names no animal."""
    found = set()
    rest = text.lower()
    for words, kind in _NAMES:
        if re.search(words, rest):
            found.add(kind)
            rest = re.sub(words, " ", rest)
    return frozenset(found)


def said_to_be_there(text: str) -> frozenset[str]:
    """The concepts and classes that sentences of ours say are in the image."""
    return named(". ".join(part for part in text.split(". ") if " not visible" not in part))


def _names() -> list[tuple[str, str]]:
    """A pattern for every noun, singular and plural, and the kind it names; long ones first."""
    names: dict[str, str] = {}
    for kind, targets in NOUNS.items():
        for target in targets:
            first, tail = (target.bare.partition(" of ")[0], target.bare.partition(" of ")[2])
            start, last = first[: len(first) - len(first.split()[-1])], first.split()[-1]
            end = f" of {tail}" if tail else ""
            for form in (last, PLURALS.get(last, last + "s")):
                names.setdefault((start + form + end).lower(), kind)
    return [(rf"\b{re.escape(words)}\b", names[words]) for words in sorted(names, key=len, reverse=True)]


_NAMES = _names()


RELATED = {
    "touch": ("touches", "does not touch"),
    "hold": ("holds", "does not hold"),
    "near": ("is next to", "is not next to"),
    "on": ("is on", "is not on"),
}


def thought(facts: Facts, claim: Claim | None, *, answer: bool) -> str:
    """The first reasoning turn: what the scene shows of a claim, or all it shows where there is none; the answer."""
    found = told(facts.scene) if claim is None else found_of(facts, claim)
    return f"{found} So the answer is {'Yes' if answer else 'No'}."


def found_of(facts: Facts, claim: Claim) -> str:
    """What of a statement the scene shows, in one sentence, which decides whether it is true."""
    missing = [what for what in claim.about if not facts.matching(what)]
    there = [what for what in claim.about if facts.matching(what)]
    first = claim.about[0]
    if there and (claim.kind == "either" or not missing):
        if claim.relation:
            one, other = claim.about
            return sentence(f"{one.definite} {RELATED[claim.relation][0 if claim.truth else 1]} {other.definite}")
        if claim.kind == "count":
            return sentence(several(first).forms[0] if claim.truth else f"only one {first.bare} is visible")
        if claim.kind == "both":
            return sentence(f"{first.phrase} and {claim.about[1].phrase} are visible")
        return sentence(f"{there[-1].phrase} {there[-1].verb('is', 'are')} visible")
    return sentence(f"{missing[0].phrase} {missing[0].verb('is', 'are')} not visible")


def summary(reason: str, *, answer: bool) -> str:
    """The second turn."""
    return f'{{"rating": "{"Yes" if answer else "No"}", "rationale": "{reason}"}}'
