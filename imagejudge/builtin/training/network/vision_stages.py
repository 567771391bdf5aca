"""The first two stages: an encoder that knows single things, then what is where in whole scenes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imagejudge.builtin.training.network.labels import KINDS, targets
from imagejudge.builtin.training.network.model import SceneNet, TileNet
from imagejudge.builtin.training.network.tiles import SIZE, Tiles
from imagejudge.builtin.training.network.trainer import Config, Run, load_checkpoint, weights_under
from imagejudge.builtin.training.scenes.concepts import CONCEPTS
from imagejudge.builtin.training.scenes.shards import read_shard

SHUFFLED_SHARDS = 3  # shards of scenes shuffled together
PASSES = 3  # times that a group of shards is seen before the next one, with new mirroring and colour jitter


def train_tiles(config: Config, device: torch.device) -> None:
    """Learn what single things look like."""
    run = Run(config, TileNet(config.shape, len(CONCEPTS), SIZE).to(device))
    seen, unseen = (Tiles(config.out / "sprites.npz", device, held_out=held_out) for held_out in (False, True))
    shown = right = 0.0
    while not run.done:
        pixels, concept = seen.batch(config.batch, torch.Generator().manual_seed(config.seed * 1_000_003 + run.step))
        loss, correct = run.compiled(pixels.bfloat16(), concept)
        shown, right = shown + loss.item(), right + correct.item()
        run.update(loss)
        if run.due:
            with torch.no_grad():
                pixels, concept = unseen.batch(config.batch, torch.Generator().manual_seed(0))
                test = run.compiled(pixels.bfloat16(), concept)[1].item()
            run.log(f"loss {shown / config.log_every:.3f} right {right / config.log_every:.3f} unseen style {test:.3f}")
            shown = right = 0.0
    run.save()


def scene_batches(config: Config, first: int) -> Iterator[tuple[dict[str, NDArray[Any]], NDArray[np.int64]]]:
    """(shard arrays, chosen rows) for every step from `first` on; waits for shards that are still being written."""
    pool, per_shard = config.out / "pool", config.shard_size // config.batch
    per_visit = SHUFFLED_SHARDS * per_shard
    step = first
    while True:
        visit, inside = divmod(step, per_visit)
        begin = visit // PASSES * SHUFFLED_SHARDS % (config.shards // SHUFFLED_SHARDS * SHUFFLED_SHARDS)
        random = np.random.default_rng((config.seed, visit))
        order = [
            (shard, rows)
            for shard in range(begin, begin + SHUFFLED_SHARDS)
            for rows in np.split(random.permutation(config.shard_size)[: per_shard * config.batch], per_shard)
        ]
        order = [order[place] for place in random.permutation(per_visit)]
        opened = {}
        for shard in range(begin, begin + SHUFFLED_SHARDS):
            while not (pool / f"{shard:04d}").exists():
                time.sleep(2)
            opened[shard] = read_shard(pool, shard)
        for shard, rows in order[inside:]:
            yield opened[shard], np.sort(rows)
            step += 1


def jitter_colors(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """uint8 [B, S, S, 3] to bfloat16 [B, 3, S, S] in -1..1, every scene in a slightly different light."""
    random = torch.rand(len(pixels), 4, generator=generator).to(pixels.device)
    gain = (0.88 + 0.24 * random[:, :3]) * (0.9 + 0.2 * random[:, 3:])
    bright = pixels.permute(0, 3, 1, 2).float() / 255 * gain[:, :, None, None]
    return (bright.clamp(0, 1) * 2 - 1).bfloat16()


def train_scenes(config: Config, device: torch.device) -> None:
    """Learn what is where in a scene, from the encoder that knows single things."""
    model = SceneNet(config.shape, len(CONCEPTS), len(KINDS)).to(device)
    if not (config.out / "scenes.pt").exists():
        start = load_checkpoint(config.out / "tiles.pt", device)["model"]
        model.vision.load_state_dict(weights_under(start, "vision."))
        model.ln.load_state_dict(weights_under(start, "ln."))
        with torch.no_grad():
            model.head.weight[: len(CONCEPTS)] = start["head.weight"]
            model.head.bias[: len(CONCEPTS)] = start["head.bias"]
    run = Run(config, model)
    shown = torch.zeros(len(SceneNet.PARTS))
    for arrays, rows in scene_batches(config, run.step):
        if run.done:
            break
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + run.step)
        mirrored = (torch.rand(len(rows), generator=generator) < 0.5).numpy()
        pixels, wanted = targets(arrays, rows, mirrored)
        loss, parts, _ = run.compiled(
            jitter_colors(pixels.to(device), generator), {name: value.to(device) for name, value in wanted.items()}
        )
        shown += parts.cpu()
        run.update(loss)
        if run.due:
            run.log(f"{', '.join(SceneNet.PARTS)}: " + " ".join(f"{value / config.log_every:.3f}" for value in shown))
            shown.zero_()
    run.save()
