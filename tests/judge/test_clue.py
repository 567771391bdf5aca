"""The arithmetic, branch by branch, against chains worked out by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagejudge.constitution import Constitution, Precondition, Rule, Statement
from imagejudge.engine.base import Answer, Reasoning
from imagejudge.engine.scripted import Scripted, certain
from imagejudge.images.picture import Box, Picture
from imagejudge.judge.claims import questions_of
from imagejudge.judge.clue import Method, judge
from imagejudge.prompts import Kind, Question, visible
from imagejudge.verdict import By, Region, RuleResult, RuleStatus, Step, StepStatus

PICTURE = Picture(20, 10, bytes([200, 0, 0]) * 200)
CLUE = Method()


def statement(text: str, *objects: str) -> Statement:
    return Statement(text, objects)


def rule(name: str, *chain: str | tuple[str | Statement, ...] | Statement, unless: tuple[str, ...] = ()) -> Rule:
    def items(entry: str | tuple[str | Statement, ...] | Statement) -> tuple[Statement, ...]:
        entries = entry if isinstance(entry, tuple) else (entry,)
        return tuple(statement(one) if isinstance(one, str) else one for one in entries)

    return Rule(
        id=name,
        text=f"No {name}.",
        preconditions=tuple(Precondition(items(entry)) for entry in chain),
        unless=tuple(statement(text) for text in unless),
    )


def run(engine: Scripted, *rules: Rule, method: Method = CLUE) -> dict[str, RuleResult]:
    constitution = Constitution("test", "1", rules)
    priors = {}
    if method.needs_priors:
        questions = questions_of(constitution)
        priors = dict(zip(questions, engine.view(None).ask(questions), strict=True))
        engine.waves.clear()
    return {result.rule: result for result in judge(constitution, engine.view(PICTURE), priors, method)}


def answering(with_image: dict[str, float], priors: float = 0.5, **more: object) -> Scripted:
    def answer(picture: Picture | None, question: Question) -> float:
        return priors if picture is None else with_image[question.subject]

    return Scripted(answer, **more)  # type: ignore[arg-type]


def only_step(result: RuleResult) -> Step:
    (step,) = result.steps
    return step


@pytest.mark.parametrize(
    ("prior", "p_yes", "status"),
    [
        # Not satisfied below 0.7 times the prior, satisfied above 0.8 + 0.2 times the prior.
        (0.5, 0.349, StepStatus.NOT_SATISFIED),
        (0.5, 0.351, StepStatus.UNSURE),
        (0.5, 0.899, StepStatus.UNSURE),
        (0.5, 0.901, StepStatus.SATISFIED),
        (0.9, 0.629, StepStatus.NOT_SATISFIED),
        (0.9, 0.631, StepStatus.UNSURE),
        (0.9, 0.979, StepStatus.UNSURE),
        (0.9, 0.981, StepStatus.SATISFIED),
        (0.001, 0.8001, StepStatus.UNSURE),
        (0.001, 0.8003, StepStatus.SATISFIED),
        (0.001, 0.00069, StepStatus.NOT_SATISFIED),
    ],
)
def test_the_prior_decides(prior: float, p_yes: float, status: StepStatus) -> None:
    result = run(answering({"A": p_yes}, prior), rule("a", "A"), method=Method(reasoning=False))["a"]
    step = only_step(result)
    assert step.status is status
    assert step.by is (None if status is StepStatus.UNSURE else By.PRIOR)
    assert step.prior == pytest.approx(prior)
    assert step.p_yes == pytest.approx(p_yes)


def test_each_rule_is_judged_by_its_own_thresholds() -> None:
    """One answer of 0.6, asked once, whose prior is even: what it amounts to is for each rule to say."""
    from imagejudge.constitution import Thresholds

    engine = Scripted(lambda picture, question: 0.6 if picture else 0.5)
    shared = rule("usual", "A", unless=("B",))
    rules = (
        shared,
        replace(shared, id="lax", thresholds=Thresholds(unsatisfied=0.05, satisfied=0.1), unless=()),
        replace(shared, id="excepted", thresholds=Thresholds(unsatisfied=0.05, satisfied=0.1)),
        replace(shared, id="spelt-out", thresholds=Thresholds()),
    )
    results = run(engine, *rules, method=Method(reasoning=False))
    assert {name: result.status for name, result in results.items()} == {
        "usual": RuleStatus.UNSURE,
        "lax": RuleStatus.VIOLATED,
        "excepted": RuleStatus.EXCEPTED,
        "spelt-out": RuleStatus.UNSURE,
    }
    asked = [question.subject for wave in engine.waves for question in wave]
    assert sorted(asked) == ["A", "B"], "whatever the thresholds, a question is asked once"


def test_thresholds_of_the_constitution_are_used() -> None:
    from imagejudge.constitution import Thresholds

    engine = answering({"A": 0.7})
    constitution = Constitution("t", "1", (rule("a", "A"),), thresholds=Thresholds(satisfied=0.3))
    priors = {visible("A"): certain(0.5)}
    (result,) = judge(constitution, engine.view(PICTURE), priors, CLUE)
    assert result.status is RuleStatus.VIOLATED


def test_a_chain_is_an_and_and_stops_at_the_first_failure() -> None:
    engine = answering({"A": 0.95, "B": 0.1, "C": 0.95})
    result = run(engine, rule("a", "A", "B", "C"))["a"]
    assert result.status is RuleStatus.CLEAR
    assert [step.status for step in result.steps] == [
        StepStatus.SATISFIED,
        StepStatus.NOT_SATISFIED,
        StepStatus.NOT_ASKED,
    ]
    assert engine.waves == [[visible("A")], [visible("B")]]


def test_alternatives_are_an_or() -> None:
    answers = {"A": 0.1, "B": 0.95, "C": 0.1}
    results = run(answering(answers), rule("ab", ("A", "B")), rule("ac", ("A", "C")))
    assert results["ab"].status is RuleStatus.VIOLATED
    assert results["ac"].status is RuleStatus.CLEAR


def test_an_undecided_alternative_does_not_matter_beside_a_satisfied_one() -> None:
    engine = answering({"A": 0.6, "B": 0.95})
    assert run(engine, rule("ab", ("A", "B")))["ab"].status is RuleStatus.VIOLATED
    assert engine.reasoned == []


def test_rules_share_waves_and_questions() -> None:
    engine = answering({"P": 0.95, "A": 0.95, "B": 0.1})
    results = run(engine, rule("a", "P", "A"), rule("b", "P", "B"), rule("p", "P"))
    assert {name: result.status for name, result in results.items()} == {
        "a": RuleStatus.VIOLATED,
        "b": RuleStatus.CLEAR,
        "p": RuleStatus.VIOLATED,
    }
    assert engine.waves == [[visible("P")], [visible("A"), visible("B")]]


def without_centre(picture: Picture | None) -> bool:
    """Whether the left half, which holds the object, was filled with the mean colour."""
    return picture is not None and picture.rgb[:3] != PICTURE_WITH_OBJECT.rgb[:3]


PICTURE_WITH_OBJECT = Picture(2, 1, bytes([250, 0, 0, 0, 0, 0]))
LEFT = Box(0.0, 0.0, 0.5, 1.0, confidence=0.9)


def centric(whole: float, rest: float, box: Box | None, reasoning: bool | None = None) -> tuple[Scripted, RuleResult]:
    def answer(picture: Picture | None, question: Question) -> float:
        return 0.5 if picture is None else rest if without_centre(picture) else whole

    engine = Scripted(
        answer,
        reason=lambda picture, question: None if reasoning is None else Reasoning(reasoning, "Because.", "Well."),
        locate=lambda picture, objects: box,
    )
    constitution = Constitution("t", "1", (rule("a", statement("A", "thing")),))
    (result,) = judge(constitution, engine.view(PICTURE_WITH_OBJECT), {visible("A"): certain(0.5)}, CLUE)
    return engine, result


def test_the_central_region_decides() -> None:
    engine, result = centric(whole=0.85, rest=0.2, box=LEFT)
    step = only_step(result)
    assert (step.status, step.by) == (StepStatus.SATISFIED, By.CENTRIC)
    assert step.centric == pytest.approx(0.2)
    assert result.regions == (Region(ask="A", left=0.0, top=0.0, right=0.5, bottom=1.0),)
    assert engine.located == [("thing",)]
    assert engine.reasoned == []


@pytest.mark.parametrize(("box", "looked"), [(None, False), (Box(0, 0, 0.5, 1, confidence=0.04), False), (LEFT, True)])
def test_without_a_telling_region_the_model_reasons(box: Box | None, looked: bool) -> None:
    _, result = centric(whole=0.85, rest=0.3, box=box, reasoning=True)
    step = only_step(result)
    assert (step.status, step.by, step.rationale) == (StepStatus.SATISFIED, By.REASONING, "Because.")
    assert (step.centric is not None) == looked == bool(result.regions)


def test_reasoning_can_say_no() -> None:
    _, result = centric(whole=0.6, rest=0.6, box=LEFT, reasoning=False)
    assert result.status is RuleStatus.CLEAR
    assert only_step(result).by is By.REASONING


def test_reasoning_that_cannot_be_read_leaves_the_rule_unsure() -> None:
    engine, result = centric(whole=0.6, rest=0.6, box=LEFT, reasoning=None)
    assert result.status is RuleStatus.UNSURE
    assert len(engine.reasoned) == 1


def test_a_small_region_is_looked_at_in_a_crop() -> None:
    big = Picture(100, 100, bytes(30_000))
    tiny = Box(0.5, 0.5, 0.55, 0.55, confidence=0.9)

    def answer(picture: Picture | None, question: Question) -> float:
        assert picture is not None
        return 0.95 if picture.width < 100 else 0.6

    engine = Scripted(answer, locate=lambda picture, objects: tiny)
    constitution = Constitution("t", "1", (rule("a", statement("A", "thing")),))
    (result,) = judge(constitution, engine.view(big), {visible("A"): certain(0.5)}, CLUE)
    step = only_step(result)
    assert (step.status, step.by) == (StepStatus.SATISFIED, By.PRIOR)
    assert step.p_yes == pytest.approx(0.95)
    assert step.whole is not None
    assert step.whole.gap == certain(0.6).gap
    assert result.regions == (Region(ask="A", left=0.5, top=0.5, right=0.55, bottom=0.55),)


def test_reasoning_is_put_off_until_nothing_cheaper_can_clear_the_rule() -> None:
    engine = answering({"A": 0.6, "B": 0.1})
    assert run(engine, rule("a", "A", "B"))["a"].status is RuleStatus.CLEAR
    assert engine.reasoned == []


def test_without_reasoning_the_undecided_stays_unsure() -> None:
    engine = answering({"A": 0.6})
    assert run(engine, rule("a", "A"), method=Method(reasoning=False))["a"].status is RuleStatus.UNSURE
    assert engine.reasoned == []


def test_unmeasured_answers_are_unsure_and_never_reasoned_away() -> None:
    def answer(picture: Picture | None, question: Question) -> Answer:
        return certain(0.5 if picture is None else 0.99, off_mass=0.95)

    engine = Scripted(answer, reason=lambda picture, question: Reasoning(True, "Yes.", ""))
    result = run(engine, rule("a", "A"))["a"]
    assert result.status is RuleStatus.UNSURE
    assert engine.reasoned == []
    assert run(engine, rule("a", "A"), method=Method("threshold"))["a"].status is RuleStatus.UNSURE


@pytest.mark.parametrize(
    ("exception", "status"),
    [(0.95, RuleStatus.EXCEPTED), (0.1, RuleStatus.VIOLATED), (0.6, RuleStatus.UNSURE)],
)
def test_exceptions_are_asked_last(exception: float, status: RuleStatus) -> None:
    engine = answering({"A": 0.95, "X": exception})
    result = run(engine, rule("a", "A", unless=("X",)), method=Method(reasoning=False))["a"]
    assert result.status is status
    assert engine.waves == [[visible("A")], [visible("X")]]
    assert result.steps[-1].item is None


def test_exceptions_of_a_clear_rule_are_not_asked() -> None:
    engine = answering({"A": 0.1, "X": 0.95})
    result = run(engine, rule("a", "A", unless=("X",)))["a"]
    assert result.status is RuleStatus.CLEAR
    assert result.steps[-1].status is StepStatus.NOT_ASKED
    assert engine.waves == [[visible("A")]]


def test_a_rule_without_preconditions_is_asked_whole() -> None:
    engine = answering({"No a.": 0.95})
    result = run(engine, rule("a"))["a"]
    assert result.status is RuleStatus.VIOLATED
    assert engine.waves == [[Question(Kind.RULE, "No a.")]]


def test_disabled_rules_are_left_out() -> None:
    off = Rule(id="off", text="No.", preconditions=(Precondition((statement("B"),)),), enabled=False)
    assert list(run(answering({"A": 0.1}), rule("a", "A"), off)) == ["a"]


def test_threshold_method_takes_answers_as_they_are() -> None:
    engine = answering({"A": 0.51, "B": 0.49}, priors=0.99)
    results = run(engine, rule("a", "A"), rule("b", "B"), method=Method("threshold"))
    assert [results[name].status for name in "ab"] == [RuleStatus.VIOLATED, RuleStatus.CLEAR]
    assert only_step(results["a"]).by is By.THRESHOLD
    assert only_step(results["a"]).prior is None


def test_without_debiasing_the_prior_counts_as_even() -> None:
    engine = answering({"A": 0.34, "B": 0.91, "C": 0.6}, priors=0.01)
    plain = Method(debias=False, reasoning=False)
    results = run(engine, rule("a", "A"), rule("b", "B"), rule("c", "C"), method=plain)
    assert [results[name].status for name in "abc"] == [RuleStatus.CLEAR, RuleStatus.VIOLATED, RuleStatus.UNSURE]
    assert plain.label == "clue-no-debias-no-reasoning"


# --- properties ---------------------------------------------------------------------------------------------------

WORDS = list("ABCDEF")
SCORES = st.sampled_from([0.02, 0.34, 0.5, 0.7, 0.92, 0.999])
CHAINS = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True).map(tuple), min_size=1, max_size=4
)
WORLDS = st.fixed_dictionaries(dict.fromkeys(WORDS, SCORES))
REASONS = st.fixed_dictionaries({word: st.booleans() for word in WORDS})


def world(scores: dict[str, float], reasons: dict[str, bool]) -> Scripted:
    return answering(scores, reason=lambda picture, question: Reasoning(reasons[question.subject], "So it is.", "Hm."))


@settings(max_examples=200, deadline=None)
@given(WORLDS, REASONS, CHAINS, CHAINS)
def test_another_precondition_never_makes_a_rule_violated(
    scores: dict[str, float], reasons: dict[str, bool], chain: list[tuple[str, ...]], more: list[tuple[str, ...]]
) -> None:
    before = run(world(scores, reasons), rule("a", *chain))["a"].status
    after = run(world(scores, reasons), rule("a", *chain, *more))["a"].status
    assert not (after is RuleStatus.VIOLATED and before is not RuleStatus.VIOLATED)
    unsatisfied = run(world({**scores, "Z": 0.02}, reasons), rule("a", *chain, ("Z",)))["a"].status
    assert unsatisfied is RuleStatus.CLEAR


@settings(max_examples=100, deadline=None)
@given(WORLDS, REASONS, st.lists(CHAINS, min_size=2, max_size=4))
def test_the_order_of_rules_does_not_matter(
    scores: dict[str, float], reasons: dict[str, bool], chains: list[list[tuple[str, ...]]]
) -> None:
    rules = [rule(f"r{number}", *chain) for number, chain in enumerate(chains)]
    expected = run(world(scores, reasons), *rules)
    for order in itertools.islice(itertools.permutations(rules), 6):
        statuses = run(world(scores, reasons), *order)
        assert {name: result.status for name, result in statuses.items()} == {
            name: result.status for name, result in expected.items()
        }


@settings(max_examples=100, deadline=None)
@given(WORLDS, REASONS, st.lists(CHAINS, min_size=1, max_size=4))
def test_no_question_is_asked_twice(
    scores: dict[str, float], reasons: dict[str, bool], chains: list[list[tuple[str, ...]]]
) -> None:
    engine = world(scores, reasons)
    run(engine, *(rule(f"r{number}", *chain) for number, chain in enumerate(chains)))
    asked = list(itertools.chain.from_iterable(engine.waves))
    assert len(asked) == len(set(asked))
    assert len(engine.reasoned) == len(set(engine.reasoned))


@settings(max_examples=200, deadline=None)
@given(WORLDS, REASONS, CHAINS)
def test_waves_agree_with_the_plain_definition(
    scores: dict[str, float], reasons: dict[str, bool], chain: list[tuple[str, ...]]
) -> None:
    def holds(word: str) -> bool:
        score = scores[word]
        return False if score < 0.35 else True if score > 0.9 else reasons[word]

    violated = all(any(holds(word) for word in item) for item in chain)
    expected = RuleStatus.VIOLATED if violated else RuleStatus.CLEAR
    assert run(world(scores, reasons), rule("a", *chain))["a"].status is expected
