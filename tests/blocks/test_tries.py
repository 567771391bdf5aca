"""Runs that died within a block are told from those that are still at it, and too many deaths end it."""

from __future__ import annotations

import os
import resource
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from imagejudge.blocks import tries as module
from imagejudge.blocks.tries import ATTEMPTS, Tries, Turn
from imagejudge.errors import ModelError, OutputError


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT", 0.1)


@pytest.fixture
def tries(tmp_path: Path) -> Tries:
    made = Tries(tmp_path)
    made.begin()
    return made


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "tries").iterdir())


def attempted(tries: Tries, number: int, raised: BaseException | None = None) -> Turn:
    with tries.attempt(number) as turn:
        if raised is not None:
            raise raised
    return turn


def test_an_attempt_is_a_file_until_it_ends(tries: Tries, tmp_path: Path) -> None:
    with tries.attempt(17) as turn:
        assert (turn, files(tmp_path)) == (Turn.JUDGE, ["00017.1"])
        with Tries(tmp_path).attempt(17) as second:
            assert (second, files(tmp_path)) == (Turn.JUDGE, ["00017.1", "00017.2"])
    assert files(tmp_path) == []


@pytest.mark.parametrize("why", [KeyboardInterrupt(), ModelError("it does not load")], ids=repr)
def test_what_is_called_off_leaves_nothing(tries: Tries, tmp_path: Path, why: BaseException) -> None:
    for _ in range(ATTEMPTS + 1):
        with pytest.raises(type(why)):
            attempted(tries, 3, why)
        assert files(tmp_path) == []
    assert attempted(tries, 3) is Turn.JUDGE


def test_an_attempt_is_called_off_by_its_own_run_alone(tries: Tries, tmp_path: Path) -> None:
    with tries.attempt(3):
        with pytest.raises(KeyboardInterrupt):
            attempted(Tries(tmp_path), 3, KeyboardInterrupt())
        assert files(tmp_path) == ["00003.1"]


def test_one_that_was_ended_before_its_name_was_written_is_called_off(tries: Tries, tmp_path: Path) -> None:
    (tmp_path / "tries" / "00007.1").touch()
    (tmp_path / "tries" / "00007.2").write_text("somebody else")
    tries.call_off(7, "an actor")
    assert files(tmp_path) == ["00007.2"]


@pytest.mark.parametrize("place", ["_begin", "forget"])
def test_a_signal_between_two_blocks_is_no_death(
    tries: Tries, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = getattr(Tries, place)

    def interrupted(tries: Tries, number: int) -> None:
        if place == "_begin":
            step(tries, number)
        raise KeyboardInterrupt

    monkeypatch.setattr(Tries, place, interrupted)
    with pytest.raises(KeyboardInterrupt):
        attempted(tries, 3)
    assert files(tmp_path) == []


def test_a_full_disk_is_no_death(tries: Tries, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            attempted(tries, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert files(tmp_path) == []


def test_deaths_are_counted_until_a_block_is_given_up(tries: Tries, tmp_path: Path) -> None:
    for number in range(1, ATTEMPTS + 1):
        with pytest.raises(ZeroDivisionError):
            attempted(tries, 3, ZeroDivisionError())  # as good as dead: nobody foresaw it
        assert files(tmp_path) == [f"00003.{each}" for each in range(1, number + 1)]
    os.utime(tmp_path / "tries" / "00003.2", (time.time() + 9999,) * 2)  # no matter what the clocks say
    assert attempted(tries, 3) is Turn.GIVE_UP
    assert files(tmp_path) == []


@pytest.mark.parametrize("living", range(1, ATTEMPTS + 1))
def test_a_block_is_left_to_those_that_live(tries: Tries, tmp_path: Path, living: int) -> None:
    for _ in range(ATTEMPTS - living):
        with pytest.raises(ZeroDivisionError):
            attempted(tries, 3, ZeroDivisionError())
    with ExitStack() as stack:
        for _ in range(living):
            assert stack.enter_context(Tries(tmp_path).attempt(3)) is Turn.JUDGE
        assert attempted(tries, 3) is Turn.LEAVE
        assert len(files(tmp_path)) == ATTEMPTS
    assert files(tmp_path) == []


def test_a_block_is_left_to_one_that_ends_it_meanwhile(
    tries: Tries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        (tmp_path / "tries" / f"00003.{attempt}").touch()
    monkeypatch.setattr(module.time, "sleep", lambda _: tries.forget(3))
    assert attempted(tries, 3) is Turn.LEAVE
