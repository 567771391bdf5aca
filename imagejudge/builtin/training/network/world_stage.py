"""The stage that makes what tells pictures that the model was made for from all others.

A small network on the tokens of a pair's encoder, fitted to scenes and single drawings on the one side, and on
the other to pictures that show none, of as many kinds as can be drawn, and to cuts of photographs where there are any.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imagejudge.builtin.training.network.model import LanguageModel, VisionEncoder
from imagejudge.builtin.training.network.restore import read_pair
from imagejudge.builtin.training.network.trainer import Config, weights_under
from imagejudge.builtin.training.scenes import sheets, textures, unlike
from imagejudge.builtin.training.scenes.backgrounds import degrade, draw_background, nothing_known
from imagejudge.builtin.training.scenes.drawings import Drawings
from imagejudge.builtin.training.scenes.painter import Painter, Plan, Sprites
from imagejudge.builtin.training.scenes.patterns import PATTERNS, drawn
from imagejudge.builtin.training.scenes.photographs import Photographs
from imagejudge.builtin.training.scenes.scene import Pixels
from imagejudge.builtin.training.scenes.unlike import KEPT_BACK, TAUGHT
from imagejudge.common.atomic_write import replacing
from imagejudge.models.files import file_digest

Random = np.random.Generator
Maps = NDArray[np.float16]
"""(pictures, tokens, width)"""

FEATURES, UNITS = 24, 64
PASSES = 15
NOISE = 0.3
"""Deviation of the noise on each standardised number, and of that on all tokens of a picture alike, at each pass: no
picture is learnt by heart."""
CHECKED = 0.1
"""The share of pictures that is left out of the fit: they decide where the world ends."""
TURNED_AWAY = 0.015
"""The share of scenes and drawings, of those left out, that lies out of the world."""


HARDEST = (unlike.text, unlike.shapes, unlike.screen, sheets.lettering, sheets.chart, textures.landscape)
"""Drawn twice as often as the other kinds."""


class Encoder:
    """The image encoder of a pair, in half the precision: that takes half the time, and hardly moves a token."""

    def __init__(self, folder: Path) -> None:
        pair = read_pair(folder)
        state = {name: torch.from_numpy(array.copy()) for name, array in pair.weights.items()}
        self._vision, self._language = VisionEncoder(pair.shape), LanguageModel(pair.shape)
        self._vision.load_state_dict(weights_under(state, "vision."))
        self._language.load_state_dict(weights_under(state, "language."))
        self._vision.bfloat16()

    def maps(self, pictures: list[Pixels]) -> Maps:
        """As `View.encoded` gives them."""
        pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255 * 2 - 1
        with torch.inference_mode():
            features = (self._vision(pixels.bfloat16()).float() - self._language.mean) / self._language.std
            found: Maps = self._language.project(features).numpy().astype(np.float16)
        return found


class Pictures:
    """An endless stream of both sides."""

    def __init__(self, config: Config, photographs: Path | None) -> None:
        self.random = np.random.default_rng((config.seed, 17))
        self._painter = Painter(Sprites(config.out / "sprites.npz"))
        self._drawings = Drawings(config.out / "sprites.npz", config.out / "assets", self.random)
        self._photographs = Photographs(photographs) if photographs else None

    def inside(self) -> Pixels:
        """A scene, or two times in five a single drawing."""
        if self.random.random() < 0.4:
            return self._drawings.picture(self.random)
        plan = Plan(hard=float(self.random.choice([0, 0.5, 1, 1])), restyled=bool(self.random.random() < 0.5))
        while True:
            free = self.random.random() < 0.8
            scene = (self._painter.random_scene if free else self._painter.meeting)(self.random, plan)
            if scene.things:
                return scene.pixels

    def outside(self) -> Pixels:
        """A picture without any: one time in three of a photograph, where there are some."""
        if self._photographs is not None and self.random.random() < 0.33:
            return self._photographs.cut(self.random)
        if (draw := self.random.random()) < 0.08:
            return nothing_known(self.random)
        if draw < 0.12:
            return degrade(self.random, draw_background(self.random, 1.0), 1.0)
        return drawn(self.random, (*TAUGHT, *KEPT_BACK, *PATTERNS, *HARDEST))

    def batch(self, count: int) -> list[Pixels]:
        """As many pictures, first the half that lies inside."""
        return [self.inside() for _ in range(count // 2)] + [self.outside() for _ in range(count - count // 2)]


def train_world(config: Config, begin: Path, photographs: Path | None) -> None:
    """Fit it for the pair in a folder, and put it beside that: `steps` batches of pictures are drawn."""
    encoder, pictures = Encoder(begin), Pictures(config, photographs)
    drawn_maps, outside = [], np.arange(config.batch) >= config.batch // 2
    for step in range(config.steps):
        drawn_maps.append(encoder.maps(pictures.batch(config.batch)))
        if (step + 1) % config.log_every == 0:
            print(f"world {step + 1}: {(step + 1) * config.batch} pictures", flush=True)
    checked = max(1, round(CHECKED * config.steps))
    network = Network(fitted := np.concatenate(drawn_maps[checked:]))
    fit(network, fitted, np.tile(outside, config.steps - checked), config.lr)
    logits, truth = network.logits(np.concatenate(drawn_maps[:checked])), np.tile(outside, checked)
    end = float(np.quantile(logits[~truth], 1 - TURNED_AWAY))
    with replacing(begin / "world.npz") as fresh, fresh.open("wb") as stream:
        np.savez(stream, encoder=np.array(file_digest(begin / "mmproj.gguf")), **network.arrays(end))
    print(
        f"{checked * config.batch} pictures had no part in the fit: {np.mean(logits[~truth] >= end):.3f} of scenes and"
        f" drawings and {np.mean(logits[truth] >= end):.3f} of the others are turned away"
    )


class Network(nn.Module):
    """As `judge.world` computes it: a few features of each token, a layer that looks at all of them, one number."""

    def __init__(self, maps: Maps) -> None:
        super().__init__()
        tokens = torch.from_numpy(maps.reshape(-1, maps.shape[-1]).astype(np.float32))
        self.mean, self.scale = tokens.mean(0), tokens.std(0) + 1e-3
        self.each = nn.Linear(maps.shape[2], FEATURES)
        self.hidden = nn.Linear(FEATURES * maps.shape[1], UNITS)
        self.out = nn.Linear(UNITS, 1)
        self.dropout = nn.Dropout(0.3)

    def standardised(self, maps: Maps) -> Tensor:
        """Each number of the tokens with mean 0 and deviation 1."""
        return (torch.from_numpy(maps.astype(np.float32)) - self.mean) / self.scale

    def forward(self, tokens: Tensor) -> Tensor:
        """From standardised tokens [B, 64, width] to logits [B]."""
        features = self.dropout(self.each(tokens).relu().flatten(1))
        return self.out(self.dropout(self.hidden(features).relu()))[:, 0]  # type: ignore[no-any-return]

    def logits(self, maps: Maps) -> NDArray[np.float32]:
        """Of pictures, without learning from them."""
        self.eval()
        with torch.inference_mode():
            return np.concatenate([self(self.standardised(part)).numpy() for part in np.array_split(maps, 64)])

    def arrays(self, end: float) -> dict[str, Any]:
        """What `judge.world` reads, where the world ends at a logit of `end`."""
        found = {"mean": self.mean, "scale": self.scale, "each": self.each.weight, "each_bias": self.each.bias}
        found |= {"hidden": self.hidden.weight, "hidden_bias": self.hidden.bias}
        found |= {"out": self.out.weight[0], "out_bias": self.out.bias[0] - end}
        return {name: value.detach().numpy() for name, value in found.items()}


def fit(network: Network, maps: Maps, outside: NDArray[np.bool_], rate: float) -> None:
    """Teach the network to give logits above 0 where a picture is more likely outside; half of all are mirrored."""
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=0.05)
    wanted = torch.from_numpy(outside.astype(np.float32))
    batches = [rows for _ in range(PASSES) for rows in torch.randperm(len(maps)).split(128)]
    side = round(maps.shape[1] ** 0.5)
    for step, rows in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] = rate * (1 - step / len(batches))
        tokens = network.standardised(maps[rows.numpy()])
        if step % 2:
            tokens = tokens.unflatten(1, (side, side)).flip(2).flatten(1, 2)
        noise = NOISE * (torch.randn_like(tokens) + torch.randn(len(rows), 1, tokens.shape[2]))
        loss = nn.functional.binary_cross_entropy_with_logits(network(tokens + noise), wanted[rows])
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad()
