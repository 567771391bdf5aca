"""Rules taken apart into what is asked for them: claims, alternatives, chains. Knows nothing of answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from imagejudge.constitution import Constitution, Rule, Thresholds
from imagejudge.prompts import Kind, Question, visible


class Claim(NamedTuple):
    """A statement as the judge handles it: its question, and what it is about. A tuple as `Question` is one."""

    question: Question
    objects: tuple[str, ...] = ()
    thresholds: Thresholds | None = None
    """Those of its rule; None: the constitution's. Rules with others come to findings of their own on one answer."""


Item: TypeAlias = tuple[Claim, ...]
"""Alternatives: one that holds is enough."""


@dataclass(frozen=True, slots=True)
class Case:
    """A rule as it is tried: what is asked for it, prepared once for all images."""

    rule: Rule
    chain: tuple[Item, ...]
    exceptions: Item


def chain_of(rule: Rule) -> tuple[Item, ...]:
    """The rule's preconditions; a rule without any is one claim about its whole text."""
    if not rule.preconditions:
        return ((Claim(Question(Kind.RULE, rule.text), thresholds=rule.thresholds),),)
    return tuple(
        tuple(Claim(visible(statement.ask), statement.objects, rule.thresholds) for statement in precondition.any)
        for precondition in rule.preconditions
    )


def exceptions_of(rule: Rule) -> Item:
    """The rule's exceptions, any of which clears it."""
    return tuple(Claim(visible(statement.ask), statement.objects, rule.thresholds) for statement in rule.unless)


def questions_of(constitution: Constitution) -> list[Question]:
    """Every question the enabled rules can lead to, once each, in a stable order: what priors are needed for."""
    items = (
        item for rule in constitution.rules if rule.enabled for item in (*chain_of(rule), exceptions_of(rule)) if item
    )
    return list(dict.fromkeys(claim.question for item in items for claim in item))


@lru_cache(maxsize=64)
def cases_of(constitution: Constitution) -> tuple[Case, ...]:
    """The enabled rules, in order. Equal claims are one object, which makes looking them up quicker."""
    known: dict[Claim, Claim] = {}

    def same(item: Item) -> Item:
        return tuple(known.setdefault(claim, claim) for claim in item)

    return tuple(
        Case(rule, tuple(same(item) for item in chain_of(rule)), same(exceptions_of(rule)))
        for rule in constitution.rules
        if rule.enabled
    )
