"""A stage of the training while it runs: what it runs with, its rate, its checkpoint."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imagejudge.builtin.training.shape import TEMPERATURE, Shape
from imagejudge.common.atomic_write import replacing


@dataclasses.dataclass(slots=True)
class Config:
    """What a stage runs with; kept in its checkpoint."""

    stage: str
    out: Path
    steps: int
    batch: int
    lr: float
    seed: int = 1
    shape: Shape = dataclasses.field(default_factory=Shape)
    shards: int = 33
    fresh: int = 10
    shard_size: int = 4096
    compile: bool = True
    pause_file: Path | None = None
    minutes: float | None = None
    save_every: int = 200
    log_every: int = 50


def learning_rate(step: int, progress: float, peak: float, floor: float = 0.03, warmup: int = 100) -> float:
    """Linear warm-up over the first steps, then a cosine down to a share of the peak as progress goes from 0 to 1."""
    return peak * min(
        1.0, (step + 1) / warmup, floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    )


def pause(file: Path | None) -> None:
    """Sleep while a file asks for a quiet processor."""
    while file is not None and file.exists():
        time.sleep(1)


def load_checkpoint(path: Path, device: torch.device | str) -> dict[str, Any]:
    """A checkpoint of our own making."""
    return torch.load(path, map_location=device, weights_only=False)  # type: ignore[no-any-return]


def weights_under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries of a state under a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


class Run:
    """A model, its optimiser and its checkpoint."""

    def __init__(self, config: Config, model: nn.Module) -> None:
        self.config, self.model, self.step = config, model, 0
        self.device = next(model.parameters()).device
        groups = [
            {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": 0.05},
            {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, config.lr, betas=(0.9, 0.98), fused=True)
        self.path = config.out / f"{config.stage}.pt"
        self.begin = time.time()
        if self.path.exists():
            saved = load_checkpoint(self.path, self.device)
            model.load_state_dict(saved["model"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.step = saved["step"]
            print(f"{config.stage}: going on from step {self.step}", flush=True)
        self.first = self.step
        self.compiled = torch.compile(model) if config.compile else model

    def update(self, loss: Tensor) -> None:
        """One step of the optimiser at the rate this step has."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.progress, self.config.lr)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.step += 1
        if self.step % self.config.save_every == 0 or self.done:
            self.save()
        pause(self.config.pause_file)

    def save(self) -> None:
        """Write the checkpoint, atomically."""
        config = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in dataclasses.asdict(self.config).items()
        }
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "config": config,
        }
        with replacing(self.path) as fresh:
            torch.save(state, fresh)

    @property
    def progress(self) -> float:
        """How far this stage is, from 0 to 1: by steps, or by the clock where it has a time limit that comes first."""
        config, first = self.config, self.first
        by_steps = (self.step - first) / max(1, config.steps - first)
        by_clock = (time.time() - self.begin) / (60 * config.minutes) if config.minutes else 0.0
        return (first + (config.steps - first) * max(by_steps, by_clock)) / max(1, config.steps)

    @property
    def done(self) -> bool:
        """Is the last step taken?"""
        return self.progress >= 1

    @property
    def due(self) -> bool:
        """Is it time for a line of the log?"""
        return self.step % self.config.log_every == 0

    def log(self, words: str) -> None:
        """One line: stage, step, seconds since the start, figures."""
        print(f"{self.config.stage} {self.step} {time.time() - self.begin:.0f}s {words}", flush=True)


def trained_weights(folder: Path, temperature: float = TEMPERATURE) -> dict[str, NDArray[np.float32]]:
    """The trained weights as arrays: the averages of the joint stage where it has begun, else the encoder from the
    scene stage and the rest from the language stage.

    All logits are divided by the temperature, which the last norm takes up; below one, answers become more decided.
    """
    if (folder / "joint.pt").exists():
        both = load_checkpoint(folder / "joint.pt", "cpu")["average"]
        vision, language = weights_under(both, "scenes.vision."), weights_under(both, "language.")
    else:
        vision = weights_under(load_checkpoint(folder / "scenes.pt", "cpu")["model"], "vision.")
        language = load_checkpoint(folder / "language.pt", "cpu")["model"]
    weights = {f"vision.{name}": value for name, value in vision.items()} | {
        f"language.{name}": value for name, value in language.items()
    }
    arrays = {name: value.float().numpy() for name, value in weights.items()}
    arrays["language.norm.weight"] = arrays["language.norm.weight"] / np.float32(temperature)
    return arrays
