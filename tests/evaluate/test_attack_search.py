"""The search on rules whose results are known, and the figures against counts made by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagejudge.evaluate.attack_search import MOST_BORDER, MOST_CUT, MOST_LETTERS, Search, search
from imagejudge.evaluate.attacks import Attack, attack_results
from imagejudge.evaluate.labels import Label
from imagejudge.evaluate.perturbations import Perturbation, parse_perturbations, random_of
from imagejudge.images.picture import Box
from imagejudge.verdict import By, Outcome, RuleResult, RuleStatus, Step, StepStatus


def result(p_yes: float, status: RuleStatus = RuleStatus.VIOLATED) -> RuleResult:
    step = Step.not_asked("It is there.", 1).model_copy(
        update={"status": StepStatus.SATISFIED, "by": By.THRESHOLD, "p_yes": p_yes, "off_mass": 0.0}
    )
    return RuleResult(rule="fire", status=status, steps=(step,))


def width_of_border(change: Perturbation) -> float:
    return max((float(each.value) for each in change.changes if each.kind == "border"), default=0.0)


def bordered(change: Perturbation) -> RuleResult:
    """The wider the border, the lower the score; from 0.095 on nothing is found."""
    width = width_of_border(change)
    return result(1 - 5 * width, RuleStatus.CLEAR if width >= 0.095 else RuleStatus.VIOLATED)


def recorded(answer: Callable[[Perturbation], RuleResult | None]) -> tuple[list[Perturbation], object]:
    asked: list[Perturbation] = []

    def ask(change: Perturbation) -> RuleResult | None:
        asked.append(change)
        return answer(change)

    return asked, ask


def test_it_ends_at_the_first_change_that_gets_past() -> None:
    asked, ask = recorded(bordered)
    found = search(ask, 500, random_of("1"))  # type: ignore[arg-type]
    assert found.past
    assert found.queries == len(asked) < 500
    assert found.best == asked[-1]
    assert width_of_border(found.best) >= 0.095
    assert found.score == pytest.approx(1 - 5 * width_of_border(found.best))
    assert all(width_of_border(change) < 0.095 for change in asked[:-1])


def test_the_budget_ends_it_with_the_least_score_that_was_found() -> None:
    asked, ask = recorded(lambda change: result(1 - 5 * width_of_border(change)))
    found = search(ask, 40, random_of("1"))  # type: ignore[arg-type]
    assert (found.past, found.queries, len(asked)) == (False, 40, 40)
    widest = max(map(width_of_border, asked))
    assert found.best is not None
    assert width_of_border(found.best) == widest
    assert found.score == pytest.approx(1 - 5 * widest)


def test_it_is_the_same_from_the_same_seed_and_a_larger_budget_begins_alike() -> None:
    runs = []
    for chance, budget in (("1", 20), ("1", 20), ("1", 30), ("2", 20)):
        asked, ask = recorded(lambda change: result(1 - 5 * width_of_border(change)))
        search(ask, budget, random_of(chance))  # type: ignore[arg-type]
        runs.append(asked)
    assert runs[0] == runs[1] == runs[2][:20]
    assert runs[0] != runs[3]


def test_what_was_learnt_is_used() -> None:
    """Scores lead to wide borders and words at once more often than chance alone does."""

    def both(change: Perturbation) -> RuleResult:
        letters = max((float(each.value.split(":")[0]) for each in change.changes if each.kind == "banner"), default=0)
        score = 1 - 4 * width_of_border(change) - 4 * letters
        return result(score, RuleStatus.CLEAR if score < 0.26 else RuleStatus.VIOLATED)

    led = [search(both, 60, random_of(f"{n}")).past for n in range(100)]
    blind = [
        search(lambda change: both(change).model_copy(update={"steps": ()}), 60, random_of(f"{n}")).past
        for n in range(100)
    ]
    assert sum(led) > sum(blind) + 10


def test_an_image_that_cannot_be_judged_ends_it() -> None:
    replies = iter([result(0.9), None])
    found = search(lambda _: next(replies), 10, random_of("1"))
    assert (found.failed, found.past, found.queries, found.score) == (True, False, 2, 0.9)


def test_results_without_scores_are_searched_blindly() -> None:
    found = search(lambda _: RuleResult(rule="*", status=RuleStatus.VIOLATED, steps=()), 5, random_of("1"))
    assert found == Search(5, False, None, None)


SIDES = st.tuples(st.floats(0, 0.6), st.floats(0, 0.6), st.floats(0.05, 0.4), st.floats(0.05, 0.4))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), sides=st.lists(SIDES, max_size=3))
def test_every_change_keeps_its_bounds(seed: int, sides: list[tuple[float, float, float, float]]) -> None:
    keep = [Box(left, top, left + width, top + height) for left, top, width, height in sides]
    asked, ask = recorded(lambda change: result(np.random.default_rng(len(change.label)).random()))
    search(ask, 30, np.random.default_rng(seed), keep)  # type: ignore[arg-type]
    for change in asked:
        assert parse_perturbations(change.label) == (change,), "it can be made again from what is written"
        values = {each.kind: each.value for each in change.changes}
        assert 1 <= len(values) == len(change.changes) <= 3
        assert 0 < float(values.get("border", "0.01")) <= MOST_BORDER
        assert 0 < float(values.get("banner", "0.05:x").split(":")[0]) <= MOST_LETTERS
        left, top, right, bottom = map(float, values.get("cut", "0/0/0/0").split("/"))
        assert max(left, top, right, bottom) <= MOST_CUT
        for box in keep:
            assert (left <= box.left, top <= box.top) == (True, True)
            assert (right <= 1 - box.right, bottom <= 1 - box.bottom) == (True, True)


def attack(rule: str, queries: int, past: bool, verdict: Outcome | None = None, failed: bool = False) -> Attack:
    (change,) = parse_perturbations("border:0.05")
    label = Label(f"{rule}{queries}.png", True)
    return Attack("clue", label, rule, 0.9, Search(queries, past, change, 0.3, failed), verdict)


def test_the_curve_counts_what_got_past_by_then() -> None:
    found = [
        attack("fire", 1, True, Outcome.SAFE),
        attack("fire", 10, True, Outcome.UNSAFE),
        attack("fire", 50, False),
        attack("fire", 3, False, failed=True),
        attack("arms", 11, True, Outcome.SAFE),
    ]
    arms, fire, every = attack_results(found, 50)
    assert [(each.rule, each.attacked, each.failed, each.safe) for each in (arms, fire, every)] == [
        ("arms", 1, 0, 1),
        ("fire", 3, 1, 1),
        ("", 4, 1, 2),
    ]
    assert [(point.queries, point.past) for point in fire.curve] == [(1, 1), (10, 2), (30, 2), (50, 2)]
    assert [(point.queries, point.past) for point in every.curve] == [(1, 1), (10, 2), (30, 3), (50, 3)]
    assert every.curve[-1].attack_success is not None
    assert every.curve[-1].attack_success.value == 0.75
    assert [point.queries for point in attack_results(found, 100)[0].curve] == [1, 10, 30, 100]
    assert [point.queries for point in attack_results(found, 7)[0].curve] == [1, 7]
    assert attack_results([], 10) == ()


def test_what_is_written_is_enough_to_make_it_again() -> None:
    assert attack("fire", 10, True, Outcome.UNSAFE).row() == {
        "rule": "fire",
        "past": True,
        "queries": 10,
        "score": 0.9,
        "perturbation": "border:0.05",
        "perturbed_score": 0.3,
        "verdict": Outcome.UNSAFE,
        "failed": False,
    }
