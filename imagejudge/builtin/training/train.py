"""Train the embedded model.

    python -m imagejudge.builtin.training.train all        # from nothing: sprites, scenes, the three stages, export
    python -m imagejudge.builtin.training.train tiles      # stage 1: single sprites, classification
    python -m imagejudge.builtin.training.train scenes     # stage 2: whole scenes, a label for every cell
    python -m imagejudge.builtin.training.train language   # stage 3: questions and answers about scenes
    python -m imagejudge.builtin.training.train joint      # from the shipped pair, or its own checkpoint on
    python -m imagejudge.builtin.training.train all --smoke --out DIR   # the same, tiny, in a minute

Every stage writes its checkpoint (weights, optimiser, step, configuration) every few minutes and goes on from it when
started again. CPU or CUDA.
On a CPU, GLIBC_TUNABLES=glibc.malloc.hugetlb=1 saves a sixth of the time, and OMP_WAIT_POLICY=passive much more where
other jobs run beside it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from imagejudge.builtin.training.encoder import train_scenes, train_tiles
from imagejudge.builtin.training.joint import train_joint
from imagejudge.builtin.training.language import train_language
from imagejudge.builtin.training.shape import Shape
from imagejudge.builtin.training.shards import write_pool
from imagejudge.builtin.training.trainer import Config

TINY = Shape(widths=(16, 32), blocks=(1, 1), vocab=700, width=48, layers=1, heads=2, hidden=64)
STAGES: dict[str, dict[str, Any]] = {
    "tiles": {"steps": 2700, "batch": 128, "lr": 2e-3},
    "scenes": {"steps": 6000, "batch": 64, "lr": 1.2e-3},
    "language": {"steps": 8000, "batch": 16, "lr": 1.5e-3},
    "joint": {"steps": 60000, "batch": 16, "lr": 3e-4},
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
    from imagejudge.builtin.training import export, sprites

    if not (out / "sprites.npz").exists():
        sprites.write_sprites(out / "sprites.npz", out / "assets")
    config = configure("tiles", given)
    last = config.shards + config.fresh
    write_pool(out / "sprites.npz", out / "pool", 0, last, config.seed, config.shard_size)
    for stage, train in TRAINERS.items():
        train(configure(stage, given), device)
    tokenizer = json.loads((out / "tokenizer.json").read_text(encoding="utf-8"))
    export.write_pair(out / "export", config.shape, export.checkpoint(out), tokenizer)
    print(f"exported to {out / 'export'}")


def configure(stage: str, given: dict[str, Any]) -> Config:
    """A stage's own values, overridden by those given."""
    return Config(**({"stage": stage} | STAGES[stage] | given))


def main() -> None:
    """Read the options and run one stage, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["all", *STAGES])
    parser.add_argument("--out", type=Path, default=Path(".train"), help="folder of sprites, scenes and checkpoints")
    parser.add_argument("--steps", type=int)
    parser.add_argument(
        "--minutes", type=float, help="end (and slow down towards the end) after so long, if --steps do not come first"
    )
    parser.add_argument("--batch", type=int)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--shards", type=int, help="shards of 4096 scenes for the encoder")
    parser.add_argument("--fresh", type=int, help="as many more for the language model, which the encoder never sees")
    parser.add_argument("--pause-file", type=Path, help="sleep while this file exists")
    parser.add_argument(
        "--begin", type=Path, default=Path("imagejudge/builtin"), help="folder of the pair from which `joint` begins"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that draw scenes for `joint`")
    parser.add_argument("--smoke", action="store_true", help="a tiny model, a few steps")
    options = vars(parser.parse_args())
    stage, smoke, begin, workers = (options.pop(name) for name in ("stage", "smoke", "begin", "workers"))
    given = (SMOKE if smoke else {}) | {name: value for name, value in options.items() if value is not None}
    torch.manual_seed(given.get("seed", 1))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if stage == "all":
        run_all(options["out"], given, device)
    elif stage == "joint":
        train_joint(configure(stage, given), device, begin, workers)
    else:
        TRAINERS[stage](configure(stage, given), device)


if __name__ == "__main__":
    main()
