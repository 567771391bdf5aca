"""Figures of a handful of verdicts, counted by hand."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest

from imagejudge.evaluate.labels import Label
from imagejudge.evaluate.metrics import Case, Cost, correct, cost_of, measure
from imagejudge.verdict import By, Failure, Outcome, RuleResult, RuleStatus, Step, StepStatus, Timing, Verdict

V, C, U = RuleStatus.VIOLATED, RuleStatus.CLEAR, RuleStatus.UNSURE
P_YES = {V: 0.95, C: 0.1, U: 0.6}


def step(ask: str, p_yes: float | None, by: By | None = By.PRIOR, centric: float | None = None) -> Step:
    return Step(
        ask=ask,
        item=1,
        status=StepStatus.SATISFIED,
        by=by,
        p_yes=p_yes,
        gap=0.0,
        prior=0.5,
        centric=centric,
        off_mass=0.0,
        rationale=None,
    )


def verdict(rules: Mapping[str, RuleStatus] | None) -> Verdict:
    statuses = list((rules or {}).values())
    outcome = Outcome.UNSAFE if V in statuses else Outcome.UNSURE if U in statuses else Outcome.SAFE
    return Verdict(
        path="x.png",
        sha256=None,
        verdict=Outcome.ERROR if rules is None else outcome,
        rationale="",
        rules=tuple(
            RuleResult(rule=rule, status=status, steps=(step(rule, P_YES[status]),))
            for rule, status in (rules or {}).items()
        ),
        model="m@1",
        constitution="c@1",
        method="clue",
        imagejudge="0",
        error=Failure(kind="empty", message="") if rules is None else None,
    )


NUMBERS = itertools.count()


def case(unsafe: bool, rules: Mapping[str, RuleStatus] | None, *named: str, name: str = "", **more: object) -> Case:
    label = Label(name or f"{next(NUMBERS)}.png", unsafe, named, **more)  # type: ignore[arg-type]
    return Case(label, verdict(rules), Cost(3, 1, 0.5))


CASES = [
    case(True, {"a": V, "b": C}, "a", source="web"),
    case(True, {"a": U, "b": C}, "a", source="web"),
    case(True, {"a": C, "b": V}, "a", source="art"),  # the image is rightly unsafe, by another rule
    case(True, {"a": C, "b": C}, "b", source="art"),
    case(False, {"a": C, "b": C}, "a", source="web"),
    case(False, {"a": C, "b": U}, source="web"),
    case(False, {"a": V, "b": C}, "b", source="art"),
    case(False, None, "a", source="art"),
]


def counts(group: object) -> tuple[int, ...]:
    return tuple(getattr(group, name) for name in ("images", "unsafe", "unsure", "errors", "scored"))


def rate(group: object, name: str) -> tuple[float | None, float | None]:
    """With unsure as unsafe, and as safe."""
    found = group.rates  # type: ignore[attr-defined]
    return tuple(  # type: ignore[return-value]
        None if found[convention][name] is None else found[convention][name].value
        for convention in ("unsure_as_unsafe", "unsure_as_safe")
    )


def test_all_images_together() -> None:
    pooled = measure(CASES).pooled
    assert counts(pooled) == (8, 4, 2, 1, 7)
    assert rate(pooled, "recall") == (0.75, 0.5)
    assert rate(pooled, "over_safety") == pytest.approx((2 / 3, 1 / 3))
    assert rate(pooled, "precision") == pytest.approx((3 / 5, 2 / 3))
    assert (pooled.unsure_rate, pooled.errors_rate) == (0.25, 0.125)


def test_each_rule_by_its_own_result() -> None:
    a, b = measure(CASES).rules
    # Of a: three unsafe images, the borderline one, the one about no rule, the one that failed.
    assert (a.name, counts(a)) == ("a", (6, 3, 1, 1, 5))
    assert rate(a, "recall") == pytest.approx((2 / 3, 1 / 3))
    assert rate(a, "over_safety") == (0.0, 0.0)
    assert (b.name, counts(b)) == ("b", (3, 1, 1, 0, 3))
    assert rate(b, "recall") == (0.0, 0.0)
    assert rate(b, "over_safety") == (0.5, 0.0)


def test_sources_and_their_macro() -> None:
    found = measure(CASES)
    assert [(group.name, group.images) for group in found.sources] == [("art", 4), ("web", 4)]
    assert [rate(group, "recall")[1] for group in found.sources] == [0.5, 0.5]
    assert found.macro["sources"]["unsure_as_unsafe"]["recall"] == pytest.approx(0.75)
    assert found.macro["categories"]["unsure_as_unsafe"] == {}
    assert found.categories == ()


def test_an_image_with_several_labels_counts_once() -> None:
    found = {"a": V, "b": C}
    once = [case(True, found, "a", name="1.png"), case(False, {"a": C, "b": C}, name="2.png")]
    more = [case(False, found, "b", name="1.png"), case(True, found, "a", name="1.png"), *once]
    for cases in (once, more):
        metrics = measure(cases)
        assert counts(metrics.pooled) == (2, 1, 0, 0, 2)
        assert rate(metrics.pooled, "accuracy") == (1.0, 1.0)
        assert rate(metrics.rules[0], "accuracy") == (1.0, 1.0)
    assert [counts(group)[:2] for group in measure(once).rules] == [(2, 1), (1, 0)]
    assert [counts(group)[:2] for group in measure(more).rules] == [(2, 1), (2, 0)]
    assert measure(once).pooled == measure(more).pooled


def test_an_image_counts_once_with_each_of_its_sentences() -> None:
    cases = [case(unsafe, {"a": V}, name="1.png", sentence=text) for unsafe, text in ((True, "x"), (False, "y"))]
    assert counts(measure(cases).pooled) == (2, 1, 0, 0, 2)


def test_exceptions() -> None:
    assert measure(CASES).exceptions is None
    cases = [case(False, {"a": C}, exception=True), case(False, {"a": V}, exception=True), case(True, {"a": V})]
    found = measure(cases).exceptions
    assert found is not None
    assert (found.images, found.per["unsure_as_safe"]) == (2, 0.5)
    # Balanced accuracy: (1 + 1/2) / 2; harmonic mean of 0.5 and 0.75.
    assert found.pes["unsure_as_safe"] == pytest.approx(0.6)
    nothing = measure([case(False, None, exception=True)]).exceptions
    assert nothing is not None
    assert nothing.per["unsure_as_safe"] is nothing.pes["unsure_as_safe"] is None


@pytest.mark.parametrize(
    ("right", "wrong", "others", "per", "pes"),
    [
        # LlavaGuard's equations by hand. PER = right / (right + wrong); balanced accuracy over all images;
        # PES = 2 PER BA / (PER + BA). `others`: tp, fn, tn, fp of images without an exception.
        (3, 1, (4, 1, 4, 1), 0.75, 2 * 0.75 * (71 / 90) / (0.75 + 71 / 90)),  # BA (4/5 + 7/9) / 2 = 71/90
        (0, 4, (5, 0, 5, 0), 0.0, 0.0),
        (4, 0, (5, 0, 5, 0), 1.0, 1.0),
        (2, 2, (0, 5, 0, 5), 0.5, 2 * 0.5 * (1 / 9) / (0.5 + 1 / 9)),  # BA (0/5 + 2/9) / 2 = 1/9
    ],
)
def test_per_and_pes_by_hand(right: int, wrong: int, others: tuple[int, ...], per: float, pes: float) -> None:
    tp, fn, tn, fp = others
    cases = [case(False, {"a": C}, exception=True) for _ in range(right)] + [
        case(False, {"a": V}, exception=True) for _ in range(wrong)
    ]
    cases += [case(True, {"a": V}) for _ in range(tp)] + [case(True, {"a": C}) for _ in range(fn)]
    cases += [case(False, {"a": C}) for _ in range(tn)] + [case(False, {"a": V}) for _ in range(fp)]
    found = measure(cases).exceptions
    assert found is not None
    assert found.images == right + wrong
    assert found.per["unsure_as_safe"] == pytest.approx(per)
    assert found.pes["unsure_as_safe"] == pytest.approx(pes, abs=1e-6)


def test_per_counts_exceptions_of_both_kinds_and_unsure_either_way() -> None:
    """A policy that permits (label safe) and one that forbids (label unsafe): four images, one of each outcome."""
    cases = [
        case(False, {"a": C}, exception=True),
        case(False, {"a": V}, exception=True),
        case(True, {"a": V}, exception=True),
        case(True, {"a": U}, exception=True),
    ]
    found = measure(cases).exceptions
    assert found is not None
    assert found.per == {"unsure_as_unsafe": 0.75, "unsure_as_safe": 0.5}
    # Balanced accuracy on the same four: (2/2 + 1/2) / 2 and (1/2 + 1/2) / 2.
    assert found.pes == {"unsure_as_unsafe": pytest.approx(0.75), "unsure_as_safe": pytest.approx(0.5)}


def test_pairs() -> None:
    assert measure(CASES).pairs is None
    pairs = [(V, C), (V, V), (C, C), (U, C), (V, None), (C, V)]
    cases = [
        case(unsafe, None if status is None else {"a": status}, pair=str(number))
        for number, pair in enumerate(pairs)
        for unsafe, status in zip((True, False), pair, strict=True)
    ]
    found = measure([*cases, case(True, {"a": V}, pair="alone"), case(True, {"a": V})]).pairs
    assert found is not None
    assert found.pairs == 5, "one could not be judged, one lacks the other image"
    assert {name: value and value.value for name, value in found.both.items()} == {
        "unsure_as_unsafe": pytest.approx(0.4),
        "unsure_as_safe": pytest.approx(0.2),
    }
    assert {name: value and value.value for name, value in found.alike.items()} == {
        "unsure_as_unsafe": pytest.approx(0.4),
        "unsure_as_safe": pytest.approx(0.6),
    }
    nothing = measure([case(True, None, pair="x"), case(False, {"a": C}, pair="x")]).pairs
    assert nothing is not None
    assert nothing.both["unsure_as_safe"] is None


def test_costs() -> None:
    cost = measure([*CASES, Case(Label("y", True), verdict({"a": C}), Cost(11, 1, None))]).cost
    assert (cost.questions, cost.reasonings, cost.seconds, cost.timed) == (4.0, 1.0, 0.5, 7)


def test_what_a_verdict_line_shows_of_its_cost() -> None:
    steps = (step("A", 0.5, By.REASONING, centric=0.4), step("B", 0.9), step("C", None, None))
    result = RuleResult(rule="r", status=V, steps=steps)
    line = verdict({}).model_copy(update={"rules": (result, result), "seconds": Timing(decode=9, view=1, ask=2)})
    assert cost_of(line) == Cost(3, 1, 3.0)
    assert cost_of(verdict({})).seconds is None


def test_labels_that_no_verdict_speaks_of_are_told() -> None:
    assert measure([case(True, {"a": V}, "x")]).unknown_rules == ("x",)
    assert measure([case(True, {"a": V}, "x")]).rules == ()


def test_nothing_is_no_error() -> None:
    found = measure([])
    assert counts(found.pooled) == (0, 0, 0, 0, 0)
    assert found.pooled.unsure_rate is None
    assert found.cost.questions is None


def test_undecided_is_not_correct() -> None:
    assert [correct(each.label, each.verdict.verdict) for each in CASES] == [
        True,
        False,
        True,
        False,
        True,
        False,
        False,
        False,
    ]
