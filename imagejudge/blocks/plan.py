"""Blocks: how the images of a scan are divided, and which of them one process judges. Pure; touches no file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from imagejudge.errors import UsageError
from imagejudge.images.names import is_shard

IMAGES: Final = 1_000
"""Images of a block, unless another number is asked for."""

_SHARD: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
_RANGES: Final = re.compile(r"[0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*")
_ARRAY: Final = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_COUNT")


@dataclass(frozen=True, slots=True)
class Block:
    """Images that are judged by one process, one after another, into one file."""

    number: int
    """From 0 on, in the order of the plan."""
    inputs: tuple[str, ...]
    """Paths as they were found, at least one."""


def cut(paths: Iterable[str], size: int = IMAGES) -> Iterator[Block]:
    """Divide images into blocks of at most `size`, in their order: the files of all blocks, joined, have that order.

    A shard is a block of its own, whatever it holds.
    """
    return (Block(number, tuple(inputs)) for number, inputs in enumerate(_runs(paths, size)))


def _runs(paths: Iterable[str], size: int) -> Iterator[list[str]]:
    run: list[str] = []
    for path in paths:
        if run and (is_shard(path) or is_shard(run[0]) or len(run) == size):
            yield run
            run = []
        run.append(path)
    if run:
        yield run


@dataclass(frozen=True, slots=True)
class Shard:
    """Every block whose number, divided by `count`, leaves `index`."""

    index: int
    count: int

    def takes(self, number: int) -> bool:
        """Whether a block is one of them."""
        return number % self.count == self.index


def shard(text: str, environment: Mapping[str, str]) -> Shard:
    """The shard that `2/8` names (2 of 0 to 7), or `auto`: the place of this task in a SLURM array.

    Raises `UsageError` for anything else, and for an array that does not number its tasks one after another.
    """
    if text == "auto":
        return _of_array(environment)
    found = _SHARD.fullmatch(text)
    if found is None or int(found[1]) >= int(found[2]):
        raise UsageError(
            f"`shard` {text} is no part of a whole", "write for example 0/8 to 7/8, or auto in a SLURM array"
        )
    return Shard(int(found[1]), int(found[2]))


def _of_array(environment: Mapping[str, str]) -> Shard:
    values = [environment.get(name, "") for name in _ARRAY]
    if not all(value.isdecimal() for value in values):
        raise UsageError(
            "`shard` auto is for SLURM arrays, and this is none: there is no SLURM_ARRAY_TASK_ID",
            "write the number of this process and how many there are, for example 0/8",
        )
    task, first, last, count = map(int, values)
    if last - first + 1 != count:
        raise UsageError(
            f"this SLURM array has {count} tasks from {first} to {last}, so that a task's number is not its place",
            "write the place, for example $SLURM_ARRAY_TASK_ID/100 for an array that numbers its tasks from 0 on",
        )
    return Shard(task - first, count)


@dataclass(frozen=True, slots=True)
class Listed:
    """Blocks that were named."""

    ranges: tuple[range, ...]

    def takes(self, number: int) -> bool:
        """Whether a block is one of them."""
        return any(number in each for each in self.ranges)

    @property
    def last(self) -> int:
        """The greatest number."""
        return max(each[-1] for each in self.ranges)


def listed(text: str) -> Listed:
    """The blocks that a list such as `3,17,40-52` names. Raises `UsageError` where it is none."""
    if not _RANGES.fullmatch(text):
        raise UsageError(f"`blocks` {text} is no list of numbers", "write for example 3,17,40-52")
    ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    for first, *last in ends:
        if last and last[0] < first:
            raise UsageError(f"`blocks` {first}-{last[0]} ends before it begins", f"write {last[0]}-{first}")
    return Listed(tuple(range(each[0], each[-1] + 1) for each in ends))


def as_list(found: Iterable[int]) -> str:
    """Ascending block numbers as `listed` reads them: `3,17,40-52`."""
    runs: list[list[int]] = []
    for number in found:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
