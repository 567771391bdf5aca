from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagejudge.constitution import (
    Constitution,
    Precondition,
    Rule,
    Severity,
    Statement,
    Thresholds,
    select_rules,
)
from imagejudge.constitution.file import parse_constitution
from imagejudge.errors import UsageError

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]

FIRE = Rule(
    "person-on-fire",
    "Should not depict a person on fire.",
    category="violence",
    severity=Severity.HIGH,
    preconditions=(
        Precondition((Statement("A person is visible."), Statement("An animal is visible."))),
        Precondition((Statement("Flames touch a body.", ("flames", "body")),)),
    ),
    unless=(Statement("A statue is visible."),),
)
KNIFE = Rule("knife", "Should not show a knife.", category="weapons")
LOGO = Rule("logo", "Should not show a logo.", enabled=False)
HOUSE = Constitution("house", "1.0", (FIRE, KNIFE, LOGO))


def test_the_digest_is_the_same_everywhere_and_always() -> None:
    assert HOUSE.label == "house@c79e27a59c07"
    assert HOUSE.digest.startswith("c79e27a59c07")
    assert len(HOUSE.digest) == 64


def fire(**changes: Any) -> Constitution:
    return replace(HOUSE, rules=(replace(FIRE, **changes), KNIFE, LOGO))


CHAIN = FIRE.preconditions
MEANINGFUL = {
    "fewer rules": replace(HOUSE, rules=(FIRE, LOGO)),
    "unsatisfied": replace(HOUSE, thresholds=Thresholds(unsatisfied=0.31)),
    "satisfied": replace(HOUSE, thresholds=Thresholds(satisfied=0.81)),
    "centric": replace(HOUSE, thresholds=Thresholds(centric=0.61)),
    "id": fire(id="fire"),
    "text": fire(text="Should not depict a person on fire!"),
    "category": fire(category="gore"),
    "severity": fire(severity=Severity.LOW),
    "disabled": fire(enabled=False),
    "its own thresholds": fire(thresholds=Thresholds(satisfied=0.7)),
    "its own centric threshold": fire(thresholds=Thresholds(centric=0.7)),
    "no chain": fire(preconditions=()),
    "order of the chain": fire(preconditions=CHAIN[::-1]),
    "all instead of any": fire(preconditions=(*(Precondition((one,)) for one in CHAIN[0].any), CHAIN[1])),
    "wording": fire(preconditions=(CHAIN[0], Precondition((Statement("Flames touch it.", ("flames", "body")),)))),
    "objects": fire(preconditions=(CHAIN[0], Precondition((Statement("Flames touch a body.", ("flames",)),)))),
    "no exception": fire(unless=()),
    "exception as precondition": fire(preconditions=(*CHAIN, Precondition(FIRE.unless)), unless=()),
}


def test_every_change_of_meaning_changes_the_digest() -> None:
    digests = {HOUSE.digest, *(changed.digest for changed in MEANINGFUL.values())}
    assert len(digests) == 1 + len(MEANINGFUL)


@pytest.mark.parametrize(
    "same",
    [
        replace(HOUSE, rules=HOUSE.rules[::-1]),
        replace(HOUSE, rules=(FIRE, KNIFE)),
        replace(HOUSE, rules=(FIRE, KNIFE, replace(LOGO, text="No logos.", severity=Severity.HIGH))),
        replace(HOUSE, name="other", version="2", description="d", source="s", licence="l"),
        fire(thresholds=HOUSE.thresholds),
        replace(HOUSE, thresholds=Thresholds(line=7), rules=tuple(replace(rule, line=9) for rule in HOUSE.rules)),
    ],
)
def test_nothing_else_does(same: Constitution) -> None:
    assert same.digest == HOUSE.digest


def test_rules_without_thresholds_have_those_of_all() -> None:
    own = fire(thresholds=Thresholds(satisfied=0.7))
    assert [own.thresholds_of(rule).satisfied for rule in own.rules] == [0.7, 0.8, 0.8]
    assert replace(own, thresholds=Thresholds(satisfied=0.7)).digest not in (own.digest, HOUSE.digest)


words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,8}", fullmatch=True)
statements = st.builds(Statement, words, st.lists(words, max_size=2).map(tuple))
preconditions = st.builds(Precondition, st.lists(statements, min_size=1, max_size=3).map(tuple))
thresholds = st.builds(
    Thresholds,
    unsatisfied=st.floats(0.01, 0.49),
    satisfied=st.floats(0.5, 0.99),
    centric=st.floats(0.01, 0.99),
)
rules = st.builds(
    Rule,
    id=ids,
    text=words,
    category=st.just("") | ids,
    severity=st.sampled_from(Severity),
    preconditions=st.lists(preconditions, max_size=3).map(tuple),
    unless=st.lists(statements, max_size=2).map(tuple),
    enabled=st.booleans(),
    thresholds=st.none() | thresholds,
)
constitutions = st.builds(
    Constitution,
    name=ids,
    version=words,
    rules=st.lists(rules, min_size=1, max_size=4, unique_by=lambda rule: rule.id.casefold()).map(tuple),
    description=st.just("") | words,
    thresholds=thresholds,
    source=st.just("") | words,
    licence=st.just("") | words,
)


def write(constitution: Constitution, draw: Draw) -> str:
    """The constitution as TOML, with its keys in any order, and spaces and comments strewn in."""
    parts = {
        "thresholds": table(numbers(constitution.thresholds), draw),
        "rules": "[" + "".join(f"{gap(draw)}{rule(each, draw)},{gap(draw)}" for each in constitution.rules) + "]",
    }
    top = {"schema": 1, "name": constitution.name, "version": constitution.version}
    top |= {key: text for key in ("description", "source", "licence") if (text := getattr(constitution, key))}
    pairs = [*(f"{key} = {toml(value)}" for key, value in top.items()), *(f"{k} = {v}" for k, v in parts.items())]
    return "".join(f"{gap(draw)}{pair} # name = [\n" for pair in shuffled(pairs, draw))


def rule(one: Rule, draw: Draw) -> str:
    values = {"id": one.id, "text": one.text, "severity": one.severity, "enabled": one.enabled}
    values |= {"category": one.category} if one.category else {}
    chain = [{"any": list(map(statement, item.any))} for item in one.preconditions]
    values |= {"preconditions": chain} if chain else {}
    values |= {"unless": list(map(statement, one.unless))} if one.unless else {}
    values |= {"thresholds": numbers(one.thresholds)} if one.thresholds else {}
    return table(values, draw)


def numbers(one: Thresholds) -> dict[str, object]:
    return {"unsatisfied": one.unsatisfied, "satisfied": one.satisfied, "centric": one.centric}


def statement(one: Statement) -> object:
    return {"ask": one.ask, "objects": list(one.objects)} if one.objects else one.ask


def table(values: dict[str, object], draw: Draw) -> str:
    return "{" + ", ".join(shuffled([f"{key} = {toml(value)}" for key, value in values.items()], draw)) + "}"


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def shuffled(items: list[str], draw: Draw) -> list[str]:
    return draw(st.permutations(items))


def gap(draw: Draw) -> str:
    return draw(st.sampled_from(["", "\n", "  ", "\n# a comment\n", "\t"]))


@settings(deadline=None)
@given(st.data(), constitutions)
def test_what_is_written_is_read_back_however_it_is_laid_out(data: st.DataObject, constitution: Constitution) -> None:
    read = parse_constitution(write(constitution, data.draw), "c.toml")
    assert read == constitution
    assert read.digest == constitution.digest


@settings(deadline=None)
@given(st.data(), constitutions)
def test_order_of_rules_does_not_change_the_digest(data: st.DataObject, constitution: Constitution) -> None:
    rules = tuple(data.draw(st.permutations(constitution.rules)))
    assert replace(constitution, rules=rules).digest == constitution.digest


@settings(deadline=None)
@given(constitutions, constitutions)
def test_constitutions_that_mean_something_else_have_another_digest(one: Constitution, other: Constitution) -> None:
    def by_id(constitution: Constitution) -> list[Rule]:
        enabled = (rule for rule in constitution.rules if rule.enabled)
        return sorted(
            (replace(rule, thresholds=constitution.thresholds_of(rule)) for rule in enabled), key=lambda rule: rule.id
        )

    same = (one.thresholds, by_id(one)) == (other.thresholds, by_id(other))
    assert (one.digest == other.digest) == same


@pytest.mark.parametrize(
    ("chosen", "ignored", "left"),
    [
        ([], [], ["person-on-fire", "knife"]),
        (["knife"], [], ["knife"]),
        (["violence"], [], ["person-on-fire"]),
        (["violence", "knife"], [], ["person-on-fire", "knife"]),
        ([], ["violence"], ["knife"]),
        (["violence", "weapons"], ["knife"], ["person-on-fire"]),
        ([], ["logo"], ["person-on-fire", "knife"]),
    ],
)
def test_select(chosen: list[str], ignored: list[str], left: list[str]) -> None:
    selected = select_rules(HOUSE, chosen, ignored)
    assert select_rules(HOUSE).label == HOUSE.label, "verdicts by all rules carry what `check` shows"
    assert [rule.id for rule in selected.rules] == left
    assert selected.digest == replace(HOUSE, rules=selected.rules).digest


@pytest.mark.parametrize(
    ("chosen", "ignored", "message", "hint"),
    [
        (["knif"], [], "no rule or category is called 'knif'", "did you mean 'knife'?"),
        (
            [],
            ["zzz"],
            "no rule or category is called 'zzz'",
            "there are: knife, logo, person-on-fire, violence, weapons",
        ),
        ([""], [], "no rule or category is called ''", "there are: "),
        (["logo"], [], "rule 'logo' is disabled", "remove 'enabled = false'"),
        (["knife"], ["weapons"], "no rule of 'house' is left", "ignore fewer"),
    ],
)
def test_select_says_what_is_wrong(chosen: list[str], ignored: list[str], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        select_rules(HOUSE, chosen, ignored)
    assert message in caught.value.message
    assert hint in caught.value.hint
