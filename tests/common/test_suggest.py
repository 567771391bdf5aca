"""What a misspelt name probably stands for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import imagejudge
from imagejudge.common.suggest import closest, did_you_mean

PACKAGE = Path(imagejudge.__file__).parent


@pytest.mark.parametrize(
    ("name", "meant"),
    [("knif", "knife"), ("KNIFE", "knife"), ("weapon", "Weapons"), ("weapons", "Weapons"), ("x", None)],
)
def test_the_closest_name_keeps_its_case(name: str, meant: str | None) -> None:
    assert closest(name, ["knife", "Weapons"]) == meant


def test_a_hint_or_what_was_given_instead() -> None:
    assert did_you_mean("knif", ["knife"], "there is: knife") == "did you mean 'knife'?"
    assert did_you_mean("x", ["knife"], "there is: knife") == "there is: knife"
    assert did_you_mean("x", []) == ""


def test_no_other_module_words_that_hint() -> None:
    wording = re.compile(r"get_close_matches|f\".*did you mean")
    assert [path.name for path in PACKAGE.rglob("*.py") if wording.search(path.read_text("utf-8"))] == ["suggest.py"]
