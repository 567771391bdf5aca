"""Results that are made ahead come in order, and no more of them wait than there is room for."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagejudge.common.prefetch import made_ahead

MB = 1_000_000


class Maker:
    """Makes results of given sizes, and counts those that were made and not yet taken."""

    def __init__(self) -> None:
        self.held = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, size: int) -> int:
        time.sleep(0.001)
        with self.lock:
            self.held += size
            self.most = max(self.most, self.held)
        return size

    def taken(self, size: int) -> None:
        with self.lock:
            self.held -= size


@pytest.mark.parametrize("threads", [1, 2])
def test_what_waits_is_bounded_by_its_size(threads: int) -> None:
    make = Maker()
    sizes = [1 * MB, 120 * MB, 300 * MB, 30 * MB, 0, 500 * MB, 2 * MB] * 10
    with ThreadPoolExecutor(threads) as pool:
        results = made_ahead(pool, make, sizes, 60, lambda size: size, 400 * MB)
        assert next(results) == sizes[0]
        make.taken(sizes[0])
        time.sleep(0.2)  # all that may be made is made
        for size in sizes[1:]:
            assert next(results) == size
            make.taken(size)
            time.sleep(0.002)
    assert make.most <= 400 * MB + 500 * MB  # the next one is made in any case


def test_small_ones_are_bounded_by_their_count_alone() -> None:
    make = Maker()
    with ThreadPoolExecutor(2) as pool:
        results = made_ahead(pool, make, [1] * 20, 10, lambda size: size, 400 * MB)
        next(results)
        time.sleep(0.2)
        assert make.held == 11
        results.close()


def test_closing_lets_nobody_wait() -> None:
    make = Maker()
    with ThreadPoolExecutor(2) as pool:
        results = made_ahead(pool, make, [500 * MB] * 20, 10, lambda size: size, 400 * MB)
        next(results)
        results.close()
    assert make.held <= 3 * 500 * MB


def test_a_failure_is_raised_in_its_turn() -> None:
    def make(number: int) -> float:
        return 1 / (3 - number)

    with ThreadPoolExecutor(2) as pool:
        results = made_ahead(pool, make, range(9), 4, lambda _: 500 * MB, 400 * MB)
        assert [next(results) for _ in range(3)] == [1 / 3, 1 / 2, 1]
        with pytest.raises(ZeroDivisionError):
            next(results)
