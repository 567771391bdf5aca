"""The arithmetic of the built-in model's figures."""

from __future__ import annotations

import pytest

from imagejudge.builtin.training.benchmark.measure import Hit, balanced, gain

HITS = [Hit(scene, scene % 2 == 0, 0.9 if scene % 2 == 0 or scene < 20 else 0.1) for scene in range(100)]
"""All 50 true ones right, and 40 of the 50 false ones."""


def test_balanced_accuracy_is_the_mean_over_yes_and_no() -> None:
    value, half, count = balanced(HITS)
    assert (value, count) == (pytest.approx((50 / 50 + 40 / 50) / 2), 100)
    assert half == pytest.approx(1.96 * (0.8 * 0.2 / 50) ** 0.5 / 2)  # what it is without clusters


def test_asking_the_same_scenes_again_makes_nothing_surer() -> None:
    assert balanced(HITS * 7)[1] == pytest.approx(balanced(HITS)[1])
    other_scenes = [hit._replace(scene=hit.scene + 100 * turn) for turn in range(7) for hit in HITS]
    assert balanced(other_scenes)[1] == pytest.approx(balanced(HITS)[1] / 7**0.5)


def test_a_gain_is_as_sure_as_the_answers_that_changed() -> None:
    better = [hit._replace(p_yes=0.1) if hit.scene in (1, 3) else hit for hit in HITS]  # two of the false ones mended
    value, half, questions = gain(HITS, better)
    assert (value, questions) == (pytest.approx(2 / 50 / 2), 100)
    assert half == pytest.approx(1.96 * (0.04 * 0.96 / 50) ** 0.5 / 2)
    assert half < balanced(HITS).half
    assert gain(HITS, HITS) == (0.0, 0.0, 100)
