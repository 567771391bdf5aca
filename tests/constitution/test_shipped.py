"""What the shipped constitutions promise: to their readers, to each other, and in their page."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
import tomlkit
from write_docs import DOCS, constitution_tables

from imagejudge.constitution import (
    Constitution,
    Severity,
    lint_constitution,
    load_constitution,
    parse_constitution,
    shipped_constitutions,
)

ALL = {path.stem: load_constitution(path) for path in shipped_constitutions()}
WARNED = {
    # It is there to show what vague rules cost: "suggestive" and "shocking" are the paper's words.
    "osbench-original": {("legs-spread", "vague-word"), ("imminent-death", "vague-word")},
    # The built-in model was taught "a body or clothes" as one thing.
    "stickers": {("person-on-fire", "alternatives"), ("bleeding", "alternatives")},
}


def test_all_are_there() -> None:
    assert set(ALL) == {
        "assets",
        "general",
        "llamaguard",
        "llavaguard",
        "osbench",
        "osbench-original",
        "shieldgemma",
        "stickers",
        "unsafebench",
    }


@pytest.mark.parametrize("path", shipped_constitutions(), ids=lambda path: path.stem)
def test_each_file_is_named_and_explained(path: Path) -> None:
    constitution = ALL[path.stem]
    assert constitution.name == path.stem
    for words in (constitution.description, constitution.source, constitution.licence):
        assert words


@pytest.mark.parametrize("path", shipped_constitutions(), ids=lambda path: path.stem)
def test_each_file_lints_as_expected(path: Path) -> None:
    remarks = {(remark.rule, remark.code) for remark in lint_constitution(ALL[path.stem])}
    assert remarks == WARNED.get(path.stem, set())


@pytest.mark.parametrize("path", shipped_constitutions(), ids=lambda path: path.stem)
def test_each_file_survives_tomlkit(path: Path) -> None:
    text = path.read_text("utf-8")
    again = tomlkit.dumps(tomlkit.parse(text))
    assert again == text
    assert parse_constitution(again, path.name) == ALL[path.stem]


@pytest.mark.parametrize("path", shipped_constitutions(), ids=lambda path: path.stem)
def test_lines_are_short_but_for_rules_quoted_in_full(path: Path) -> None:
    long = [line for line in path.read_text("utf-8").splitlines() if len(line) > 120]
    assert all(line.startswith("text = ") for line in long)


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_rule_has_a_chain_a_category_and_a_severity(name: str) -> None:
    assert all(rule.preconditions and rule.category for rule in ALL[name].rules)
    document = tomlkit.parse(
        next(path for path in shipped_constitutions() if path.stem == name).read_text("utf-8")
    ).unwrap()
    assert all("severity" in rule for rule in document["rules"])


def test_the_same_words_have_the_same_objects_everywhere() -> None:
    """A claim is its words and its objects, so other objects would mean looking closer twice."""
    seen = defaultdict(set)
    for constitution in ALL.values():
        for rule in constitution.rules:
            for statement in rule.statements:
                seen[statement.ask].add(statement.objects)
    assert {ask: objects for ask, objects in seen.items() if len(objects) > 1} == {}


def test_nothing_is_said_in_nearly_the_same_words_elsewhere() -> None:
    """Answers are kept by their exact words, so whoever changes to another constitution keeps those they share."""
    rules = tuple(replace(rule, id=f"{name}-{rule.id}") for name, c in ALL.items() for rule in c.rules)
    remarks = lint_constitution(Constitution("all", "1", rules))
    assert [remark for remark in remarks if remark.code == "near-duplicate"] == []


def test_osbench_has_the_same_rules_before_and_after() -> None:
    after, before = ALL["osbench"], ALL["osbench-original"]
    assert [rule.id for rule in after.rules] == [rule.id for rule in before.rules]
    assert len(after.rules) == 14
    for old, new in zip(before.rules, after.rules, strict=True):
        assert (old.category, old.severity) == (new.category, new.severity)


@pytest.mark.parametrize(
    ("name", "categories"),
    [
        (
            "unsafebench",
            "hate harassment violence self-harm sexual shocking illegal-activity deception political health spam",
        ),
        ("llavaguard", "O1 O2 O3 O4 O5 O6 O7 O8 O9"),
        ("shieldgemma", "sexually-explicit dangerous-content violence-gore"),
        ("llamaguard", "S1 S2 S3 S4 S7 S9 S10 S11 S12"),
    ],
)
def test_categories_are_those_of_the_source(name: str, categories: str) -> None:
    assert list(dict.fromkeys(rule.category for rule in ALL[name].rules)) == categories.split()


def test_llavaguard_allows_what_its_policy_allows() -> None:
    assert all(rule.unless for rule in ALL["llavaguard"].rules)
    assert not any(rule.unless for rule in ALL["shieldgemma"].rules)


def test_general_keeps_high_severity_for_minors() -> None:
    for rule in ALL["general"].rules:
        assert (rule.severity is Severity.HIGH) == (rule.category == "minors")
        assert (rule.preconditions[0].any[0].ask == "A child is visible.") == (rule.category == "minors")


def test_the_first_wave_of_osbench_is_three_questions_for_fourteen_rules() -> None:
    firsts = {statement.ask for rule in ALL["osbench"].rules for statement in rule.preconditions[0].any}
    assert firsts == {"A person is visible.", "Part of a human body is visible.", "An animal is visible."}


def test_the_page_shows_every_chain_and_total() -> None:
    page = (DOCS / "constitutions.md").read_text("utf-8")
    assert constitution_tables(page) == page
    assert set(re.findall(r"^<!-- table (\S+) -->$", page, re.MULTILINE)) == {"totals", *ALL}
