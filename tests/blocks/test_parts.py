"""A block's file is there exactly when the block is done; too many deaths within one end it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from imagejudge.blocks.parts import ATTEMPTS, Parts
from imagejudge.errors import ModelError, UsageError
from imagejudge.verdict import Outcome, Verdict, verdict_of


def verdict(path: str, outcome: Outcome = Outcome.SAFE) -> Verdict:
    labels = {"model": "m", "constitution": "c", "method": "clue", "imagejudge": "0"}
    return Verdict(path=path, sha256=None, verdict=outcome, rationale="", **labels)  # type: ignore[arg-type]


def attempted(parts: Parts, number: int, verdicts: Iterable[Verdict]) -> int | None:
    with parts.attempt(number) as attempt:
        parts.write(number, attempt, verdicts)
    return attempt


def failing(why: type[BaseException] | BaseException) -> Iterator[Verdict]:
    yield verdict("a")
    raise why


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    made = Parts(tmp_path, "jsonl")
    made.begin()
    return made


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_block_that_is_written_is_done_and_counted(parts: Parts, tmp_path: Path) -> None:
    with parts.attempt(17) as attempt:
        assert (attempt, tree(tmp_path)) == (1, ["tries/00017.1"])
        stats = parts.write(17, attempt, [verdict("a"), verdict("b", Outcome.UNSAFE)])
    assert tree(tmp_path) == ["parts/part-00017.jsonl"]
    assert parts.done() == {17}
    assert stats == parts.count(17)
    assert stats.outcomes == {Outcome.SAFE: 1, Outcome.UNSAFE: 1}


@pytest.mark.parametrize("why", [KeyboardInterrupt(), ModelError("it does not load")], ids=repr)
def test_what_is_called_off_leaves_nothing(parts: Parts, tmp_path: Path, why: BaseException) -> None:
    for _ in range(ATTEMPTS + 1):
        with pytest.raises(type(why)):
            attempted(parts, 3, failing(why))
        assert tree(tmp_path) == []
    assert attempted(parts, 3, [verdict("a")]) == 1


@pytest.mark.parametrize("place", ["_begin", "_forget_tries"])
def test_a_signal_between_two_blocks_is_no_death(
    parts: Parts, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = getattr(Parts, place)

    def interrupted(parts: Parts, number: int) -> None:
        if place == "_begin":
            step(parts, number)
        raise KeyboardInterrupt

    monkeypatch.setattr(Parts, place, interrupted)
    with pytest.raises(KeyboardInterrupt):
        attempted(parts, 3, [verdict("a")])
    assert tree(tmp_path / "tries") == []


def test_deaths_are_counted_until_a_block_is_given_up(parts: Parts, tmp_path: Path) -> None:
    for number in range(1, ATTEMPTS + 1):
        with pytest.raises(ZeroDivisionError):
            attempted(parts, 3, failing(ZeroDivisionError()))  # as good as dead: nobody foresaw it
        assert tree(tmp_path) == [f"tries/00003.{each}" for each in range(1, number + 1)]
    assert attempted(parts, 3, [verdict("a", Outcome.ERROR)]) is None
    assert tree(tmp_path) == ["parts/part-00003.jsonl"]
    parts.forget(3)
    assert tree(tmp_path) == []


def test_only_what_is_left_of_blocks_that_are_done_is_swept(parts: Parts, tmp_path: Path) -> None:
    for number in (4, 5, 123456):
        (tmp_path / "parts" / f".part-{number:05}.7.tmp").touch()
    attempted(parts, 4, [verdict("a")])
    assert tree(tmp_path) == ["parts/.part-00005.7.tmp", "parts/.part-123456.7.tmp", "parts/part-00004.jsonl"]
    (tmp_path / "parts" / ".part-00004.7.tmp").touch()
    parts.begin()
    assert tree(tmp_path) == ["parts/.part-00005.7.tmp", "parts/.part-123456.7.tmp", "parts/part-00004.jsonl"]


def test_two_may_judge_the_same_block(parts: Parts, tmp_path: Path) -> None:
    other = Parts(tmp_path, "jsonl")

    def meanwhile() -> Iterator[Verdict]:
        yield verdict("a")
        other.begin()
        assert attempted(other, 3, [verdict("a"), verdict("b")]) == 2
        yield verdict("b")

    with parts.attempt(3) as attempt:
        stats = parts.write(3, attempt, meanwhile())
    assert stats == parts.count(3)
    assert tree(tmp_path) == ["parts/part-00003.jsonl"]


def test_a_file_that_is_not_of_verdicts_is_refused(parts: Parts) -> None:
    parts.write(0, 1, [verdict("a")])
    whole = parts.path(0).read_bytes()
    for content in (whole[:-5], whole + b"{}\n", b"\n", whole[:-1]):
        parts.path(0).write_bytes(content)
        with pytest.raises(UsageError, match=r"is not (made of|a) verdict"):
            parts.count(0)


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "jsonl.zst", "parquet"])
def test_parts_are_packed_as_their_names_say(tmp_path: Path, ending: str) -> None:
    parts = Parts(tmp_path, ending)
    parts.begin()
    written = [verdict(f"{number}", Outcome.UNSAFE if number % 3 else Outcome.SAFE) for number in range(50)]
    attempted(parts, 7, iter(written))
    assert tree(tmp_path) == [f"parts/part-00007.{ending}"]
    assert parts.done() == {7}
    assert [verdict_of(line) for line in parts.lines(7)] == written
    assert parts.count(7).outcomes == {Outcome.SAFE: 17, Outcome.UNSAFE: 33}
    whole = parts.path(7).read_bytes()
    parts.path(7).write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(UsageError, match="verdict"):
        parts.count(7)
