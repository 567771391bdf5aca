from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from imagejudge.constitution import Constitution, Precondition, Rule, Statement
from imagejudge.engine.base import Answer
from imagejudge.engine.scripted import Scripted
from imagejudge.errors import UsageError
from imagejudge.evaluate.labels import Label
from imagejudge.evaluate.metrics import Case, Cost, cost_of, measure
from imagejudge.evaluate.probe_methods import PROBE_METHODS, Embedded, try_probes, without
from imagejudge.images.picture import Picture
from imagejudge.images.read import Limits
from imagejudge.judge.claims import questions_of
from imagejudge.judge.clue import Method, inquire, judge
from imagejudge.judge.plan import Plan
from imagejudge.judge.replay import Rejudge
from imagejudge.judge.summary import summarise
from imagejudge.verdict import By, Outcome, RuleResult, RuleStatus, Step, StepStatus, Verdict

RULES = Constitution(
    "c", "1", tuple(Rule(each, f"No {each}.", preconditions=(Precondition((Statement(each),)),)) for each in ("a", "b"))
)


def line(rules: Constitution, results: Sequence[RuleResult], number: int = 0) -> Verdict:
    summary = summarise(rules, results)
    return Verdict(
        path=f"{number}.png",
        sha256=f"{number:064}",
        verdict=summary.outcome,
        rationale=summary.rationale,
        violations=summary.violations,
        rules=tuple(results),
        model="m",
        constitution=rules.label,
        method="clue",
        imagejudge="1",
    )


def image(number: int, vector: Sequence[float], violated: Sequence[bool], source: str = "") -> Embedded:
    """What CLUE says of it is true, and the first two numbers of the vector tell which rules it violates."""
    results = []
    for rule, holds in zip("ab", violated, strict=True):
        status = StepStatus.SATISFIED if holds else StepStatus.NOT_SATISFIED
        said = {"status": status, "by": By.PRIOR, "p_yes": 0.9 if holds else 0.1, "gap": 2.0 if holds else -2.0}
        said |= {"off_mass": 0.0, "prior": 0.5}
        step = Step.not_asked(rule, 1).model_copy(update=said)
        results.append(RuleResult(rule=rule, status=RuleStatus.VIOLATED if holds else RuleStatus.CLEAR, steps=(step,)))
    verdict = line(RULES, results, number)
    label = Label(f"{number}.png", unsafe=any(violated), source=source)
    return Embedded(Case(label, verdict, cost_of(verdict)), (np.float32(vector),))


@pytest.fixture(scope="module")
def images() -> list[Embedded]:
    chance = np.random.default_rng(3)
    found = []
    for number in range(240):
        vector = chance.normal(size=3)
        violated = [bool(vector[0] > 0.5), bool(vector[1] > 0.5)]
        found.append(image(number, vector, violated, "new" if number % 3 else "old"))
    failed = found[0].case.verdict.model_copy(update={"verdict": Outcome.ERROR, "rules": (), "violations": ()})
    label = dataclasses.replace(found[0].case.label, name="failed.png")
    return [*found, Embedded(dataclasses.replace(found[0].case, label=label, verdict=failed), ())]


@pytest.mark.parametrize("method", ["probe", "probe-new-source"])
def test_a_probe_decides_alone_by_labels(method: str, images: list[Embedded]) -> None:
    cases = try_probes(method, images, RULES)
    assert [case.label for case in cases] == [each.case.label for each in images]
    assert {case.verdict.method for case in cases} == {method}
    found = measure(cases)
    assert found.pooled.auroc is not None
    assert found.pooled.auroc.value > 0.85
    assert found.pooled.errors == 1
    assert (found.cost.questions, found.rules) == (0, ())


@pytest.mark.parametrize("method", ["clue+probe", "clue+probe-new-source"])
def test_rules_are_left_out_and_little_is_missed(method: str, images: list[Embedded]) -> None:
    cases = try_probes(method, images, RULES)
    before, after = measure([each.case for each in images]), measure(cases)
    recall = after.pooled.rates["unsure_as_unsafe"]["recall"]
    assert recall is not None
    assert recall.value > 0.9
    assert before.cost.questions == 2
    assert after.cost.questions is not None
    assert 0.2 < after.cost.questions < 1.7
    for case, each in zip(cases, images, strict=True):
        if case.verdict.verdict is Outcome.UNSAFE:
            assert each.case.verdict.verdict is Outcome.UNSAFE, "a probe finds nothing"


def test_a_probe_never_sees_what_it_is_tried_on(images: list[Embedded]) -> None:
    """With labels that nothing can tell, a probe that had seen them would be better than chance."""
    chance = np.random.default_rng(4)
    blind = [
        dataclasses.replace(
            each, case=dataclasses.replace(each.case, label=Label(f"{n}", unsafe=bool(chance.random() < 0.5)))
        )
        for n, each in enumerate(images[:-1])
    ]
    twins = [*blind, *(dataclasses.replace(each, vectors=each.vectors) for each in blind)]
    auroc = measure(try_probes("probe", twins, RULES)).pooled.auroc
    assert auroc is not None
    assert abs(auroc.value - 0.5) < 0.15


def rejudge(rules: Constitution = RULES) -> Rejudge:
    return Rejudge(Plan(rules, Method(), "m", "m", Limits()))


def test_what_is_not_asked_costs_nothing_and_finds_nothing(images: list[Embedded]) -> None:
    case = next(each.case for each in images if len(each.case.verdict.violations) == 2)
    left = without(case.verdict, {"a"}, rejudge())
    assert [(result.rule, result.status.value) for result in left.rules] == [("a", "clear"), ("b", "violated")]
    assert [violation.rule for violation in left.violations] == ["b"]
    assert left.rationale.startswith("b:")
    assert cost_of(left) == Cost(1, 0, None)
    assert without(case.verdict, {"a", "b"}, rejudge()).verdict is Outcome.SAFE
    shortened = case.verdict.model_copy(update={"settings": {"steps": "found"}})
    assert [result.by for result in without(shortened, {"a"}, rejudge()).rules] == ["probe", None]


def test_what_could_not_be_judged_is_not_safe_without_some_rules(images: list[Embedded]) -> None:
    failed = Embedded(images[-1].case, (np.float32([-5, -5, 0]),))
    assert without(failed.case.verdict, {"a", "b"}, rejudge()) == failed.case.verdict
    found = measure(try_probes("clue+probe", [*images[:-1], failed], RULES))
    assert found.pooled.errors == 1


def test_other_rules_answers_decide_a_rule_that_is_left_out_as_in_a_scan() -> None:
    each = {"a": ("a",), "b": ("b",), "either": ("a", "b"), "neither": ("c",)}
    rules = Constitution(
        "c",
        "1",
        tuple(
            Rule(name, f"No {name}.", preconditions=(Precondition(tuple(map(Statement, asks))),))
            for name, asks in each.items()
        ),
    )
    truth = {"a": 0.99, "b": 0.01, "c": 0.99}
    sure = Scripted(lambda picture, question: 0.5 if picture is None else truth[question.subject])
    view = sure.view(Picture(1, 1, bytes(3)))
    priors = {question: Answer(0.0, 0.0) for question in questions_of(rules)}
    full = line(rules, judge(rules, view, priors, Method()))
    for skipped in ({"either"}, {"a", "either"}, {"a", "b"}, {"a", "b", "either"}, {"neither"}, set(each)):
        scanned = inquire(rules, view, priors, Method(), skipped).results()
        found = without(full, skipped, rejudge(rules))
        assert found.rules == scanned
        assert found.verdict == summarise(rules, scanned).outcome
    decided = without(full, {"either"}, rejudge(rules)).rules[2]
    assert (decided.status, decided.by) == (RuleStatus.VIOLATED, None)


def test_too_few_images_or_sources_are_refused(images: list[Embedded]) -> None:
    for method in PROBE_METHODS:
        with pytest.raises(UsageError):
            try_probes(method, images[:12], RULES)
    alike = [
        dataclasses.replace(each, case=dataclasses.replace(each.case, label=Label("x", unsafe=False)))
        for each in images
    ]
    with pytest.raises(UsageError, match="not of several sources"):
        try_probes("probe-new-source", alike, RULES)
