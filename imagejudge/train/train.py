"""Train the embedded model, one stage after the other.

    python -m imagejudge.train.train tiles      # single sprites, classification
    python -m imagejudge.train.train scenes     # whole scenes, a label for every cell
    python -m imagejudge.train.train language   # questions and answers about scenes

Every stage writes its checkpoint (weights, optimiser, step, configuration) every few minutes and goes on from it when started again. CPU or CUDA.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from imagejudge.train.dialogue import Batch, Words, Writer, stacked, texts, train_tokenizer
from imagejudge.train.labels import KINDS, targets
from imagejudge.train.model import Language, SceneNet, Shape, TileNet, Vision
from imagejudge.train.questions import NOUNS
from imagejudge.train.scenes import SHARD, nothing_known, read_shard, unpacked
from imagejudge.train.sprites import CONCEPTS
from imagejudge.train.tiles import SIZE, Tiles

TOGETHER = 3  # shards of scenes shuffled together
PASSES = 3  # times that a group of shards is seen before the next one, mirrored and tinted anew
FIRST_FULL = 6  # the first shard of scenes as hard as they get
LENGTH = 384  # tokens of text beside one image


@dataclasses.dataclass(slots=True)
class Config:
    """What a stage runs with; kept in its checkpoint."""

    stage: str
    out: Path
    steps: int
    batch: int
    lr: float
    seed: int = 1
    pause_file: Path | None = None
    save_every: int = 200


DEFAULTS: dict[str, dict[str, Any]] = {
    "tiles": {"steps": 5000, "batch": 128, "lr": 2e-3},
    "scenes": {"steps": 5000, "batch": 64, "lr": 1.2e-3},
    "language": {"steps": 3000, "batch": 32, "lr": 1.5e-3},
}


def rate(step: int, steps: int, peak: float, floor: float = 0.03, warmup: int = 100) -> float:
    """Linear warm-up, then a cosine down to a share of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup)))))


def pause(file: Path | None) -> None:
    """Sleep while a file asks for a quiet processor."""
    while file is not None and file.exists():
        time.sleep(2)


class Run:
    """A model, its optimiser and its checkpoint."""

    def __init__(self, config: Config, model: nn.Module) -> None:
        self.config, self.model, self.step = config, model, 0
        self.device = next(model.parameters()).device
        decayed = [p for p in model.parameters() if p.dim() > 1]
        plain = [p for p in model.parameters() if p.dim() <= 1]
        self.optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}], config.lr, betas=(0.9, 0.98), fused=True)
        self.path = config.out / f"{config.stage}.pt"
        self.begin = time.time()
        if self.path.exists():
            saved = torch.load(self.path, map_location=self.device, weights_only=False)
            model.load_state_dict(saved["model"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.step = saved["step"]
            print(f"going on from step {self.step}", flush=True)
        self.compiled = torch.compile(model)

    def update(self, loss: Tensor) -> None:
        """One step of the optimiser at the rate this step has."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.step, self.config.steps, self.config.lr)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.step += 1
        if self.step % self.config.save_every == 0 or self.step == self.config.steps:
            self.save()
        pause(self.config.pause_file)

    def save(self) -> None:
        unfinished = self.path.with_suffix(".part")
        config = {name: str(value) if isinstance(value, Path) else value for name, value in dataclasses.asdict(self.config).items()}
        torch.save({"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(), "step": self.step, "config": config, "shape": Shape()}, unfinished)
        unfinished.rename(self.path)

    @property
    def seconds(self) -> int:
        return int(time.time() - self.begin)


def train_tiles(config: Config, device: torch.device) -> None:
    """Learn what single things look like."""
    model = TileNet(Shape(), len(CONCEPTS), SIZE).to(device)
    run = Run(config, model)
    seen, unseen = Tiles(config.out / "sprites.npz", device), Tiles(config.out / "sprites.npz", device, held_out=True)
    shown = right = 0.0
    while run.step < config.steps:
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + run.step)
        loss, correct = run.compiled(*half(seen.batch(config.batch, generator)))
        shown, right = shown + loss.item(), right + correct.item()
        run.update(loss)
        if run.step % 100 == 0:
            with torch.no_grad():
                test = run.compiled(*half(unseen.batch(config.batch, torch.Generator().manual_seed(0))))[1]
            print(f"{run.step} {run.seconds}s loss {shown / 100:.3f} right {right / 100:.3f} unseen style {test.item():.3f}", flush=True)
            shown = right = 0.0


def half(pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return pair[0].bfloat16(), pair[1]


def scene_batches(config: Config, first: int) -> Iterator[tuple[dict[str, NDArray[np.generic]], NDArray[np.int64]]]:
    """(shard arrays, chosen rows) for every step from `first` on; waits for shards that are still being written."""
    pool, per_shard = config.out / "pool", SHARD // config.batch
    per_visit = TOGETHER * per_shard
    step = first
    while True:
        visit, inside = divmod(step, per_visit)
        group = visit // PASSES
        random = np.random.default_rng((config.seed, visit))
        order = [(TOGETHER * group + shard, rows) for shard in range(TOGETHER) for rows in np.split(random.permutation(SHARD)[: per_shard * config.batch], per_shard)]
        order = [order[place] for place in random.permutation(per_visit)]
        opened = {}
        for shard in range(TOGETHER * group, TOGETHER * (group + 1)):
            while not (pool / f"{shard:04d}").exists():
                time.sleep(2)
            opened[shard] = read_shard(pool, shard)
        for shard, rows in order[inside:]:
            yield opened[shard], np.sort(rows)
            step += 1


def tinted(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """uint8 [B, S, S, 3] to bfloat16 [B, 3, S, S] in -1..1, every scene in a slightly different light."""
    random = torch.rand(len(pixels), 4, generator=generator).to(pixels.device)
    gain = (0.88 + 0.24 * random[:, :3]) * (0.9 + 0.2 * random[:, 3:])
    bright = pixels.permute(0, 3, 1, 2).float() / 255 * gain[:, :, None, None]
    return (bright.clamp(0, 1) * 2 - 1).bfloat16()


def plain(pixels: Tensor) -> Tensor:
    """What llama.cpp does to a picture of the right size."""
    return (pixels.permute(0, 3, 1, 2).float() / 255 * 2 - 1).bfloat16()


def train_scenes(config: Config, device: torch.device) -> None:
    """Learn what is where in a scene, from the tiles' encoder."""
    model = SceneNet(Shape(), len(CONCEPTS), len(KINDS)).to(device)
    if not (config.out / "scenes.pt").exists():
        start = torch.load(config.out / "tiles.pt", map_location=device, weights_only=False)["model"]
        model.vision.load_state_dict({name.removeprefix("vision."): value for name, value in start.items() if name.startswith("vision.")})
        with torch.no_grad():
            model.head.weight[: len(CONCEPTS)] = start["head.weight"]
            model.head.bias[: len(CONCEPTS)] = start["head.bias"]
            model.ln.load_state_dict({"weight": start["ln.weight"], "bias": start["ln.bias"]})
    run = Run(config, model)
    shown = torch.zeros(5)
    for arrays, rows in scene_batches(config, run.step):
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + run.step)
        mirrored = (torch.rand(len(rows), generator=generator) < 0.5).numpy()
        pixels, wanted = targets(arrays, rows, mirrored)
        loss, parts, _ = run.compiled(tinted(pixels.to(device), generator), {name: value.to(device) for name, value in wanted.items()})
        shown += parts.cpu()
        run.update(loss)
        if run.step % 50 == 0:
            print(f"{run.step} {run.seconds}s cell, touch, bits, box, whole:", " ".join(f"{part / 50:.3f}" for part in shown), flush=True)
            shown.zero_()
        if run.step >= config.steps:
            break


def write_features(config: Config, device: torch.device, first: int, last: int) -> list[int]:
    """Run the encoder of the scene stage once over whole shards: the language model learns from its maps. Returns the shards that are there."""
    folder = config.out / "features"
    folder.mkdir(exist_ok=True)
    shards = [shard for shard in range(first, last) if (config.out / "pool" / f"{shard:04d}").exists()]
    todo = [shard for shard in shards if not (folder / f"{shard:04d}.npy").exists()]
    if todo:
        vision = vision_of(config.out, device)
        look = torch.compile(vision)
        for shard in todo:
            arrays = read_shard(config.out / "pool", shard)
            maps = []
            with torch.no_grad():
                for begin in range(0, len(arrays["pixels"]), 64):
                    maps.append(look(plain(torch.from_numpy(arrays["pixels"][begin : begin + 64].copy()).to(device))).half().cpu().numpy())
            np.save(folder / f"{shard:04d}.part.npy", np.concatenate(maps))
            (folder / f"{shard:04d}.part.npy").rename(folder / f"{shard:04d}.npy")
            print(f"features of shard {shard}", flush=True)
            pause(config.pause_file)
    return shards


def vision_of(out: Path, device: torch.device) -> Vision:
    """The encoder as the scene stage left it."""
    vision = Vision(Shape()).to(device)
    saved = torch.load(out / "scenes.pt", map_location=device, weights_only=False)["model"]
    vision.load_state_dict({name.removeprefix("vision."): value for name, value in saved.items() if name.startswith("vision.")})
    return vision.eval()


def trained(out: Path, device: torch.device) -> tuple[Vision, Language]:
    """The two halves of the model as their stages left them."""
    language = Language(Shape()).to(device)
    language.load_state_dict(torch.load(out / "language.pt", map_location=device, weights_only=False)["model"])
    return vision_of(out, device), language.eval()


def align(model: Language, words: Words, features: list[NDArray[np.float16]], arrays: list[dict[str, NDArray[np.generic]]], config: Config, steps: int = 400) -> None:
    """Let the projector turn a cell that shows a thing into a token like the word for it, before anything else is learnt."""
    random = np.random.default_rng(config.seed)
    synonyms = [[words.cut(" " + noun.bare)[-1] for kind in (c.name, *c.groups) for noun in NOUNS.get(kind, ())] or [words.cut(" object")[-1]] for c in CONCEPTS]
    optimiser = torch.optim.AdamW([*model.mm0.parameters(), *model.mm2.parameters()], 3e-3)
    device = model.mean.device
    for step in range(steps):
        shard = int(random.integers(len(features)))
        rows = np.sort(random.integers(0, len(features[shard]), 64))
        cells = arrays[shard]["cells"][rows].astype(np.float32)
        owner, inside = cells.argmax(1), cells.max(1) > 90
        concept = np.take_along_axis(arrays[shard]["concept"][rows].astype(np.int64), owner, 1)
        where = np.argwhere(inside & (concept >= 0))
        goal = [synonyms[c][random.integers(len(synonyms[c]))] for c in concept[where[:, 0], where[:, 1]]]
        image = model.project(standardised(model, torch.from_numpy(features[shard][rows]).to(device)))
        logits = image[where[:, 0], where[:, 1]].float() @ model.embed.weight.float().T * 8
        loss = F.cross_entropy(logits, torch.tensor(goal, device=device))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        model.zero_grad()
        if step % 100 == 99:
            print(f"align {step + 1}: {loss.item():.3f}", flush=True)


def standardised(model: Language, features: Tensor) -> Tensor:
    return ((features.float() - model.mean) / model.std).bfloat16()


def losses(model: Language, hidden: Tensor, batch: Batch, words: Words) -> tuple[Tensor, Tensor]:
    """The weighted loss over all goals of a batch, and the probability of Yes at those that are yes/no questions."""
    device = hidden.device
    place, goal = torch.from_numpy(batch.place).to(device), torch.from_numpy(batch.goal).to(device)
    p_yes, weight = torch.from_numpy(batch.p_yes).to(device), torch.from_numpy(batch.weight).to(device)
    logits = F.linear(hidden.flatten(0, 1)[place], model.embed.weight.to(hidden.dtype)).float().log_softmax(-1)
    yes, no = logits[:, words.yes], logits[:, words.no]
    answer = -(p_yes * yes + (1 - p_yes) * no)
    text = -logits.gather(1, goal.clamp_min(0)[:, None])[:, 0]
    loss = torch.where(goal < 0, answer, text)
    return (loss * weight).sum() / weight.sum(), (yes - no).detach().sigmoid()


def train_language(config: Config, device: torch.device) -> None:
    """Learn to answer, from maps that the frozen encoder has made."""
    shards = write_features(config, device, FIRST_FULL, 10_000)
    arrays = [read_shard(config.out / "pool", shard) for shard in shards]
    features = [np.load(config.out / "features" / f"{shard:04d}.npy", mmap_mode="r") for shard in shards]
    words_path = config.out / "tokenizer.json"
    if not words_path.exists():
        sample = (unpacked(arrays[0], number) for number in range(1500))
        train_tokenizer(texts(sample, config.seed), Shape().vocab).save(str(words_path))
    words = Words(words_path)
    model = Language(Shape()).to(device)
    if not (config.out / "language.pt").exists():
        sample = torch.from_numpy(features[0][:1024]).float()
        model.mean.copy_(sample.mean((0, 1)))
        model.std.copy_(sample.std((0, 1)) + 1e-3)
        align(model, words, features, arrays, config)
    run = Run(config, model)
    nothing = unlike(config, device)
    right: dict[str, list[float]] = {}
    shown = 0.0
    writer = Writer(words, np.random.default_rng((config.seed, run.step)), LENGTH)
    while run.step < config.steps:
        random = np.random.default_rng((config.seed, run.step))
        rows, maps = [], []
        for _ in range(config.batch):
            if random.random() < 0.04:
                rows.append(writer.row(None))
                maps.append(nothing[random.integers(len(nothing))])
            else:
                shard, number = int(random.integers(len(shards))), int(random.integers(SHARD))
                rows.append(writer.row(unpacked(arrays[shard], number)))
                maps.append(features[shard][number])
        batch = stacked(rows)
        hidden = run.compiled(standardised(model, torch.from_numpy(np.stack(maps)).to(device)), *batch_tensors(batch, device))
        loss, p_yes = losses(model, hidden, batch, words)
        shown += loss.item()
        for kind, goal, wanted, found in zip(batch.kinds, batch.goal, batch.p_yes, p_yes.cpu().tolist(), strict=True):
            if goal < 0 and wanted != 0.5:
                right.setdefault(kind, []).append(float((found > 0.5) == (wanted > 0.5)))
        run.update(loss)
        if run.step % 50 == 0:
            print(f"{run.step} {run.seconds}s loss {shown / 50:.3f}", " ".join(f"{kind} {np.mean(hits):.3f}" for kind, hits in sorted(right.items())), flush=True)
            right, shown = {}, 0.0


def batch_tensors(batch: Batch, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    arrays = (batch.tokens, batch.positions, batch.segments, batch.family)
    return tuple(torch.from_numpy(array).to(device) for array in arrays)  # type: ignore[return-value]


def unlike(config: Config, device: torch.device) -> NDArray[np.float16]:
    """Maps of pictures that show nothing the model knows."""
    path = config.out / "features" / "unlike.npy"
    if not path.exists():
        random = np.random.default_rng(config.seed)
        pixels = np.stack([nothing_known(random) for _ in range(1024)])
        vision = vision_of(config.out, device)
        with torch.no_grad():
            maps = [vision(plain(torch.from_numpy(pixels[begin : begin + 64]).to(device))).half().cpu().numpy() for begin in range(0, 1024, 64)]
        np.save(path, np.concatenate(maps))
    return np.load(path)  # type: ignore[no-any-return]


def main() -> None:
    """Read the options and run one stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=sorted(DEFAULTS))
    parser.add_argument("--out", type=Path, default=Path(".train"), help="folder of sprites, scenes and checkpoints")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause-file", type=Path, help="sleep while this file exists")
    options = vars(parser.parse_args())
    given = {name: value for name, value in options.items() if value is not None}
    config = Config(**(DEFAULTS[options["stage"]] | given))
    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    {"tiles": train_tiles, "scenes": train_scenes, "language": train_language}[config.stage](config, device)


if __name__ == "__main__":
    main()
