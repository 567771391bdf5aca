from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagejudge.constitution import Constitution, Precondition, Rule, Severity, Statement, Thresholds
from imagejudge.constitution.diff import Change, Line, Mark, compare

PERSON = Statement("A person is visible.", ("person",))
ANIMAL = Statement("An animal is visible.")
FIRE = Statement("Flames touch a body.", ("flames", "body"))
SUIT = Statement("A fire-fighter's suit is visible.")
RULE = Rule(
    "fire",
    "No burning bodies.",
    category="violence",
    preconditions=(Precondition((PERSON, ANIMAL)), Precondition((FIRE,))),
    unless=(SUIT,),
)
OTHER = Rule("dog", "No dogs.", preconditions=(Precondition((ANIMAL,)),))
OLD = Constitution("old", "1.0", (RULE, OTHER))


def changed(**values: object) -> Constitution:
    return replace(OLD, rules=(replace(RULE, **values), OTHER))  # type: ignore[arg-type]


def test_nothing_changed() -> None:
    assert compare(OLD, OLD) == ()


def test_what_verdicts_do_not_depend_on_is_no_change() -> None:
    other = replace(OLD, name="new", version="2.0", description="d", source="s", licence="l", rules=(OTHER, RULE))
    assert compare(OLD, other) == ()


def test_a_rule_that_went_and_one_that_came() -> None:
    new = replace(OLD, rules=(replace(OTHER, id="cat", text="No cats.", enabled=False), RULE))
    assert compare(OLD, new) == (
        Change(
            "dog",
            Mark.OLD,
            (
                (Mark.OLD, Line("text", "No dogs.")),
                (Mark.OLD, Line("severity", "medium")),
                (Mark.OLD, Line("if", "An animal is visible.")),
            ),
        ),
        Change(
            "cat",
            Mark.NEW,
            (
                (Mark.NEW, Line("text", "No cats.")),
                (Mark.NEW, Line("severity", "medium")),
                (Mark.NEW, Line("enabled", "false")),
                (Mark.NEW, Line("if", "An animal is visible.")),
            ),
            disabled=True,
        ),
    )


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ({"text": "No fire."}, [("-", "text", "No burning bodies."), ("+", "text", "No fire.")]),
        ({"severity": Severity.HIGH}, [("-", "severity", "medium"), ("+", "severity", "high")]),
        ({"category": ""}, [("-", "category", "violence")]),
        ({"enabled": False}, [("+", "enabled", "false")]),
    ],
)
def test_a_value_that_changed_stands_alone(values: dict[str, object], lines: list[tuple[str, str, str]]) -> None:
    (change,) = compare(OLD, changed(**values))
    assert (change.name, change.mark) == ("fire", Mark.BOTH)
    assert [(mark.value, line.label, line.words) for mark, line in change.lines] == lines


def test_a_chain_that_changed_is_shown_whole() -> None:
    (change,) = compare(OLD, changed(preconditions=(Precondition((PERSON,)), Precondition((FIRE,)))))
    assert [f"{mark}{line.label}" for mark, line in change.lines] == [" if", "-or", " and", " unless"]


def test_an_alternative_that_becomes_a_precondition_is_a_change() -> None:
    (change,) = compare(OLD, changed(preconditions=tuple(Precondition((s,)) for s in (PERSON, ANIMAL, FIRE))))
    assert [f"{mark}{line.label}" for mark, line in change.lines] == [" if", "-or", "+and", " and", " unless"]


def test_other_objects_are_a_change() -> None:
    (change,) = compare(OLD, changed(unless=(replace(SUIT, objects=("suit",)),)))
    assert change.lines[-2:] == (
        (Mark.OLD, Line("unless", SUIT.ask)),
        (Mark.NEW, Line("unless", SUIT.ask, ("suit",))),
    )


def test_a_statement_that_stands_there_again_is_told_apart_from_the_first() -> None:
    (change,) = compare(changed(unless=(SUIT, PERSON, SUIT)), changed(unless=(SUIT, SUIT, PERSON, SUIT)))
    assert [mark.value for mark, line in change.lines if line.label == "unless"] == [" ", "+", " ", " "]


def test_chains_as_long_as_they_may_be_that_repeat_themselves_are_compared_at_once() -> None:
    def chain(other: str) -> tuple[Precondition, ...]:
        asks = [f"{other} {number}." if number % 2 else "A." for number in range(1024)]
        return tuple(Precondition(tuple(map(Statement, asks[start : start + 32]))) for start in range(0, 1024, 32))

    started = time.process_time()
    (change,) = compare(changed(preconditions=chain("B")), changed(preconditions=chain("C")))
    assert time.process_time() - started < 5
    assert [mark for mark, _ in change.lines].count(Mark.OLD) == 512


def test_what_becomes_of_a_disabled_rule_is_told_and_counts_for_nothing() -> None:
    disabled = changed(enabled=False)
    (change,) = compare(disabled, changed(enabled=False, text="No fire."))
    assert (change.disabled, change.lines[1]) == (True, (Mark.NEW, Line("text", "No fire.")))
    assert [each.disabled for each in compare(disabled, replace(OLD, rules=(OTHER,)))] == [True]
    assert [each.disabled for each in compare(replace(OLD, rules=(OTHER,)), disabled)] == [True]
    for old, new in [(OLD, disabled), (disabled, OLD), (OLD, changed(text="No fire.")), (OLD, replace(OLD, rules=()))]:
        assert not any(each.disabled for each in compare(old, new))


def test_thresholds_come_first() -> None:
    first, second = compare(OLD, replace(changed(text="No fire."), thresholds=Thresholds(satisfied=0.7)))
    assert (first.name, second.name) == ("thresholds", "fire")
    assert first.lines == ((Mark.OLD, Line("satisfied", "0.8")), (Mark.NEW, Line("satisfied", "0.7")))


def test_thresholds_of_a_rule_are_told_where_they_differ_from_the_others() -> None:
    (change,) = compare(OLD, changed(thresholds=Thresholds(satisfied=0.7)))
    assert (change.name, change.lines) == ("fire", ((Mark.NEW, Line("satisfied", "0.7")),))
    assert compare(OLD, changed(thresholds=Thresholds())) == ()


STATEMENTS = st.builds(Statement, st.sampled_from("ab"), st.lists(st.sampled_from("xy"), max_size=2).map(tuple))
ITEMS = st.lists(STATEMENTS, min_size=1, max_size=2).map(tuple).map(Precondition)
RULES = st.builds(
    Rule,
    st.sampled_from("rs"),
    st.sampled_from("tu"),
    st.sampled_from(["", "c"]),
    st.sampled_from(list(Severity)),
    st.lists(ITEMS, max_size=2).map(tuple),
    st.lists(STATEMENTS, max_size=2).map(tuple),
    st.booleans(),
    st.sampled_from([None, Thresholds(), Thresholds(centric=0.5), Thresholds(0.2, 0.7)]),
)
CONSTITUTIONS = st.builds(
    Constitution,
    st.just("name"),
    st.just("1"),
    st.lists(RULES, max_size=2, unique_by=lambda rule: rule.id).map(tuple),
    thresholds=st.sampled_from([Thresholds(), Thresholds(centric=0.5)]),
)


@settings(deadline=None)
@given(CONSTITUTIONS, CONSTITUTIONS)
def test_there_is_a_change_that_counts_exactly_where_the_digest_is_another(
    old: Constitution, new: Constitution
) -> None:
    assert any(not change.disabled for change in compare(old, new)) == (old.digest != new.digest)
