"""Decisions as labels: what a person said of the bytes that were judged, and no more than that."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_verdicts import step, verdict

from imagejudge.evaluate.decided import is_decisions, labels_of
from imagejudge.evaluate.labels import Label
from imagejudge.output.decisions import Decision, Decisions, Opinion, Truth, decision_line
from imagejudge.verdict import Outcome, RuleResult, RuleStatus, Verdict

BOTH = verdict(
    "a.png",
    0.9,
    rules=tuple(
        RuleResult(rule=rule, status=status, steps=(step(0.9),))
        for rule, status in (("knife", RuleStatus.VIOLATED), ("gun", RuleStatus.UNSURE), ("fire", RuleStatus.CLEAR))
    ),
)


def decided(about: Verdict, *truths: tuple[str | None, Truth]) -> Decisions:
    assert about.sha256
    return Decisions(
        iter(
            Decision(sha256=about.sha256, path="elsewhere.png", rule=rule, decision=Opinion.AGREE, truth=truth)
            for rule, truth in truths
        )
    )


@pytest.mark.parametrize(
    ("truths", "label"),
    [
        ([(None, Truth.VIOLATED)], Label("a.png", unsafe=True)),
        ([(None, Truth.CLEAR)], Label("a.png", unsafe=False)),
        ([(None, Truth.UNSURE)], None),
        ([("fire", Truth.VIOLATED), ("knife", Truth.CLEAR)], Label("a.png", unsafe=True, rules=("fire",))),
        ([("knife", Truth.CLEAR), ("gun", Truth.CLEAR)], Label("a.png", unsafe=False, rules=("knife", "gun"))),
        ([("knife", Truth.CLEAR)], None),
        ([("knife", Truth.UNSURE)], None),
        ([("knife", Truth.VIOLATED), (None, Truth.CLEAR)], Label("a.png", unsafe=False)),
        ([(None, Truth.CLEAR), ("knife", Truth.VIOLATED)], Label("a.png", unsafe=True, rules=("knife",))),
        ([("knife", Truth.VIOLATED), (None, Truth.UNSURE)], None),
    ],
)
def test_what_follows_from_decisions(truths: list[tuple[str | None, Truth]], label: Label | None) -> None:
    found = labels_of(decided(BOTH, *truths), [BOTH])
    assert (list(found.labels), len(found.notes)) == (([label], 0) if label else ([], 1))


def test_a_decision_is_about_bytes_wherever_they_lie() -> None:
    copy, other = BOTH.model_copy(update={"path": "b.png"}), verdict("a.png", 0.1, data=b"another image")
    stray = verdict("c.png", 0.1)
    found = labels_of(decided(BOTH, (None, Truth.VIOLATED)), [BOTH, copy, other, stray])
    assert [label.name for label in found.labels] == ["a.png", "b.png"]
    assert list(found.verdicts) == [BOTH, copy, stray], "but not the other image of the same name"


def test_two_models_are_measured_by_one_label() -> None:
    second = BOTH.model_copy(update={"model": "n@2", "verdict": Outcome.SAFE, "rules": ()})
    found = labels_of(decided(BOTH, (None, Truth.VIOLATED)), [BOTH, second])
    assert (len(found.labels), list(found.verdicts)) == (1, [BOTH, second])


def test_files_are_told_apart(tmp_path: Path) -> None:
    assert BOTH.sha256
    line = decision_line(Decision(sha256=BOTH.sha256, path="a", decision=Opinion.AGREE, truth=Truth.CLEAR))
    for content, expected in ((line, True), (b'{"path": "a.png", "label": "safe"}\n', False), (b"path,label\n", False)):
        (tmp_path / "file").write_bytes(content)
        assert is_decisions(tmp_path / "file") is expected
    assert not is_decisions(tmp_path / "gone")
