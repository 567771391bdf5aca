"""How images are divided, and which part a process takes."""

from __future__ import annotations

import pytest

from imagejudge.blocks.plan import Block, Shard, as_list, cut, listed, shard
from imagejudge.errors import UsageError


def test_blocks_have_so_many_images_in_their_order() -> None:
    assert list(cut("edcba", 2)) == [Block(0, ("e", "d")), Block(1, ("c", "b")), Block(2, ("a",))]
    assert list(cut([], 2)) == []


def test_a_shard_is_a_block_of_its_own() -> None:
    paths = ["a.tar", "b.png", "c.png", "d.png", "e.tgz", "f.tar.gz", "g.png", "h.tar"]
    found = [block.inputs for block in cut(paths, 2)]
    assert found == [("a.tar",), ("b.png", "c.png"), ("d.png",), ("e.tgz",), ("f.tar.gz",), ("g.png",), ("h.tar",)]


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_every_block_is_in_one_shard(count: int) -> None:
    shards = [shard(f"{index}/{count}", {}) for index in range(count)]
    assert all(sum(each.takes(number) for each in shards) == 1 for number in range(100))


@pytest.mark.parametrize("text", ["", "8/8", "1", "-1/4", "1/0", "0/0", "1/2/3", "auto/4", "٣/٤", "1/ 2", "0/1\n"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no part of a whole"):
        shard(text, {})


def slurm(task: int, first: int, last: int, count: int) -> dict[str, str]:
    found = {"ID": task, "MIN": first, "MAX": last, "COUNT": count}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in found.items()}


def test_an_array_counts_its_tasks_from_anywhere() -> None:
    assert shard("auto", slurm(3, 0, 9, 10)) == Shard(3, 10)
    assert shard("auto", slurm(3, 1, 10, 10)) == Shard(2, 10)
    assert shard("2/4", slurm(3, 1, 10, 10)) == Shard(2, 4)


def test_an_array_with_gaps_and_no_array_are_refused() -> None:
    with pytest.raises(UsageError, match="2 tasks from 3 to 7"):
        shard("auto", slurm(7, 3, 7, 2))
    with pytest.raises(UsageError, match="this is none"):
        shard("auto", {})


@pytest.mark.parametrize(
    ("text", "found"),
    [("3", [3]), ("3,17,40-43", [3, 17, 40, 41, 42, 43]), ("0-0", [0]), ("5-7,6", [5, 6, 7, 6])],
)
def test_a_list_of_blocks(text: str, found: list[int]) -> None:
    assert [number for each in listed(text).ranges for number in each] == found


@pytest.mark.parametrize("text", ["", ",", "1,", "a", "3-1", "1--2", "-1", "1 2", "1\n"])
def test_what_is_no_list_of_blocks_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        listed(text)


@pytest.mark.parametrize("found", [[], [0], [3, 17, 40, 41, 42], list(range(5)), [1, 3, 5]])
def test_a_list_reads_as_it_was_written(found: list[int]) -> None:
    text = as_list(found)
    assert not found or [number for each in listed(text).ranges for number in each] == found


def test_runs_of_numbers_are_written_as_such() -> None:
    assert as_list([3, 17, *range(40, 53)]) == "3,17,40-52"


def test_what_is_listed_is_taken() -> None:
    some = listed("40-52,3,17")
    assert [number for number in range(60) if some.takes(number)] == [3, 17, *range(40, 53)]
    assert some.last == 52
