"""Compose labelled scenes out of sprites: which things are visible, where, what touches, holds or stands on what, and
how many there are.

A scene is a function of its seed. Labels are read off the pixels that remain visible, never off what was meant to be
drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagejudge.builtin.training.scenes.backgrounds import degrade, draw_background
from imagejudge.builtin.training.scenes.concepts import CONCEPTS, weigh
from imagejudge.builtin.training.scenes.pictograms import MONOCHROME
from imagejudge.builtin.training.scenes.placing import extent, place
from imagejudge.builtin.training.scenes.restyle import outlined, restyled
from imagejudge.builtin.training.scenes.scene import MOST, Mask, Scene, held_out_pair, labelled
from imagejudge.builtin.training.scenes.sprites import STYLES, TRAINED_STYLES

VULNERABLE = ("person", "animal", "vehicle")
HARMFUL = ("danger", "danger", "weapon", "blade", "tobacco", "alcohol", "drug", "gambling", "tool")


class Sprites:
    """The rendered sprites, found by concept and style."""

    def __init__(self, path: Path) -> None:
        arrays = np.load(path)
        self.pictures = [Image.fromarray(rgba, "RGBA").convert("RGBa") for rgba in arrays["rgba"]]
        self.inked = {number for number, style in enumerate(STYLES) if style in MONOCHROME}
        self.found: dict[tuple[int, int], list[int]] = {}
        for number, (concept, style) in enumerate(
            zip(arrays["concept"].tolist(), arrays["style"].tolist(), strict=True)
        ):
            self.found.setdefault((concept, style), []).append(number)

    def styles(self, concept: int, styles: tuple[int, ...]) -> list[int]:
        """Those of some styles that have a drawing of the concept."""
        return [style for style in styles if (concept, style) in self.found]

    def pick(self, random: np.random.Generator, concept: int, style: int) -> Image.Image:
        """Any drawing of a concept in a style."""
        numbers = self.found[concept, style]
        return self.pictures[numbers[random.integers(len(numbers))]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a scene should be like; `hard` runs from 0 (plain grounds, one or two large things) to 1."""

    hard: float = 1.0
    styles: tuple[int, ...] = TRAINED_STYLES  # of which one is drawn for a scene
    pairs: str = "trained"  # trained: no held-out pair; held-out: some of them; any
    restyled: bool = False  # drawings in other manners than their sets have
    counts: tuple[float, ...] = (0.03, 0.34, 0.37, 0.18, 0.08)  # shares of scenes of none to four things, if hard


class Painter:
    """Draws scenes."""

    def __init__(self, sprites: Sprites) -> None:
        self.sprites = sprites
        weights = np.array([weigh(number) for number in range(len(CONCEPTS))])
        self.weights = weights / weights.sum()
        self.groups: dict[str, list[int]] = {}
        for number, concept in enumerate(CONCEPTS):
            for group in concept.groups:
                self.groups.setdefault(group, []).append(number)

    def random_scene(self, random: np.random.Generator, plan: Plan) -> Scene:
        """A scene of freely chosen things."""
        return self.scene(random, self.choose(random, plan), plan)

    def meeting(self, random: np.random.Generator, plan: Plan) -> Scene:
        """A scene of two things of which one is dangerous or coveted and the other can come to harm, touching, held,
        close or apart about as often: what scenes of free choice show too rarely to learn from."""
        while True:
            first = int(random.choice(self.groups[str(random.choice(VULNERABLE, p=[0.5, 0.35, 0.15]))]))
            second = int(random.choice(self.groups[str(random.choice(HARMFUL))]))
            third = [int(random.choice(len(CONCEPTS), p=self.weights))] if random.random() < 0.25 else []
            chosen = [first, second, *third]
            names = [CONCEPTS[concept].name for concept in chosen]
            if not any(held_out_pair(a, b) for place, a in enumerate(names) for b in names[:place]):
                break
        relation = str(random.choice(["touch", "apart", "near", "hold"], p=[0.4, 0.3, 0.15, 0.15]))
        return self.scene(random, chosen, plan, (relation, "apart"), (36, 84) if len(chosen) == 2 else (30, 64))

    def choose(self, random: np.random.Generator, plan: Plan) -> list[int]:
        """Which things to draw: people, look-alikes and second ones of the same kind more often than chance."""
        count = (
            int(random.choice(MOST, p=plan.counts)) if plan.hard > 0.5 else int(random.choice([1, 2], p=[0.55, 0.45]))
        )
        chosen: list[int] = []
        for _ in range(count * 3):
            if len(chosen) == count:
                break
            draw = random.random()
            if chosen and draw < 0.22:
                candidate = chosen[0] if random.random() < 0.6 else int(random.choice(self._alike(chosen[0])))
            elif chosen and draw < 0.42:
                candidate = int(random.choice(self.groups["person"]))
            else:
                candidate = int(random.choice(len(CONCEPTS), p=self.weights))
            if plan.pairs == "trained" and any(
                held_out_pair(CONCEPTS[candidate].name, CONCEPTS[c].name) for c in chosen
            ):
                continue
            chosen.append(candidate)
        if random.random() < 0.6:  # things can be put into the hands of those that come first
            chosen.sort(key=lambda concept: "person" not in CONCEPTS[concept].groups)
        return chosen

    def _alike(self, concept: int) -> list[int]:
        groups = CONCEPTS[concept].groups
        return self.groups[groups[0]] if groups else [concept]

    def scene(
        self,
        random: np.random.Generator,
        concepts: list[int],
        plan: Plan,
        relations: tuple[str, ...] = (),
        sizes: tuple[float, float] | None = None,
    ) -> Scene:
        """Draw these things. relations[i] says how thing i + 1 is placed to an earlier one: "touch", "hold", "on",
        "near", "apart"; chance decides the rest."""
        canvas = draw_background(random, plan.hard)
        style = int(random.choice(plan.styles))
        mixed = random.random() < 0.15
        masks: list[Mask] = []
        kept: list[int] = []
        low, high = sizes or ((46, 112) if len(concepts) == 1 else (32, 82) if len(concepts) == 2 else (28, 62))
        for number, concept in enumerate(concepts):
            own = self.sprites.styles(concept, plan.styles)
            if not own:
                continue
            style_here = int(random.choice(own)) if style not in own or mixed else style
            relation = (
                relations[number - 1]
                if 0 < number <= len(relations)
                else str(random.choice(["touch", "apart", "near", "hold", "on"], p=[0.28, 0.38, 0.07, 0.19, 0.08]))
            )
            if relation == "hold" and (not kept or "person" not in CONCEPTS[kept[0]].groups):
                relation = "touch"
            placed = None
            for attempt in range(8):
                side = math.exp(random.uniform(math.log(low), math.log(high))) * (1 - 0.05 * attempt)
                if relation == "hold" and number:
                    side = max(24.0, min(side, 0.62 * extent(masks[0]))) if masks else side
                tile = self._tile(random, self.sprites.pick(random, concept, style_here), side, plan.hard)
                if plan.restyled:
                    tile = restyled(random, tile, concept, inked=style_here in self.sprites.inked)
                placed = place(random, tile, masks, relation if masks else "apart")
                if placed is not None:
                    break
            if placed is None:
                continue
            colour, mask = placed
            paint(canvas, colour)
            masks = [earlier & ~mask for earlier in masks]
            masks.append(mask)
            kept.append(concept)
        return labelled(degrade(random, canvas, plan.hard), kept, masks)

    def _tile(self, random: np.random.Generator, sprite: Image.Image, side: float, hard: float) -> NDArray[np.float32]:
        """One sprite, resized, turned, flipped and tinted: premultiplied RGBA in 0..1."""
        stretch = random.uniform(0.88, 1.14)
        picture = sprite.resize(
            (max(4, round(side * stretch)), max(4, round(side / stretch))), Image.Resampling.BILINEAR
        )
        if random.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if random.random() < 0.6:
            reach = 180 if random.random() < 0.12 * hard else 28
            picture = picture.rotate(random.uniform(-reach, reach), Image.Resampling.BILINEAR, expand=True)
        tile: NDArray[np.float32] = np.asarray(picture, np.float32) / np.float32(255)
        if random.random() < 0.2 * hard:
            tile = outlined(
                tile,
                int(random.integers(1, 3)),
                random.random(3).astype(np.float32) * (0.25 if random.random() < 0.7 else 1.0),
            )
        alpha = tile[..., 3:]
        colour = tile[..., :3] * random.uniform(0.84, 1.12, 3).astype(np.float32)
        if random.random() < 0.4 * hard:  # other vendors draw with other contrasts and colours
            grey = colour.mean(-1, keepdims=True)
            colour = grey + (colour - grey) * random.uniform(0.35, 1.5)
            colour = (
                (colour - 0.5 * alpha) * random.uniform(0.65, 1.3) + 0.5 * alpha + random.uniform(-0.1, 0.1) * alpha
            )
        tile[..., :3] = np.clip(colour, 0, alpha)
        return tile


def paint(canvas: NDArray[np.float32], layer: NDArray[np.float32]) -> None:
    """Lay premultiplied RGBA over the canvas, in place."""
    canvas *= 1 - layer[..., 3:]
    canvas += layer[..., :3]
