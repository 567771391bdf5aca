"""The fourth stage, in which a trained model learns more: encoder and language model together, on scenes that are
always fresh.

Every step sees a batch of scenes with a label for every cell, and the questions about the first of them teach the
encoder too. It begins from a GGUF pair, whose heads for the labels are lost and learnt again, and can be ended at any
time, as what is exported are averaged weights. Where it is known beforehand for how long it will run, the rate comes
down towards the end.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from imagejudge.builtin.training.language.dialogue import Words
from imagejudge.builtin.training.language.rows import Batch
from imagejudge.builtin.training.language.stream import Arrays, Maker, Recipe, Sample, samples
from imagejudge.builtin.training.network.labels import KINDS, targets
from imagejudge.builtin.training.network.language_stage import (
    LENGTH,
    LOOK_WEIGHT,
    batch_tensors,
    looking_loss,
    losses,
    preprocess,
)
from imagejudge.builtin.training.network.model import LanguageModel, Linear, RMSNorm, SceneNet
from imagejudge.builtin.training.network.restore import Pair, read_pair, write_tokenizer
from imagejudge.builtin.training.network.trainer import Config, learning_rate, load_checkpoint, pause
from imagejudge.builtin.training.network.vision_stages import jitter_colors
from imagejudge.builtin.training.scenes.concepts import CONCEPTS
from imagejudge.builtin.training.shape import Shape
from imagejudge.common.atomic_write import replacing

SCENES = 64  # a batch, of which config.batch have questions
SAVE_SECONDS = 180  # seconds between checkpoints
EMA_DECAY = 0.998  # of the averaged weights, at every step
MUON = ("pw1", "pw2", "mm0", "mm2", "q", "k", "v", "o", "gate", "up", "down")  # layers whose matrices it trains
WEIGHT_DECAY = 0.05  # of matrices
PLACE_WEIGHT = 0.5  # of where the things are that words stand for, beside what is said
LANGUAGE_LOSS_WEIGHT = 3.0  # of the questions beside the labels of cells


class Joint(nn.Module):
    """Encoder with its heads, and language model with one that tells where the things are that a word stands for."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.scenes = SceneNet(shape, len(CONCEPTS), len(KINDS))
        self.language = LanguageModel(shape)
        self.place = nn.Sequential(RMSNorm(shape.width), Linear(shape.width, 4))

    def restore(self, pair: Pair) -> None:
        """Take the weights of a pair; only the heads are left as they are."""
        state = {name: torch.from_numpy(array.copy()) for name, array in pair.weights.items()}
        vision = {name.removeprefix("vision."): value for name, value in state.items() if name.startswith("vision.")}
        words = {name.removeprefix("language."): value for name, value in state.items() if name.startswith("language.")}
        self.scenes.vision.load_state_dict(vision)
        self.language.load_state_dict(words)

    def standardise(self, maps: Tensor) -> None:
        """Give these maps mean 0 and deviation 1 before the projector, which stays the same function of a map."""
        language = self.language
        with torch.no_grad():
            mean, std = maps.mean((0, 1)), maps.std((0, 1)) + 1e-3
            language.mm0.bias += language.mm0.weight @ ((mean - language.mean) / language.std)
            language.mm0.weight *= std / language.std
            language.position *= language.std / std
            language.mean.copy_(mean)
            language.std.copy_(std)

    def placing_loss(self, looked: Tensor, batch: Batch) -> Tensor:
        """By how much words mistake where the things are that they stand for: the mean distance of a box's edge, in
        shares of the image, added up over its four."""
        wanted = torch.from_numpy(batch.look_box).to(looked.device)
        return (self.place(looked).float() - wanted).abs().sum() / max(1, len(wanted))

    def begin(self, pictures: Iterator[Arrays], steps: int, device: torch.device) -> None:
        """Learn the heads alone from the maps of the restored encoder, as later their errors would spoil it."""
        maps, wanted = [], []
        for arrays in pictures:
            everything = np.arange(len(arrays["concept"]))
            pixels, labels = targets(arrays, everything, np.zeros(len(everything), np.bool_))
            with torch.no_grad():
                maps.append(self.scenes.vision(preprocess(pixels.to(device)).float()))
            wanted.append({name: value.to(device) for name, value in labels.items()})
        self.standardise(torch.cat(maps))
        heads = [p for name, p in self.scenes.named_parameters() if not name.startswith("vision.")]
        optimiser = torch.optim.AdamW(heads, 1e-2)
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = 1e-2 * (1 - step / steps)
            loss, parts = self.scenes.losses(maps[step % len(maps)], wanted[step % len(maps)])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            optimiser.zero_grad()
            if step % 100 == 0:
                print(f"heads {step}: " + " ".join(f"{value:.3f}" for value in parts.tolist()), flush=True)


class Trainer:
    """The model, its average, its optimiser and its checkpoint."""

    def __init__(self, config: Config, begin: Path, device: torch.device) -> None:
        self.config, self.device, self.path = config, device, config.out / "joint.pt"
        self.dtype = torch.bfloat16 if device.type == "cuda" or _fast_bfloat16() else torch.float32
        self.step = self.fresh = 0
        pair = read_pair(begin)
        if not (config.out / "tokenizer.json").exists():
            write_tokenizer(pair, config.out / "tokenizer.json")
        self.words = Words(config.out / "tokenizer.json")
        self.model = Joint(pair.shape).to(device)
        saved = load_checkpoint(self.path, device) if self.path.exists() else None
        if saved is None:
            self.model.restore(pair)
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.optimisers = _optimisers(self.model, config.lr)
        if saved is not None:
            self.model.load_state_dict(saved["model"])
            self.average.load_state_dict(saved["average"])
            for optimiser, state in zip(self.optimisers, saved["optimisers"], strict=True):
                optimiser.load_state_dict(state)
            self.step, self.fresh = saved["step"], saved["fresh"]
            print(f"joint: going on from step {self.step}, after {self.fresh} scenes", flush=True)
        gains = config.compile and self.dtype == torch.bfloat16  # in float32 compiled code is no faster
        self.look = torch.compile(self.model.scenes) if gains else self.model.scenes
        self.read = torch.compile(self.model.language) if gains else self.model.language

    def learn(self, sample: Sample, progress: float) -> tuple[list[float], Batch, list[float]]:
        """One step; `progress`, from 0 to 1, brings the rate down. Returns the parts of the loss, the questions, and
        P(Yes) for each.
        """
        config, arrays, batch = self.config, sample.arrays, sample.questions
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + self.step)
        chosen = np.arange(len(arrays["concept"]))
        pixels, wanted = targets(arrays, chosen, np.zeros(len(chosen), np.bool_))
        seen = jitter_colors(pixels.to(self.device), generator).to(self.dtype)
        dense, parts, features = self.look(seen, {name: value.to(self.device) for name, value in wanted.items()})
        language = self.model.language
        asked = (features[: config.batch].float() - language.mean) / language.std
        hidden, looks, looked = self.read(asked.to(self.dtype), *batch_tensors(batch, self.device))
        worded, p_yes = losses(language, hidden, batch, self.words)
        looking = looking_loss(looks, batch)
        placing = self.model.placing_loss(looked, batch)
        (dense + LANGUAGE_LOSS_WEIGHT * (worded + LOOK_WEIGHT * looking + PLACE_WEIGHT * placing)).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(self.step, progress, config.lr)
            optimiser.step()
            optimiser.zero_grad()
        self.step += 1
        decay = min(EMA_DECAY, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - decay)
        return [worded.item(), looking.item(), placing.item(), *parts.tolist()], batch, p_yes.tolist()

    def save(self) -> None:
        """Write the checkpoint, atomically."""
        state: dict[str, Any] = {
            "model": self.model.state_dict(), "average": self.average.state_dict(), "step": self.step,
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers], "fresh": self.fresh,
        }  # fmt: skip
        with replacing(self.path) as fresh:
            torch.save(state, fresh)


def _optimisers(model: Joint, lr: float) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for the matrices within the blocks, with steps as large as AdamW's, and AdamW for all else."""
    inner: list[Tensor] = []
    rest: list[Tensor] = []
    for name, weight in model.named_parameters():
        layer = name.split(".")[-2]
        (inner if weight.dim() == 2 and layer in MUON else rest).append(weight)
    groups = [
        {"params": [p for p in rest if (p.dim() > 1) == matrix], "weight_decay": WEIGHT_DECAY * matrix}
        for matrix in (True, False)
    ]
    return (
        torch.optim.Muon(inner, lr, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(groups, lr, betas=(0.9, 0.98), fused=True),
    )


def _fast_bfloat16() -> bool:
    """Does this processor multiply bfloat16 by itself? Otherwise it is many times slower than float32."""
    processor = Path("/proc/cpuinfo")
    flags = processor.read_text(encoding="utf-8").split() if processor.exists() else []
    return "amx_bf16" in flags or "avx512_bf16" in flags


def train_joint(config: Config, device: torch.device, begin: Path, workers: int = 1) -> None:
    """Go on learning until the last step, or until the time is over."""
    trainer = Trainer(config, begin, device)
    recipe = Recipe(
        config.out / "sprites.npz", config.out / "tokenizer.json", SCENES, config.batch, LENGTH, config.seed
    )
    if trainer.step == 0:
        maker = Maker(recipe)
        drawn = 40 if config.steps > 100 else 1
        trainer.model.begin((maker.sample(number).arrays for number in range(drawn)), 10 * drawn, device)
        trainer.average.load_state_dict(trainer.model.state_dict())
    begun = saved = time.time()
    shown = np.zeros(3 + len(SceneNet.PARTS))
    right: dict[str, list[float]] = {}
    stream = samples(recipe, trainer.fresh // SCENES, workers)
    progress = 0.0
    while trainer.step < config.steps and progress < 1:
        sample = next(stream)
        trainer.fresh += SCENES
        values, batch, found = trainer.learn(sample, progress)
        if config.minutes is not None:
            progress = (time.time() - begun) / (60 * config.minutes)
        shown += values
        for kind, goal, wanted, p_yes in zip(batch.kinds, batch.goal, batch.p_yes, found, strict=True):
            if goal < 0 and wanted != 0.5:
                right.setdefault(kind, []).append(float((p_yes > 0.5) == (wanted > 0.5)))
        if trainer.step % config.log_every == 0:
            print(
                f"joint {trainer.step} {time.time() - begun:.0f}s {trainer.fresh} scenes; "
                + f"words, looks, places, {', '.join(SceneNet.PARTS)}: "
                + " ".join(f"{value / config.log_every:.3f}" for value in shown) + "; "
                + " ".join(f"{kind} {np.mean(hits):.3f}" for kind, hits in sorted(right.items())),
                flush=True,
            )  # fmt: skip
            right, shown = {}, np.zeros(3 + len(SceneNet.PARTS))
        if time.time() - saved > SAVE_SECONDS:
            trainer.save()
            saved = time.time()
        pause(config.pause_file)
    trainer.save()
