from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from imagejudge.constitution import Constitution, Rule
from imagejudge.errors import UsageError
from imagejudge.evaluate.distill import ISOTONIC, LEAST, Distilled, distil
from imagejudge.evaluate.distill_data import Examples, Truths, judged, labelled
from imagejudge.evaluate.labels import Label
from imagejudge.judge.probe import LEAST_SCALE, Origin
from imagejudge.verdict import Outcome, RuleResult, RuleStatus, Step, StepStatus, Verdict

ORIGIN = Origin("m@1", "1", {}, "c@2", "verdicts", "3", 4)


def rules(*ids: str) -> Constitution:
    return Constitution("c", "1", tuple(Rule(each, f"No {each}.") for each in ids))


def examples(count: int, base: float = -2.0, seed: int = 0) -> Examples:
    """Images of which `seen` can be told by the first number, and `blind` by none."""
    chance = np.random.default_rng(seed)
    vectors = chance.normal(size=(count, 5)).astype(np.float32) * [1, 10, 1e-3, 1, 0] + [0, 100, 0, 0, 7]
    seen = chance.random(count) < 1 / (1 + np.exp(-(base + 4 * vectors[:, 0])))
    blind = chance.random(count) < 0.3
    truths = [{"seen": bool(one), "blind": bool(other)} for one, other in zip(seen, blind, strict=True)]
    return Examples(tuple(f"{number:064}" for number in range(count)), vectors.astype(np.float32), tuple(truths))


@pytest.fixture(scope="module")
def found() -> Distilled:
    return distil(examples(300), rules("seen", "blind", "other"), ORIGIN)


def test_what_can_be_told_is_told_apart_from_what_cannot(found: Distilled) -> None:
    seen, blind, other = found.rules
    assert seen.figures["auroc"].value > 0.9  # type: ignore[union-attr]
    assert blind.figures["auroc"].low < 0.5 < blind.figures["auroc"].high  # type: ignore[union-attr]
    assert seen.figures["calibration_error"].value < 0.1  # type: ignore[union-attr]
    assert other.left_out == f"0 images violate it, fewer than {LEAST}"
    assert [probe.rule for probe in found.probes.probes] == ["seen", "blind"]


def test_a_probe_scores_as_its_figures_say(found: Distilled) -> None:
    fresh = examples(2000, seed=9)
    scores = [found.probes.scores(vector)["seen"] for vector in fresh.vectors]
    truth = fresh.truth("seen") == 1
    odds = np.array([score.log_odds for score in scores])
    ranked = np.mean(odds[truth][:, None] > odds[~truth])
    estimate = found.rules[0].figures["auroc"]
    assert estimate is not None
    assert estimate.low - 0.02 <= ranked <= estimate.high + 0.02
    assert np.mean([score.probability for score in scores]) == pytest.approx(truth.mean(), abs=0.05)


def test_what_is_promised_is_kept_on_others(found: Distilled) -> None:
    fresh = examples(4000, seed=5)
    threshold = found.probes.thresholds(0.9)["seen"]
    odds = np.array([found.probes.scores(vector)["seen"].log_odds for vector in fresh.vectors])
    assert np.mean(odds[fresh.truth("seen") == 1] >= threshold) >= 0.9
    promise = found.promises[-1]
    assert promise.recall == 0.9
    assert promise.skipped is not None
    assert promise.skipped.value > 0.1


def test_a_rule_that_is_not_told_apart_is_still_promised(found: Distilled) -> None:
    fresh = examples(4000, seed=6)
    threshold = found.probes.thresholds(0.9)["blind"]
    odds = np.array([found.probes.scores(vector)["blind"].log_odds for vector in fresh.vectors])
    assert np.mean(odds[fresh.truth("blind") == 1] >= threshold) >= 0.9


def test_what_two_numbers_tell_together_is_learnt() -> None:
    chance = np.random.default_rng(3)
    vectors = chance.normal(size=(400, 5)).astype(np.float32)
    truths = tuple({"seen": bool(one * two > 0)} for one, two in vectors[:, :2])
    both = Examples(tuple(f"{number:064}" for number in range(400)), vectors, truths)
    assert distil(both, rules("seen"), ORIGIN).rules[0].figures["auroc"].low > 0.8  # type: ignore[union-attr]


def test_how_strongly_the_judge_said_so_tells_more_than_whether() -> None:
    chance = np.random.default_rng(4)
    vectors = chance.normal(size=(1200, 20)).astype(np.float32)
    odds = vectors @ chance.normal(size=20) - 6
    few = slice(200)
    truths = tuple({"seen": bool(each > 0)} for each in odds)
    said = tuple({"seen": float(1 / (1 + np.exp(-each)))} for each in odds)
    digests = tuple(f"{number:064}" for number in range(200))
    by_truth = Examples(digests, vectors[few], truths[few])
    ranked = []
    for fitted_to in (by_truth, dataclasses.replace(by_truth, scores=said[few])):
        probes = distil(fitted_to, rules("seen"), ORIGIN).probes
        found = np.array([probes.scores(vector)["seen"].log_odds for vector in vectors[200:]])
        violated = odds[200:] > 0
        ranked.append(np.mean(found[violated][:, None] > found[~violated]))
    assert ranked[1] > ranked[0] + 0.02


@pytest.mark.slow
def test_a_promise_is_kept_on_long_vectors() -> None:
    kept = []
    for seed in range(60):
        chance = np.random.default_rng(seed)
        weights = chance.normal(size=60) * np.exp(-np.arange(60) / 20)
        vectors = chance.normal(size=(6600, 60))
        odds = -3 + vectors @ (2.5 * weights / np.linalg.norm(weights))
        violated = chance.random(6600) < 1 / (1 + np.exp(-odds))
        truths = tuple({"seen": bool(each)} for each in violated[:600])
        digests = tuple(f"{number:064}" for number in range(600))
        probes = distil(Examples(digests, vectors[:600].astype(np.float32), truths), rules("seen"), ORIGIN).probes
        threshold = probes.thresholds(0.9)["seen"]
        found = [probes.scores(vector)["seen"].log_odds >= threshold for vector in vectors[600:][violated[600:]]]
        kept.append(np.mean(found) >= 0.9)
    assert np.mean(kept) >= 0.9


def test_the_same_images_give_the_same_probes(found: Distilled) -> None:
    assert distil(examples(300), rules("seen", "blind", "other"), ORIGIN) == found


def test_many_images_are_calibrated_by_an_isotonic_function() -> None:
    many = distil(examples(3 * ISOTONIC, base=0.0), rules("seen"), ORIGIN)
    points = many.probes.probes[0].calibration
    assert len(points) > 2
    assert sorted(points) == list(points)
    error = many.rules[0].figures["calibration_error"]
    assert error is not None
    assert error.value < 0.1


def test_classes_that_lie_apart_have_finite_probes() -> None:
    apart = examples(60)
    truths = tuple({"apart": bool(vector[0] > 0)} for vector in apart.vectors)
    made = distil(dataclasses.replace(apart, truths=truths), rules("apart"), ORIGIN)
    assert made.rules[0].figures["auroc"].value > 0.95  # type: ignore[union-attr]
    assert np.isfinite(made.probes.probes[0].weights).all()


def test_what_hardly_varies_is_not_divided_by() -> None:
    plain = examples(60)
    faint = dataclasses.replace(plain, vectors=(plain.vectors * [1, 1, 1, 1e-38, 1]).astype(np.float32))
    scale = distil(faint, rules("seen"), ORIGIN).probes.scale
    assert min(scale) >= LEAST_SCALE
    assert scale[3] == 1.0


def test_images_that_are_all_the_same_have_no_probe() -> None:
    same = dataclasses.replace(examples(60), vectors=np.ones((60, 5), np.float32))
    made = distil(same, rules("blind"), ORIGIN)
    assert made.probes.probes == ()
    assert made.rules[0].left_out == "the vectors tell nothing of it"


@pytest.mark.parametrize("seed", range(5))
def test_vectors_that_tell_nothing_leave_out_next_to_nothing(seed: int) -> None:
    chance = np.random.default_rng(seed)
    violated = chance.permutation(360) < 60  # classes that five folds divide evenly
    vectors = chance.normal(size=(760, 7)).astype(np.float32)
    vectors[:360, 6] += 9 * violated
    truths = tuple({"noise": bool(each), "told": bool(each)} for each in violated)
    noise = Examples(tuple(map(str, range(360))), vectors[:360] * [1, 1, 1, 1, 1, 1, 0], truths)
    assert skipped(noise, "noise", vectors[360:]) < 0.1
    assert skipped(dataclasses.replace(noise, vectors=vectors[:360]), "told", vectors[360:]) > 0.9


def skipped(known: Examples, rule: str, fresh: np.ndarray) -> float:
    """The share of images that a promise of 0.95 does not ask a rule about."""
    probes = distil(known, rules(rule), ORIGIN).probes
    if not probes.probes:
        return 0.0
    threshold = probes.thresholds(0.95)[rule]
    return float(np.mean([probes.scores(vector)[rule].log_odds < threshold for vector in fresh]))


@pytest.mark.parametrize(
    ("count", "complaint"), [(3, "no rule has 10 images"), (0, "no rule has 10 images"), (-1, "no rule has 10 images")]
)
def test_too_few_images_of_either_class_are_refused(count: int, complaint: str) -> None:
    few = examples(40)
    truths = tuple({"seen": count < 0 or number < count} for number in range(40))
    with pytest.raises(UsageError, match=complaint):
        distil(dataclasses.replace(few, truths=truths), rules("seen"), ORIGIN)


def verdict(digest: str | None, statuses: Mapping[str, RuleStatus], *, asked: bool = True, **more: object) -> Verdict:
    step = Step.not_asked("A thing is visible.", 1)
    if asked:
        step = step.model_copy(update={"status": StepStatus.NOT_SATISFIED, "p_yes": 0.1})
    results = tuple(RuleResult(rule=rule, status=status, steps=(step,)) for rule, status in statuses.items())
    fields = {"verdict": Outcome.SAFE, "rationale": "", "model": "m", "constitution": "c", "method": "clue"} | more
    return Verdict(path=f"{digest}.png", sha256=digest, rules=results, imagejudge="1", **fields)  # type: ignore[arg-type]


def test_what_was_found_and_asked_is_known() -> None:
    statuses = {status.value: status for status in RuleStatus}
    assert judged(verdict("1", statuses)) == {"violated": True, "clear": False, "excepted": False}
    assert judged(verdict("1", statuses, asked=False)) == {}


@pytest.mark.parametrize(
    ("label", "known"),
    [
        (Label("x", unsafe=True, rules=("a",)), {"a": True}),
        (Label("x", unsafe=True), {}),
        (Label("x", unsafe=False), {"a": False, "b": False}),
        (Label("x", unsafe=False, rules=("b",)), {"b": False}),
    ],
)
def test_a_label_says_what_it_names(label: Label, known: Mapping[str, bool]) -> None:
    assert labelled(label, ("a", "b")) == known


def truths_of(lines: Sequence[Verdict]) -> Truths:
    truths = Truths()
    for line in lines:
        truths.add(line)
    return truths


def test_each_file_counts_once_and_contradictions_not_at_all() -> None:
    violated, clear = RuleStatus.VIOLATED, RuleStatus.CLEAR
    lines = [
        verdict("1", {"a": violated, "b": clear}),
        verdict("1", {"a": clear, "b": clear}),
        verdict("2", {"a": clear}),
        verdict("3", {"a": clear}),
        verdict("4", {"a": clear}, frame=2),
        verdict("5", {}, verdict=Outcome.ERROR),
        verdict(None, {"a": clear}),
    ]
    truths = truths_of(lines)
    vectors = {digest: np.full(2, float(digest), np.float32) for digest in "1234"}
    del vectors["3"]
    known = truths.beside(vectors)
    assert known.digests == ("1", "2")
    assert known.truths == ({"b": False}, {"a": False})
    assert known.truth("a").tolist() == [-1, 0]
    assert known.score("a").tolist() == [0.1, 0.1]
    assert sum(truths.left_out.values()) == 3
    backwards = truths_of(lines[::-1]).beside(vectors)
    assert backwards.digest == known.digest
    assert backwards.digest != dataclasses.replace(known, truths=({"b": True}, {"a": False})).digest
