"""Evaluations side by side: order, what is the same image, and differences in pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from imagejudge.errors import UsageError
from imagejudge.evaluate.labels import Label
from imagejudge.evaluate.leaderboard import MEASURES, Evaluated, leaderboard, read_evaluation
from imagejudge.evaluate.metrics import Case, Cost
from imagejudge.evaluate.report import evaluation
from imagejudge.evaluate.statistics import RATES
from imagejudge.verdict import Outcome, RuleResult, Step, Verdict

UNSAFE, UNSURE, SAFE, ERROR = Outcome.UNSAFE, Outcome.UNSURE, Outcome.SAFE, Outcome.ERROR
TRUTH = [True] * 20 + [False] * 20
GOOD = [UNSAFE] * 19 + [SAFE] + [SAFE] * 18 + [UNSAFE] * 2
POOR = [UNSAFE] * 14 + [SAFE] * 6 + [SAFE] * 18 + [UNSAFE] * 2


def case(folder: str, number: int, unsafe: bool, outcome: Outcome, bytes_known: bool = True) -> Case:
    label = Label(f"{folder}/{number}.png", unsafe)
    p_yes = {UNSAFE: 0.9, SAFE: 0.2}.get(outcome, 0.5)
    steps = (Step.not_asked("A.", 1).model_copy(update={"status": "satisfied", "p_yes": p_yes, "off_mass": 0.0}),)
    verdict = Verdict(
        path=label.name,
        sha256=f"{number:064x}" if bytes_known else None,
        verdict=outcome,
        rationale="",
        rules=() if outcome is ERROR else (RuleResult(rule="r", status="clear", steps=steps),),
        model="m@1",
        constitution="c@1",
        method="clue",
        imagejudge="0",
    )
    return Case(label, verdict, Cost(1, 0, 0.1))


def write(
    file: Path, methods: Mapping[str, Sequence[Outcome]], folder: str = "d", truth: Sequence[bool] = TRUTH, **more: Any
) -> Path:
    cases = {
        name: [case(folder, number, *each, **more) for number, each in enumerate(zip(truth, said, strict=False))]
        for name, said in methods.items()
    }
    origin = {"model": "m@1", "constitution": ["c@1"], "dataset": {"path": folder}}
    file.write_text(json.dumps(evaluation(cases, (), origin, command=["x"]).document(), allow_nan=False))
    return file


def read(file: Path, methods: Mapping[str, Sequence[Outcome]], *rest: Any, **more: Any) -> Evaluated:
    return read_evaluation(write(file, methods, *rest, **more))


_FIGURES = ", ".join(f'"{name}": null' for name in RATES if name != "recall")
_RATES = f'{{{_FIGURES}, "recall": {{"value": %s, "low": 0, "high": 1}}}}'
DOCUMENT = (
    '{"schema": 1, "images": [], "methods": {"clue": {"pooled": {"images": %s, "unsafe": 1, "errors": 0, '
    f'"unsure_rate": 0, "auroc": null, "auprc": null, "rates": {{"unsure_as_unsafe": {_RATES}, '
    '"unsure_as_safe": {}}}}}}'
)
"""An evaluation with a number of images and a recall."""


@pytest.fixture
def good(tmp_path: Path) -> Evaluated:
    return read(tmp_path / "good.json", {"clue": GOOD})


@pytest.fixture
def poor(tmp_path: Path) -> Evaluated:
    return read(tmp_path / "poor.json", {"clue": POOR, "threshold": [*GOOD[:-1], SAFE]})


def test_rows_stand_best_first_with_intervals_and_differences(good: Evaluated, poor: Evaluated) -> None:
    rows = leaderboard([poor, good], "recall", "unsure_as_unsafe")
    assert [(Path(row.file).stem, row.method) for row in rows] == [
        ("poor", "threshold"),
        ("good", "clue"),
        ("poor", "clue"),
    ]
    best, _, last = rows
    assert best.measures["recall"] is not None
    assert (best.measures["recall"].value, best.difference) == (0.95, None)
    assert best.measures["recall"].low < 0.95 < best.measures["recall"].high
    assert last.difference is not None
    assert last.difference.estimate is not None
    assert last.difference.images == 40
    assert last.difference.estimate.value == pytest.approx(-0.25)
    assert last.difference.estimate.low < -0.25 < last.difference.estimate.high < 0
    assert {name for name, value in best.measures.items() if value is not None} == set(MEASURES)


def test_the_same_verdicts_differ_by_nothing_at_all(good: Evaluated) -> None:
    for measure in MEASURES:
        _, other = leaderboard([good, good], measure, "unsure_as_safe")
        assert other.difference is not None
        assert other.difference.estimate is not None
        assert (other.difference.estimate.low, other.difference.estimate.high) == (0, 0), "sampled in pairs"


def test_less_over_safety_is_better(good: Evaluated, poor: Evaluated) -> None:
    first, *_, last = leaderboard([good, poor], "over_safety", "unsure_as_unsafe")
    assert (first.method, last.method) == ("threshold", "clue")


def test_unsure_counts_as_it_is_told(tmp_path: Path) -> None:
    file = read(tmp_path / "a.json", {"sure": GOOD, "torn": [UNSURE] * 40})
    for convention, recall in (("unsure_as_unsafe", 1.0), ("unsure_as_safe", 0.0)):
        rows = {row.method: row for row in leaderboard([file], "recall", convention)}  # type: ignore[arg-type]
        assert rows["torn"].measures["recall"] is not None
        assert rows["torn"].measures["recall"].value == recall
        assert rows["torn"].unsure_rate == 1


def test_images_that_one_could_not_judge_are_left_out_of_the_difference(tmp_path: Path) -> None:
    file = read(tmp_path / "a.json", {"whole": GOOD, "part": [ERROR] * 5 + GOOD[5:]})
    other = leaderboard([file], "accuracy", "unsure_as_unsafe")[1]
    assert other.difference is not None
    assert other.difference.images == 35
    assert other.difference.estimate is not None
    assert other.difference.estimate.value == 0


def test_an_image_with_several_labels_is_one_of_the_difference(tmp_path: Path) -> None:
    document = json.loads(write(tmp_path / "a.json", {"clue": GOOD, "other": POOR}).read_text())
    document["images"] += [row | {"unsafe": False, "rules": ["r"]} for row in document["images"]]
    (tmp_path / "a.json").write_text(json.dumps(document))
    once, twice = (
        leaderboard([file], "recall", "unsure_as_unsafe")[1].difference
        for file in (read(tmp_path / "b.json", {"clue": GOOD, "other": POOR}), read_evaluation(tmp_path / "a.json"))
    )
    assert once == twice


def test_a_measure_that_is_undefined_comes_last(tmp_path: Path) -> None:
    file = read(tmp_path / "a.json", {"never": [SAFE] * 40, "good": GOOD})
    last = leaderboard([file], "precision", "unsure_as_unsafe")[-1]
    assert (last.method, last.measures["precision"]) == ("never", None)
    assert last.difference is not None
    assert last.difference.estimate is None


def test_the_same_bytes_are_the_same_image_wherever_they_lie(tmp_path: Path, good: Evaluated) -> None:
    moved = read(tmp_path / "moved.json", {"clue": POOR}, "/else/where")
    assert leaderboard([good, moved], "f1", "unsure_as_unsafe")[1].difference is not None


def test_without_bytes_paths_count_from_the_data_set(tmp_path: Path) -> None:
    one = read(tmp_path / "one.json", {"clue": GOOD}, "here", bytes_known=False)
    other = read(tmp_path / "other.json", {"clue": POOR}, "/there", bytes_known=False)
    assert leaderboard([one, other], "f1", "unsure_as_unsafe")[1].difference is not None


def test_different_data_is_refused_unless_it_is_wanted(tmp_path: Path, good: Evaluated) -> None:
    turned = read(tmp_path / "turned.json", {"clue": POOR}, "d", [False, *TRUTH[1:]])
    fewer = read(tmp_path / "fewer.json", {"clue": POOR[:30]}, "d", TRUTH[:30])
    with pytest.raises(UsageError, match=r"good\.json and .*turned\.json .* 1 image with opposite labels"):
        leaderboard([good, turned], "f1", "unsure_as_unsafe")
    with pytest.raises(UsageError, match=r"10 images only in .*good\.json") as refused:
        leaderboard([good, fewer], "f1", "unsure_as_unsafe")
    assert "`mix`" in (refused.value.hint or "")
    for other, shared in ((turned, 39), (fewer, 30)):
        last = leaderboard([good, other], "f1", "unsure_as_unsafe", mixed=True)[1]
        assert last.difference is not None
        assert last.difference.images == shared


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not one JSON document"),
        ('{"name": "a"}\n{"name": "b"}\n', "is not one JSON document"),
        ("[1]", "found: list"),
        ('{"path": "a", "verdict": "safe"}', "found: path, verdict"),
        ('{"schema": 7, "methods": {}, "images": []}', "has schema 7"),
        ('{"schema": 1, "methods": {}, "images": []}', "holds no method"),
        ('{"schema": 1, "methods": {"clue": {}}, "images": []}', "KeyError: 'pooled'"),
        ('{"schema": 1, "methods": {"clue": {"pooled": {"rates": 3}}}, "images": []}', "TypeError"),
        (DOCUMENT % ("Infinity", "1"), "OverflowError"),
        (DOCUMENT % ("2", "NaN"), "nan is no figure"),
    ],
)
def test_other_files_are_refused_by_what_they_hold(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_evaluation(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": None}, "KeyError: 'name'"),
        ({"unsafe": None}, "KeyError: 'unsafe'"),
        ({"verdicts": None}, "KeyError: 'verdicts'"),
        ({"verdicts": {"clue": {"verdict": "maybe", "score": 0.5}}}, "'maybe' is not a valid Outcome"),
        ({"verdicts": {"clue": {"verdict": "safe", "score": float("nan")}}}, "nan is no figure"),
        ({"rules": [["r"]]}, "unhashable"),
    ],
)
@pytest.mark.parametrize("row", [0, -1])
def test_every_row_is_looked_at(tmp_path: Path, changes: Mapping[str, Any], said: str, row: int) -> None:
    document = json.loads(write(tmp_path / "x.json", {"clue": GOOD}).read_text())
    changed = document["images"][row] | changes
    document["images"][row] = {
        name: value for name, value in changed.items() if value is not None or name not in changes
    }
    (tmp_path / "x.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match=rf"x\.json is no evaluation: .*{said}"):
        read_evaluation(tmp_path / "x.json")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name, why in (("gone.json", "No such file"), ("\0", "no file can have this name")):
        with pytest.raises(UsageError, match=f"{name} cannot be read: {why}"):
            read_evaluation(tmp_path / name)


def test_an_editor_may_have_put_a_mark_before_it(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", {"clue": GOOD})
    file.write_text(f"\ufeff{file.read_text('utf-8')}", "utf-8")
    assert list(read_evaluation(file).methods) == ["clue"]
