"""Lines without some of their steps: what they still tell, and what is never concluded from them."""

from __future__ import annotations

import pytest

from imagejudge.constitution import Constitution, Precondition, Rule, Severity, Statement
from imagejudge.images.read import Limits
from imagejudge.judge.clue import Method
from imagejudge.judge.plan import Plan
from imagejudge.judge.replay import Rejudge, Unrecorded
from imagejudge.judge.scores import image_score
from imagejudge.output.findings import findings
from imagejudge.output.overview import Overview
from imagejudge.output.resume import difference
from imagejudge.output.steps import trimmed
from imagejudge.verdict import (
    By,
    Outcome,
    RuleResult,
    RuleStatus,
    Step,
    Steps,
    StepStatus,
    Verdict,
    has_all_steps,
    line_of,
    steps_in,
    verdict_of,
)


def step(ask: str, status: StepStatus, p_yes: float) -> Step:
    facts = {"prior": None, "centric": None, "off_mass": 0.0, "rationale": None}
    return Step(ask=ask, item=1, status=status, by=By.PRIOR, p_yes=p_yes, gap=0.0, **facts)


UNSURE = RuleResult(
    rule="knife",
    status=RuleStatus.UNSURE,
    steps=(step("A knife.", StepStatus.UNSURE, 0.6), Step.not_asked("Blood.", 2)),
)
CLEAR = RuleResult(
    rule="fire",
    status=RuleStatus.CLEAR,
    steps=(step("A fire.", StepStatus.NOT_SATISFIED, 0.7), Step.not_asked("Smoke.", 2)),
)
VERDICT = Verdict(
    path="a.png",
    sha256=None,
    verdict=Outcome.UNSURE,
    rationale="",
    rules=(UNSURE, CLEAR),
    model="m@1",
    constitution="c@1",
    method="clue",
    settings={"frames": 4},
    imagejudge="0",
)


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        (Steps.ALL, [["A knife.", "Blood."], ["A fire.", "Smoke."]]),
        (Steps.ASKED, [["A knife."], ["A fire."]]),
        (Steps.FOUND, [["A knife.", "Blood."], []]),
        (Steps.NONE, [[], []]),
    ],
)
def test_what_stays(steps: Steps, left: list[list[str]]) -> None:
    line = verdict_of(line_of(trimmed(VERDICT, steps)))
    assert [[each.ask for each in result.steps] for result in line.rules] == left
    assert steps_in(line) is steps
    assert has_all_steps(line) is (steps is Steps.ALL)
    assert image_score(line) == image_score(VERDICT) == 0.7, "that of a rule whose steps may not be there"
    assert [result.status for result in line.rules] == [RuleStatus.UNSURE, RuleStatus.CLEAR]
    assert line.settings == {"frames": 4} | ({"steps": steps} if steps is not Steps.ALL else {})
    (finding,) = findings(line)
    assert finding.message == ("undecided" if steps is Steps.NONE else "undecided: A knife. (0.60)")
    overview = Overview()
    overview.add(line)
    assert overview.shortened == (steps in (Steps.FOUND, Steps.NONE))


@pytest.mark.parametrize("steps", [Steps.ASKED, Steps.FOUND, Steps.NONE])
def test_nothing_is_judged_by_what_is_not_there(steps: Steps) -> None:
    rules = tuple(
        Rule(name, name, "", Severity.LOW, (Precondition((Statement(ask),)),), ())
        for name, ask in (("knife", "A knife."), ("fire", "A fire."))
    )
    again = Rejudge(Plan(Constitution("c", "", rules), Method(reasoning=False), "m@1", "", Limits()))
    assert again.judge(VERDICT).verdict is not Outcome.SAFE
    with pytest.raises(Unrecorded, match="written without"):
        again.judge(trimmed(VERDICT, steps))


def test_lines_with_other_steps_are_of_another_kind() -> None:
    assert difference({}, {"steps": "found"}) == "--steps all, now found"
    assert difference({"steps": "none"}, {}) == "--steps none, now all"


def test_what_another_program_wrote_there_is_no_reason_to_trust_the_line() -> None:
    assert steps_in(VERDICT.model_copy(update={"settings": {"steps": "some"}})) is Steps.NONE
