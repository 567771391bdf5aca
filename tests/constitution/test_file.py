from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from imagejudge.common.text import printable
from imagejudge.constitution import Constitution, Precondition, Rule, Severity, Statement, Thresholds
from imagejudge.constitution.file import (
    MAX_BYTES,
    MAX_ITEMS,
    MAX_OBJECTS,
    MAX_RULES,
    MAX_STATEMENT,
    MAX_STATEMENTS,
    MAX_TEXT,
    load_constitution,
    parse_constitution,
)
from imagejudge.errors import ConstitutionError

FULL = """\
schema = 1
name = "stickers"
version = "1.0"
description = '''
House rules
for the sticker store'''
source = "https://example.com/rules"
licence = "CC0-1.0"

[thresholds]
unsatisfied = 0.25
satisfied = 0.75
centric = 0.5

[[rules]]
id = "person-on-fire"
category = "violence"
severity = "high"
text = "Should not depict any person or animal on fire."
preconditions = [
  { any = ["A person is visible.", { ask = "An animal is visible.", objects = ["animal"] }] },
  # what burns
  { ask = "Flames touch a body or clothes.", objects = ["flames", "body"] },
  "Smoke rises.",
]
unless = [
  "A fire-fighter's suit is visible.",
]

[[rules]]
enabled = false
id = "R2"
text = "  No logos. "
"""
HEAD = 'schema = 1\nname = "n"\nversion = "1"\n'
RULE = '[[rules]]\nid = "r"\ntext = "T."\n'


def complaints(text: str) -> list[str]:
    """What is said of a file, each as `line: what is wrong; what to write`."""
    with pytest.raises(ConstitutionError) as caught:
        parse_constitution(text, "c.toml")
    lines = caught.value.message.split("\n")
    assert all(line.startswith("c.toml:") for line in lines)
    return [line.removeprefix("c.toml:") for line in lines]


def test_a_whole_file() -> None:
    constitution = parse_constitution(FULL, "c.toml")
    assert constitution == Constitution(
        name="stickers",
        version="1.0",
        description="House rules\nfor the sticker store",
        source="https://example.com/rules",
        licence="CC0-1.0",
        thresholds=Thresholds(0.25, 0.75, 0.5),
        rules=(
            Rule(
                id="person-on-fire",
                category="violence",
                severity=Severity.HIGH,
                text="Should not depict any person or animal on fire.",
                preconditions=(
                    Precondition((Statement("A person is visible."), Statement("An animal is visible.", ("animal",)))),
                    Precondition((Statement("Flames touch a body or clothes.", ("flames", "body")),)),
                    Precondition((Statement("Smoke rises."),)),
                ),
                unless=(Statement("A fire-fighter's suit is visible."),),
            ),
            Rule(id="R2", text="No logos.", enabled=False),
        ),
    )


@pytest.mark.parametrize("own", ["thresholds = { satisfied = 0.7 }", "[rules.thresholds]\nsatisfied = 0.7"])
def test_a_rule_with_thresholds_of_its_own(own: str) -> None:
    text = f"{HEAD}[thresholds]\ncentric = 0.5\n{RULE}{own}\n" + RULE.replace('"r"', '"s"')
    first, second = parse_constitution(text, "c.toml").rules
    assert first.thresholds == Thresholds(satisfied=0.7, centric=0.5), "what it leaves out is as for all rules"
    assert first.thresholds.line == 9
    assert second.thresholds is None


@pytest.mark.parametrize("own", ["unsatisfied = 0.5, satisfied = 0.5", "unsatisfied = 0.9", "satisfied = 0.1"])
def test_thresholds_are_shares_of_different_distances(own: str) -> None:
    (rule,) = parse_constitution(f"{HEAD}{RULE}thresholds = {{ {own} }}\n", "c.toml").rules
    assert rule.thresholds is not None
    assert rule.thresholds.unsatisfied >= rule.thresholds.satisfied


def test_lines_are_kept() -> None:
    constitution = parse_constitution(FULL, "c.toml")
    assert constitution.thresholds.line == 10
    assert [rule.line for rule in constitution.rules] == [15, 30]
    assert [statement.line for statement in constitution.rules[0].statements] == [21, 21, 23, 24, 27]


def test_the_least_that_is_needed() -> None:
    assert parse_constitution(HEAD + RULE, "c.toml") == Constitution("n", "1", (Rule("r", "T."),))
    assert parse_constitution(HEAD + RULE, "c.toml").thresholds.line is None


@pytest.mark.parametrize(
    "rules",
    [
        'rules = [{ id = "r", text = "T.", preconditions = [{ any = ["A."] }, { ask = "B." }] }]',
        'rules = [\n  { "id" = "r", text = "T.",\npreconditions = ["A.", "B."] },\n]',
        '[[rules]]\nid = "r"\ntext = "T."\n[[rules.preconditions]]\nask = "A."\n[[rules.preconditions]]\nany = ["B."]',
        "[[ 'rules' ]]\n\"\\u0069d\" = 'r'\ntext = '''\nT.'''\npreconditions = [\"\"\"\\\n  A.\"\"\", 'B.']",
    ],
)
def test_any_spelling_of_toml_will_do(rules: str) -> None:
    chain = (Precondition((Statement("A."),)), Precondition((Statement("B."),)))
    assert parse_constitution(HEAD + rules, "c.toml").rules == (Rule("r", "T.", preconditions=chain),)


def test_tomlkit_can_rewrite_it() -> None:
    document = tomlkit.parse(FULL)
    assert parse_constitution(tomlkit.dumps(document), "c.toml") == parse_constitution(FULL, "c.toml")
    document["rules"][0]["severity"] = "low"
    changed = tomlkit.dumps(document)
    assert "# what burns" in changed
    assert parse_constitution(changed, "c.toml").rules[0].severity is Severity.LOW


# One mistake each, in lines that follow the three of `HEAD` or begin the file themselves, and what must be said of it.
MISTAKES = [
    # TOML itself
    (RULE + "text = ", "7: not TOML at column 8: invalid value; correct"),
    (RULE + 'text = "U."\nenabled = true', "7: not TOML at column 12: cannot overwrite a value; correct"),
    ("[[rules]\n" + RULE, "4: not TOML at column"),
    (RULE + 'unless = ["A"\n "B"]', "8: not TOML at column 2: unclosed array; correct"),
    ("x = " + "[" * 2000, " nested too deeply or a number too long; write"),
    ("x = " + "{a = " * 300 + "1" + "}" * 300, " nested more than 200 deep; write it more simply"),
    ("rules = " + "[" * 300 + "]" * 300, " nested more than 200 deep; write it more simply"),
    (RULE + "x = " + "{a = " * 195 + "1" + "}" * 195, "7: unknown key 'x' in rule 'r'; valid keys"),
    ("x = " + "9" * 5000, "4: a number too long; write"),
    ("schema = 0x" + "f" * 5000, "1: a number too long; write"),
    ("schema = 1\nname = { a." + "b." * 200_000 + "c = 1 }", "2: more than 100 dots; write"),
    # unknown keys
    ("authors = 1\n" + RULE, "4: unknown key 'authors' in the file; valid keys are schema, name, version, desc"),
    ('Description = ""\n' + RULE, "4: unknown key 'Description' in the file; did you mean 'description'?"),
    ('license = ""\n' + RULE, "4: unknown key 'license' in the file; did you mean 'licence'?"),
    ("[tresholds]\nx = 1\n" + RULE, "4: unknown key 'tresholds' in the file; did you mean 'thresholds'?"),
    ("[thresholds]\n\nsatisfide = 1\n" + RULE, "6: unknown key 'satisfide' in [thresholds]; did you mean 'satisfied'"),
    ("thresholds.beta = 1\n" + RULE, "4: unknown key 'beta' in [thresholds]; valid keys are unsatisfied, satisfied, c"),
    (RULE + 'catgory = "a"', "7: unknown key 'catgory' in rule 'r'; did you mean 'category'?"),
    (RULE + "zzz = 1", "7: unknown key 'zzz' in rule 'r'; valid keys are id, category, severity, text, precond"),
    (RULE + "\n[rules.notes]\nx = 1", "8: unknown key 'notes' in rule 'r'; valid keys"),
    (RULE + 'preconditions = [\n  "A.",\n  { ask = "B.",  object = ["b"] },\n]', "9: unknown key 'object' in precond"),
    (
        RULE + 'preconditions = [{ aks = "A." }]',
        "7: unknown key 'aks' in precondition 1 of rule 'r'; did you mean 'ask'?",
    ),
    (
        RULE + 'preconditions = [{ anyy = ["A."] }]',
        "7: unknown key 'anyy' in precondition 1 of rule 'r'; did you mean 'any'",
    ),
    (RULE + 'preconditions = [{ any = ["A."], zzz = 1 }]', "7: unknown key 'zzz' in precondition 1 of rule 'r'; valid"),
    (
        RULE + 'unless = ["A.",\n\n{ ask = "B.", or = 1 }]',
        "9: unknown key 'or' in exception 2 of rule 'r'; valid keys are a",
    ),
    # wrong types
    (
        'schema = "1"\nname = "n"\nversion = "1"\n' + RULE,
        "1: 'schema' in the file must be a whole number, not a string; write schema = 1",
    ),
    (
        'schema = true\nname = "n"\nversion = "1"\n' + RULE,
        "1: 'schema' in the file must be a whole number, not true or false",
    ),
    (
        'schema = 1\nname = 3\nversion = "1"\n' + RULE,
        "2: 'name' in the file must be a string, not a whole number; write name = ",
    ),
    (
        'schema = 1\nname = "n"\nversion = 1.0\n' + RULE,
        "3: 'version' in the file must be a string, not a number; write version = \"1.0\"",
    ),
    ("description = 2026-01-01\n" + RULE, "4: 'description' in the file must be a string, not a date or time; write"),
    ('source = ["x"]\n' + RULE, "4: 'source' in the file must be a string, not a list; write"),
    ("licence = {}\n" + RULE, "4: 'licence' in the file must be a string, not a table; write"),
    ("thresholds = 0.5\n" + RULE, "4: 'thresholds' in the file must be a table, not a number; write [thresholds]"),
    (
        '[thresholds]\ncentric = "0.6"\n' + RULE,
        "5: 'centric' in [thresholds] must be a number, not a string; write centric = 0.6",
    ),
    (
        "[thresholds]\ncentric = true\n" + RULE,
        "5: 'centric' in [thresholds] must be a number, not true or false; write",
    ),
    ('rules = "none"', "4: 'rules' in the file must be a list, not a string; write [[rules]] above each rule"),
    (
        "[rules.knife]\n" + 'text = "T."',
        "4: 'rules' in the file must be a list, not a table; write [[rules]] above each rule",
    ),
    ('rules = [\n"no knives",\n]', "5: rule 1 must be a table, not a string; write [[rules]] above each rule"),
    ('[[rules]]\nid = 7\ntext = "T."', "5: 'id' in rule 1 must be a string, not a whole number; write id = "),
    ('[[rules]]\nid = "r"\ntext = ["T."]', "6: 'text' in rule 'r' must be a string, not a list; write text = "),
    (RULE + "category = 1", "7: 'category' in rule 'r' must be a string, not a whole number; write category = "),
    (
        RULE + "severity = 3",
        "7: 'severity' in rule 'r' must be a string, not a whole number; write severity = \"low\", \"medium\" or",
    ),
    (RULE + 'enabled = "no"', "7: 'enabled' in rule 'r' must be true or false, not a string; write enabled = true or"),
    (
        RULE + 'preconditions = "A."',
        "7: 'preconditions' in rule 'r' must be a list, not a string; write preconditions = [",
    ),
    (RULE + 'unless = "A."', "7: 'unless' in rule 'r' must be a list, not a string; write unless = ["),
    (
        RULE + 'preconditions = [\n"A.",\n\n3]',
        "10: precondition 2 of rule 'r' must be a statement, not a whole number; write a str",
    ),
    (
        RULE + 'preconditions = [["A."]]',
        "7: precondition 1 of rule 'r' must be a statement, not a list; write a string or",
    ),
    (
        RULE + 'preconditions = [{ any = "A." }]',
        "7: 'any' in precondition 1 of rule 'r' must be a list, not a string; write { any",
    ),
    (
        RULE + "preconditions = [{ any = [\n1] }]",
        "8: alternative 1 of precondition 1 of rule 'r' must be a statement, not a whole",
    ),
    (
        RULE + "preconditions = [{ ask = 1 }]",
        "7: 'ask' in precondition 1 of rule 'r' must be a string, not a whole number; wr",
    ),
    (
        RULE + 'preconditions = [{ ask = "A.", objects = "a" }]',
        "7: 'objects' in precondition 1 of rule 'r' must be a list, not a str",
    ),
    (
        RULE + 'preconditions = [{ ask = "A.", objects = ["a",\n1] }]',
        "8: object 2 of precondition 1 of rule 'r' must be a string, not a whole number; put it between quotes",
    ),
    (RULE + "unless = [true]", "7: exception 1 of rule 'r' must be a statement, not true or false; write"),
    # missing
    ('name = "n"\nversion = "1"\n' + RULE, "1: the file has no 'schema'; write schema = 1"),
    ('schema = 1\nversion = "1"\n' + RULE, "1: the file has no 'name'; write name = "),
    ('schema = 1\nname = "n"\n' + RULE, "1: the file has no 'version'; write version = "),
    ("", "1: the file has no 'rules'; write [[rules]] above each rule"),
    (RULE + '[[rules]]\ntext = "T."', "7: rule 2 has no 'id'; write id = "),
    (RULE + '[[rules]]\nid = "s"', "7: rule 's' has no 'text'; write text = "),
    (RULE + 'preconditions = [\n{ objects = ["a"] }]', "8: precondition 1 of rule 'r' has no 'ask'; write ask = "),
    (RULE + "preconditions = [{}]", "7: precondition 1 of rule 'r' has no 'ask'; write ask = "),
    # empty
    ("rules = []", "4: 'rules' in the file is empty; write [[rules]] above each rule"),
    (
        RULE + "preconditions = []",
        "7: 'preconditions' in rule 'r' is empty; write preconditions = [\"A person is visible.\"], or leave it out",
    ),
    (RULE + "unless = []", "7: 'unless' in rule 'r' is empty; write unless = "),
    (RULE + 'preconditions = ["A.", { any = [] }]', "7: 'any' in precondition 2 of rule 'r' is empty; write { any = "),
    (
        RULE + 'preconditions = [{ ask = "A.", objects = [] }]',
        "7: 'objects' in precondition 1 of rule 'r' is empty; write obj",
    ),
    (RULE + 'preconditions = [\n  "A.",\n  " "]', "9: precondition 2 of rule 'r' is empty; write what it should say"),
    (
        RULE + 'preconditions = [{ any = ["A.", ""] }]',
        "7: alternative 2 of precondition 1 of rule 'r' is empty; write what",
    ),
    (RULE + 'preconditions = [{ ask = "" }]', "7: 'ask' in precondition 1 of rule 'r' is empty; write what"),
    (
        RULE + 'preconditions = [{ ask = "A.", objects = [""] }]',
        "7: object 1 of precondition 1 of rule 'r' is empty; write",
    ),
    ('[[rules]]\nid = "r"\ntext = ""', "6: 'text' in rule 'r' is empty; write what it should say"),
    ('schema = 1\nname = "n"\nversion = ""\n' + RULE, "3: 'version' in the file is empty; write what it should say"),
    # values
    ("schema = 2\nnames = 3\n", "1: schema 2 is not one that this version reads; write schema = 1"),
    (
        'schema = 1\nname = "my rules"\nversion = "1"\n' + RULE,
        "2: 'name' in the file is 'my rules'; write 1 to 64 of a-z, A-Z, 0-9, '-' and '_', ",
    ),
    ('[[rules]]\nid = "no knives!"\ntext = "T."', "5: 'id' in rule 1 is 'no knives!'; write 1 to 64 of a-z"),
    (
        '[[rules]]\nid = "-r"\ntext = "T."',
        "5: 'id' in rule 1 is '-r'; write 1 to 64 of a-z, A-Z, 0-9, '-' and '_', beginning with a letter or digit",
    ),
    ('[[rules]]\nid = "r\\n"\ntext = "T."', "5: 'id' in rule 1 is 'r\\n'; write 1 to 64"),
    ('[[rules]]\nid = "' + "r" * 65 + '"\ntext = "T."', f"5: 'id' in rule 1 is '{'r' * 37}...'; write 1 to 64"),
    (RULE + 'category = ""', "7: 'category' in rule 'r' is ''; write 1 to 64"),
    (RULE + 'severity = "hihg"', "7: unknown severity 'hihg' in rule 'r'; did you mean 'high'?"),
    (RULE + 'severity = "HIGH"', "7: unknown severity 'HIGH' in rule 'r'; did you mean 'high'?"),
    (
        RULE + 'severity = "zzz"',
        '7: unknown severity \'zzz\' in rule \'r\'; write severity = "low", "medium" or "high"',
    ),
    (RULE + "\n" + RULE, "9: rule id 'r' is taken by the rule on line 4; write an id of its own"),
    (RULE + '[[rules]]\ntext = "T."\nid = "R"', "9: rule id 'R' is taken by the rule on line 4; write"),
    (
        RULE + 'category = "gore"\n[[rules]]\nid = "s"\ntext = "T."\ncategory = "Gore"',
        "11: category 'Gore' differs only in case from 'gore' on line 7; spell both alike",
    ),
    (
        RULE + 'category = "gore"\n[[rules]]\ntext = "T."\nid = "Gore"',
        "10: rule id 'Gore' differs only in case from 'gore' on line 7; spell both alike",
    ),
    (RULE + 'category = "R"', "7: category 'R' differs only in case from 'r' on line 5; spell both alike"),
    (
        "[thresholds]\ncentric = 0\n" + RULE,
        "5: 'centric' in [thresholds] is 0; write a number between 0 and 1, such as centric = 0.6",
    ),
    ("[thresholds]\nsatisfied = 1.0\n" + RULE, "5: 'satisfied' in [thresholds] is 1.0; write a number between 0 and 1"),
    ("[thresholds]\nunsatisfied = -0.1\n" + RULE, "5: 'unsatisfied' in [thresholds] is -0.1; write a number"),
    ("[thresholds]\nunsatisfied = nan\n" + RULE, "5: 'unsatisfied' in [thresholds] is nan; write a number"),
    (
        RULE + "thresholds = { satisfied = 1.2 }\n",
        "7: 'satisfied' in the thresholds of rule 'r' is 1.2; write a number between 0 and 1, such as satisfied = 0.8",
    ),
    (
        RULE + "[rules.thresholds]\ncentric = 0.5\nsatified = 0.7\n",
        "9: unknown key 'satified' in the thresholds of rule 'r'; did you mean 'satisfied'?",
    ),
    (RULE + "thresholds = 0.5\n", "7: 'thresholds' in rule 'r' must be a table, not a number; write [thresholds]"),
    (
        RULE + 'preconditions = [{ any = ["A."],\n ask = "B." }]',
        "8: 'ask' beside 'any' in precondition 1 of rule 'r'; write { any",
    ),
    (
        RULE + 'preconditions = [{ any = ["A."], objects = ["b"] }]',
        "7: 'objects' beside 'any' in precondition 1 of rule 'r'; wr",
    ),
    (
        RULE + 'preconditions = [{ any = ["A.",\n{ any = ["B."] }] }]',
        "8: 'any' in alternative 2 of precondition 1 of rule 'r'; write its statements one after another",
    ),
    (
        RULE + 'unless = [{ any = ["B."] }]',
        "7: 'any' in exception 1 of rule 'r'; write its statements one after another",
    ),
    # words that cannot be sent
    (
        RULE + 'preconditions = ["""A.\nB."""]',
        "7: precondition 1 of rule 'r' holds the control character '\\n'; write it as one plain line",
    ),
    (RULE + 'unless = ["A\\u001b[0m."]', "7: exception 1 of rule 'r' holds the control character '\\x1b'; write"),
    (RULE + 'unless = ["A\\u2028B."]', "7: exception 1 of rule 'r' holds the control character '\\u2028'; write"),
    ('[[rules]]\nid = "r"\ntext = "a\\tb"', "6: 'text' in rule 'r' holds the control character '\\t'; write"),
    ('description = "a\\u0007"\n' + RULE, "4: 'description' in the file holds the control character '\\x07'; write"),
    # words that a reader cannot tell from others
    (
        RULE + 'preconditions = ["A he\u00adart is visible."]',
        "7: precondition 1 of rule 'r' holds the character '\\xad' (SOFT HYPHEN); leave it out",
    ),
    (
        RULE + 'preconditions = [{ any = ["A.", "A per\\u200bson is visible."] }]',
        "7: alternative 2 of precondition 1 of rule 'r' holds the character '\\u200b' (ZERO WIDTH SPACE); leave it out",
    ),
    (
        RULE + 'unless = ["A\u00a0heart is visible."]',
        "7: exception 1 of rule 'r' holds the character '\\xa0' (NO-BREAK SPACE); write a plain space",
    ),
    (
        RULE + 'unless = ["A heart is visible.\u202f"]',
        "7: exception 1 of rule 'r' holds the character '\\u202f' (NARROW NO-BREAK SPACE); write a plain space",
    ),
    (
        RULE + 'preconditions = [{ ask = "A.", objects = ["he\u200dart"] }]',
        "7: object 1 of precondition 1 of rule 'r' holds the character '\\u200d' (ZERO WIDTH JOINER); leave it out",
    ),
    (
        '[[rules]]\nid = "r"\ntext = "No\u3000hearts."',
        "6: 'text' in rule 'r' holds the character '\\u3000' (IDEOGRAPHIC SPACE); write a plain space",
    ),
    # too much
    (
        RULE + f'unless = ["{"a" * (MAX_STATEMENT + 1)}"]',
        "7: exception 1 of rule 'r' is 301 characters long; write at most 300",
    ),
    (
        f'[[rules]]\nid = "r"\ntext = "{"a" * (MAX_TEXT + 1)}"',
        "6: 'text' in rule 'r' is 2,001 characters long; write at most 2,000",
    ),
    (f'source = "{"a" * (MAX_TEXT + 1)}"\n' + RULE, "4: 'source' in the file is 2,001 characters long; write at most"),
    (
        RULE + f'preconditions = [{{ ask = "A.", objects = ["{"a" * 65}"] }}]',
        "7: object 1 of precondition 1 of rule 'r' is 65 characters",
    ),
    (RULE + f"unless = {['A.'] * (MAX_ITEMS + 1)}", "7: 'unless' in rule 'r' has 33 items; write at most 32"),
    (
        RULE + f"preconditions = {['A.'] * (MAX_ITEMS + 1)}",
        "7: 'preconditions' in rule 'r' has 33 items; write at most 32",
    ),
    (
        RULE + f"preconditions = [{{ any = {['A.'] * (MAX_ITEMS + 1)} }}]",
        "7: 'any' in precondition 1 of rule 'r' has 33 items",
    ),
    (
        RULE + f"unless = [{{ ask = 'A.', objects = {['a'] * (MAX_OBJECTS + 1)} }}]",
        "7: 'objects' in exception 1 of rule 'r' has 9 items",
    ),
    ("[[rules]]\n" * (MAX_RULES + 1), "4: 'rules' in the file has 501 items; write at most 500"),
]


@pytest.mark.parametrize(("text", "complaint"), MISTAKES, ids=[complaint[:70] for _, complaint in MISTAKES])
def test_each_mistake_has_its_complaint_and_no_other(text: str, complaint: str) -> None:
    said = complaints(text if text.startswith(("schema", "name")) else HEAD + text)
    assert len(said) == 1, said
    assert said[0].startswith(complaint)
    assert "; " in said[0]
    assert len(said[0]) < 250


def test_what_shapes_letters_and_emoji_may_stand_in_statements_and_spaces_of_print_in_what_people_read() -> None:
    asks = [
        "\u0622\u062f\u0645\u200c\u0647\u0627 \u0647\u0633\u062a\u0646\u062f.",
        "The emoji \u2764\ufe0f\u200d\U0001f525 is visible.",
    ]
    prose = "R\u00e8gles\u202f: pas d'hor\u00adreur"
    text = f'{HEAD}description = "{prose}"\n{RULE}preconditions = ["{asks[0]}", "{asks[1]}"]'
    constitution = parse_constitution(text, "c.toml")
    assert [statement.ask for statement in constitution.rules[0].statements] == asks
    assert constitution.description == prose


def test_one_category_may_be_called_like_a_rule_and_shared() -> None:
    rules = RULE + 'category = "r"\n[[rules]]\nid = "s"\ntext = "T."\ncategory = "r"'
    assert [rule.category for rule in parse_constitution(HEAD + rules, "c.toml").rules] == ["r", "r"]


def test_too_many_statements() -> None:
    chain = f"preconditions = {['A.'] * MAX_ITEMS}\nunless = {['A.'] * MAX_ITEMS}\n"
    count = MAX_STATEMENTS // MAX_ITEMS // 2 + 1
    text = HEAD + "".join(f'[[rules]]\nid = "r{number}"\ntext = "T."\n{chain}' for number in range(count))
    assert complaints(text) == ["4: more than 5,000 statements; split the file into several constitutions"]


def test_all_mistakes_are_told_at_once_in_order_of_the_file() -> None:
    said = complaints(
        'nmae = "n"\n'
        "version = 2\n"
        "[thresholds]\n"
        "centric = 7\n"
        "[[rules]]\n"
        'id = "a b"\n'
        "preconditions = [\n"
        '  { ask = "", objects = [] },\n'
        "  4,\n"
        "]\n"
        "[[rules]]\n"
        'severity = "zzz"\n'
    )
    assert [line.split(":")[0] for line in said] == ["1", "1", "2", "4", "5", "6", "8", "8", "9", "11", "11", "12"]


snippets = st.sampled_from(
    [
        "",
        "\n",
        '"',
        "'",
        '"""',
        "[",
        "]",
        "[[rules]]",
        "{",
        "}",
        "=",
        ",",
        ".",
        "#",
        "\\",
        "7",
        "nan",
        "id",
        "any",
        "x = {}",
        "\x00",
    ]
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(FULL)), st.integers(0, 12), snippets), min_size=1, max_size=3))
def test_a_damaged_file_is_read_or_complained_of_with_lines_that_exist(edits: list[tuple[int, int, str]]) -> None:
    text = FULL
    for start, length, instead in edits:
        text = text[:start] + instead + text[start + length :]
    try:
        parse_constitution(text, "c.toml")
    except ConstitutionError as error:
        for line in error.message.split("\n"):
            number = re.match(r"c\.toml:([0-9]+): .+; .+", line)
            assert number, line
            assert 1 <= int(number[1]) <= text.count("\n") + 1


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_load(tmp_path: Path, newline: str) -> None:
    file = tmp_path / "c.toml"
    file.write_bytes(b"\xef\xbb\xbf" + FULL.replace("\n", newline).encode())
    assert load_constitution(file) == parse_constitution(FULL, "c.toml")


def test_load_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(HEAD)
    with pytest.raises(ConstitutionError) as caught:
        load_constitution(file)
    assert caught.value.message.startswith(f"{file}:1: the file has no 'rules'; ")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'schema = 1\nname = "\xff"\n', ":2: byte 0xff is not UTF-8; save the file as UTF-8"),
        (FULL.encode("utf-16"), ":1: byte 0xff is not UTF-8; save"),
        (b"#" * (MAX_BYTES + 1), ": larger than 1,000,000 bytes; split it"),
    ],
)
def test_files_that_cannot_be_text(tmp_path: Path, data: bytes, message: str) -> None:
    file = tmp_path / "c.toml"
    file.write_bytes(data)
    with pytest.raises(ConstitutionError) as caught:
        load_constitution(file)
    assert caught.value.message.startswith(f"{file}{message}")


def test_unknown_keys_without_number_are_told_at_once() -> None:
    """Looking for the name that each may stand for took ten seconds."""
    started = time.process_time()
    with pytest.raises(ConstitutionError) as caught:
        parse_constitution(HEAD + "".join(f"nam{number} = 1\n" for number in range(60_000)), "c.toml")
    assert time.process_time() - started < 5
    told = caught.value.message.splitlines()
    assert told[1].endswith("unknown key 'nam0' in the file; did you mean 'name'?")
    assert (told[-1], len(told)) == ("c.toml: and 59,901 more mistakes", 101)


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    for path, problem in [(tmp_path, "a folder, not a TOML file"), (tmp_path / "c.toml", "no such file")]:
        with pytest.raises(ConstitutionError) as caught:
            load_constitution(path)
        assert caught.value.message == f"{path}: {problem}"
        assert caught.value.hint


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(ConstitutionError, match="cannot be read: File name too long"):
        load_constitution(tmp_path / ("a" * 300 + ".toml"))


def test_paths_are_shown_printable() -> None:
    assert printable(Path("a/\u00e9 b.toml")) == "a/\u00e9 b.toml"
    assert printable(Path(os.fsdecode(b"a\n\x1b\xff.toml"))) == "a\\n\\x1b\\udcff.toml"
