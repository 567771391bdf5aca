"""Train the embedded model.

    python -m imagejudge.train.train all        # everything from nothing: sprites, scenes, the three stages, export
    python -m imagejudge.train.train tiles      # stage 1: single sprites, classification
    python -m imagejudge.train.train scenes     # stage 2: whole scenes, a label for every cell
    python -m imagejudge.train.train language   # stage 3: questions and answers about scenes
    python -m imagejudge.train.train all --smoke --out DIR   # the same in a minute, tiny, to see that it runs

Every stage writes its checkpoint (weights, optimiser, step, configuration) every few minutes and goes on from it when
started again. CPU or CUDA.
On a CPU, GLIBC_TUNABLES=glibc.malloc.hugetlb=1 saves a sixth of the time, and OMP_WAIT_POLICY=passive much more where
other jobs run beside it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from imagejudge.train.dialogue import Batch, Words, Writer, stacked, texts, train_tokenizer
from imagejudge.train.labels import KINDS, targets
from imagejudge.train.model import Language, SceneNet, TileNet, Vision
from imagejudge.train.questions import NOUNS
from imagejudge.train.scenes import nothing_known, read_shard, unpacked
from imagejudge.train.shape import Shape
from imagejudge.train.sprites import CONCEPTS
from imagejudge.train.tiles import SIZE, Tiles

TOGETHER = 3  # shards of scenes shuffled together
PASSES = 3  # times that a group of shards is seen before the next one, mirrored and tinted anew
LENGTH = 384  # tokens of text beside one image
SIMPLE = 300  # steps of the language stage that only ask what is visible

TINY = Shape(widths=(16, 32), blocks=(1, 1), vocab=700, width=48, layers=1, heads=2, hidden=64)


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
    shards: int = 18
    fresh: int = 8
    shard_size: int = 4096
    compile: bool = True
    pause_file: Path | None = None
    minutes: float | None = None
    save_every: int = 200
    log_every: int = 50


STAGES: dict[str, dict[str, Any]] = {
    "tiles": {"steps": 2700, "batch": 128, "lr": 2e-3},
    "scenes": {"steps": 3600, "batch": 64, "lr": 1.2e-3},
    "language": {"steps": 3000, "batch": 16, "lr": 1.5e-3},
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
}


def rate(step: int, progress: float, peak: float, floor: float = 0.03, warmup: int = 100) -> float:
    """Linear warm-up over the first steps, then a cosine down to a share of the peak as progress goes from 0 to 1."""
    return peak * min(
        1.0, (step + 1) / warmup, floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    )


def pause(file: Path | None) -> None:
    """Sleep while a file asks for a quiet processor."""
    while file is not None and file.exists():
        time.sleep(1)


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
            saved = load(self.path, self.device)
            model.load_state_dict(saved["model"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.step = saved["step"]
            print(f"{config.stage}: going on from step {self.step}", flush=True)
        self.first = self.step
        self.compiled = torch.compile(model) if config.compile else model

    def update(self, loss: Tensor) -> None:
        """One step of the optimiser at the rate this step has."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.step, self.progress, self.config.lr)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.step += 1
        if self.step % self.config.save_every == 0 or self.done:
            self.save()
        pause(self.config.pause_file)

    def save(self) -> None:
        """Write the checkpoint under a temporary name first."""
        config = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in dataclasses.asdict(self.config).items()
        }
        unfinished = self.path.with_suffix(".part")
        torch.save(
            {
                "model": self.model.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
                "config": config,
            },
            unfinished,
        )
        unfinished.rename(self.path)

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


def load(path: Path, device: torch.device) -> dict[str, Any]:
    """A checkpoint of our own making."""
    return torch.load(path, map_location=device, weights_only=False)  # type: ignore[no-any-return]


# --- stage 1: tiles --------------------------------------------------------------------------------------------------


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


# --- stage 2: scenes -------------------------------------------------------------------------------------------------


def scene_batches(config: Config, first: int) -> Iterator[tuple[dict[str, NDArray[Any]], NDArray[np.int64]]]:
    """(shard arrays, chosen rows) for every step from `first` on; waits for shards that are still being written."""
    pool, per_shard = config.out / "pool", config.shard_size // config.batch
    per_visit = TOGETHER * per_shard
    step = first
    while True:
        visit, inside = divmod(step, per_visit)
        begin = visit // PASSES * TOGETHER % (config.shards // TOGETHER * TOGETHER)
        random = np.random.default_rng((config.seed, visit))
        order = [
            (shard, rows)
            for shard in range(begin, begin + TOGETHER)
            for rows in np.split(random.permutation(config.shard_size)[: per_shard * config.batch], per_shard)
        ]
        order = [order[place] for place in random.permutation(per_visit)]
        opened = {}
        for shard in range(begin, begin + TOGETHER):
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
    """Learn what is where in a scene, from the encoder that knows single things."""
    model = SceneNet(config.shape, len(CONCEPTS), len(KINDS)).to(device)
    if not (config.out / "scenes.pt").exists():
        start = load(config.out / "tiles.pt", device)["model"]
        model.vision.load_state_dict(part(start, "vision."))
        model.ln.load_state_dict(part(start, "ln."))
        with torch.no_grad():
            model.head.weight[: len(CONCEPTS)] = start["head.weight"]
            model.head.bias[: len(CONCEPTS)] = start["head.bias"]
    run = Run(config, model)
    shown = torch.zeros(5)
    for arrays, rows in scene_batches(config, run.step):
        if run.done:
            break
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + run.step)
        mirrored = (torch.rand(len(rows), generator=generator) < 0.5).numpy()
        pixels, wanted = targets(arrays, rows, mirrored)
        loss, parts, _ = run.compiled(
            tinted(pixels.to(device), generator), {name: value.to(device) for name, value in wanted.items()}
        )
        shown += parts.cpu()
        run.update(loss)
        if run.due:
            run.log("cell, touch, bits, box, whole: " + " ".join(f"{value / config.log_every:.3f}" for value in shown))
            shown.zero_()
    run.save()


def part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries of a state under a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


# --- stage 3: language -----------------------------------------------------------------------------------------------


def vision_of(out: Path, device: torch.device, shape: Shape) -> Vision:
    """The encoder as the scene stage left it."""
    vision: Vision = Vision(shape).to(device)
    vision.load_state_dict(part(load(out / "scenes.pt", device)["model"], "vision."))
    vision.eval()
    return vision


def trained(out: Path, device: torch.device, shape: Shape | None = None) -> tuple[Vision, Language]:
    """The two halves of the model as their stages left them."""
    language = Language(shape or Shape()).to(device)
    language.load_state_dict(load(out / "language.pt", device)["model"])
    return vision_of(out, device, shape or Shape()), language.eval()


def maps_of(
    config: Config, device: torch.device
) -> tuple[list[NDArray[np.float16]], list[dict[str, NDArray[Any]]], NDArray[np.float16]]:
    """Run the encoder once over scenes it was not trained on, and over pictures of nothing known.

    The language model learns from these maps: those of the encoder's own training scenes are surer than any new one's.
    Returns maps and labels, shard by shard, then the maps of nothing known. They are kept on disk and made anew when
    the encoder has changed.
    """
    folder = config.out / "features"
    folder.mkdir(exist_ok=True)
    encoder = config.out / "scenes.pt"
    shards = list(range(config.shards, config.shards + config.fresh))
    arrays = [read_shard(config.out / "pool", shard) for shard in shards]
    random = np.random.default_rng(config.seed)
    todo: dict[Path, Any] = {folder / f"{shard:04d}.npy": arrays[place]["pixels"] for place, shard in enumerate(shards)}
    todo[folder / "unlike.npy"] = None
    vision = vision_of(config.out, device, config.shape)
    look = torch.compile(vision) if config.compile else vision
    for path, pixels in todo.items():
        if path.exists() and path.stat().st_mtime > encoder.stat().st_mtime:
            continue
        if pixels is None:
            pixels = np.stack([nothing_known(random) for _ in range(config.shard_size // 4)])
        with torch.no_grad():
            maps = [
                look(plain(torch.from_numpy(pixels[begin : begin + 64].copy()).to(device))).half().cpu().numpy()
                for begin in range(0, len(pixels), 64)
            ]
        np.save(path.with_suffix(".part.npy"), np.concatenate(maps))
        path.with_suffix(".part.npy").rename(path)
        print(f"maps: {path.stem}", flush=True)
        pause(config.pause_file)
    maps_of_shards = [np.load(folder / f"{shard:04d}.npy") for shard in shards]
    return maps_of_shards, arrays, np.load(folder / "unlike.npy")


def standardised(model: Language, maps: Tensor) -> Tensor:
    """Every channel of the map with mean 0 and deviation 1."""
    return ((maps.float() - model.mean) / model.std).bfloat16()


def align(
    model: Language,
    words: Words,
    maps: list[NDArray[np.float16]],
    arrays: list[dict[str, NDArray[Any]]],
    config: Config,
    steps: int,
) -> None:
    """Let the projector turn a cell that shows a thing into a token like the word for it, before anything else is
    learnt."""
    random = np.random.default_rng(config.seed)
    synonyms = [
        [words.cut(" " + noun.bare)[-1] for kind in (concept.name, *concept.groups) for noun in NOUNS.get(kind, ())]
        or [words.cut(" object")[-1]]
        for concept in CONCEPTS
    ]
    optimiser = torch.optim.AdamW([*model.mm0.parameters(), *model.mm2.parameters()], 3e-3)
    device = model.mean.device
    for step in range(steps):
        shard = int(random.integers(len(maps)))
        rows = np.sort(random.integers(0, len(maps[shard]), 64))
        cells = arrays[shard]["cells"][rows].astype(np.float32)
        concept = np.take_along_axis(arrays[shard]["concept"][rows].astype(np.int64), cells.argmax(1), 1)
        where = np.argwhere((cells.max(1) > 90) & (concept >= 0))
        if len(where) == 0:
            continue
        goal = [
            synonyms[number][random.integers(len(synonyms[number]))] for number in concept[where[:, 0], where[:, 1]]
        ]
        image = model.project(standardised(model, torch.from_numpy(maps[shard][rows]).to(device)))
        logits = image[where[:, 0], where[:, 1]].float() @ model.embed.weight.float().T * 8
        loss = F.cross_entropy(logits, torch.tensor(goal, device=device))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        model.zero_grad()
        if step % 100 == 99:
            print(f"align {step + 1}: {loss.item():.3f}", flush=True)
        pause(config.pause_file)


def losses(model: Language, hidden: Tensor, batch: Batch, words: Words) -> tuple[Tensor, Tensor]:
    """The weighted loss over all goals of a batch, and for every goal the probability of Yes against No."""
    place, goal, p_yes, weight = (
        torch.from_numpy(array).to(hidden.device) for array in (batch.place, batch.goal, batch.p_yes, batch.weight)
    )
    logits = F.linear(hidden.flatten(0, 1)[place], model.embed.weight.to(hidden.dtype)).float().log_softmax(-1)
    yes, no = logits[:, words.yes], logits[:, words.no]
    answer = -(p_yes * yes + (1 - p_yes) * no)
    text = -logits.gather(1, goal.clamp_min(0)[:, None])[:, 0]
    loss = torch.where(goal < 0, answer, text)
    return (loss * weight).sum() / weight.sum(), (yes - no).detach().sigmoid()


def batch_tensors(batch: Batch, device: torch.device) -> list[Tensor]:
    """What the language model takes beside the map."""
    return [
        torch.from_numpy(array).to(device) for array in (batch.tokens, batch.positions, batch.segments, batch.family)
    ]


def train_language(config: Config, device: torch.device) -> None:
    """Learn to answer, from the maps that the frozen encoder makes."""
    maps, arrays, nothing = maps_of(config, device)
    tokenizer = config.out / "tokenizer.json"
    if not tokenizer.exists():
        sample = (unpacked(arrays[0], number) for number in range(min(1500, config.shard_size)))
        train_tokenizer(texts(sample, config.seed), config.shape.vocab).save(str(tokenizer))
    words = Words(tokenizer)
    model = Language(config.shape).to(device)
    if not (config.out / "language.pt").exists():
        first = torch.from_numpy(maps[0][:1024].copy()).float()
        model.mean.copy_(first.mean((0, 1)))
        model.std.copy_(first.std((0, 1)) + 1e-3)
        align(model, words, maps, arrays, config, 400 if config.steps > 100 else 2)
    run = Run(config, model)
    right: dict[str, list[float]] = {}
    shown = 0.0
    writer = Writer(words, np.random.default_rng((config.seed, run.step)), LENGTH)
    while not run.done:
        random = np.random.default_rng((config.seed, run.step))
        rows, seen = [], []
        for _ in range(config.batch):
            if run.step >= SIMPLE and random.random() < 0.04:
                rows.append(writer.row(None))
                seen.append(nothing[random.integers(len(nothing))])
            else:
                shard, number = int(random.integers(len(maps))), int(random.integers(config.shard_size))
                rows.append(writer.row(unpacked(arrays[shard], number), simple=run.step < SIMPLE))
                seen.append(maps[shard][number])
        batch = stacked(rows)
        hidden = run.compiled(
            standardised(model, torch.from_numpy(np.stack(seen)).to(device)), *batch_tensors(batch, device)
        )
        loss, p_yes = losses(model, hidden, batch, words)
        shown += loss.item()
        for kind, goal, wanted, found in zip(batch.kinds, batch.goal, batch.p_yes, p_yes.tolist(), strict=True):
            if goal < 0 and wanted != 0.5:
                right.setdefault(kind, []).append(float((found > 0.5) == (wanted > 0.5)))
        run.update(loss)
        if run.due:
            run.log(
                f"loss {shown / config.log_every:.3f} "
                + " ".join(f"{kind} {np.mean(hits):.3f}" for kind, hits in sorted(right.items()))
            )
            right, shown = {}, 0.0
    run.save()


# --- all of it -------------------------------------------------------------------------------------------------------


def run_all(out: Path, given: dict[str, Any], device: torch.device) -> None:
    """Sprites, scenes, the three stages and the export, each unless it is there already."""
    from imagejudge.train import export, scenes, sprites

    if not (out / "sprites.npz").exists():
        sprites.write_sprites(out / "sprites.npz", out / "assets")
    config = configure("tiles", given)
    last = config.shards + config.fresh
    scenes.write_pool(out / "sprites.npz", out / "pool", 0, last, config.seed, config.shard_size)
    for stage, train in TRAINERS.items():
        train(configure(stage, given), device)
    tokenizer = json.loads((out / "tokenizer.json").read_text(encoding="utf-8"))
    export.write_pair(out / "export", config.shape, export.checkpoint(out), tokenizer)
    print(f"exported to {out / 'export'}")


TRAINERS = {"tiles": train_tiles, "scenes": train_scenes, "language": train_language}


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
    parser.add_argument("--smoke", action="store_true", help="a tiny model, a few steps")
    options = vars(parser.parse_args())
    stage, smoke = options.pop("stage"), options.pop("smoke")
    given = (SMOKE if smoke else {}) | {name: value for name, value in options.items() if value is not None}
    torch.manual_seed(given.get("seed", 1))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if stage == "all":
        run_all(options["out"], given, device)
    else:
        TRAINERS[stage](configure(stage, given), device)


if __name__ == "__main__":
    main()
