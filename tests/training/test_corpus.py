"""A corpus with a few violations: labelled rightly, and drawn again from its seed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from samples import write_sprites

from imagejudge.builtin.training.benchmark.bench import RECIPES
from imagejudge.builtin.training.benchmark.corpus import write_corpus


@pytest.fixture(scope="module")
def sprites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sprites(tmp_path_factory.mktemp("sprites") / "sprites.npz")


def labels(corpus: Path) -> list[tuple[str, str, list[str]]]:
    with (corpus / "labels.csv").open(newline="", encoding="utf-8") as file:
        return [(row["path"], row["label"], row["rules"].split()) for row in csv.DictReader(file)]


def test_the_share_that_was_asked_for_violates_a_rule(sprites: Path, tmp_path: Path) -> None:
    write_corpus(sprites, tmp_path, 1, "seen", 60, 0.4)
    rows = labels(tmp_path)
    assert [path for path, _, _ in rows] == sorted(path.name for path in tmp_path.glob("*.png"))
    assert 12 <= sum(label == "violating" for _, label, _ in rows) <= 36  # three standard deviations around 24
    for _, label, rules in rows:
        assert (label == "violating") == bool(rules)
        assert set(rules) <= set(RECIPES)


def test_a_longer_corpus_begins_as_a_shorter_one(sprites: Path, tmp_path: Path) -> None:
    for name, scenes in (("short", 4), ("long", 6)):
        write_corpus(sprites, tmp_path / name, 7, "style", scenes, 0.5)
    assert labels(tmp_path / "short") == labels(tmp_path / "long")[:4]
    for path in (tmp_path / "short").glob("*.png"):
        assert path.read_bytes() == (tmp_path / "long" / path.name).read_bytes()
