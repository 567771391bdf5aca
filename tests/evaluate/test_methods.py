"""Every method on a scripted engine: what it asks, and what it makes of the answers."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from imagejudge.constitution import Constitution, Precondition, Rule, Statement
from imagejudge.engine.base import Answer, Reasoning
from imagejudge.engine.scripted import Scripted, certain
from imagejudge.evaluate.methods import METHODS, Found, FrameViews
from imagejudge.evaluate.views import CaptionedView
from imagejudge.images.picture import Box, Picture
from imagejudge.judge.scores import WHOLE, image_score
from imagejudge.prompts import Kind, Question, visible
from imagejudge.verdict import By, Outcome, RuleStatus

CLEAN, NOISED = Picture(2, 1, bytes([250, 0, 0, 0, 0, 0])), Picture(2, 1, bytes([9] * 6))
RULES = Constitution(
    "t",
    "1",
    (
        Rule(
            "fire",
            "No fire.",
            preconditions=(Precondition((Statement("Flames."),)), Precondition((Statement("A body.", ("body",)),))),
            unless=(Statement("A helmet."),),
        ),
        Rule("knife", "No knives.", preconditions=(Precondition((Statement("A knife."),)),)),
        Rule("off", "Nothing.", enabled=False),
    ),
)
HALF = Box(0, 0, 0.5, 1, 0.9)


def engine(yes: Callable[[Picture | None, Question], float | Answer], **more: object) -> Scripted:
    return Scripted(yes, **more)  # type: ignore[arg-type]


def apply(method: str, model: Scripted) -> Found:
    return METHODS[method](RULES, FrameViews(model.view(CLEAN), model.view(NOISED), model.view(None)))


def statuses(found: Found) -> dict[str, RuleStatus]:
    return {result.rule: result.status for result in found.results}


def flames(picture: Picture | None, question: Question) -> float:
    """A burning body, told with a bias towards Yes."""
    if picture is None:
        return 0.6
    return {"Flames.": 0.97, "A body.": 0.85, "A knife.": 0.55, "A helmet.": 0.1}.get(question.subject, 0.7)


YES = Reasoning(True, "So it is.", "Hm.")


@pytest.mark.parametrize(
    ("method", "fire", "knife", "reasoned"),
    [
        ("clue", RuleStatus.VIOLATED, RuleStatus.VIOLATED, 1),  # the body by its region, the knife by reasoning
        ("clue-no-debias", RuleStatus.VIOLATED, RuleStatus.VIOLATED, 2),
        ("clue-no-centric", RuleStatus.VIOLATED, RuleStatus.VIOLATED, 2),
        ("clue-no-reasoning", RuleStatus.VIOLATED, RuleStatus.UNSURE, 0),
        ("clue-no-preconditions", RuleStatus.VIOLATED, RuleStatus.VIOLATED, 2),
        ("threshold", RuleStatus.VIOLATED, RuleStatus.VIOLATED, 0),
    ],
)
def test_clue_and_its_parts(method: str, fire: RuleStatus, knife: RuleStatus, reasoned: int) -> None:
    def answer(picture: Picture | None, question: Question) -> float:
        removed = picture is not None and picture not in (CLEAN, NOISED)
        return 0.1 if removed else flames(picture, question)

    model = engine(answer, reason=lambda picture, question: YES, locate=lambda picture, objects: HALF)
    found = apply(method, model)
    assert statuses(found) == {"fire": fire, "knife": knife}
    assert len(model.reasoned) == reasoned
    assert bool(model.located) == (method in ("clue", "clue-no-reasoning"))
    assert found.summary.outcome is Outcome.UNSAFE


def test_without_preconditions_rules_are_asked_whole() -> None:
    model = engine(lambda picture, question: 0.5 if picture is None else 0.1)
    apply("clue-no-preconditions", model)
    asked = {question for wave in model.waves for question in wave}
    assert {q for q in asked if q.kind is Kind.RULE} == {
        Question(Kind.RULE, "No fire."),
        Question(Kind.RULE, "No knives."),
    }
    assert {q.subject for q in asked if q.kind is Kind.VISIBLE} == {"A helmet."}


@pytest.mark.parametrize(
    ("method", "question"),
    [
        ("direct-public", Question(Kind.PUBLIC, "")),
        ("direct-rules", Question(Kind.RULES, "1. No fire.\n2. No knives.")),
    ],
)
def test_direct_asks_once(method: str, question: Question) -> None:
    for p_yes, outcome in ((0.6, Outcome.UNSAFE), (0.4, Outcome.SAFE)):
        model = engine(lambda picture, question, p=p_yes: p)
        found = apply(method, model)
        assert model.waves == [[question]]
        assert model.reasoned == []
        assert found.summary.outcome is outcome
        assert [result.rule for result in found.results] == [WHOLE]
        assert found.results[0].steps[0].p_yes == pytest.approx(p_yes)
    assert apply(method, engine(lambda picture, question: certain(0.9, 0.95))).summary.outcome is Outcome.UNSURE


@pytest.mark.parametrize(("method", "kind"), [("cot-public", Kind.PUBLIC), ("cot-rules", Kind.RULES)])
def test_chain_of_thought_reasons_once(method: str, kind: Kind) -> None:
    for reasoning, outcome in (
        (YES, Outcome.UNSAFE),
        (Reasoning(False, "No.", ""), Outcome.SAFE),
        (None, Outcome.UNSURE),
    ):
        model = engine(flames, reason=lambda picture, question, said=reasoning: said)
        found = apply(method, model)
        assert (model.waves, [question.kind for question in model.reasoned]) == ([], [kind])
        assert found.summary.outcome is outcome
        assert found.results[0].steps[0].by is (By.REASONING if reasoning else None)


def test_vcd_moves_away_from_the_noised_picture() -> None:
    gaps = {"Flames.": (1.0, 3.0), "A knife.": (1.0, 1.0)}

    def answer(picture: Picture | None, question: Question) -> Answer:
        clean, noised = gaps.get(question.subject, (5.0, 0.0))
        return Answer(clean if picture == CLEAN else noised, 0.0)

    found = apply("vcd", engine(answer))
    assert statuses(found) == {"fire": RuleStatus.CLEAR, "knife": RuleStatus.VIOLATED}
    fire, knife = found.results
    assert fire.steps[0].gap == pytest.approx(2 * 1.0 - 3.0)
    assert knife.steps[0].gap == pytest.approx(1.0)


def test_prior_logit_takes_off_what_is_answered_without_the_picture() -> None:
    gaps = {"Flames.": (-1.0, -3.0), "A body.": (2.0, 1.0), "A helmet.": (0.5, 1.0), "A knife.": (1.0, 1.5)}

    def answer(picture: Picture | None, question: Question) -> Answer:
        return Answer(gaps[question.subject][picture is None], 0.0)

    model = engine(answer)
    fire, knife = apply("prior-logit", model).results
    assert (fire.status, knife.status) == (RuleStatus.VIOLATED, RuleStatus.CLEAR)
    assert [step.gap for step in fire.steps] == pytest.approx([2.0, 1.0, -0.5])
    assert fire.steps[0].p_yes == pytest.approx(1 / (1 + math.exp(-2.0)))
    assert model.reasoned == []


def test_a_prior_that_was_not_measured_is_taken_as_even() -> None:
    model = engine(lambda picture, question: Answer(-9.0, 0.95) if picture is None else Answer(-1.0, 0.0))
    assert set(statuses(apply("prior-logit", model)).values()) == {RuleStatus.CLEAR}


def test_rule_text_takes_off_what_is_answered_without_it() -> None:
    gaps = {"No fire.": 1.0, "No knives.": 3.0, "": 2.0, "A helmet.": -1.0}
    model = engine(lambda picture, question: Answer(gaps[question.subject], 0.0))
    found = apply("rule-text", model)
    assert statuses(found) == {"fire": RuleStatus.CLEAR, "knife": RuleStatus.VIOLATED}
    assert found.results[1].steps[0].gap == pytest.approx(1.0)
    assert found.results[1].steps[0].p_yes == pytest.approx(1 / (1 + math.exp(-1)))
    assert Question(Kind.RULE, "") in model.waves[0]


def test_a_text_beside_the_picture_is_part_of_every_question() -> None:
    model = engine(
        lambda picture, question: 0.9, reason=lambda picture, question: YES, locate=lambda picture, objects: HALF
    )
    beside = CaptionedView(model.view(CLEAN), "Burn!")
    said = 'The image comes with this text: "Burn!"'
    beside.ask([visible("A body.")])
    beside.crop(HALF).ask([Question(Kind.PUBLIC, "")])
    beside.without(HALF).reason([visible("A body.")])
    assert model.waves == [[visible(f"A body.\n{said}")], [Question(Kind.PUBLIC, said)]]
    assert model.reasoned == [visible(f"A body.\n{said}")]
    assert beside.locate(("body",)) == HALF


def test_every_method_that_reads_probabilities_gives_a_score() -> None:
    from imagejudge.verdict import Verdict

    for name in METHODS:
        found = apply(name, engine(flames, reason=lambda picture, question: YES))
        line = Verdict(
            path="x",
            sha256=None,
            verdict=found.summary.outcome,
            rationale=found.summary.rationale,
            rules=found.results,
            model="m",
            constitution="c",
            method=name,
            imagejudge="0",
        )
        assert (image_score(line) is None) == name.startswith("cot"), name
