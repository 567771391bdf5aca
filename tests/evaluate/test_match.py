"""Verdicts and labels that are about the same file, however its name is written."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from imagejudge.errors import UsageError
from imagejudge.evaluate.labels import Label
from imagejudge.evaluate.match import match
from imagejudge.verdict import Outcome, Verdict

NFC = "Müller-Ångström/é.png"
NFD = unicodedata.normalize("NFD", NFC)


def verdict(path: str, outcome: Outcome = Outcome.SAFE, method: str = "clue") -> Verdict:
    return Verdict(
        path=path,
        sha256=None,
        verdict=outcome,
        rationale="",
        model="m@1",
        constitution="c@1",
        method=method,
        imagejudge="0",
    )


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("labelled", "judged"), [(NFC, NFD), (NFD, NFC), (NFC, NFC), (NFD, f"./x/../{NFC}")])
def test_accents_may_be_composed_in_either_way(labelled: str, judged: str) -> None:
    matched = match([Label(labelled, unsafe=True)], [verdict(judged)])
    ((case,),) = matched.cases.values()
    assert (case.label.name, case.verdict.path) == (labelled, judged)
    assert (matched.unlabelled, matched.unjudged) == (0, 0)


def test_two_files_whose_names_differ_only_in_this_stay_two() -> None:
    labels = [Label(NFC, unsafe=True), Label(NFD, unsafe=False)]
    ((first, second),) = match(labels, [verdict(NFD), verdict(NFC, Outcome.UNSAFE)]).cases.values()
    assert {(case.label.unsafe, case.verdict.verdict) for case in (first, second)} == {
        (True, "unsafe"),
        (False, "safe"),
    }


def test_a_third_way_of_writing_two_files_is_about_neither() -> None:
    mixed = "M\u00fcller-A\u030angstr\u00f6m/e\u0301.png"
    labels = [Label(NFC, unsafe=True), Label(NFD, unsafe=False)]
    matched = match(labels, [verdict(mixed), verdict(NFC)])
    assert (matched.unlabelled, matched.unjudged) == (1, 1)
    with pytest.raises(UsageError, match="no verdict is about a labelled image"):
        match(labels, [verdict(mixed)])


def test_the_last_verdict_counts_also_under_another_spelling() -> None:
    matched = match([Label(NFC, unsafe=True)], [verdict(NFC), verdict(NFD, Outcome.UNSAFE)])
    ((case,),) = matched.cases.values()
    assert case.verdict.verdict is Outcome.UNSAFE


def test_names_that_only_look_alike_are_two() -> None:
    """Compatibility forms, as of `ﬁ`, are other names to every file system."""
    with pytest.raises(UsageError, match="no verdict is about a labelled image"):
        match([Label("\ufb01re.png", unsafe=True)], [verdict("fire.png")])
