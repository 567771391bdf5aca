"""A block's file is there exactly when the block is done, whoever else is at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagejudge.blocks.parts import Parts
from imagejudge.errors import OutputError, UsageError
from imagejudge.verdict import Outcome, Verdict, verdict_of


def verdict(path: str, outcome: Outcome = Outcome.SAFE) -> Verdict:
    labels = {"model": "m", "constitution": "c", "method": "clue", "imagejudge": "0"}
    return Verdict(path=path, sha256=None, verdict=outcome, rationale="", **labels)  # type: ignore[arg-type]


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    made = Parts(tmp_path, "jsonl")
    made.begin()
    return made


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_block_that_is_written_is_done_and_counted(parts: Parts, tmp_path: Path) -> None:
    stats = parts.write(17, [verdict("a"), verdict("b", Outcome.UNSAFE)])
    assert tree(tmp_path) == ["parts/part-00017.jsonl"]
    assert parts.done() == {17}
    assert stats == parts.count(17)
    assert stats.outcomes == {Outcome.SAFE: 1, Outcome.UNSAFE: 1}


def test_a_block_that_is_forgotten_may_be_judged_again(parts: Parts, tmp_path: Path) -> None:
    parts.write(3, [verdict("a", Outcome.ERROR)], given_up=True)
    (tmp_path / "tries" / "00003.1").touch()
    parts.forget(3)
    assert tree(tmp_path) == []
    assert parts.write(3, [verdict("a")]) == parts.count(3)


def test_only_what_is_left_of_blocks_that_are_done_is_swept(parts: Parts, tmp_path: Path) -> None:
    for number in (4, 5, 123456):
        (tmp_path / "parts" / f".part-{number:05}.7.tmp").touch()
    parts.write(4, [verdict("a")])
    assert tree(tmp_path) == ["parts/.part-00005.7.tmp", "parts/.part-123456.7.tmp", "parts/part-00004.jsonl"]
    (tmp_path / "parts" / ".part-00004.7.tmp").touch()
    parts.begin()
    assert tree(tmp_path) == ["parts/.part-00005.7.tmp", "parts/.part-123456.7.tmp", "parts/part-00004.jsonl"]


def meanwhile(does: Callable[[], object]) -> Iterator[Verdict]:
    """What one run writes while something happens."""
    yield verdict("a")
    does()
    yield verdict("b")


def test_of_two_that_judge_the_same_block_the_first_one_counts(parts: Parts, tmp_path: Path) -> None:
    other = Parts(tmp_path, "jsonl")

    def quicker() -> None:
        other.write(3, [verdict("a"), verdict("b", Outcome.UNSAFE)])
        other.begin()

    assert parts.write(3, meanwhile(quicker)).outcomes == {Outcome.SAFE: 1, Outcome.UNSAFE: 1}
    assert parts.write(3, meanwhile(pytest.fail)) == parts.count(3)  # it is done: no verdict is asked for
    assert tree(tmp_path) == ["parts/part-00003.jsonl"]


def test_a_block_is_not_given_up_while_another_judges_it(parts: Parts, tmp_path: Path) -> None:
    def gives_up() -> None:
        failed = Parts(tmp_path, "jsonl").write(3, [verdict("a", Outcome.ERROR)], given_up=True)
        assert failed.outcomes == {Outcome.ERROR: 1}
        assert len(tree(tmp_path)) == 2  # what was written so far is still there

    assert parts.write(3, meanwhile(gives_up)).outcomes == {Outcome.SAFE: 2}
    assert parts.count(3).outcomes == {Outcome.SAFE: 2}


def test_what_is_given_up_takes_no_verdicts_away(parts: Parts, tmp_path: Path) -> None:
    def quicker() -> None:
        Parts(tmp_path, "jsonl").write(3, [verdict("a")])

    assert parts.write(3, meanwhile(quicker), given_up=True).outcomes == {Outcome.SAFE: 1}
    assert parts.count(3).outcomes == {Outcome.SAFE: 1}


def test_runs_that_give_up_the_same_block_do_not_write_into_the_same_file(parts: Parts, tmp_path: Path) -> None:
    def too() -> None:
        Parts(tmp_path, "jsonl").write(3, [verdict("a")], given_up=True)

    assert parts.write(3, meanwhile(too), given_up=True).outcomes == {Outcome.SAFE: 1}
    assert parts.count(3).outcomes == {Outcome.SAFE: 1}
    assert tree(tmp_path) == ["parts/part-00003.jsonl"]


def test_what_is_taken_away_of_a_block_that_is_not_done_is_no_success(parts: Parts, tmp_path: Path) -> None:
    def swept() -> None:
        for left in (tmp_path / "parts").iterdir():
            left.unlink()

    with pytest.raises(OutputError, match="cannot be written"):
        parts.write(3, meanwhile(swept))
    assert parts.done() == set()


def test_a_file_that_is_not_of_verdicts_is_refused(parts: Parts) -> None:
    parts.write(0, [verdict("a")])
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
    parts.write(7, iter(written))
    assert tree(tmp_path) == [f"parts/part-00007.{ending}"]
    assert parts.done() == {7}
    assert [verdict_of(line) for line in parts.lines(7)] == written
    assert parts.count(7).outcomes == {Outcome.SAFE: 17, Outcome.UNSAFE: 33}
    whole = parts.path(7).read_bytes()
    parts.path(7).write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(UsageError, match="verdict"):
        parts.count(7)
