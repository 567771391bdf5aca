"""New thresholds leave everything else in a constitution's text alone."""

from __future__ import annotations

import difflib
from dataclasses import replace

import pytest

from imagejudge.constitution import Thresholds, parse_constitution, shipped_constitutions
from imagejudge.errors import OutputError
from imagejudge.evaluate.rewrite import with_thresholds

HEAD = 'schema = 1\nname = "a"\nversion = "1"\n\n# about\n'
RULES = '\n# rule x\n[[rules]]  # r\nid = "x"\ntext = "X."\npreconditions = ["An X is visible."]  # why\n'
NEW = Thresholds(0.2, 0.5, 0.4)
REMARK = ", today: recall"


def changes(old: str, new: str) -> tuple[list[str], list[str]]:
    """What went and what came, line by line."""
    lines = list(difflib.ndiff(old.splitlines(), new.splitlines()))
    gone, came = ([line[2:] for line in lines if line.startswith(sign)] for sign in ("- ", "+ "))
    return gone, came


@pytest.mark.parametrize(
    ("table", "gone", "came"),
    [
        ("[thresholds]  # mine\nsatisfied = 0.8  # paper\n# more\nunsatisfied=0.3\ncentric = 0.4\n", 2, 2),
        ("[thresholds]  # mine\nsatisfied = 0.8  # paper\n# more\n", 1, 3),
        ("[thresholds]\n", 0, 3),
        ("thresholds.satisfied = 0.8  # paper\n", 1, 3),
        ("thresholds = { satisfied = 0.8 }  # paper\n", 1, 1),
        ("", 0, 5),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_rest_stays(table: str, gone: int, came: int, end: str) -> None:
    old = (HEAD + table + RULES).replace("\n", end)
    new = with_thresholds(old, NEW, REMARK)
    assert parse_constitution(new, "").thresholds == NEW
    went, added = changes(old, new)
    assert (len(went), len(added)) == (gone, came), new
    assert "# rule x\n[[rules]]  # r\n" in new.replace("\r\n", "\n")
    assert new.count("\n") == new.count(end)
    assert "imagejudge calibrate, today: recall" in new
    assert new.count("paper") == old.count("paper")
    assert not new.replace("\r\n", "\n").partition("# rule x")[2].count("calibrate")


def test_rules_in_one_list_are_followed_by_the_table() -> None:
    old = HEAD + 'rules = [{ id = "x", text = "X." }]'
    new = with_thresholds(old, NEW, REMARK)
    assert new.startswith(old)
    assert parse_constitution(new, "").thresholds == NEW


SECOND = '# rule y\n[[rules]]\nid = "y"  # the y\ntext = "Y."\n'


@pytest.mark.parametrize(
    ("table", "gone", "came"),
    [
        ("", 0, 1),
        ("thresholds = { satisfied = 0.8 }  # paper\n", 1, 1),
        ("thresholds.satisfied = 0.8  # paper\n", 1, 3),
        ("[rules.thresholds]  # mine\nsatisfied = 0.8  # paper\n# more\n", 1, 3),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_rest_stays_around_those_of_a_rule(table: str, gone: int, came: int, end: str) -> None:
    old = (HEAD + RULES + SECOND + table + RULES.replace('"x"', '"z"')).replace("\n", end)
    new = with_thresholds(old, NEW, REMARK, "y")
    before, after = parse_constitution(old, ""), parse_constitution(new, "")
    assert after == replace(before, rules=tuple(replace(r, thresholds=NEW) if r.id == "y" else r for r in before.rules))
    went, added = changes(old, new)
    assert (len(went), len(added)) == (gone, came), new
    assert new.count("\n") == new.count(end)
    assert new.count("paper") == old.count("paper")
    assert with_thresholds(new, NEW, ", again", "y") == new


def test_what_a_rule_leaves_out_is_spelled_out_before_those_of_all_change() -> None:
    old = HEAD + RULES + "thresholds = { satisfied = 0.7 }\n"
    own = parse_constitution(old, "").rules[0].thresholds
    assert own is not None
    spelled = with_thresholds(old, own, REMARK, "x")
    assert parse_constitution(spelled, "").digest == parse_constitution(old, "").digest
    assert parse_constitution(with_thresholds(spelled, NEW, REMARK), "").rules[0].thresholds == own
    with pytest.raises(OutputError, match="cannot be changed here"):
        with_thresholds(old, NEW, REMARK)


def test_rules_in_one_list_have_no_room_for_those_of_one() -> None:
    with pytest.raises(OutputError, match="no room for a comment"):
        with_thresholds(HEAD + 'rules = [{ id = "x", text = "X." }]', NEW, REMARK, "x")


@pytest.mark.parametrize(
    "other",
    [
        "# limits\n[thresholds]\nsatisfied = 0.8\n" + SECOND,  # between two rules
        SECOND.replace("[[rules]]", '[["rules"]]') + "[thresholds]\nsatisfied = 0.8\n",
        f"{SECOND}enabled = false\nthresholds = {{ centric = 0.5 }}\n",  # which would be judged by others then
    ],
)
def test_a_text_of_which_more_would_change_is_refused(other: str) -> None:
    old = HEAD + RULES + "thresholds = { unsatisfied = 0.3, satisfied = 0.8, centric = 0.6 }\n" + other
    rule = "" if "enabled" in other else "x"
    with pytest.raises(OutputError, match="cannot be changed here"):
        with_thresholds(old, NEW, REMARK, rule)


def test_earlier_remarks_are_replaced() -> None:
    once = with_thresholds(HEAD + "[thresholds]\nsatisfied = 0.8  # paper\n" + RULES, NEW, ", once")
    twice = with_thresholds(once, Thresholds(0.1, 0.6, 0.2), ", twice")
    assert (twice.count("once"), twice.count("twice"), twice.count("paper")) == (0, 3, 1)
    assert with_thresholds(twice, Thresholds(0.1, 0.6, 0.2), ", thrice") == twice


@pytest.mark.parametrize("path", shipped_constitutions(), ids=lambda path: path.stem)
def test_shipped_constitutions_can_be_changed(path: object) -> None:
    old = path.read_text("utf-8")  # type: ignore[attr-defined]
    new = with_thresholds(old, NEW, REMARK)
    assert parse_constitution(new, "").thresholds == NEW
    assert len(changes(old, new)[0]) <= 3
    last = parse_constitution(old, "").rules[-1].id
    assert parse_constitution(with_thresholds(old, NEW, REMARK, last), "").rules[-1].thresholds == NEW
