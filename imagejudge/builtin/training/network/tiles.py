"""Single sprites on small tiles, made in batches on the device: the cheapest thing to learn shapes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from imagejudge.builtin.training.scenes.concepts import CONCEPTS, weigh
from imagejudge.builtin.training.scenes.sprites import HELD_OUT_STYLE, STYLES

SIZE = 64


class Tiles:
    """An endless stream of (pixels, concept); concept, then style, then drawing are drawn evenly, so that no vendor and
    no common thing dominates."""

    def __init__(self, sprites: Path, device: torch.device, held_out: bool = False) -> None:
        arrays = np.load(sprites)
        style, concept = arrays["style"], arrays["concept"]
        keep = np.flatnonzero((style == STYLES.index(HELD_OUT_STYLE)) == held_out)
        rgba = torch.from_numpy(arrays["rgba"][keep]).permute(0, 3, 1, 2)
        self.rgba = rgba.to(device)
        self.device = device
        self.concept = torch.from_numpy(concept[keep].astype(np.int64))
        drawn = np.array(
            [
                np.mean((style[keep] == s) & (concept[keep] == c))
                for c, s in zip(concept[keep], style[keep], strict=True)
            ]
        )
        styles = np.array([len(set(style[keep][concept[keep] == c])) for c in range(len(CONCEPTS))])[concept[keep]]
        weight = 1 / (drawn * styles)
        weight = weight * np.array([weigh(number) for number in concept[keep]])
        self.weight = torch.from_numpy(weight / weight.sum())

    def batch(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw `count` tiles [B, 3, SIZE, SIZE] in -1..1 with their concepts [B]."""
        chosen = torch.multinomial(self.weight, count, replacement=True, generator=generator)
        rgba = self.rgba[chosen.to(self.device)].float() / 255
        random = torch.rand(count, 24, generator=generator).to(self.device)
        spread = torch.where(random[:, 0] < 0.8, 0.5, 3.14)  # mostly upright, sometimes any way up
        angle = (random[:, 1] * 2 - 1) * spread
        scale = 0.42 + 0.66 * random[:, 2]
        stretch = 0.87 + 0.26 * random[:, 3]
        flip = torch.where(random[:, 4] < 0.5, -1.0, 1.0)
        shift = (random[:, 5:7] * 2 - 1) * (1.05 - scale).clamp_min(0.05)[:, None]
        cos, sin = angle.cos() / scale, angle.sin() / scale
        turn = torch.stack(
            [torch.stack([cos * flip, sin * flip], -1), torch.stack([-sin * stretch, cos * stretch], -1)], 1
        )
        theta = torch.cat([turn, -(turn @ shift[:, :, None])], 2)
        grid = F.affine_grid(theta, [count, 4, SIZE, SIZE], align_corners=False)
        rgba = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], 1)  # premultiplied, or edges turn dark
        drawn = F.grid_sample(F.avg_pool2d(rgba, 2) if SIZE < 80 else rgba, grid, align_corners=False)
        alpha = drawn[:, 3:]
        colour = (
            drawn[:, :3] * (0.85 + 0.3 * random[:, 7:10, None, None])
            + (random[:, 10, None, None, None] - 0.5) * 0.15 * alpha
        )
        grey = (random[:, 11] < 0.04).float()[:, None, None, None]
        colour = colour * (1 - grey) + colour.mean(1, keepdim=True) * grey
        pixels = colour + (1 - alpha) * self._ground(random)
        noise = (
            torch.randn(pixels.shape, generator=generator).to(self.device) * 0.06 * random[:, 23, None, None, None] ** 2
        )
        return (pixels + noise).clamp(0, 1) * 2 - 1, self.concept[chosen].to(self.device)

    def _ground(self, random: Tensor) -> Tensor:
        """A plain colour, a gradient or soft blotches."""
        count = len(random)
        line = torch.linspace(-1, 1, SIZE, device=random.device)
        first, second = random[:, 12:15, None, None], random[:, 15:18, None, None]
        first = torch.where((random[:, 18] < 0.3)[:, None, None, None], torch.ones_like(first), first)
        slope = (
            (
                line[None, :, None] * (random[:, 19, None, None] - 0.5)
                + line[None, None, :] * (random[:, 20, None, None] - 0.5)
            )
            * 2
            + 0.5
        ).clamp(0, 1)[:, None]
        coarse = random[:, 7:23].reshape(count, 1, 4, 4)
        blotch = F.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
        mix = torch.where(
            (random[:, 21] < 0.4)[:, None, None, None],
            torch.zeros_like(slope),
            torch.where((random[:, 21] < 0.7)[:, None, None, None], slope, blotch),
        )
        return first + (second - first) * mix
