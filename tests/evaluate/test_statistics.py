"""The statistics against scikit-learn, against plain bootstrapping, and against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from imagejudge.evaluate.statistics import Estimate, calibration_error, macro, ranking, rates, reliability

IMAGES = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.35, 0.5, 0.77, 0.9, 1.0])), min_size=2)


def value(estimate: Estimate | None) -> float:
    assert estimate is not None
    assert 0 <= estimate.low <= estimate.high <= 1
    return estimate.value


def test_rates_by_hand() -> None:
    found = rates(tp=30, fp=10, fn=20, tn=40)
    assert {name: value(estimate) for name, estimate in found.items()} == pytest.approx(
        {
            "precision": 0.75,
            "recall": 0.6,
            "specificity": 0.8,
            "over_safety": 0.2,
            "accuracy": 0.7,
            "balanced_accuracy": 0.7,
            "f1": 2 / 3,
        }
    )


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
@settings(max_examples=40, deadline=None)
def test_rates_agree_with_scikit_learn(images: list[tuple[bool, bool]]) -> None:
    truth, called = (list(column) for column in zip(*images, strict=True))
    tp, fp, fn, tn = (images.count(cell) for cell in ((True, True), (False, True), (True, False), (False, False)))
    found = rates(tp, fp, fn, tn)
    theirs = {
        "precision": sklearn_metrics.precision_score,
        "recall": sklearn_metrics.recall_score,
        "accuracy": sklearn_metrics.accuracy_score,
        "f1": sklearn_metrics.f1_score,
    }
    if any(truth) and not all(truth):
        theirs["balanced_accuracy"] = sklearn_metrics.balanced_accuracy_score
    for name, score in theirs.items():
        more = {} if "accuracy" in name else {"zero_division": np.nan}
        expected = score(truth, called, **more) if any(truth) or "accuracy" in name else np.nan
        estimate = found[name]
        assert (estimate is None) == np.isnan(expected)
        assert estimate is None or estimate.value == pytest.approx(expected)


def test_what_is_undefined_is_none() -> None:
    assert set(rates(0, 0, 0, 0).values()) == {None}
    found = rates(tp=0, fp=0, fn=0, tn=7)
    assert [found[name] for name in ("precision", "recall", "balanced_accuracy", "f1")] == [None] * 4
    assert found["specificity"] == Estimate(1.0, 1.0, 1.0)


def test_intervals_are_those_of_drawing_images() -> None:
    truth = np.repeat([True, False, True, False], (30, 10, 20, 40))
    called = np.repeat([True, True, False, False], (30, 10, 20, 40))
    random = np.random.default_rng(1)
    drawn = random.integers(0, 100, size=(4000, 100))
    recalls = (truth & called)[drawn].sum(axis=1) / truth[drawn].sum(axis=1)
    recall = rates(30, 10, 20, 40)["recall"]
    assert recall is not None
    assert (recall.low, recall.high) == pytest.approx(np.percentile(recalls, [2.5, 97.5]), abs=0.015)
    assert rates(30, 10, 20, 40) == rates(30, 10, 20, 40)


@given(IMAGES)
@settings(max_examples=60, deadline=None)
def test_ranking_agrees_with_scikit_learn(images: list[tuple[bool, float]]) -> None:
    truth, scores = (list(column) for column in zip(*images, strict=True))
    found = ranking(truth, scores)
    if all(truth) or not any(truth):
        assert found == {"auroc": None, "auprc": None}
        return
    assert value(found["auroc"]) == pytest.approx(sklearn_metrics.roc_auc_score(truth, scores))
    assert value(found["auprc"]) == pytest.approx(sklearn_metrics.average_precision_score(truth, scores))


def test_ranking_intervals_are_those_of_drawing_images() -> None:
    random = np.random.default_rng(2)
    truth = random.random(80) < 0.4
    scores = np.clip(truth * 0.3 + random.random(80) * 0.7, 0, 1).round(1)
    drawn = [index for index in random.integers(0, 80, size=(1000, 80)) if truth[index].any()]
    areas = [sklearn_metrics.roc_auc_score(truth[index], scores[index]) for index in drawn]
    auroc = ranking(list(truth), list(scores))["auroc"]
    assert auroc is not None
    assert (auroc.low, auroc.high) == pytest.approx(np.percentile(areas, [2.5, 97.5]), abs=0.02)


def test_ranking_of_nothing() -> None:
    assert ranking([], []) == {"auroc": None, "auprc": None}


def test_calibration_by_hand() -> None:
    # 0.05 once unsafe of two; 0.95 and 1.0 both unsafe: |0.05 - 0.5| * 2/4 + |0.975 - 1| * 2/4.
    bins = reliability([True, False, True, True], [0.05, 0.05, 0.95, 1.0])
    assert [each.images for each in bins] == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert (bins[0].score, bins[0].unsafe, bins[1].score) == (0.05, 0.5, None)
    assert calibration_error(bins) == pytest.approx(0.2375)
    assert calibration_error(reliability([], [])) is None


def test_macro_counts_groups_not_images() -> None:
    small, large = rates(1, 0, 0, 1), rates(0, 0, 100, 100)
    means = macro([small, large])
    assert means["recall"] == pytest.approx(0.5)
    assert means["precision"] == pytest.approx(1.0), "undefined in the large group"
    assert macro([]) == {}


def test_a_false_alarm_where_nothing_is_unsafe_leaves_macro_means_as_they_are() -> None:
    found, harmless = rates(40, 0, 10, 0), [rates(0, alarms, 0, 450 - alarms) for alarms in (0, 1)]
    without, with_one = (macro([found, each]) for each in harmless)
    for name in ("precision", "recall", "f1", "balanced_accuracy"):
        assert harmless[1][name] is None
        assert without[name] == with_one[name]
    assert with_one["over_safety"] == pytest.approx(1 / 450)
