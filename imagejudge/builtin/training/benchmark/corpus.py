"""A corpus as curators meet it: many scenes that break no rule, and a few that do."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from imagejudge.builtin.training.benchmark.bench import RECIPES, draw, plan_of, violated
from imagejudge.builtin.training.language.facts import Facts
from imagejudge.builtin.training.scenes.painter import Painter, Plan, Sprites
from imagejudge.builtin.training.scenes.scene import Scene


def write_corpus(sprites: Path, out: Path, seed: int, split: str, scenes: int, violations: float) -> None:
    """Write out/00000.png and so on, and out/labels.csv: path, label (`violating` or `safe`) and the rules violated.

    The share `violations`, from 0 to 1, violates a rule of the benchmark, drawn at random; the places are too. Each
    scene is drawn from `seed` and its number alone, so that a longer corpus begins as a shorter one does.
    """
    painter, plan = Painter(Sprites(sprites)), plan_of(split)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "rules"])
        for number in range(scenes):
            random = np.random.default_rng((seed, number))
            scene, rules = _scene(painter, random, plan, random.random() < violations)
            name = f"{number:05d}.png"
            Image.fromarray(scene.pixels).save(out / name)
            rows.writerow([name, "violating" if rules else "safe", " ".join(rules)])


def _scene(painter: Painter, random: np.random.Generator, plan: Plan, violating: bool) -> tuple[Scene, list[str]]:
    """A scene that violates at least one rule, or none; and which. Scenes in which one is a matter of taste are left
    out, and so are those that came out otherwise than meant."""
    recipe = RECIPES[str(random.choice(list(RECIPES)))]
    while True:
        scene = draw(painter, random, recipe, plan, True) if violating else painter.random_scene(random, plan)
        rules = None if scene is None else violated(Facts(scene))
        if scene is not None and rules is not None and bool(rules) == violating:
            return scene, rules
