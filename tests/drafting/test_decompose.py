from __future__ import annotations

import json
from typing import Any

import pytest

from imagejudge.constitution import Precondition, Rule, Statement
from imagejudge.drafting import DraftRejected, decompose
from imagejudge.drafting.prompts import MOST_ALTERNATIVES, MOST_ITEMS, MOST_OBJECTS
from imagejudge.drafting.prompts import decompose as task
from imagejudge.engine.scripted import Scripted

RULE = Rule("r", "Should not show a person or an animal on fire.", unless=(Statement("A helmet is visible."),))
PERSON, ANIMAL = {"ask": "A person is visible.", "objects": ["person"]}, {"ask": "An animal is visible.", "objects": []}
FIRE = {"ask": " Flames touch a body. ", "objects": ["flames", " body"]}


def drafted(*chain: list[dict[str, Any]]) -> Scripted:
    return saying(json.dumps({"preconditions": chain}))


def saying(text: str) -> Scripted:
    return Scripted(lambda picture, question: 0.5, write_text=lambda prompt: text)


def test_a_chain_is_an_and_of_ors_with_objects() -> None:
    rule = decompose(drafted([PERSON, ANIMAL], [FIRE]), RULE).rule
    assert rule.preconditions == (
        Precondition((Statement("A person is visible.", ("person",)), Statement("An animal is visible."))),
        Precondition((Statement("Flames touch a body.", ("flames", "body")),)),
    )
    assert (rule.id, rule.text, rule.unless) == (RULE.id, RULE.text, RULE.unless)


def test_flaws_that_were_there_before_are_not_the_model_s() -> None:
    rule = Rule("r", RULE.text, unless=(Statement("is it not scary and bad"),))
    assert decompose(drafted([PERSON]), rule).rule.preconditions == (
        Precondition((Statement(PERSON["ask"], ("person",)),)),
    )


@pytest.mark.parametrize(
    ("ask", "objects", "words"),
    [
        ("A scary person is visible.", [], "'scary' is a matter of opinion"),
        ("No person is visible.", [], "'no' denies"),
        ("A person and a dog are visible.", [], "'and' joins two claims"),
        ("A person or a dog is visible.", [], "'or' joins two claims"),
        ("Is a person visible?", [], "a question"),
        ("A person is visible", [], "no full stop"),
        ("A person is " + "very " * 20 + "visible.", [], "24 words"),
        ("A person is visible.", ["casket"], "'casket' is in no statement"),
        ("A helmet is visible.", [], "can never be violated"),
    ],
)
def test_what_the_linter_refuses(ask: str, objects: list[str], words: str) -> None:
    with pytest.raises(DraftRejected, match=words):
        decompose(drafted([{"ask": ask, "objects": objects}]), RULE)


def test_only_the_first_complaint_is_told_whole() -> None:
    with pytest.raises(DraftRejected, match=r"^'No bad person': .* \(and 2 more\)$"):
        decompose(drafted([{"ask": "No bad person", "objects": []}]), RULE)


@pytest.mark.parametrize("chain", [([PERSON], [PERSON]), ([PERSON, ANIMAL], [FIRE], [PERSON, ANIMAL])])
def test_what_is_said_twice(chain: list[Any]) -> None:
    with pytest.raises(DraftRejected, match=r"same precondition twice: 'A person is visible\.'"):
        decompose(drafted(*chain), RULE)


def test_what_was_copied_from_the_prompt() -> None:
    copied = {"ask": "A violin is visible.", "objects": ["violin"]}
    with pytest.raises(DraftRejected, match=r"copied 'A violin is visible\.'"):
        decompose(drafted([PERSON], [copied]), RULE)
    assert decompose(drafted([copied]), Rule("v", "No violins.")).rule.preconditions
    with pytest.raises(DraftRejected, match="an example of its prompt"):
        decompose(saying(task("No violins.").examples[0]), Rule("v", "No lighthouses, no windmills."))


STATEMENT = '{"ask": "A person is visible.", "objects": ["person"]}'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing"),
        ("1. A person is visible.", "Invalid JSON"),
        (f'{{"preconditions": [[{STATEMENT}], [{{"ask": "Fla', "EOF"),
        ('{"preconditions": []}', "preconditions: .*at least 1"),
        ('{"preconditions": [[]]}', "preconditions.0: .*at least 1"),
        ('{"preconditions": ["A person is visible."]}', r"preconditions\.0: .*array"),
        ('{"preconditions": [[{"ask": "A.", "objects": "person"}]]}', "objects: .*array"),
        ('{"preconditions": [[{"ask": "A.", "objects": [""]}]]}', "objects.0: .*at least 1"),
        ('{"preconditions": [[{"ask": " ", "objects": []}]]}', "ask: .*at least 1"),
        ('{"preconditions": [[{"ask": "A\\u0000.", "objects": []}]]}', "ask: .*control character"),
        ('{"preconditions": [[{"objects": []}]]}', "ask: Field required"),
        (f'{{"preconditions": [[{", ".join([STATEMENT] * (MOST_ALTERNATIVES + 1))}]]}}', "at most"),
        (f'{{"preconditions": [{", ".join([f"[{STATEMENT}]"] * (MOST_ITEMS + 1))}]}}', "at most"),
        (
            f'{{"preconditions": [[{{"ask": "A.", "objects": {["a"] * (MOST_OBJECTS + 1)}}}]]}}'.replace("'", '"'),
            "most",
        ),
    ],
)
def test_chains_that_cannot_be_read(text: str, words: str) -> None:
    with pytest.raises(DraftRejected, match=words) as error:
        decompose(saying(text), RULE)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500
