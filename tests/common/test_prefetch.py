"""Results that are made ahead come in order, and threads that share memory wait for each other."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagejudge.common.prefetch import Room, prefetch

MB = 1_000_000


class Holder:
    """Holds memory for a moment, and counts how much of it all threads held at once."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.held = self.most = self.together = 0
        self.lock = threading.Lock()

    def __call__(self, size: int) -> int:
        with self.room.share() as hold:
            hold(size)
            with self.lock:
                self.held += size
                self.most = max(self.most, self.held)
                self.together += self.held > size
            time.sleep(0.003)
            with self.lock:
                self.held -= size
        return size


def test_what_is_held_is_bounded_by_its_size() -> None:
    holder = Holder(Room(400 * MB))
    holder(300 * MB)  # from now on, that much is expected
    sizes = [1 * MB, 120 * MB, 300 * MB, 30 * MB, 0, 2 * MB] * 10
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(holder, sizes)) == sizes
    assert holder.most <= 400 * MB
    assert holder.together, "a small one leaves room for another"


def test_one_that_is_too_large_is_alone() -> None:
    holder = Holder(Room(400 * MB))
    holder(500 * MB)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(holder, [500 * MB] * 10))
    assert holder.most == 500 * MB


def test_what_fails_gives_its_share_back() -> None:
    room = Room(400 * MB)

    def fail() -> None:
        with room.share() as hold:
            hold(500 * MB)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with room.share():
        pass


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
