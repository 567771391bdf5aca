"""An endless stream of fresh training batches, made by worker processes: scenes, and rows of questions about some of
them. Knows nothing of torch, so that workers start quickly.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imagejudge.builtin.training.language.dialogue import Words, Writer
from imagejudge.builtin.training.language.rows import Batch, collate
from imagejudge.builtin.training.scenes import clipart
from imagejudge.builtin.training.scenes.painter import Painter, Plan, Sprites
from imagejudge.builtin.training.scenes.scene import Scene, labelled
from imagejudge.builtin.training.scenes.shards import packed, unpacked
from imagejudge.builtin.training.scenes.sprites import FIRST_STYLES, STYLES, TRAINED_STYLES
from imagejudge.builtin.training.scenes.unlike import unlike

CROWDED = (0.03, 0.20, 0.30, 0.27, 0.20)
"""Shares of scenes of none to four things: more crowded ones than are measured, as these are the harder ones."""
PLAN = Plan(styles=tuple(STYLES.index(style) for style in FIRST_STYLES), counts=CROWDED)
RESTYLED = Plan(
    styles=(*TRAINED_STYLES, *PLAN.styles, *[STYLES.index(clipart.STYLE)] * 5), restyled=True, counts=CROWDED
)
"""Emoji in colours twice as often as any set of icons, and clip art six times, as no two of its drawings are of one
style."""
UNLIKE = 0.08  # of all pictures show no sticker
MEETING = 0.25  # of the others show two things on purpose, so that whether they touch is learnt
Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What batches are made of: `scenes` a batch, rows of at most `length` tokens about the first `rows` of them."""

    sprites: Path
    tokenizer: Path
    scenes: int
    rows: int
    length: int
    seed: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One batch: packed scenes, and the questions about the first of them."""

    arrays: Arrays
    questions: Batch


class Maker:
    """Makes batches by their number."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.painter = Painter(Sprites(recipe.sprites))
        self.writer = Writer(Words(recipe.tokenizer), np.random.default_rng(recipe.seed), recipe.length)

    def sample(self, number: int) -> Sample:
        """The batch of this number."""
        random = np.random.default_rng((self.recipe.seed, number))
        self.writer.reseed(random.spawn(1)[0])
        arrays = packed([self._scene(random) for _ in range(self.recipe.scenes)])
        rows = [self.writer.row(unpacked(arrays, number)) for number in range(self.recipe.rows)]
        return Sample(arrays, collate(rows))

    def _scene(self, random: np.random.Generator) -> Scene:
        if random.random() < UNLIKE:
            return labelled(unlike(random), [], [])
        plan = PLAN if random.random() < 0.5 else RESTYLED
        if random.random() < MEETING:
            return self.painter.meeting(random, plan)
        return self.painter.random_scene(random, plan)


def _work(recipe: Recipe, first: int, step: int, out: Connection) -> None:
    """Send every `step`-th batch from `first` on, until the receiver is gone."""
    maker = Maker(recipe)
    number = first
    while True:
        try:
            out.send(maker.sample(number))
        except (BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
            return
        number += step


def samples(recipe: Recipe, first: int, workers: int) -> Iterator[Sample]:
    """Batches from number `first` on. A worker waits until its batch is taken, so a paused trainer pauses them all."""
    context = multiprocessing.get_context("spawn")
    ends: list[Connection] = []
    for place in range(workers):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(recipe, first + place, workers, there), daemon=True)
        process.start()
        there.close()
        ends.append(here)
    number = 0
    while True:
        yield ends[number % workers].recv()
        number += 1
