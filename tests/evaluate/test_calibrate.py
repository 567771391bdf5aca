"""Thresholds chosen on one half, measured on the other; what is not recorded never makes a rate look better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from imagejudge.constitution import Constitution, Precondition, Rule, Statement, Thresholds
from imagejudge.engine.base import Reasoning
from imagejudge.engine.scripted import Scripted, certain
from imagejudge.errors import UsageError
from imagejudge.evaluate.calibrate import METHODS, WIDEST, Target, choose, count, halves, samples, told
from imagejudge.evaluate.labels import Label
from imagejudge.evaluate.metrics import Case, Cost
from imagejudge.judge import Method, judge, questions_of
from imagejudge.picture import Picture
from imagejudge.rationale import summarise
from imagejudge.scan import Plan
from imagejudge.source import Limits
from imagejudge.verdict import Outcome, Verdict

RULES = Constitution("r", "1", (Rule("x", "No X.", preconditions=(Precondition((Statement("An X is visible."),)),)),))
PICTURE = Picture(1, 1, b"abc")
NO_REASONING = Method(reasoning=False)
RECALL = Target("recall", 0.9)
PRECISION = Target("precision", 0.9)


def plan(method: Method = NO_REASONING, thresholds: Thresholds = Thresholds()) -> Plan:  # noqa: B008 - frozen
    return Plan(replace(RULES, thresholds=thresholds), method, "m@1", "", Limits())


def line(name: str, p_yes: float, by: Plan) -> Verdict:
    """What a scan would write of an image about which the model says so, and No after thinking; the prior is even."""
    view = Scripted(lambda _, __: certain(p_yes), reason=lambda _, __: Reasoning(False, "No.", "Hm.")).view(PICTURE)
    priors = dict.fromkeys(questions_of(by.constitution), certain(0.5))
    results = judge(by.constitution, view, priors, by.method)
    summary = summarise(by.constitution, results)
    return Verdict(
        path=name,
        sha256=name,
        verdict=summary.outcome,
        rationale=summary.rationale,
        violations=summary.violations,
        rules=results,
        model="m@1",
        constitution=by.constitution.label,
        method=by.method.label,
        imagejudge="0",
    )


def cases(p_unsafe: Sequence[float], p_safe: Sequence[float], by: Plan | None = None) -> list[Case]:
    labelled = [*((p, True) for p in p_unsafe), *((p, False) for p in p_safe)]
    return [
        Case(Label(f"{n}", unsafe), line(f"{n}", p, by or plan()), Cost(1, 0, None))
        for n, (p, unsafe) in enumerate(labelled)
    ]


def test_a_recall_is_reached_at_the_least_cost() -> None:
    found = samples(cases([0.72] * 40, [0.6] * 20 + [0.1] * 20))
    parts = halves(found, RECALL)
    assert count(parts.chosen_on, plan(), Thresholds()).rate("recall") == 0
    chosen = choose(parts.chosen_on, plan(), RECALL)
    assert 0.5 + 0.5 * chosen.satisfied < 0.72
    assert 0.5 + 0.5 * chosen.satisfied > 0.6, "the safe ones at 0.6 are not called unsafe"
    held_out = count(parts.held_out, plan(), chosen)
    assert (held_out.tp, held_out.fn, held_out.fp) == (20, 0, 0)
    assert held_out.rates["recall"] is not None


def test_a_precision_is_reached_with_the_most_found() -> None:
    found = samples(cases([0.92] * 20 + [0.97] * 20, [0.92] * 10 + [0.1] * 30))
    chosen = choose(halves(found, PRECISION).chosen_on, plan(), PRECISION)
    counted = count(found, plan(), chosen)
    assert (counted.tp, counted.fp) == (20, 0)


def test_thresholds_that_are_good_stay() -> None:
    found = samples(cases([0.95] * 40, [0.1] * 40))
    assert choose(found, plan(), RECALL) == Thresholds()
    mine = Thresholds(0.25, 0.85, 0.5)
    assert choose(found, plan(thresholds=mine), RECALL) == mine


def test_what_cannot_be_reached_is_told() -> None:
    found = samples(cases([0.1] * 40, [0.1] * 40))
    with pytest.raises(UsageError, match=r"no thresholds reach a recall of 0\.9"):
        choose(found, plan(), RECALL)
    with pytest.raises(UsageError, match="precision"):
        choose(found, plan(), PRECISION)


def test_halves_are_alike_and_always_the_same() -> None:
    some = cases([0.9] * 41, [0.1] * 30)
    some = [replace(case, label=replace(case.label, rules=(f"r{n % 3}",))) for n, case in enumerate(some)]
    parts = halves(samples(some), RECALL)
    assert parts == halves(samples(reversed(some)), RECALL)
    ours, theirs = parts
    assert not {image.lines[0].path for image in ours} & {image.lines[0].path for image in theirs}
    for stratum in {(image.unsafe, image.stratum) for image in ours}:
        sizes = [sum((image.unsafe, image.stratum) == stratum for image in half) for half in parts]
        assert abs(sizes[0] - sizes[1]) <= 1


@pytest.mark.parametrize(
    ("unsafe", "safe", "enough"), [(20, 20, True), (19, 20, False), (20, 19, False), (0, 0, False)]
)
def test_too_few_labels_are_refused(unsafe: int, safe: int, enough: bool) -> None:
    found = samples(cases([0.9] * unsafe, [0.1] * safe))
    if enough:
        halves(found, RECALL)
    else:
        with pytest.raises(UsageError, match="too few") as refused:
            halves(found, RECALL)
        assert "at least 20 unsafe and 20 safe" in refused.value.hint


def test_the_same_image_is_one_whatever_its_names() -> None:
    one, other = cases([0.9], [0.1])
    same = replace(other, verdict=one.verdict.model_copy(update={"path": "copy"}))
    broken = replace(other, verdict=other.verdict.model_copy(update={"verdict": Outcome.ERROR}))
    (image,) = samples([one, same, broken])
    assert (image.unsafe, len(image.lines)) == (True, 2)


def test_what_is_not_recorded_counts_as_wrong() -> None:
    """Decided by arithmetic: whether thinking would have said the same is not known."""
    thinking = plan(Method())
    found = samples(cases([0.3, 0.95], [0.3, 0.95], thinking))
    counted = count(found, thinking, Thresholds(unsatisfied=0.5, satisfied=0.95))
    assert (counted.tp, counted.fn, counted.fp, counted.tn, counted.untold) == (0, 2, 2, 0, 4)
    wide = replace(thinking, constitution=replace(RULES, thresholds=WIDEST))
    both = samples([*cases([0.3, 0.95], [0.3, 0.95], thinking), *cases([0.3, 0.95], [0.3, 0.95], wide)])
    counted = count(both, thinking, Thresholds(unsatisfied=0.5, satisfied=0.85))
    assert (counted.tp, counted.fn, counted.fp, counted.tn, counted.untold) == (1, 1, 1, 1, 0)
    assert told(found, thinking) == found
    assert told(found, replace(thinking, constitution=wide.constitution)) == []


def test_unsure_finds_nothing_and_raises_no_alarm() -> None:
    counted = count(samples(cases([0.6], [0.6])), plan(), Thresholds())
    assert (counted.tp, counted.fn, counted.fp, counted.tn, counted.unsure) == (0, 1, 0, 1, 2)


def test_every_method_of_scan_is_taken() -> None:
    both = (True, False)
    labels = {Method(reasoning=reasoning, debias=debias).label for reasoning in both for debias in both}
    assert set(METHODS) == labels | {"threshold"}


def test_few_choices_for_much() -> None:
    assert Target("recall", 0.95).unsafe == 20
    assert Target("recall", 0.99).unsafe == 100
    assert Target("precision", 0.5).unsafe == 2
