# ruff: noqa: E501 - tables read better on long lines
"""Statements about a scene and whether they are true.

Statements are drawn so that Yes and No are about as frequent within every kind of statement; a statement whose truth is
a matter of taste is not asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypeVar

import numpy as np

from imagejudge.builtin.training.language import phrases
from imagejudge.builtin.training.language.facts import Facts, both
from imagejudge.builtin.training.language.phrases import Phrase, sentence
from imagejudge.builtin.training.language.words import BODIES, COUNTABLE, NOUNS, UNKNOWN, Target, target
from imagejudge.builtin.training.scenes.concepts import CONCEPTS, GROUPS, INDEX, weigh

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement, the same thing as a rule forbids it, its truth and the things it is about."""

    text: str
    forbidden: str
    truth: bool
    about: tuple[Target, ...] = ()
    relation: str = ""
    kind: str = "visible"


@dataclass
class Asker:
    """Draws statements about scenes; remembers how many were true, kind by kind, to keep the balance."""

    random: np.random.Generator
    balance: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    KINDS: ClassVar[dict[str, float]] = {
        "visible": 0.18,
        "class": 0.12,
        "absent": 0.05,
        "both": 0.11,
        "either": 0.04,
        "without": 0.03,
        "touch": 0.21,
        "hold": 0.04,
        "near": 0.04,
        "on": 0.05,
        "unrelated": 0.03,
        "count": 0.10,
    }

    def __post_init__(self) -> None:
        self.askable = [c for c in CONCEPTS if c.nouns]
        weights = np.array([weigh(INDEX[c.name]) for c in self.askable])
        self.up_to = np.cumsum(weights / weights.sum())
        self.common = {
            group: [c for c in self.askable if group in c.groups] for group in {g for c in CONCEPTS for g in c.groups}
        }

    def one_of(self, items: Sequence[T]) -> T:
        """One of several, evenly."""
        return items[int(self.random.integers(len(items)))]

    def weighted(self, weights: dict[str, float]) -> str:
        """One of the keys, as often as its weight says; the weights sum to one. (`Generator.choice` is slow.)"""
        draw = self.random.random()
        for key, weight in weights.items():
            draw -= weight
            if draw < 0:
                return key
        return key

    def words(self, kind: str) -> Target:
        """One of the words for a concept or class, the first ones more often."""
        nouns = NOUNS[kind]
        return nouns[min(int(self.random.integers(len(nouns))), int(self.random.integers(len(nouns))))]

    def concept(self) -> str:
        """The name of any concept that has words of its own."""
        return self.askable[min(int(np.searchsorted(self.up_to, self.random.random())), len(self.askable) - 1)].name

    def some_kind(self, facts: Facts, present: bool | None, classes: float) -> str | None:
        """A concept or class; one that is there, one that is not (often a look-alike), or any."""
        pool_classes = self.random.random() < classes
        if present is True:
            kinds = [
                k for things in facts.kinds for k in sorted(things) if k in NOUNS and (k in GROUPS) == pool_classes
            ]
            return self.one_of(kinds) if kinds else None
        if pool_classes:
            return self.one_of(list(GROUPS))
        if present is False and facts.scene.things and self.random.random() < 0.35:
            groups = [g for g in CONCEPTS[self.one_of(facts.scene.things).concept].groups if self.common[g]]
            if groups:
                return self.one_of(self.common[self.one_of(groups)]).name
        return self.concept()

    def claim(self, facts: Facts, balanced: bool = True, kind: str = "") -> Claim | None:
        """One statement of a random kind with its truth, or None where the draw did not fit this scene."""
        kind = kind or self.weighted(self.KINDS)
        surplus = self.balance[kind]
        wanted = (
            None
            if not balanced or kind == "unrelated"
            else bool(self.random.random() < 0.5)
            if abs(surplus) < 8
            else surplus < 0
        )
        makers: dict[str, Callable[[Facts, bool | None, str], Claim | None]] = {
            "visible": self._visible, "class": self._visible, "absent": self._absent, "both": self._both, "either": self._either,
            "without": self._without, "count": self._count, "touch": self._related, "hold": self._related, "near": self._related, "on": self._related, "unrelated": self._unrelated,
        }  # fmt: skip
        for _ in range(5):
            claim = makers[kind](facts, wanted, kind)
            if claim is not None and wanted in (None, claim.truth):
                if balanced:
                    self.balance[kind] += 1 if claim.truth else -1
                return claim
        return None

    def shown(self, what: Target) -> str:
        """A statement that something is visible."""
        return sentence(self.one_of(phrases.visible(what).forms))

    def _claim(
        self, phrase: Phrase, truth: bool | None, about: tuple[Target, ...], kind: str, relation: str = ""
    ) -> Claim | None:
        """A statement in one of its forms; None where its truth is a matter of taste."""
        return (
            None
            if truth is None
            else Claim(sentence(self.one_of(phrase.forms)), phrase.forbidden, truth, about, relation, kind)
        )

    def _visible(self, facts: Facts, wanted: bool | None, kind: str) -> Claim | None:
        chosen = self.some_kind(facts, wanted, 1.0 if kind == "class" else 0.0)
        if chosen is None:
            return None
        what = self.one_of(BODIES) if chosen == "person" and self.random.random() < 0.06 else self.words(chosen)
        return self._claim(phrases.visible(what), facts.visible(what), (what,), kind)

    def _absent(self, facts: Facts, wanted: bool | None, kind: str) -> Claim | None:
        chosen = self.some_kind(facts, None if wanted is None else not wanted, 0.4)
        if chosen is None:
            return None
        what = self.words(chosen)
        there = facts.visible(what)
        return self._claim(phrases.absent(what), None if there is None else not there, (what,), kind)

    def _pair(
        self, facts: Facts, first: bool | None, second: bool | None, classes: float = 0.35
    ) -> tuple[Target, Target] | None:
        one, other = self.some_kind(facts, first, classes), self.some_kind(facts, second, classes)
        if one is None or other is None or one == other:
            return None
        return self.words(one), self.words(other)

    def _both(self, facts: Facts, wanted: bool | None, kind: str) -> Claim | None:
        truths = (
            (True, True)
            if wanted
            else ((True, False), (False, True), (True, False), (False, True), (False, False))[
                int(self.random.integers(5))
            ]
            if wanted is False
            else (None, None)
        )
        pair = self._pair(facts, *truths)
        if pair is None or len(set(facts.matching(pair[0])) | set(facts.matching(pair[1]))) < 2 * bool(wanted):
            return None
        one, other = pair
        truth = both(facts.visible(one), facts.visible(other))
        return self._claim(phrases.both(one, other), truth, pair, kind)

    def _either(self, facts: Facts, wanted: bool | None, kind: str) -> Claim | None:
        truths = (
            ((True, False), (False, True))[int(self.random.integers(2))]
            if wanted
            else (False, False)
            if wanted is False
            else (None, None)
        )
        pair = self._pair(facts, *truths)
        if pair is None:
            return None
        one, other = pair
        a, b = facts.visible(one), facts.visible(other)
        truth = True if a or b else None if a is None or b is None else False
        return self._claim(phrases.either(one, other), truth, pair, kind)

    def _without(self, facts: Facts, wanted: bool | None, kind: str) -> Claim | None:
        truths = (
            (True, False)
            if wanted
            else ((True, True), (False, False))[int(self.random.integers(2))]
            if wanted is False
            else (None, None)
        )
        pair = self._pair(facts, *truths)
        if pair is None:
            return None
        one, other = pair
        a, b = facts.visible(one), facts.visible(other)
        truth = both(a, None if b is None else not b)
        return self._claim(phrases.without(one, other), truth, pair, kind)

    def _count(self, facts: Facts, wanted: bool | None, kind: str) -> Claim | None:
        if wanted is None or self.random.random() < 0.1:
            chosen = self.one_of(COUNTABLE)
        else:  # ask of things that are there: one of them, or several
            fits = [k for k in COUNTABLE if facts.several(target("", k)) is wanted and k in facts.all]
            if not fits:
                return None
            chosen = self.one_of(fits)
        what = self.words(chosen) if chosen != "person" else target("a person", "person")
        if what.plural or not what.phrase.startswith(("a ", "an ")) or "boy" in what.words:
            return None
        return self._claim(phrases.several(what), facts.several(what), (what,), kind)

    def _related(self, facts: Facts, wanted: bool | None, kind: str) -> Claim | None:
        """A relation of two things that are both there: where it should be false, they are apart."""
        things = facts.scene.things
        if len(things) < 2:
            return None
        i, j = (int(n) for n in self.random.permutation(len(things))[:2])
        if kind in ("hold", "on") and self.random.random() < 0.7:
            able = np.argwhere(facts.scene.holds if kind == "hold" else facts.scene.on)
            if wanted and len(able):
                i, j = (int(n) for n in self.one_of(able.tolist()))
        return self._relation(
            facts, kind, [self.one_of([k for k in sorted(facts.kinds[n]) if k in NOUNS] or [""]) for n in (i, j)]
        )

    def _unrelated(self, facts: Facts, wanted: bool | None, kind: str) -> Claim | None:
        """A relation to something that is not there, which is always false. A kind of its own: among the relations it
        would make Yes the better guess wherever both things are there."""
        drawn = self.some_kind(facts, self.one_of((True, False)), 0.35), self.some_kind(facts, False, 0.35)
        names = [name or "" for name in drawn]
        if self.random.random() < 0.5:
            names.reverse()
        claim = self._relation(facts, self.one_of(("touch", "touch", "touch", "hold", "near", "on")), names)
        return None if claim is None or claim.truth else replace(claim, kind=kind)

    def _relation(self, facts: Facts, kind: str, names: list[str]) -> Claim | None:
        """That the first is related to the second; None where it makes no sense or is a matter of taste."""
        if kind == "hold":
            if "person" not in names and not any("person" in CONCEPTS[INDEX[n]].groups for n in names if n in INDEX):
                return None
            names.sort(
                key=lambda name: (
                    name not in ("person", "minor", "adult", "man", "woman", "child", "baby", "police officer")
                )
            )
        if (
            "" in names
            or names[0] == names[1]
            or ({"person", "adult", "minor", "animal"} >= set(names) and kind == "hold")
        ):
            return None
        one, other = (
            self.one_of(BODIES)
            if name in ("person", "animal", "clothing") and kind == "touch" and self.random.random() < 0.35
            else self.words(name)
            for name in names
        )
        truth = facts.related(kind, one, other)
        phrase = phrases.related(kind, one, other, definite=self.random.random() >= 0.7)
        return self._claim(phrase, truth, (one, other), kind, relation=kind)

    def unknown(self, nouns: tuple[str, ...] = UNKNOWN) -> str:
        """A statement about something outside the vocabulary."""
        return self.shown(Target(self.one_of(nouns), frozenset()))

    def rule(self, claim: Claim) -> str:
        """A rule that forbids what the claim states."""
        return sentence(self.one_of(phrases.forbidding(claim.forbidden)))
