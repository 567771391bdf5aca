from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagejudge.common import toml_read
from imagejudge.constitution import Constitution, Rule, Severity, Thresholds, rule_digest, select_rules
from imagejudge.errors import UsageError
from imagejudge.judge.clue import ARITHMETIC, Method
from imagejudge.judge.probe import CONFIDENCE, Figure, Origin, Probe, Probes, highest, misses_allowed, needed, threshold
from imagejudge.judge.probe_file import read_probes, write_probes

RULE = Rule("one", "Should not depict one thing.")
RULES = Constitution("c", "1", (RULE, dataclasses.replace(RULE, id="two")))
SETTINGS = {"image_max_tokens": 1024, "runtime": "llama-cpp-python 0.3.36"}
WEIGHTS = (0.1, -2.0, 1 / 3, 0.5, 0.0, 0.25, -3.0, 0.0, 7.0)
"""Of three components, and of 1·1, 1·2, 1·3, 2·2, 2·3, 3·3."""
AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def probe(rule: str = "one", **changes: object) -> Probe:
    plain = Probe(rule, rule_digest(RULES, RULE), WEIGHTS, -1.5, 4, 9, (-0.5, 0.25, 1.0, 2.0))
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def probes(*each: Probe) -> Probes:
    origin = Origin("builtin@0123", "01234567", SETTINGS, "c@89ab", "verdicts", "cd" * 32, 13, "clue", ARITHMETIC)
    return Probes(origin, "mean,max", (0.5, -1e-7, 12345.678), (1.0, 0.1, 3e5), AXES, each or (probe(),))


def made_of(**changes: object) -> Probes:
    """The same, from elsewhere."""
    plain = probes()
    return dataclasses.replace(plain, origin=dataclasses.replace(plain.origin, **changes))  # type: ignore[arg-type]


def vector(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


def test_a_score_is_a_sum_over_components_and_products_of_two() -> None:
    score = probes().scores(vector(1.5, 0.2, 5.0))["one"]
    one, two, three = 1.0, (0.2 + 1e-7) / 0.1, (5.0 - 12345.678) / 3e5
    expected = 0.1 * one - 2.0 * two + three / 3 + 0.5 * one**2 + 0.25 * one * three - 3.0 * two**2 + 7 * three**2 - 1.5
    assert score.log_odds == pytest.approx(expected, rel=1e-6)
    assert score.probability == pytest.approx(1 / (1 + math.exp(-expected)), rel=1e-6)


def test_components_are_lengths_along_directions() -> None:
    turned = dataclasses.replace(probes(probe(weights=(2.0, 5.0))), directions=((0.0, 0.5, -1.0),))
    component = 0.5 * (0.2 + 1e-7) / 0.1 - (5.0 - 12345.678) / 3e5
    expected = 2 * component + 5 * component**2 - 1.5
    assert turned.scores(vector(1.5, 0.2, 5.0))["one"].log_odds == pytest.approx(expected, rel=1e-6)


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(UsageError, match="take vectors of 3 numbers, and the model gives 2"):
        probes().scores(vector(1.0, 2.0))


def test_probabilities_follow_the_calibration_and_stay_within_it() -> None:
    mapped = probe(calibration=((-2.0, 0.1), (0.0, 0.3), (4.0, 0.9)))
    found = [mapped.probability(score) for score in (-99.0, -2.0, -1.0, 0.0, 1.0, 4.0, 99.0)]
    assert found == pytest.approx([0.1, 0.1, 0.2, 0.3, 0.45, 0.9, 0.9])
    assert [probe().probability(score) for score in (-1e9, 0.0, 1e9)] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("count", "recall", "allowed"), [(58, 0.95, None), (59, 0.95, 0), (92, 0.95, 0), (93, 0.95, 1), (29, 0.9, 0)]
)
def test_a_promise_takes_enough_images(count: int, recall: float, allowed: int | None) -> None:
    assert misses_allowed(count, recall) == allowed


@pytest.mark.parametrize("recall", [0.9, 0.95, 0.99])
def test_what_is_needed_is_what_is_enough(recall: float) -> None:
    count = needed(recall)
    assert misses_allowed(count, recall) == 0
    assert misses_allowed(count - 1, recall) is None
    assert highest(count) >= recall > highest(count - 1)


@pytest.mark.parametrize("count", [10, 28, 58, 60, 298, 3000])
def test_the_highest_recall_can_be_asked_for_as_it_is_written(count: int) -> None:
    assert misses_allowed(count, float(f"{highest(count):g}")) == 0


@pytest.mark.parametrize(("count", "recall"), [(60, 0.95), (120, 0.95), (300, 0.99), (200, 0.9)])
def test_promises_are_kept_as_often_as_they_say(count: int, recall: float) -> None:
    chance = np.random.default_rng(1)
    kept = np.mean([1 - threshold(chance.random(count), recall) >= recall for _ in range(4000)])
    assert kept >= CONFIDENCE - 0.012


def test_rules_with_few_images_promise_together() -> None:
    many = probe("many", held_out=tuple(float(score) for score in range(59)))
    few = [
        probe(rule, held_out=tuple(start + score / 100 for score in range(30))) for rule, start in (("a", 3), ("b", 2))
    ]
    found = probes(many, *few).thresholds(0.95)
    assert found == {"many": 0.0, "a": 2.0, "b": 2.0}
    assert probes(many, few[0]).thresholds(0.95) == {"many": 0.0}  # `a` is asked as ever
    with pytest.raises(UsageError, match="cannot be promised by 60 images") as failed:
        probes(*few).thresholds(0.99)
    assert "at least 299" in failed.value.hint
    assert "at most 0.951" in failed.value.hint


def test_a_recall_that_is_shared_is_no_promise_of_a_lower_one_alone() -> None:
    """A higher recall may leave out more of a rule: it is kept by all together, and this rule is missed more often."""
    few, more = probe("few", held_out=(0.0, 1.0, *(9.0,) * 58)), probe("more", held_out=(9.0,) * 60)
    assert [few.promises(recall) for recall in (0.96, 0.95)] == [False, True]
    assert [probes(few, more).thresholds(recall)["few"] for recall in (0.96, 0.95)] == [1.0, 0.0]
    assert misses_allowed(len(few.held_out), 0.95) == 0, "1.0 would break what it promises alone"


def test_a_probe_that_says_the_same_of_every_image_skips_none() -> None:
    blind = probe("blind", weights=(0.0,) * 9, bias=-1.6, held_out=(-1.5,) * 60)
    assert probes(blind, probe("more", held_out=(9.0,) * 60)).thresholds(0.95) == {"more": 9.0}
    with pytest.raises(UsageError, match="cannot be promised by 0 images") as failed:
        probes(blind).thresholds(0.95)
    assert failed.value.hint == "distil from at least 59"


def test_another_model_and_other_settings_are_refused() -> None:
    made = probes()
    made.check_model("builtin@0123", "01234567", SETTINGS)
    with pytest.raises(UsageError, match="distilled from builtin@0123, and the model is other@45"):
        made.check_model("other@45", "456", SETTINGS)
    with pytest.raises(UsageError, match="image_max_tokens=1024, not 256"):
        made.check_model("builtin@0123", "01234567", SETTINGS | {"image_max_tokens": 256})
    with pytest.raises(UsageError, match="ctx=none, not 4096"):
        made.check_model("builtin@0123", "01234567", SETTINGS | {"ctx": 4096})


def test_another_method_is_refused() -> None:
    by = Method("threshold")
    probes().check_method(Method())
    with pytest.raises(UsageError, match="from verdicts by `clue`, and this scan judges by `threshold`"):
        probes().check_method(by)
    with pytest.raises(UsageError, match="this scan judges by `clue-no-debias-no-reasoning`"):
        probes().check_method(Method(debias=False, reasoning=False))
    earlier = made_of(arithmetic=ARITHMETIC - 1)
    with pytest.raises(UsageError, match=f"arithmetic={ARITHMETIC - 1}, not {ARITHMETIC}") as failed:
        earlier.check_method(Method())
    assert "distil again" in failed.value.hint
    with pytest.raises(UsageError, match="from verdicts by `None`"):
        made_of(method=None).check_method(by)


def test_probes_made_of_labels_go_with_any_method() -> None:
    labelled = made_of(labels="labels", method=None, arithmetic=None)
    for method in (Method(), Method("threshold")):
        labelled.check_method(method)


def test_probes_of_changed_rules_are_left_out() -> None:
    both = probes(probe(), probe("two"))
    assert both.within(RULES, RULES) == (both, ())
    mild = dataclasses.replace(RULE, severity=Severity.LOW, category="other")  # changes no verdict on the rule
    milder = dataclasses.replace(RULES, rules=(mild, *RULES.rules[1:]))
    assert both.within(milder, milder) == (both, ())
    other = dataclasses.replace(RULES, rules=(dataclasses.replace(RULE, text="Something else."),))
    left, remarks = both.within(other, other)
    assert left.probes == ()
    assert remarks == (
        "the rule one is asked, not left to its probe: it is judged otherwise than when the probe was made",
        "the probe of two is not used: the constitution has no such rule",
    )
    stricter = dataclasses.replace(RULES, thresholds=Thresholds(satisfied=0.9))
    left, remarks = both.within(stricter, stricter)
    assert (left.probes, len(remarks)) == ((), 2)


def test_of_rules_that_are_not_judged_nothing_is_said() -> None:
    both = probes(probe(), probe("two"))
    disabled = dataclasses.replace(RULES, rules=(RULE, dataclasses.replace(RULES.rules[1], enabled=False)))
    for chosen, whole in ((select_rules(RULES, ["one"]), RULES), (disabled, disabled)):
        left, remarks = both.within(chosen, whole)
        assert ([each.rule for each in left.probes], remarks) == (["one"], ())


finite = st.floats(-1e30, 1e30, allow_nan=False)


@settings(deadline=None)
@given(
    numbers=st.lists(finite, min_size=9, max_size=9),
    bias=finite,
    scores=st.lists(finite, max_size=60),
    name=st.text(max_size=20).map(lambda text: f"m{text}m"),
)
def test_a_file_gives_back_every_bit(
    numbers: list[float], bias: float, scores: list[float], name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("probes") / "probe.toml"
    one = probe(weights=tuple(numbers), bias=bias, held_out=tuple(sorted(scores)), positives=len(scores))
    two = probe("two", calibration=((-2.5, 0.0), (1.0, 1.0)), figures={"auroc": Figure(0.9, 0.8, 0.95)})
    made = probes(one, two)
    write_probes(made, path)
    assert read_probes(path) == made
    named = dataclasses.replace(made, origin=dataclasses.replace(made.origin, model=name))
    write_probes(named, path)
    read_probes(path).check_model(name, made.origin.digest, SETTINGS)


def test_the_file_can_be_read_and_compared(tmp_path: Path) -> None:
    path = tmp_path / "probe.toml"
    wide = tuple(math.sin(number) for number in range(6000))
    one = probe(weights=(1.5, 2.5))
    made = dataclasses.replace(probes(one), mean=wide, scale=(1.0,) * 6000, directions=(wide,))
    write_probes(made, path)
    text = path.read_text("utf-8")
    assert max(map(len, text.splitlines())) <= 120
    assert text.count("mean = [") == 1
    assert read_probes(path) == made
    path.write_text(f"\ufeff{text}", "utf-8")  # as some editors save it
    assert read_probes(path) == made


@pytest.mark.parametrize(("schema", "hint"), [(2, "`imagejudge distill`"), (4, "use a newer imagejudge")])
def test_a_file_of_another_version_says_what_to_do(schema: int, hint: str, tmp_path: Path) -> None:
    path = tmp_path / "probe.toml"
    write_probes(probes(), path)
    path.write_text(path.read_text("utf-8").replace("schema = 3", f"schema = {schema}"), "utf-8")
    with pytest.raises(UsageError, match=f"schema {schema} is not one that this version reads") as failed:
        read_probes(path)
    assert hint in failed.value.hint


WRONG = [
    ("schema = 3", "", "no file of probes, as far as this version reads"),
    ("schema = 3", "schema = true", "no file of probes"),
    ("schema = 3", "schema = ", "not TOML"),
    ('pooling = "mean,max"', 'pooling = "mean"', "pooled by mean, in this version by mean,max"),
    ("dimension = 3", "dimension = 4", "9 numbers do not make 1 to 512 directions of 4"),
    ("0.0, 1.0,\n]", "0.0,\n]", "8 numbers do not make 1 to 512 directions of 3"),
    (" 7.0,", "", "'weights' has 8 numbers, not 9"),
    ("dimension = 3", "dimension = 0", "no vector has 0 numbers"),
    ("dimension = 3", "dimension = 99999999999", "no vector has 99,999,999,999 numbers"),
    ("bias = -1.5", "bias = nan", "'bias' is nan"),
    ("bias = -1.5", "bias = 1e300", "'bias' is 1e+300"),
    ("bias = -1.5", 'bias = "-1.5"', "must be a number, not a string"),
    ("bias = -1.5", "bias = true", "must be a number, not true or false"),
    ("bias = -1.5", "", "a probe has no 'bias'"),
    ("0.1, -2.0", "inf, -2.0", "'weights' holds what is no number"),
    ("0.1, -2.0", "[0.1], -2.0", "'weights' holds what is no number"),
    ("0.1, -2.0", "true, -2.0", "'weights' holds what is no number"),
    ("1.0, 0.1, 300000.0", "1.0, 0.0, 300000.0", "a scale is less than 1e-30"),
    ("1.0, 0.1, 300000.0", "1.0, -0.1, 300000.0", "a scale is less than 1e-30"),
    ("1.0, 0.1, 300000.0", "1.0, 1e-308, 300000.0", "a scale is less than 1e-30"),
    ('method = "clue"', "", "[data] has no 'method'"),
    ('method = "clue"', "method = 3", "'method' in [data] must be a string"),
    ("arithmetic = 3", "", "[data] has no 'arithmetic'"),
    ("arithmetic = 3", 'arithmetic = "3"', "'arithmetic' in [data] must be a whole number"),
    ('labels = "verdicts"\nmethod = "clue"', 'labels = "others"', "[data] has no 'method'"),
    ('rule = "one"', "", "a probe has no 'rule'"),
    ('rule = "one"', 'rule = "../one"', "'rule' in a probe is '../one'"),
    ('rule = "one"', 'rule = "one"\nevil = 1', "unknown key 'evil'"),
    ("positives = 4", "positives = 3", "4 scores of 3 positives"),
    ("positives = 4", "positives = -4", "'positives' is negative"),
    ("-0.5, 0.25", "0.5, 0.25", "scores are not in ascending order"),
    ("auroc = [0.9, 0.8, 0.95]", "auroc = [0.9, 0.8]", "must be a value and its interval"),
    ("auroc = [0.9, 0.8, 0.95]", "auroc = [9, 0.8, 1]", "must be a value and its interval"),
    ("[-2.0, 0.1]", "[-2.0, 1.1]", "pairs of log odds and a probability"),
    ("[-2.0, 0.1]", "[2.0, 0.1]", "its pairs are not in ascending order"),
    ("[data]", "[[probes.rules", "not TOML"),
    ("[model.settings]", "[model.more]", "unknown key 'more'"),
    ("1024", "[1024]", "is no string or whole number"),
    ("[data]", "[dates]", "unknown key 'dates'"),
]


@pytest.mark.parametrize(("old", "new", "complaint"), WRONG, ids=[f"{old} to {new}" for old, new, _ in WRONG])
def test_a_wrong_file_is_refused(old: str, new: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "probe.toml"
    figures = {"auroc": Figure(0.9, 0.8, 0.95)}
    write_probes(probes(probe(figures=figures, calibration=((-2.0, 0.1), (1.0, 0.9)))), path)
    read_probes(path)
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(UsageError) as failed:
        read_probes(path)
    assert complaint in failed.value.message
    assert "imagejudge distill" in failed.value.hint


def test_a_file_of_probes_made_of_labels_names_no_method(tmp_path: Path) -> None:
    labelled = made_of(labels="labels", method=None, arithmetic=None)
    write_probes(labelled, tmp_path / "probe.toml")
    assert "method" not in (tmp_path / "probe.toml").read_text("utf-8")
    assert read_probes(tmp_path / "probe.toml") == labelled


def test_numbers_at_the_bounds_give_a_score(tmp_path: Path) -> None:
    one = probe(weights=(1e30,) * 9, bias=1e30)
    made = dataclasses.replace(probes(one), mean=(-1e30,) * 3, scale=(1e-30,) * 3, directions=((1e30,) * 3,) * 3)
    write_probes(made, tmp_path / "probe.toml")
    score = read_probes(tmp_path / "probe.toml").scores(vector(3e38, -3e38, 3e38))["one"]
    assert math.isfinite(score.log_odds)


def test_two_probes_of_a_rule_are_refused(tmp_path: Path) -> None:
    write_probes(probes(probe(), probe()), tmp_path / "probe.toml")
    with pytest.raises(UsageError, match="two probes are of the rule 'one'"):
        read_probes(tmp_path / "probe.toml")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"\x80\x04\x95", b"[" * 100_000])
def test_what_is_no_file_of_probes_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "probe.toml").write_bytes(content)
    with pytest.raises(UsageError):
        read_probes(tmp_path / "probe.toml")


def test_a_file_that_is_not_there_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_probes(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read_probes(tmp_path)


def test_lines_of_a_file_without_mistakes_are_not_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "probe.toml"
    write_probes(probes(), path)
    looked_up = []
    monkeypatch.setattr(toml_read, "locate", lambda text: looked_up.append(text) or {})
    assert read_probes(path) == probes()
    assert not looked_up
