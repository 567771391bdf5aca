"""Training scenes as arrays on disk, in shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imagejudge.builtin.training.scenes.painter import Painter, Plan, Sprites
from imagejudge.builtin.training.scenes.scene import CELLS, FAR, MOST, Scene, Thing

SHARD = 4096


def packed(scenes: list[Scene]) -> dict[str, NDArray[np.generic]]:
    """Scenes as arrays of fixed shape: concept -1 means no thing; relations hold 1 for "holds" and 2 for "on"."""
    count = len(scenes)
    arrays: dict[str, NDArray[np.generic]] = {
        "pixels": np.stack([scene.pixels for scene in scenes]),
        "concept": np.full((count, MOST), -1, np.int16),
        "box": np.zeros((count, MOST, 4), np.uint8),
        "cells": np.zeros((count, MOST, CELLS * CELLS), np.uint8),
        "gap": np.full((count, MOST, MOST), FAR, np.uint8),
        "relations": np.zeros((count, MOST, MOST), np.uint8),
        "contact": np.stack([scene.contact for scene in scenes]),
    }
    for number, scene in enumerate(scenes):
        n = len(scene.things)
        for place, thing in enumerate(scene.things):
            arrays["concept"][number, place] = thing.concept
            arrays["box"][number, place] = thing.box
            arrays["cells"][number, place] = np.round(thing.cells * 255)
        arrays["gap"][number, :n, :n] = scene.gap
        arrays["relations"][number, :n, :n] = scene.holds + 2 * scene.on
    return arrays


def unpacked(arrays: dict[str, NDArray[np.generic]], number: int) -> Scene:
    """The scene `packed` put at this place."""
    n = int((arrays["concept"][number] >= 0).sum())
    things = tuple(
        Thing(
            int(arrays["concept"][number, i]),
            tuple(arrays["box"][number, i].tolist()),
            arrays["cells"][number, i].astype(np.float32) / 255,
        )  # type: ignore[attr-defined]
        for i in range(n)
    )
    relations = np.asarray(arrays["relations"][number, :n, :n])
    return Scene(
        np.asarray(arrays["pixels"][number]),
        things,
        np.asarray(arrays["gap"][number, :n, :n]),
        (relations & 1) > 0,
        (relations & 2) > 0,
        np.asarray(arrays["contact"][number], np.bool_),
    )


def write_pool(sprites: Path, folder: Path, first: int, last: int, seed: int, size: int = SHARD) -> None:
    """Write shards of training scenes that are not there yet; early ones are easy."""
    painter = Painter(Sprites(sprites))
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(first, last):
        path = folder / f"{shard:04d}"
        if path.exists():
            continue
        random = np.random.default_rng((seed, shard))
        plan = Plan(hard=min(1.0, shard / 6))
        arrays = packed([painter.random_scene(random, plan) for _ in range(size)])
        unfinished = folder / f"{shard:04d}.part"
        unfinished.mkdir(exist_ok=True)
        for name, array in arrays.items():
            np.save(unfinished / f"{name}.npy", array)
        unfinished.rename(path)
        print(f"shard {shard}", flush=True)


def read_shard(folder: Path, shard: int) -> dict[str, NDArray[np.generic]]:
    """The arrays of one shard, mapped from disk."""
    return {path.stem: np.load(path, mmap_mode="r") for path in sorted((folder / f"{shard:04d}").glob("*.npy"))}
