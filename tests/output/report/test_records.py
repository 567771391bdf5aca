"""What a page holds of verdicts: all that it shows, what they have in common once, the worst first."""

from __future__ import annotations

import json
from typing import Any

import pytest
from page_verdicts import failed, step, verdict

from imagejudge.constitution import Severity, find_constitution, load_constitution, select_rules
from imagejudge.output.choice import Choice
from imagejudge.output.report import records as module
from imagejudge.output.report.records import OUTCOMES, STATUSES, STEP_STATUSES, WAYS, records
from imagejudge.verdict import By, Outcome, Region, RuleResult, RuleStatus, StepStatus

STICKERS = load_constitution(find_constitution("stickers"))


def paths(found: module.Records) -> list[str]:
    return [json.loads(row)[0] for row in found.rows]


def test_the_worst_come_first() -> None:
    given = [
        verdict("safe.png", 0.1),
        failed("error.png"),
        verdict("nearly.png", 0.25),
        verdict("unsure.png", 0.5),
        verdict("low.png", 0.99, violations=(violation("low"),)),
        verdict("high.png", 0.85),
        verdict("higher.png", 0.95),
        verdict("accepted.png", 0.97, violations=(violation("high", accepted=True),)),
    ]
    found = records(given)
    order = ["higher.png", "high.png", "low.png", "unsure.png", "error.png", "accepted.png", "nearly.png", "safe.png"]
    assert paths(found) == order
    assert found.overview.outcomes == {Outcome.UNSAFE: 4, Outcome.UNSURE: 1, Outcome.ERROR: 1, Outcome.SAFE: 2}
    assert [subject.path for subject in found.subjects] == order


def violation(severity: str, *, accepted: bool = False) -> Any:
    (one,) = verdict("x", 0.9).violations
    return one.model_copy(update={"severity": Severity(severity), "accepted": accepted})


def test_only_some_are_kept_and_all_are_counted() -> None:
    found = records([verdict("a", 0.9), verdict("b", 0.5), verdict("c", 0.1)], choice=Choice([Outcome.UNSURE]))
    assert (paths(found), found.left_out, sum(found.overview.outcomes.values())) == (["b"], 0, 3)


def test_of_too_many_the_worst_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    found = records(verdict(f"{number:02}", number / 20) for number in range(20))
    assert (paths(found), found.left_out) == (["19", "18", "17"], 17)


def test_a_row_tells_what_a_page_shows() -> None:
    steps = (
        step(0.91234, prior=0.25, centric=0.5, by=By.CENTRIC),
        step(0.5, "A fork is visible.", item=2, off_mass=0.95, status=StepStatus.UNSURE, by=None),
        step(0.2, "It is a toy.", item=None, by=By.REASONING, rationale="It is steel."),
        step(None, "It is a picture.", item=None),
    )
    region = Region(ask="A fork is visible.", left=0.12345, top=0, right=0.5, bottom=1)
    result = RuleResult(rule="knife", status=RuleStatus.UNSURE, steps=steps, accepted=True, regions=(region,))
    found = records([verdict("a", 0.5, rules=(result,), frame=3)])
    path, sha256, outcome, _, source, words, image, frame, rules = json.loads(found.rows[0])
    assert (path, len(sha256), OUTCOMES[outcome], frame) == ("a", 64, Outcome.UNSURE, 3)
    assert found.sources[source] == {"model": "m@1", "constitution": "c@1", "method": "clue"}
    assert words.startswith("knife: ")
    assert image == [64, 48, "PNG", 1]
    [[rule, status, told, accepted, regions]] = rules
    assert regions == [[1, 0.123, 0, 0.5, 1]]
    assert (found.rules[rule]["id"], STATUSES[status], accepted) == ("knife", RuleStatus.UNSURE, 1)
    satisfied, not_satisfied, unsure = map(
        STEP_STATUSES.index, (StepStatus.SATISFIED, StepStatus.NOT_SATISFIED, StepStatus.UNSURE)
    )
    assert told == [
        [satisfied, WAYS.index(By.CENTRIC), 0.912, 0.25, 0.5],
        [unsure, None, -1, 0.4],
        [not_satisfied, WAYS.index(By.REASONING), 0.2, 0.4, None, "It is steel."],
        0,
    ]
    assert found.rules[rule]["steps"][2] == ["It is a toy.", None]


@pytest.mark.parametrize(
    ("line", "rule", "place"),
    [
        ({"frame": 3}, {"frame": 3}, None),
        ({"frame": 3}, {"frame": 0}, "in frame 0"),
        ({"frame": 3}, {}, None),  # of a version in which all rules were of the line's frame
        ({"frame": 30, "time": 3}, {"frame": 30, "time": 3}, None),
        ({"frame": 30, "time": 3}, {"frame": 0, "time": 0}, "at 0:00"),
        ({"frame": 30, "time": 3}, {"time": 0}, "at 0:00"),
    ],
)
def test_no_region_is_shown_on_another_frame(line: dict[str, Any], rule: dict[str, Any], place: str | None) -> None:
    region = Region(ask="A knife is visible.", left=0, top=0, right=0.5, bottom=1)
    found = {"rule": "knife", "status": RuleStatus.VIOLATED, "steps": (step(0.9),), "regions": (region,)}
    (row,) = records([verdict("a", 0.9, rules=(RuleResult(**found, **rule),), **line)]).rows
    *_, [told] = json.loads(row)
    assert told[3:] == ([None, None, None, place] if place else [None, [[0, 0, 0, 0.5, 1]]])


def test_questions_stand_once_and_rows_are_a_tenth_of_lines() -> None:
    rules = tuple(
        RuleResult(rule=f"rule-{number}", status=RuleStatus.CLEAR, steps=(step(0.1), step(0.2, item=2), step(None)))
        for number in range(8)
    )
    given = [verdict(f"{number}.png", 0.1, rules=rules) for number in range(50)]
    found = records(given)
    assert len(found.rules) == 8
    rows = sum(map(len, found.rows))
    assert rows * 8 < sum(len(each.model_dump_json()) for each in given)


def test_a_constitution_that_is_the_one_judged_by_explains_the_rules() -> None:
    chosen = select_rules(STICKERS, ["gambling"])
    by = verdict("a", 0.9, rule="gambling", constitution=chosen.label)
    (rule,) = records([by], constitutions=[STICKERS]).rules
    assert (rule["text"], rule["cuts"]) == (chosen.rules[0].text, [0.3, 0.8])
    assert rule["category"] == chosen.rules[0].category


@pytest.mark.parametrize("label", ["stickers@000000000000", STICKERS.label])
def test_any_other_constitution_does_not(label: str) -> None:
    """Nor the same one, where the line is about one rule of it and says that it was judged by all."""
    (rule,) = records([verdict("a", 0.9, rule="gambling", constitution=label)], constitutions=[STICKERS]).rules
    assert "text" not in rule
    assert (rule["category"], rule["severity"]) == ("weapons", "high"), "as the violation says"
