"""Rows of tokens: trees of segments that let many questions share one image, what is to be predicted in them, and where
their words look."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from imagejudge.builtin.training.shape import IMAGE_TOKENS

SEGMENTS = 80
PADDING = 0  # the token <|endoftext|>


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be predicted at one place of a row: a token, or Yes and No (token -1) in this proportion."""

    place: int
    token: int
    p_yes: float
    weight: float
    kind: str


@dataclass(frozen=True, slots=True)
class Look:
    """What a token should look at: the shares of cells, which sum to one, and its box (left, top, right, bottom) in
    shares of the image."""

    place: int
    cells: NDArray[np.float32]
    box: NDArray[np.float32]


@dataclass(slots=True)
class Row:
    """One image's tree of segments, at most `length` tokens beside the image."""

    length: int
    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)

    def add(self, parent: int, tokens: tuple[int, ...]) -> int:
        """Append a segment; its place in the tree gives its positions."""
        begin = self.ends[parent] if parent >= 0 else 0
        self.parents.append(parent)
        self.ends.append(begin + len(tokens))
        self.segments += [len(self.parents) - 1] * len(tokens)
        self.positions += range(begin, begin + len(tokens))
        self.tokens += tokens
        return len(self.parents) - 1

    def room(self, tokens: int) -> bool:
        """Do so many more tokens fit?"""
        return len(self.tokens) + tokens <= self.length and len(self.parents) < SEGMENTS - 1

    def family(self) -> NDArray[np.bool_]:
        """Which segment sees which; the last one, padding, sees itself."""
        table = np.eye(SEGMENTS, dtype=np.bool_)
        for number, parent in enumerate(self.parents):
            if parent >= 0:
                table[number] |= table[parent]
        return table


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as arrays; `place` and `look_place` index into the flattened hidden states of [rows, 64 + length]."""

    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    segments: NDArray[np.int64]
    family: NDArray[np.bool_]
    place: NDArray[np.int64]
    goal: NDArray[np.int64]
    p_yes: NDArray[np.float32]
    weight: NDArray[np.float32]
    kinds: list[str]
    look_place: NDArray[np.int64]
    look_cells: NDArray[np.float32]  # [looks, 64]
    look_box: NDArray[np.float32]  # [looks, 4]


def collate(rows: list[Row]) -> Batch:
    """Rows as one batch."""
    length, count = rows[0].length, len(rows)
    tokens, positions = np.full((count, length), PADDING, np.int64), np.zeros((count, length), np.int64)
    segments = np.full((count, length), SEGMENTS - 1, np.int64)
    goals, looks = [], []
    for number, row in enumerate(rows):
        n = len(row.tokens)
        tokens[number, :n], positions[number, :n], segments[number, :n] = row.tokens, row.positions, row.segments
        before = number * (IMAGE_TOKENS + length) + IMAGE_TOKENS
        goals += [(before + goal.place, goal) for goal in row.goals]
        looks += [(before + look.place, look) for look in row.looks]
    return Batch(
        tokens,
        positions,
        segments,
        np.stack([row.family() for row in rows]),
        np.array([place for place, _ in goals]),
        np.array([goal.token for _, goal in goals]),
        np.array([goal.p_yes for _, goal in goals], np.float32),
        np.array([goal.weight for _, goal in goals], np.float32),
        [goal.kind for _, goal in goals],
        np.array([place for place, _ in looks], np.int64),
        np.array([look.cells for _, look in looks], np.float32).reshape(-1, IMAGE_TOKENS),
        np.array([look.box for _, look in looks], np.float32).reshape(-1, 4),
    )
