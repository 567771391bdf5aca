"""How statements about a scene are worded, and how a rule forbids what they state."""

from __future__ import annotations

from dataclasses import dataclass

from imagejudge.builtin.training.language.words import PLURALS, Target


@dataclass(frozen=True, slots=True)
class Phrase:
    """The forms of a statement, frequent ones more than once, and the same thing as a rule forbids it."""

    forms: tuple[str, ...]
    forbidden: str


def sentence(text: str) -> str:
    """A capital and a full stop."""
    return text[0].upper() + text[1:] + "."


def visible(what: Target) -> Phrase:
    """Something is visible."""
    verb = what.verb
    forms = (
        f"{what.phrase} {verb('is', 'are')} visible",
        f"{what.phrase} {verb('is', 'are')} visible",
        f"{what.phrase} {verb('is', 'are')} visible",
        f"there {verb('is', 'are')} {what.phrase}",
        f"{what.phrase} can be seen",
        f"the image shows {what.phrase}",
        f"{what.phrase} {verb('is', 'are')} shown",
        f"{what.phrase} {verb('is', 'are')} present",
        f"{what.phrase} {verb('appears', 'appear')} in the image",
        f"the image contains {what.phrase}",
        f"{what.phrase} {verb('is', 'are')} depicted",
        f"{what.phrase} {verb('is', 'are')} visible in the image",
        f"the picture shows {what.phrase}",
    )
    return Phrase(forms, what.phrase)


def absent(what: Target) -> Phrase:
    """Something is not visible."""
    forms = (
        f"no {what.bare} {what.verb('is', 'are')} visible",
        f"there is no {what.bare}",
        f"{what.phrase} {what.verb('is', 'are')} not visible",
        f"the image does not show {what.phrase}",
    )
    return Phrase(forms, f"an image without {what.phrase}")


def both(one: Target, other: Target) -> Phrase:
    """Two things are visible."""
    forms = (
        f"{one.phrase} and {other.phrase} are visible",
        f"both {one.phrase} and {other.phrase} are visible",
        f"the image shows {one.phrase} and {other.phrase}",
        f"there is {one.phrase} together with {other.phrase}",
    )
    return Phrase(forms, f"{one.phrase} together with {other.phrase}")


def either(one: Target, other: Target) -> Phrase:
    """At least one of two things is visible."""
    forms = (
        f"{one.phrase} or {other.phrase} is visible",
        f"either {one.phrase} or {other.phrase} is visible",
        f"the image shows {one.phrase} or {other.phrase}",
    )
    return Phrase(forms, f"{one.phrase} or {other.phrase}")


def without(one: Target, other: Target) -> Phrase:
    """One thing is visible and another is not."""
    forms = (
        f"{one.phrase} is visible but no {other.bare}",
        f"{one.phrase} is visible without {other.phrase}",
        f"{one.phrase} is visible and no {other.bare} is visible",
    )
    return Phrase(forms, f"{one.phrase} without {other.phrase}")


def several(what: Target) -> Phrase:
    """Two or more things of one kind are visible."""
    *first, last = what.bare.split()
    many = " ".join([*first, PLURALS.get(last, last + "s")])
    forms = (
        f"more than one {what.bare} is visible",
        f"at least two {many} are visible",
        f"two or more {many} are visible",
        f"there is more than one {what.bare}",
        f"several {many} are visible",
    )
    return Phrase(forms, f"more than one {what.bare}")


def related(relation: str, one: Target, other: Target, *, definite: bool) -> Phrase:
    """One thing is related to another; "a man", or "the man" where they are spoken of as known."""
    a, b = (one.definite, other.definite) if definite else (one.phrase, other.phrase)
    forms: tuple[str, ...]
    if relation == "touch":
        forms = (f"{a} {one.verb('touches', 'touch')} {b}",) * 2 + (
            f"{a} {one.verb('is', 'are')} touching {b}",
            f"{a} and {b} touch each other",
            f"{a} {one.verb('is', 'are')} in contact with {b}",
        )
        return Phrase(forms, f"{one.phrase} touching {other.phrase}")
    if relation == "near":
        forms = (f"{a} {one.verb('is', 'are')} next to {b}",) * 2 + (
            f"{a} {one.verb('is', 'are')} close to {b}",
            f"{a} {one.verb('is', 'are')} near {b}",
            f"{a} {one.verb('is', 'are')} beside {b}",
        )
        return Phrase(forms, f"{one.phrase} next to {other.phrase}")
    if relation == "hold":
        forms = (f"{a} {one.verb('holds', 'hold')} {b}",) * 3 + (
            f"{a} {one.verb('is', 'are')} holding {b}",
            f"{b} {other.verb('is', 'are')} held by {a}",
        )
        return Phrase(forms, f"{one.phrase} holding {other.phrase}")
    forms = (f"{a} {one.verb('is', 'are')} on {b}",) * 2 + (
        f"{a} {one.verb('stands', 'stand')} on {b}",
        f"{a} {one.verb('is', 'are')} on top of {b}",
    )
    return Phrase(forms, f"{one.phrase} on {other.phrase}")


def forbidding(what: str) -> tuple[str, ...]:
    """The forms of a rule against this."""
    return (
        f"should not depict {what}",
        f"should not depict {what}",
        f"images showing {what} are not allowed",
        f"{what} should not be visible",
        f"no image may show {what}",
        f"pictures of {what} are forbidden",
        f"should not show {what}",
    )
