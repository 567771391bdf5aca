"""Advice on a valid constitution: what a small model is likely to answer badly, or costs more than it should.

Knows words and chains; never a file, a model or an image. It guesses from spelling, so it warns and forbids nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from imagejudge.common.suggest import did_you_mean
from imagejudge.constitution.rules import THRESHOLD_NAMES, Constitution, Rule, Statement, Thresholds

MAX_WORDS = 20
"""A statement of more words than this is probably several."""
FAR = 0.15
"""How far from its default a threshold may lie without a remark."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


VAGUE = _words(
    "bad creepy dangerous disgusting disturbing excessive explicit extreme gross harmful hateful improper "
    "inappropriate indecent lewd nasty nsfw obscene offensive problematic provocative questionable scary sensitive "
    "sensual sexy shocking suggestive tasteless unacceptable unsafe unsuitable violent vulgar weird"
)
"""Words that people judge differently; with `-ly` added too."""
NEGATIONS = _words("cannot lack lacking lacks neither never no nobody none nor not nothing nowhere without")
"""And every word that ends in n't."""
PAIRS = (
    "ball and chain",
    "black and white",
    "bow and arrow",
    "cup and saucer",
    "food and drink",
    "hammer and sickle",
    "head and shoulders",
    "knife and fork",
    "lock and key",
    "needle and thread",
    "pen and paper",
    "salt and pepper",
    "skull and crossbones",
    "stars and stripes",
)
"""One thing each, though spelt with an "and"."""
RELATIONS = ("between", "each other", "one another", "together")
"""With one of these, "and" joins two things of a single claim."""

_AMOUNT = re.compile(r"\b(?:more or less|or (?:more|less|fewer))\b")
_QUOTED = re.compile(r'"[^"]*"')
_WORD = re.compile(r"\w+(?:['-]\w+)*")
_PART = re.compile(r"\w+(?:'\w+)*")
_PLAIN_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
_ASKING = _words(
    "am are can could did do does had has have how is should was were what when where which who whose why will"
)
_ARTICLES = _words("a an the")
_IRREGULAR = {
    "children": "child",
    "feet": "foot",
    "men": "man",
    "mice": "mouse",
    "people": "person",
    "teeth": "tooth",
    "women": "woman",
}


Code: TypeAlias = Literal[
    "all-disabled",
    "alternatives",
    "duplicate-statement",
    "near-duplicate",
    "negation",
    "no-full-stop",
    "no-preconditions",
    "odd-threshold",
    "question",
    "too-long",
    "two-claims",
    "unknown-object",
    "vague-word",
]


@dataclass(frozen=True, slots=True)
class Remark:
    """One piece of advice: what is wrong and what to write instead."""

    line: int | None
    rule: str
    """The rule's id; empty for what concerns no single rule."""
    code: Code
    message: str


class _Role(StrEnum):
    """Where a statement stands, which decides how to take it apart."""

    PRECONDITION = "precondition"
    ALTERNATIVE = "alternative"
    EXCEPTION = "exception"


def lint_constitution(constitution: Constitution) -> list[Remark]:
    """All advice, in the order of the file."""
    remarks = [
        *_odd_thresholds(constitution.thresholds, Thresholds(), ""),
        *(
            remark
            for rule in constitution.rules
            if rule.thresholds is not None
            for remark in _odd_thresholds(rule.thresholds, constitution.thresholds, rule.id)
        ),
        *_all_disabled(constitution),
        *(remark for rule in constitution.rules for remark in _about_rule(rule)),
        *_nearly_the_same(constitution),
    ]
    return sorted(remarks, key=lambda remark: remark.line or 0)


def _odd_thresholds(thresholds: Thresholds, around: Thresholds, rule: str) -> Iterator[Remark]:
    """About those that a table sets; what it leaves to the one around it is remarked there."""
    for name in THRESHOLD_NAMES:
        value, usual = getattr(thresholds, name), getattr(Thresholds(), name)
        if abs(value - usual) > FAR and (not rule or value != getattr(around, name)):
            message = (
                f"'{name}' is {value}, far from the usual {usual}; leave it out unless you measured that this helps"
            )
            yield Remark(thresholds.line, rule, "odd-threshold", message)


def _all_disabled(constitution: Constitution) -> Iterator[Remark]:
    if constitution.rules and not any(rule.enabled for rule in constitution.rules):
        message = "every rule is disabled, so nothing can be judged; remove 'enabled = false' from one"
        yield Remark(constitution.rules[0].line, "", "all-disabled", message)


def _about_rule(rule: Rule) -> Iterator[Remark]:
    if not rule.preconditions:
        message = "asked whole, which small models answer badly; write preconditions, one visible thing each"
        yield Remark(rule.line, rule.id, "no-preconditions", message)
        for message in _vague(rule.text):
            yield Remark(rule.line, rule.id, "vague-word", message)
    for statement, role in _roles(rule):
        for code, message in _about_statement(statement.ask, role):
            yield Remark(statement.line, rule.id, code, message)
    for statement, message in _unknown_objects(rule):
        yield Remark(statement.line, rule.id, "unknown-object", message)
    for statement, message in _repeated(rule):
        yield Remark(statement.line, rule.id, "duplicate-statement", message)


def _roles(rule: Rule) -> Iterator[tuple[Statement, _Role]]:
    for item in rule.preconditions:
        role = _Role.ALTERNATIVE if len(item.any) > 1 else _Role.PRECONDITION
        yield from ((statement, role) for statement in item.any)
    yield from ((statement, _Role.EXCEPTION) for statement in rule.unless)


def _about_statement(ask: str, role: _Role) -> Iterator[tuple[Code, str]]:
    """What is amiss with the words of one statement: codes and messages."""
    ask = _plain(ask)
    bare = _QUOTED.sub("", ask)  # words to be read in the image claim nothing
    words = _WORD.findall(bare)
    yield from (("vague-word", message) for message in _vague(ask))
    for word in words:
        if word in NEGATIONS or word.endswith("n't"):
            yield "negation", f"{word!r} denies something, which models overlook; write what is there to be seen"
            break
    if "and" in words and _joins_claims(bare):
        yield "two-claims", f"'and' joins two claims; {_APART[role]}"
    if "or" in _WORD.findall(_AMOUNT.sub("", bare)):
        yield "alternatives", f"'or' joins two claims; {_ALTERNATIVES[role]}"
    if ask.endswith("?") or (words and words[0] in _ASKING):
        yield "question", 'a question; write a statement, such as "A person is visible."'
    elif not ask.rstrip("\"')").endswith("."):
        yield "no-full-stop", "no full stop at the end; write one, so that all statements are asked alike"
    if (count := len(_WORD.findall(ask))) > MAX_WORDS:
        yield "too-long", f"{count} words; write at most {MAX_WORDS}, with one claim in each statement"


_APART = {
    _Role.PRECONDITION: "write two preconditions, since all of them must hold anyway",
    _Role.ALTERNATIVE: "write an alternative of one claim, and the other claim as a precondition",
    _Role.EXCEPTION: "write the one claim that clears the rule by itself",
}
_ALTERNATIVES = {
    _Role.PRECONDITION: 'write { any = ["...", "..."] }',
    _Role.ALTERNATIVE: "write two alternatives",
    _Role.EXCEPTION: "write two exceptions",
}


def _plain(text: str) -> str:
    """Without the differences that do not matter here: case, and the shapes of quotes."""
    return text.translate(_PLAIN_QUOTES).casefold()


def _vague(text: str) -> Iterator[str]:
    for word in dict.fromkeys(_WORD.findall(_QUOTED.sub("", _plain(text)))):
        if word in VAGUE or word.removesuffix("ly") in VAGUE:
            yield f"{word!r} is a matter of opinion; write what can be seen, such as a thing, a place or an angle"


def _joins_claims(text: str) -> bool:
    for pair in PAIRS:
        text = text.replace(pair, "")
    words = _WORD.findall(text)
    return "and" in words and not any(f" {relation} " in f" {' '.join(words)} " for relation in RELATIONS)


def _unknown_objects(rule: Rule) -> Iterator[tuple[Statement, str]]:
    """Objects that no statement of the rule speaks of; endings may differ."""
    stems = {_stem(word) for statement in rule.statements for word in _parts(statement.ask)}
    beginnings = {beginning for stem in stems for beginning in _beginnings(stem)}

    @functools.cache  # a rule may name 8,000 objects of 30 words each
    def known(word: str) -> bool:
        stem = _stem(word)
        return stem in beginnings or not stems.isdisjoint(_beginnings(stem))

    for statement in rule.statements:
        for name in statement.objects:
            missing = next((word for word in _parts(name) if not known(word)), None)
            if missing is not None:
                instead = did_you_mean(missing, _parts(statement.ask), "write a word of the statement")
                yield statement, f"object {name!r} is in no statement of the rule; {instead}"


def _parts(text: str) -> list[str]:
    return _PART.findall(_plain(text))


def _beginnings(stem: str) -> Iterator[str]:
    """The stem, and shorter ones that are taken for the same: `flames` and `flaming`, `person` and `personal`."""
    yield stem
    yield from (stem[:length] for length in range(max(4, len(stem) - 3), len(stem)))


def _stem(word: str) -> str:
    word = word.removesuffix("'s")
    word = _IRREGULAR.get(word, word)
    for ending, short in (("ies", "y"), ("ves", "f"), ("ing", ""), ("es", ""), ("ed", ""), ("s", ""), ("e", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending) + short
            break
    return word.removesuffix("f")  # knife, knives


def _repeated(rule: Rule) -> Iterator[tuple[Statement, str]]:
    """Statements that add nothing to their rule.

    Two preconditions may share one of several alternatives: (A or B) and (A or C) says A or (B and C).
    """
    places: dict[str, list[tuple[int, bool]]] = {}
    for number, item in enumerate(rule.preconditions):
        for statement in item.any:
            alone = len(item.any) == 1
            earlier = places.setdefault(_gist(statement.ask), [])
            if any(number == other or alone or single for other, single in earlier):
                yield statement, "the rule says this already; leave it out"
            earlier.append((number, alone))
    items = [{_gist(statement.ask) for statement in item.any} for item in rule.preconditions]
    exceptions: set[str] = set()
    for statement in rule.unless:
        gist = _gist(statement.ask)
        if gist in exceptions:
            yield statement, "the rule says this already; leave it out"
            continue
        exceptions.add(gist)
        cleared = [item for item in items if gist in item and item <= exceptions]
        if {gist} in cleared:
            yield statement, "also a precondition, so the rule can never be violated; leave one of the two out"
        elif cleared:
            yield (
                statement,
                (
                    "with the other exceptions it clears every alternative of a precondition, so the rule can never be "
                    "violated; leave one of them out"
                ),
            )


def _nearly_the_same(constitution: Constitution) -> Iterator[Remark]:
    """Statements that another rule spells a little differently: asked twice for nothing."""
    first: dict[str, tuple[str, Rule]] = {}
    for rule in constitution.rules:
        for statement in rule.statements:
            ask, other = first.setdefault(_gist(statement.ask), (statement.ask, rule))
            if ask != statement.ask and other is not rule:
                message = f"nearly the words of rule '{other.id}'; write {ask!r}, and both are asked at once"
                yield Remark(statement.line, rule.id, "near-duplicate", message)


def _gist(ask: str) -> str:
    """The words that matter: no articles, case or punctuation."""
    return " ".join(word for word in _WORD.findall(_plain(ask)) if word not in _ARTICLES)
