"""What holds in one scene."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imagejudge.builtin.training.language.words import BODIES, Target, target
from imagejudge.builtin.training.scenes.concepts import AMBIGUOUS
from imagejudge.builtin.training.scenes.scene import APART, DISTANT, NEAR, SIZE, Scene

UNSUITABLE = frozenset({"weapon", "blood", "rude", "tobacco", "drug", "revealing", "explosion"})
"""Kinds that make a scene inappropriate for the public wherever they are."""


class Seen(NamedTuple):
    """Where things are: the shares of the cells that show them, which sum to one, and the box around them all (left,
    top, right, bottom) in shares of the image."""

    cells: NDArray[np.float32]
    box: NDArray[np.float32]


class Facts:
    """What holds in one scene, but for the absence of what is `untaught`: that is not asked."""

    def __init__(self, scene: Scene, untaught: frozenset[str] = frozenset()) -> None:
        self.scene = scene
        self.untaught = untaught
        self.kinds = [thing.kinds for thing in scene.things]
        self.all: frozenset[str] = frozenset().union(*self.kinds)

    def matching(self, wanted: Target) -> list[int]:
        """The places of all things that fit."""
        return [number for number, kinds in enumerate(self.kinds) if kinds & wanted.kinds]

    def seen(self, about: Iterable[Target]) -> dict[str, Seen]:
        """The bare words for those of these things that are there, and where."""
        seen = {}
        for what in about:
            if things := [self.scene.things[place] for place in self.matching(what)]:
                cells = np.sum([thing.cells for thing in things], 0)
                seen[what.bare] = Seen(cells / cells.sum(), around([thing.box for thing in things]) / np.float32(SIZE))
        return seen

    def visible(self, wanted: Target) -> bool | None:
        """Is one there? None where it depends on how one sees it."""
        if self.matching(wanted):
            return None if wanted.words in ("a boy", "a girl") else True
        doubts = frozenset().union(*(AMBIGUOUS.get(kind, frozenset()) for kind in wanted.kinds))
        return None if doubts & self.all or wanted.kinds & self.untaught else False

    def several(self, wanted: Target) -> bool | None:
        """Are there two or more? None where it depends on how one sees it."""
        found = self.matching(wanted)
        if len(found) >= 2:
            return True
        doubts = frozenset().union(*(AMBIGUOUS.get(kind, frozenset()) for kind in wanted.kinds))
        return None if doubts & self.all or wanted.kinds & self.untaught else False

    def related(self, relation: str, one: Target, other: Target) -> bool | None:
        """Does any one thing stand in this relation to any other?"""
        there = self.visible(one), self.visible(other)
        if False in there or None in there:
            return False if False in there else None
        unclear = False
        for i in self.matching(one):
            for j in self.matching(other):
                if i == j:
                    continue
                gap = int(self.scene.gap[i, j])
                if relation == "touch":
                    holds, clear = gap == 0, gap >= APART
                elif relation == "near":
                    holds, clear = gap <= NEAR, gap >= DISTANT
                elif relation == "hold":
                    holds, clear = bool(self.scene.holds[i, j]), gap >= APART
                else:
                    holds, clear = bool(self.scene.on[i, j]), gap >= APART or bool(self.scene.on[j, i])
                if holds:
                    return True
                unclear |= not clear
        return None if unclear else False

    def inappropriate(self) -> bool | None:
        """Would the model's own idea of what may be shown object?"""
        if self.all & UNSUITABLE:
            return True
        if self.related("touch", target("flames", "flames"), BODIES[0]):
            return True
        if "minor" in self.all and self.all & {"alcohol", "gambling"}:
            return True
        return None if self.all & {"water pistol", "death", "flames"} else False


def around(boxes: ArrayLike) -> NDArray[np.float32]:
    """The box around all of these."""
    corners = np.asarray(boxes, np.float32)
    return np.concatenate([corners[:, :2].min(0), corners[:, 2:].max(0)])


def both(one: bool | None, other: bool | None) -> bool | None:
    """And, where None is unknown."""
    if one is False or other is False:
        return False
    return None if one is None or other is None else True
