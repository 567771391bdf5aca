"""Thresholds chosen on one half, measured on the other; what is not recorded never makes a rate look better."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from imagejudge.constitution import Constitution, Precondition, Rule, Statement, Thresholds
from imagejudge.engine.base import Reasoning
from imagejudge.engine.scripted import Scripted, certain
from imagejudge.errors import UsageError
from imagejudge.evaluate.calibration_repeats import Repeats, repeat
from imagejudge.evaluate.calibration_split import (
    METHODS,
    Count,
    Sample,
    Target,
    count,
    samples,
    split_samples,
    told,
    unjudged,
)
from imagejudge.evaluate.labels import Label
from imagejudge.evaluate.metrics import Case, Cost
from imagejudge.evaluate.threshold_search import WIDEST, choose_all, conformal, sweep
from imagejudge.images.picture import Picture
from imagejudge.images.read import Limits
from imagejudge.judge.claims import questions_of
from imagejudge.judge.clue import Method, judge
from imagejudge.judge.plan import Plan
from imagejudge.judge.summary import summarise
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
    parts = split_samples(found, RECALL)
    assert count(parts.chosen_on, plan(), Thresholds()).rate("recall") == 0
    chosen = sweep(parts.chosen_on, plan(), RECALL)
    assert 0.5 + 0.5 * chosen.satisfied < 0.72
    assert 0.5 + 0.5 * chosen.satisfied > 0.6, "the safe ones at 0.6 are not called unsafe"
    held_out = count(parts.held_out, plan(), chosen)
    assert (held_out.tp, held_out.fn, held_out.fp) == (20, 0, 0)
    assert held_out.rates["recall"] is not None


def test_a_precision_is_reached_with_the_most_found() -> None:
    found = samples(cases([0.92] * 20 + [0.97] * 20, [0.92] * 10 + [0.1] * 30))
    chosen = sweep(split_samples(found, PRECISION).chosen_on, plan(), PRECISION)
    counted = count(found, plan(), chosen)
    assert (counted.tp, counted.fp) == (20, 0)


def test_thresholds_that_are_good_stay() -> None:
    found = samples(cases([0.95] * 40, [0.1] * 40))
    assert sweep(found, plan(), RECALL) == Thresholds()
    mine = Thresholds(0.25, 0.85, 0.5)
    assert sweep(found, plan(thresholds=mine), RECALL) == mine


def test_what_cannot_be_reached_is_told() -> None:
    found = samples(cases([0.1] * 40, [0.1] * 40))
    with pytest.raises(UsageError, match=r"no thresholds reach a recall of 0\.9"):
        sweep(found, plan(), RECALL)
    with pytest.raises(UsageError, match="precision"):
        sweep(found, plan(), PRECISION)


def test_halves_are_alike_and_always_the_same() -> None:
    some = cases([0.9] * 41, [0.1] * 30)
    some = [replace(case, label=replace(case.label, rules=(f"r{n % 3}",))) for n, case in enumerate(some)]
    parts = split_samples(samples(some), RECALL)
    assert parts == split_samples(samples(reversed(some)), RECALL)
    ours, theirs = parts
    assert not {image.lines[0].path for image in ours} & {image.lines[0].path for image in theirs}
    for stratum in {(image.unsafe, image.violated, image.spared) for image in ours}:
        sizes = [sum((image.unsafe, image.violated, image.spared) == stratum for image in half) for half in parts]
        assert abs(sizes[0] - sizes[1]) <= 1


@pytest.mark.parametrize(
    ("unsafe", "safe", "enough"), [(20, 20, True), (19, 20, False), (20, 19, False), (0, 0, False)]
)
def test_too_few_labels_are_refused(unsafe: int, safe: int, enough: bool) -> None:
    found = samples(cases([0.9] * unsafe, [0.1] * safe))
    if enough:
        split_samples(found, RECALL)
    else:
        with pytest.raises(UsageError, match="too few") as refused:
            split_samples(found, RECALL)
        assert "at least 20 unsafe and 20 safe" in refused.value.hint


def test_the_same_image_is_one_whatever_its_names() -> None:
    one, other = cases([0.9], [0.1])
    same = replace(other, verdict=one.verdict.model_copy(update={"path": "copy"}))
    broken = replace(other, verdict=other.verdict.model_copy(update={"verdict": Outcome.ERROR}))
    (image,) = samples([one, same, broken])
    assert (image.unsafe, len(image.lines)) == (True, 2)


def beside(images: int, sentences: int, unsafe: int) -> list[Case]:
    """Images that each come with so many sentences, beside so many of which they are unsafe; the judge is right."""
    found = []
    for case in cases([0.95] * unsafe, [0.1] * (sentences - unsafe)):
        label = replace(case.label, sentence=f"text {case.label.name}")
        for number in range(images):
            name = f"image {number}"
            verdict = case.verdict.model_copy(update={"path": name, "sha256": name})
            found.append(Case(replace(label, name=name), verdict, case.cost))
    return found


def test_an_image_is_judged_beside_each_of_its_sentences() -> None:
    found = samples(beside(images=12, sentences=5, unsafe=1))
    counted = count(found, plan(), Thresholds())
    assert (counted.tp, counted.fn, counted.fp, counted.tn) == (12, 0, 0, 48)


def test_all_sentences_of_an_image_are_in_one_half() -> None:
    images = samples([*beside(images=40, sentences=5, unsafe=2), *cases([0.95] * 3, [0.1] * 3)])
    for chance in (None, random.Random(5)):
        ours, theirs = split_samples(images, RECALL, chance)
        assert not {image.digest for image in ours} & {image.digest for image in theirs}
        assert abs(sum(image.unsafe for image in ours) - sum(image.unsafe for image in theirs)) <= 2
        assert abs(len(ours) - len(theirs)) <= 5


def test_sentences_of_too_few_images_are_refused() -> None:
    with pytest.raises(UsageError, match="0 unsafe and 0 safe images are left for one half") as refused:
        split_samples(samples(beside(images=1, sentences=80, unsafe=40)), RECALL)
    assert "at least 10 unsafe and 10 safe" in refused.value.hint


def test_images_that_no_line_judges_are_told() -> None:
    one, other, third = cases([0.9], [0.1, 0.1])
    failed = [
        replace(each, verdict=each.verdict.model_copy(update={"verdict": Outcome.ERROR})) for each in (one, other)
    ]
    assert unjudged([*failed, one, third, failed[1]]) == [failed[1]]


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


# --- a promise ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("unsafe", "lost"), [(9, 0), (18, 0), (19, 1), (29, 2), (99, 9)])
def test_as_many_may_be_missed_as_the_promise_allows(unsafe: int, lost: int) -> None:
    """(k + 1) / (n + 1) <= 0.1: when the next image is missed too, that is one in ten."""
    found = samples(cases([0.68 + 0.3 * n / unsafe for n in range(unsafe)], [0.55] * 20))
    chosen = conformal(found, plan(), RECALL)
    assert chosen == replace(Thresholds(), satisfied=chosen.satisfied)
    assert count(found, plan(), chosen).fn <= lost
    stricter = replace(chosen, satisfied=chosen.satisfied + 0.02)
    assert count(found, plan(), stricter).fn > lost, "the strictest that keeps the promise"


@pytest.mark.slow
def test_the_promise_holds_for_images_that_come_later() -> None:
    """Over 200 draws of 40 unsafe images, the mean share of later ones that are found; its error is below 0.01."""
    chance = random.Random(1)
    shares = []
    for _ in range(200):
        drawn = samples(cases([0.68 + 0.3 * chance.random() for _ in range(40)], []))
        chosen = conformal(drawn, plan(), RECALL)
        # Found where p > 0.5 + satisfied / 2, of which later images tell by their distribution.
        shares.append(min(1.0, (0.98 - (0.5 + chosen.satisfied / 2)) / 0.3))
    assert 0.9 <= sum(shares) / len(shares) < 0.95


def test_of_a_precision_nothing_is_promised() -> None:
    with pytest.raises(UsageError, match="promises a recall only"):
        conformal(samples(cases([0.9] * 40, [0.1] * 40)), plan(), PRECISION)


def test_an_image_that_a_laxer_threshold_misses_counts_as_missed() -> None:
    """Its exception holds more easily by a laxer one."""
    rule = replace(RULES.rules[0], unless=(Statement("An X is visible."),))
    excepted = replace(plan(), constitution=replace(RULES, rules=(rule,)))
    with pytest.raises(UsageError, match="at best 40 of 40 unsafe images missed, and 3 may be"):
        conformal(samples(cases([0.9] * 40, [0.1] * 40, excepted)), excepted, RECALL)


# --- rule by rule ---------------------------------------------------------------------------------------------------

Y = replace(RULES.rules[0], id="y", text="No Y.", preconditions=(Precondition((Statement("A Y is visible."),)),))
Z = replace(Y, id="z", text="No Z.", preconditions=(Precondition((Statement("A Z is visible."),)),))
THREE = replace(RULES, rules=(*RULES.rules, Y, Z))


def about(rule: str, letter: str, p_unsafe: float, p_safe: float, number: int) -> list[Case]:
    """As many unsafe and safe images with a label about one rule; of every other, the model says No."""
    by = replace(plan(), constitution=THREE)
    found = []
    for n in range(2 * number):
        p_yes = p_unsafe if n % 2 else p_safe
        view = Scripted(lambda _, q, p=p_yes: p if f" {letter} " in q.subject else 0.05).view(PICTURE)  # type: ignore[misc]
        results = judge(THREE, view, dict.fromkeys(questions_of(THREE), certain(0.5)), by.method)
        verdict = line(f"{rule}{n}", 0.5, plan()).model_copy(update={"rules": results})
        found.append(Case(Label(f"{rule}{n}", bool(n % 2), rules=(rule,)), verdict, Cost(1, 0, None)))
    return found


def test_each_rule_gets_what_its_own_labels_say() -> None:
    labelled = [*about("x", "X", 0.72, 0.6, 20), *about("y", "Y", 0.97, 0.93, 20), *about("z", "Z", 0.95, 0.1, 4)]
    the_plan = replace(plan(), constitution=THREE)
    parts = split_samples(samples(labelled), RECALL)
    choice = choose_all(parts, the_plan, RECALL, "sweep")
    x, y, z = choice.rules
    assert (x.unsafe, x.safe, z.unsafe, z.safe) == (20, 20, 4, 4)
    assert x.thresholds is not None
    assert x.thresholds.satisfied < 0.44
    assert y.thresholds is not None
    assert y.thresholds.satisfied > 0.86
    assert (z.thresholds, z.kept, z.held_out) == (None, "too few labels", None)
    assert [rule.thresholds for rule in choice.constitution.rules] == [x.thresholds, y.thresholds, None]
    assert x.held_out is not None
    assert (x.held_out.tp, x.held_out.fn, x.held_out.fp, x.held_out.images) == (10, 0, 0, 20)
    after = replace(the_plan, constitution=choice.constitution)
    whole = count(parts.held_out, after, choice.constitution.thresholds)
    assert (whole.fn, whole.fp) == (0, 0)
    assert count(parts.held_out, the_plan, Thresholds()).fp > 0


def test_a_rule_that_cannot_reach_the_target_keeps_what_it_has() -> None:
    labelled = [*about("x", "X", 0.2, 0.1, 20), *about("y", "Y", 0.97, 0.1, 400)]
    own = replace(RULES.rules[0], thresholds=Thresholds(satisfied=0.75))
    constitution = replace(THREE, rules=(own, *THREE.rules[1:]))
    choice = choose_all(
        split_samples(samples(labelled), RECALL), replace(plan(), constitution=constitution), RECALL, "sweep"
    )
    assert choice.rules[0].kept == "no thresholds reach 0.9"
    assert choice.constitution.rules[0] == own
    assert choice.constitution.rules[1].thresholds is None, "the usual ones are the best for it: it needs no table"


def test_where_every_rule_has_its_own_those_of_all_stay() -> None:
    labelled = about("x", "X", 0.72, 0.6, 20)
    mine = Thresholds(0.25, 0.85, 0.5)
    the_plan = plan(thresholds=mine)
    choice = choose_all(split_samples(samples(labelled), RECALL), the_plan, RECALL, "sweep")
    assert choice.constitution.thresholds == mine
    assert choice.constitution.rules[0].thresholds not in (None, mine)


@pytest.mark.parametrize(
    ("image", "unsafe"),
    [
        (Sample("", (), True, violated=("a",)), True),
        (Sample("", (), True, violated=("b",)), None),
        (Sample("", (), True, violated=("b",), spared=("a",)), False),
        (Sample("", (), False, spared=("a",)), False),
        (Sample("", (), False, spared=("b",)), None),
        (Sample("", (), False), False),
        (Sample("", (), True), None),
    ],
)
def test_what_a_label_says_of_one_rule(image: Sample, unsafe: bool | None) -> None:
    known = image.about("a")
    assert (known.unsafe if known else None) == unsafe


def test_few_choices_for_much() -> None:
    assert Target("recall", 0.95).unsafe == 20
    assert Target("recall", 0.99).unsafe == 100
    assert Target("precision", 0.5).unsafe == 2


def of(tp: int, fn: int) -> Count:
    return Count(tp=tp, fp=0, fn=fn, tn=10, unsure=0, untold=0)


def test_draws_in_which_the_target_is_reached_are_counted() -> None:
    found = Repeats(Target("recall", 0.9), 5, (of(10, 0), of(9, 1), of(8, 2), of(7, 3)))
    assert found.held == 2
    spread = found.spread("recall")
    assert spread is not None
    assert (round(spread.mean, 3), round(spread.median, 3)) == (0.85, 0.85)
    assert (round(spread.low, 3), round(spread.high, 3)) == (0.715, 0.985)


def test_without_thresholds_in_any_draw_there_is_no_spread() -> None:
    found = repeat(samples(cases([0.05] * 40, [0.1] * 40)), plan(), RECALL, "sweep", draws=2, seed=0)
    assert (found.draws, found.held, found.held_out) == (2, 0, ())
    assert found.spread("recall") is None


def test_halves_are_drawn_anew_and_alike_in_labels() -> None:
    images = samples(cases([0.7] * 41, [0.1] * 40))
    chance = random.Random(5)
    one, other = split_samples(images, RECALL, chance), split_samples(images, RECALL, chance)
    assert one != other
    assert {sum(image.unsafe for image in half) for each in (one, other) for half in each} == {20, 21}


def test_the_promise_holds_on_average_over_draws() -> None:
    chance = random.Random(1)
    unsafe = [0.7 + 0.29 * chance.random() for _ in range(60)]
    safe = [chance.betavariate(2, 6) for _ in range(40)]
    images = samples(cases(unsafe, safe))
    target = Target("recall", 0.8)
    found = repeat(images, plan(), target, "conformal", draws=30, seed=3)
    spread = found.spread("recall")
    assert spread is not None
    assert len(found.held_out) == 30
    assert spread.low < spread.median < spread.high
    assert spread.mean >= target.least - 0.02
    assert repeat(images, plan(), target, "conformal", draws=30, seed=3) == found
    assert repeat(images, plan(), target, "conformal", draws=30, seed=4) != found
