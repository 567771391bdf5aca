"""Verdicts for other tools: what is written is what they read, by their own libraries where these are installed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from imagejudge.verdict import (
    Failure,
    ImageFacts,
    Outcome,
    Region,
    RuleResult,
    RuleStatus,
    Sampling,
    Verdict,
    Violation,
    line_of,
)

Run = Callable[..., Any]
STICKERS = Path(__file__).parents[2] / "docs" / "examples" / "stickers"
REGION = Region(ask="A die is visible.", left=0.25, top=0.5, right=0.75, bottom=0.875)


def verdict(path: str, outcome: Outcome = Outcome.SAFE, *rules: RuleResult, **more: Any) -> Verdict:
    violated = [rule.rule for rule in rules if rule.status is RuleStatus.VIOLATED]
    violations = tuple(Violation(rule=rule, category="c", severity="high", rationale="It is.") for rule in violated)
    facts = {"rationale": " ".join(violated), "violations": violations, "rules": rules, "sha256": "0" * 64, **more}
    made = {"model": "m@1", "constitution": "c@1", "method": "clue", "imagejudge": "0"}
    return Verdict(path=path, verdict=outcome, **facts, **made)


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """Verdicts of three images below `photos`, one beside it, one that failed, and one of another name than text."""
    for name in ("photos/a b.png", "photos/sub/x.png", "photos/broken.png", "elsewhere.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(STICKERS / "gambling.png", tmp_path / name)
    found = RuleResult(rule='dice & "more"', status=RuleStatus.VIOLATED, steps=(), regions=(REGION,))
    clear = RuleResult(rule='dice & "more"', status=RuleStatus.CLEAR, steps=(), regions=(REGION,))
    size = ImageFacts(width=640, height=480, format="PNG", frames=1)
    verdicts = [
        verdict("photos/a b.png", Outcome.UNSAFE, found, image=size),
        verdict("photos/sub/x.png", Outcome.SAFE, clear, image=size),
        verdict("photos/broken.png", Outcome.ERROR, error=Failure(kind="damaged", message="torn")),
        verdict("elsewhere.png"),
        verdict(os.fsdecode(b"photos/\xff.png")),
    ]
    (tmp_path / "v.jsonl").write_bytes(b"".join(map(line_of, verdicts)))
    return tmp_path


def test_an_image_folder_has_a_row_for_each_of_its_images(run: Run, judged: Path) -> None:
    done = run("convert", "v.jsonl", "--to", "huggingface", "-o", "photos/metadata.jsonl")
    assert done.returncode == 0
    rows = [json.loads(line) for line in (judged / "photos" / "metadata.jsonl").read_text().splitlines()]
    assert [(row["file_name"], row["verdict"]) for row in rows] == [
        ("a b.png", "unsafe"),
        ("sub/x.png", "safe"),
        ("broken.png", "error"),
    ]
    assert len({tuple(row) for row in rows}) == 1, "all rows have the same columns"
    assert b"1 image outside of the file's folder left out" in done.stderr
    assert b"1 image whose path is not UTF-8 left out" in done.stderr


@pytest.fixture
def no_files(judged: Path) -> Path:
    """More verdicts, on what is no image file that a path names; and one on a file that is called like a member."""
    shutil.copy(STICKERS / "gambling.png", judged / "b.tar::0.png")
    (judged / "photos" / "c.tar").touch()
    missing = dict.fromkeys(("photos/gone.png", "photos/gone.tar", "https://example.org/gone.png"), "missing")
    kinds = {**missing, "photos/sub": "folder", "photos/pipe.png": "not-a-file", "photos/c.tar": "shard"}
    sampled = Sampling(method="every", seconds=1, frames=3)
    verdicts = [
        verdict("photos/a.tar::0.png"),
        verdict("photos/a.tar::@512", Outcome.ERROR, error=Failure(kind="shard", message="torn")),
        verdict("b.tar::0.png"),
        verdict("https://example.org/a b.png"),
        verdict("s3://bucket/photos/a.tar::0.png"),
        verdict("photos/film.mp4", sampled=sampled),
        *(verdict(path, Outcome.ERROR, error=Failure(kind=kind, message=".")) for path, kind in kinds.items()),
    ]
    with (judged / "v.jsonl").open("ab") as file:
        file.writelines(map(line_of, verdicts))
    return judged


FILES = ["photos/a b.png", "photos/sub/x.png", "photos/broken.png", "elsewhere.png", "b.tar::0.png"]
"""Whose verdicts are those of image files."""
LEFT_OUT = [b"5 images in a shard left out", b"4 images without a file left out", b"1 image in a video left out"]


def test_only_files_have_a_row_in_an_image_folder(run: Run, no_files: Path) -> None:
    done = run("convert", "v.jsonl", "--to", "huggingface", "-o", "photos/metadata.jsonl")
    rows = [json.loads(line) for line in (no_files / "photos" / "metadata.jsonl").read_text().splitlines()]
    assert [f"photos/{row['file_name']}" for row in rows] == [each for each in FILES if each.startswith("photos/")]
    for words in (*LEFT_OUT, b"1 image in a network left out"):
        assert words in done.stderr


def test_datasets_reads_the_image_folder(run: Run, no_files: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    assert run("convert", "v.jsonl", "--to", "huggingface", "-o", "photos/metadata.jsonl").returncode == 0
    where = {"data_dir": str(no_files / "photos"), "cache_dir": no_files / "hf"}
    read = datasets.load_dataset("imagefolder", split="train", **where)
    assert sorted(read["verdict"]) == ["error", "safe", "unsafe"]
    assert len({row["image"].size for row in read}) == 1, "every image is decoded"


def test_tasks_carry_the_verdict_as_a_prediction(run: Run, judged: Path) -> None:
    done = run("convert", "v.jsonl", "--to", "label-studio", "-o", "tasks.json", "--only", "unsafe,safe")
    assert done.returncode == 0
    first, second, _ = json.loads((judged / "tasks.json").read_text())
    assert first["data"]["image"] == "/data/local-files/?d=photos/a%20b.png"
    results = {result["from_name"]: result for result in first["predictions"][0]["result"]}
    assert results["verdict"]["value"] == {"choices": ["unsafe"]}
    assert results["rules"]["value"] == {"choices": ['dice & "more"']}
    box = results["region"]
    assert {name: box["value"][name] for name in ("x", "y", "width", "height")} == {
        "x": 25,
        "y": 50,
        "width": 50,
        "height": 37.5,
    }
    assert (box["original_width"], box["original_height"]) == (640, 480)
    assert {result["from_name"] for result in second["predictions"][0]["result"]} == {"verdict"}
    view = ET.fromstring((judged / "tasks.xml").read_text())  # noqa: S314 - ours
    names = {element.get("name"): element for element in view}
    assert {each.get("value") for each in names["rules"]} == {'dice & "more"'}
    assert {"image", *results} == set(names)


def test_no_task_has_a_box_of_another_frame(run: Run, judged: Path) -> None:
    moving = ImageFacts(width=640, height=480, format="WEBP", frames=9)
    found = [
        RuleResult(rule=rule, status=RuleStatus.VIOLATED, steps=(), regions=(REGION,), frame=frame)
        for rule, frame in (("dice", 0), ("fire", 8))
    ]
    line = verdict("photos/a b.png", Outcome.UNSAFE, *found, image=moving, frame=8)
    (judged / "v.jsonl").write_bytes(line_of(line))
    assert run("convert", "v.jsonl", "--to", "label-studio", "-o", "tasks.json").returncode == 0
    (task,) = json.loads((judged / "tasks.json").read_text())
    results = [each for each in task["predictions"][0]["result"] if each["from_name"] == "region"]
    assert [each["value"]["rectanglelabels"] for each in results] == [["fire"]]


def test_label_studio_s_own_check_passes(run: Run, judged: Path) -> None:
    sdk = pytest.importorskip("label_studio_sdk.label_interface", reason="label-studio-sdk is not installed")
    assert run("convert", "v.jsonl", "--to", "label-studio", "-o", "tasks.json").returncode == 0
    tasks = json.loads((judged / "tasks.json").read_text())
    interface = sdk.LabelInterface((judged / "tasks.xml").read_text())
    predictions = [task["predictions"][0] for task in tasks]
    assert all(map(interface.validate_prediction, predictions))
    predictions[0]["result"][0]["value"]["choices"] = ["nonsense"]
    assert not interface.validate_prediction(predictions[0]), "the check can fail"


def test_labels_of_fiftyone_name_images_by_key(run: Run, judged: Path) -> None:
    done = run("convert", "v.jsonl", "--to", "fiftyone", "-o", "labels")
    assert done.returncode == 0
    labels, rules, data = (
        json.loads((judged / "labels" / f"{name}.json").read_text()) for name in ("labels", "rules", "data")
    )
    assert set(labels["labels"]) == set(rules["labels"]) == set(data)
    assert labels["labels"]["photos/a b.png"]["label"] == "unsafe"
    assert [each["label"] for each in rules["labels"]["photos/a b.png"]] == ['dice & "more"']
    assert data["photos/a b.png"] == str(judged / "photos" / "a b.png")
    assert done.stderr.count(b"1 image whose path") == 1


def test_labels_of_fiftyone_are_those_of_files(run: Run, no_files: Path) -> None:
    done = run("convert", "v.jsonl", "--to", "fiftyone", "-o", "labels")
    data = json.loads((no_files / "labels" / "data.json").read_text())
    assert data == {path: str(no_files / path) for path in FILES}
    for words in (*LEFT_OUT, b"1 image in a network left out"):
        assert done.stderr.count(words) == 1


def test_tasks_name_images_by_their_own_addresses(run: Run, no_files: Path) -> None:
    done = run("convert", "v.jsonl", "--to", "label-studio", "-o", "tasks.json")
    tasks = json.loads((no_files / "tasks.json").read_text())
    assert [task["data"]["path"] for task in tasks] == [*FILES, "https://example.org/a b.png"]
    assert tasks[-1]["data"]["image"] == "https://example.org/a b.png"
    for words in LEFT_OUT:
        assert words in done.stderr
    assert b"in a network" not in done.stderr


def test_what_is_there_is_not_written_over(run: Run, judged: Path) -> None:
    (judged / "tasks.xml").write_text("mine")
    done = run("convert", "v.jsonl", "--to", "label-studio", "-o", "tasks.json")
    assert done.returncode == 2
    assert b"tasks.xml is there already" in done.stderr
    assert not (judged / "tasks.json").exists()
    assert run("convert", "v.jsonl", "--to", "label-studio", "-o", "tasks.json", "--overwrite").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "huggingface", "-o", "photos/rows.jsonl"), "name it metadata.jsonl"),
        (("--to", "label-studio", "-o", "no/tasks.json"), "no/tasks.json cannot be written"),
        (("--to", "label-studio", "-o", "tasks.xml"), "tasks.xml is where the view goes"),
        (("--to", "fiftyone", "-o", "v.jsonl"), "-o names a file that is read"),
    ],
)
def test_what_cannot_be_written_is_2(run: Run, judged: Path, arguments: tuple[str, ...], words: str) -> None:
    done = run("convert", "v.jsonl", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr
