"""Results that are made ahead come in order, and no more of them than was said."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagejudge.common.prefetch import prefetch


def test_no_more_is_begun_than_was_said() -> None:
    begun: list[int] = []

    def begin(number: int) -> int:
        begun.append(number)
        return number

    with ThreadPoolExecutor(2) as pool:
        results = prefetch(lambda number: pool.submit(begin, number), range(20), 10)
        assert next(results) == 0
        time.sleep(0.05)
        assert sorted(begun) == list(range(11))
        assert list(results) == list(range(1, 20))


def test_a_failure_is_raised_in_its_turn() -> None:
    with ThreadPoolExecutor(2) as pool:
        results = prefetch(lambda number: pool.submit(lambda: 1 / (3 - number)), range(9), 4)
        assert [next(results) for _ in range(3)] == [1 / 3, 1 / 2, 1]
        with pytest.raises(ZeroDivisionError):
            next(results)
