"""The stages of the training in their order, and the tiny values with which all of them run in a minute.

Every stage writes its checkpoint (weights, optimiser, step, configuration) every few minutes and resumes from it when
started again. CPU or CUDA.
On a CPU, GLIBC_TUNABLES=glibc.malloc.hugetlb=1 saves a sixth of the time, and OMP_WAIT_POLICY=passive much more where
other jobs run beside it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from imagejudge.builtin.training.network.export import write_pair
from imagejudge.builtin.training.network.joint_stage import train_joint
from imagejudge.builtin.training.network.language_stage import train_language
from imagejudge.builtin.training.network.trainer import Config, trained_weights
from imagejudge.builtin.training.network.vision_stages import train_scenes, train_tiles
from imagejudge.builtin.training.network.world_stage import train_world
from imagejudge.builtin.training.scenes.shards import write_pool
from imagejudge.builtin.training.scenes.sprites import write_sprites
from imagejudge.builtin.training.shape import Shape

TINY = Shape(widths=(16, 32), blocks=(1, 1), vocab=700, width=48, layers=1, heads=2, hidden=64)
STAGES: dict[str, dict[str, Any]] = {
    "tiles": {"steps": 2700, "batch": 128, "lr": 2e-3},
    "scenes": {"steps": 6000, "batch": 64, "lr": 1.2e-3},
    "language": {"steps": 8000, "batch": 16, "lr": 1.5e-3},
    "joint": {"steps": 60000, "batch": 10, "lr": 1e-3},
    "world": {"steps": 360, "batch": 64, "lr": 2e-3},
}


SMOKE = {
    "steps": 4,
    "shape": TINY,
    "shards": 3,
    "fresh": 1,
    "shard_size": 64,
    "compile": False,
    "save_every": 2,
    "log_every": 2,
}  # of the joint stage only the number of steps and the compiling: its shape is that of the pair it begins from


TRAINERS = {"tiles": train_tiles, "scenes": train_scenes, "language": train_language}


def run_all(out: Path, given: dict[str, Any], device: torch.device) -> None:
    """Sprites, scenes, the three stages and the export, each unless it is there already."""
    if not (out / "sprites.npz").exists():
        write_sprites(out / "sprites.npz", out / "assets")
    config = configure("tiles", given)
    last = config.shards + config.fresh
    write_pool(out / "sprites.npz", out / "pool", 0, last, config.seed, config.shard_size)
    for stage, train in TRAINERS.items():
        train(configure(stage, given), device)
    tokenizer = json.loads((out / "tokenizer.json").read_text(encoding="utf-8"))
    write_pair(out / "export", config.shape, trained_weights(out), tokenizer)
    print(f"exported to {out / 'export'}")


def configure(stage: str, given: dict[str, Any]) -> Config:
    """A stage's own values, overridden by those given."""
    return Config(**({"stage": stage} | STAGES[stage] | given))


def run(stage: str, given: dict[str, Any], begin: Path, workers: int, photographs: Path | None = None) -> None:
    """Run one stage, or all; `given` overrides the stage's own values. The stage joint begins from the pair in a folder
    and has scenes drawn by as many worker processes; the stage world fits to that pair, also with photographs."""
    torch.manual_seed(given.get("seed", 1))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if stage == "all":
        run_all(given["out"], given, device)
    elif stage == "joint":
        train_joint(configure(stage, given), device, begin, workers)
    elif stage == "world":
        train_world(configure(stage, given), begin, photographs)
    else:
        TRAINERS[stage](configure(stage, given), device)
