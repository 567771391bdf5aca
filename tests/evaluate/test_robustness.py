"""Figures of robustness against counts made by hand."""

from __future__ import annotations

import pytest

from imagejudge.evaluate.labels import Label
from imagejudge.evaluate.robustness import WORST, Perturbed, Robustness, robustness
from imagejudge.evaluate.statistics import Estimate, paired_change, wilson
from imagejudge.verdict import Outcome, RuleStatus

OUTCOMES = {"+": Outcome.UNSAFE, "-": Outcome.SAFE, "?": Outcome.UNSURE, "!": Outcome.ERROR}
STATUS = {Outcome.UNSAFE: RuleStatus.VIOLATED, Outcome.SAFE: RuleStatus.CLEAR, Outcome.UNSURE: RuleStatus.UNSURE}


def seen(name: str, unsafe: bool, before: str, **after: str) -> list[Perturbed]:
    label = Label(name, unsafe, rules=("fire",) * unsafe)
    found = [(change, OUTCOMES[each]) for change, each in after.items()]
    return [
        Perturbed(
            "clue",
            change,
            label,
            OUTCOMES[before],
            outcome,
            rules={"fire": STATUS[outcome]} if unsafe and before == "+" and outcome in STATUS else {},
        )
        for change, outcome in found
    ]


FOUND = [
    *seen("a", True, "+", flip="+", grey="-"),
    *seen("b", True, "+", flip="?", grey="+"),
    *seen("c", True, "+", flip="+", grey="!"),
    *seen("d", True, "-", flip="+", grey="-"),
    *seen("e", False, "-", flip="-", grey="+"),
    *seen("f", False, "?", flip="-", grey="-"),
]


def row(perturbation: str) -> Robustness:
    (found,) = (each for each in robustness(FOUND) if each.perturbation == perturbation)
    return found


def value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else round(estimate.value, 4)


def test_accuracy_and_its_change_are_those_of_the_same_images() -> None:
    flip = row("flip")
    assert (flip.images, flip.errors, flip.kept, flip.unsure, flip.false_alarms) == (6, 0, 3, 1, 0)
    assert value(flip.plain_accuracy) == round(4 / 6, 4)
    assert value(flip.accuracy) == round(5 / 6, 4)
    assert value(flip.change) == round(1 / 6, 4)
    assert value(flip.robust_accuracy) == 0.75


def test_an_error_is_left_out_of_both() -> None:
    grey = row("grey")
    assert (grey.images, grey.errors, grey.kept, grey.unsure, grey.false_alarms) == (5, 1, 1, 0, 1)
    assert value(grey.plain_accuracy) == 0.6
    assert value(grey.accuracy) == 0.4
    assert value(grey.change) == -0.2


def test_an_attack_succeeds_where_what_was_found_is_called_safe() -> None:
    assert [(each.found, each.past, value(each.attack_success)) for each in (row("flip"), row("grey"))] == [
        (3, 0, 0.0),
        (2, 1, 0.5),
    ]
    assert [(rule.rule, rule.found, rule.past) for rule in row("flip").rules] == [("fire", 3, 0)]
    assert [(rule.rule, rule.found, rule.past) for rule in row("grey").rules] == [("fire", 2, 1)]


def test_in_the_worst_case_an_image_is_right_only_under_every_change() -> None:
    worst = row(WORST)
    assert (worst.images, worst.errors, worst.kept) == (5, 1, 0), "c was right or could not be judged"
    assert value(worst.accuracy) == 0.2, "f alone, which both changes make safe"
    assert (worst.found, worst.past, worst.unsure, worst.false_alarms) == (2, 1, 1, 1)
    assert [(rule.found, rule.past) for rule in worst.rules] == [(2, 1)]


def test_one_change_has_no_worst_case() -> None:
    assert [each.perturbation for each in robustness(FOUND[::2])] == ["flip"]
    assert robustness([]) == ()


def test_nothing_to_find_has_no_rate() -> None:
    (only,) = robustness(seen("e", False, "?", flip="-"))
    assert (only.attack_success, only.robust_accuracy, value(only.accuracy)) == (None, None, 1.0)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (3, 20, 0.0524, 0.3604), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_s_interval(part: int, whole: int, low: float, high: float) -> None:
    """The last is the example of Newcombe (1998), table I."""
    found = wilson(part, whole)
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.value == part / whole


def test_a_paired_change_has_the_spread_of_the_difference() -> None:
    found = paired_change(10, 30, 400)
    assert found is not None
    deviation = ((40 / 400 - 0.05**2) / 400) ** 0.5
    assert found.value == -0.05
    assert found.low == pytest.approx(-0.05 - 1.96 * deviation, abs=0.004)
    assert found.high == pytest.approx(-0.05 + 1.96 * deviation, abs=0.004)
    assert paired_change(0, 0, 0) is wilson(0, 0) is None
