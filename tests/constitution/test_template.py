from __future__ import annotations

import pytest

from imagejudge.constitution import lint_constitution, parse_constitution
from imagejudge.constitution.file import _RULE, _STATEMENT
from imagejudge.constitution.template import template


def test_it_is_beyond_reproach() -> None:
    constitution = parse_constitution(template("mine"), "mine.toml")
    assert constitution.name == "mine"
    assert lint_constitution(constitution) == []


@pytest.mark.parametrize("name", ["my rules", "", "règles", "-x", 'a"\nb', "{name}"])
def test_what_cannot_be_a_name_is_replaced(name: str) -> None:
    assert parse_constitution(template(name), "file.toml").name == "my-rules"


@pytest.mark.parametrize("key", [*_RULE, *_STATEMENT, "any"])
def test_it_shows_every_key_of_a_rule(key: str) -> None:
    assert f"{key} = " in template("mine")


def test_its_lines_are_short() -> None:
    assert max(map(len, template("mine").splitlines())) <= 120
