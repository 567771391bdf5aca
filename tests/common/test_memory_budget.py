"""Memory that threads share: never more in use than there is, and nobody is passed over."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagejudge.common.memory_budget import Budget


def test_no_more_is_in_use_than_there_is() -> None:
    budget, lock = Budget(100), threading.Lock()
    used, most, together = 0, 0, 0

    def work(need: int) -> None:
        nonlocal used, most, together
        with budget.room(need):
            with lock:
                used += need
                most = max(most, used)
                together += used > need
            time.sleep(0.002)
            with lock:
                used -= need

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [10, 60, 30, 90, 5, 50, 50, 100] * 10))
    assert (used, most <= 100, together > 0) == (0, True, True)


def test_who_needs_more_than_there_is_is_alone() -> None:
    budget = Budget(100)
    with ThreadPoolExecutor(2) as pool, budget.room(1):
        order: list[str] = []

        def large() -> None:
            with budget.room(1000):
                order.append("large")

        def small() -> None:
            with budget.room(1):
                order.append("small")

        first = pool.submit(large)
        while len(budget._waiting) < 1:
            time.sleep(0.001)
        second = pool.submit(small)
        time.sleep(0.02)
        assert order == []  # the small one would fit, but the large one came first
    first.result()
    second.result()
    assert order == ["large", "small"]


def test_room_is_given_back_after_a_failure() -> None:
    budget = Budget(100)
    with pytest.raises(ZeroDivisionError), budget.room(100):
        raise ZeroDivisionError
    with budget.room(100):
        pass


def test_what_is_less_than_was_thought_leaves_room_at_once() -> None:
    budget = Budget(100)
    with ThreadPoolExecutor(1) as pool, budget.room(80) as correct:

        def other() -> None:
            with budget.room(80):
                pass

        done = pool.submit(other)
        with pytest.raises(TimeoutError):
            done.result(0.05)
        correct(10)
        done.result(10)
    with budget.room(100):
        assert budget._taken == 100
