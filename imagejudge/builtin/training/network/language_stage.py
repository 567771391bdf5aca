"""The third stage: questions and answers about scenes, from the maps that the frozen encoder makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from imagejudge.builtin.training.language.dialogue import Words, Writer, texts, train_tokenizer
from imagejudge.builtin.training.language.rows import Batch, collate
from imagejudge.builtin.training.language.words import NOUNS
from imagejudge.builtin.training.network.model import LanguageModel, VisionEncoder
from imagejudge.builtin.training.network.trainer import Config, Run, load_checkpoint, pause, weights_under
from imagejudge.builtin.training.scenes.backgrounds import nothing_known
from imagejudge.builtin.training.scenes.concepts import CONCEPTS
from imagejudge.builtin.training.scenes.shards import read_shard, unpacked
from imagejudge.builtin.training.shape import Shape
from imagejudge.common.atomic_write import replacing

LENGTH = 384  # tokens of text beside one image
LOOK_WEIGHT = 0.6  # of where words look, beside what they answer
SIMPLE_STEPS = 300  # steps of the language stage that only ask what is visible


def preprocess(pixels: Tensor) -> Tensor:
    """What llama.cpp does to a picture of the right size."""
    return (pixels.permute(0, 3, 1, 2).float() / 255 * 2 - 1).bfloat16()


def vision_of(out: Path, device: torch.device, shape: Shape) -> VisionEncoder:
    """The encoder as the scene stage left it."""
    vision: VisionEncoder = VisionEncoder(shape).to(device)
    vision.load_state_dict(weights_under(load_checkpoint(out / "scenes.pt", device)["model"], "vision."))
    vision.eval()
    return vision


def trained(out: Path, device: torch.device, shape: Shape | None = None) -> tuple[VisionEncoder, LanguageModel]:
    """The two halves of the model as the export takes them: the averages of the joint stage where it has begun."""
    language = LanguageModel(shape or Shape()).to(device)
    if (out / "joint.pt").exists():
        both = load_checkpoint(out / "joint.pt", device)["average"]
        vision = VisionEncoder(shape or Shape()).to(device)
        vision.load_state_dict(weights_under(both, "scenes.vision."))
        language.load_state_dict(weights_under(both, "language."))
        return vision.eval(), language.eval()
    language.load_state_dict(load_checkpoint(out / "language.pt", device)["model"])
    return vision_of(out, device, shape or Shape()), language.eval()


def maps_of(
    config: Config, device: torch.device
) -> tuple[list[NDArray[np.float16]], list[dict[str, NDArray[Any]]], NDArray[np.float16]]:
    """Run the encoder once over scenes it was not trained on, and over pictures of nothing known.

    The language model learns from these maps: those of the encoder's own training scenes are surer than any new one's.
    Returns maps and labels, shard by shard, then the maps of nothing known. They are kept on disk and made again when
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
                look(preprocess(torch.from_numpy(pixels[begin : begin + 64].copy()).to(device))).half().cpu().numpy()
                for begin in range(0, len(pixels), 64)
            ]
        with replacing(path) as fresh, fresh.open("wb") as file:
            np.save(file, np.concatenate(maps))
        print(f"maps: {path.stem}", flush=True)
        pause(config.pause_file)
    maps_of_shards = [np.load(folder / f"{shard:04d}.npy") for shard in shards]
    return maps_of_shards, arrays, np.load(folder / "unlike.npy")


def standardised(model: LanguageModel, maps: Tensor) -> Tensor:
    """Every channel of the map with mean 0 and deviation 1."""
    return ((maps.float() - model.mean) / model.std).bfloat16()


def align(
    model: LanguageModel,
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
        [words.encode(" " + noun.bare)[-1] for kind in (concept.name, *concept.groups) for noun in NOUNS.get(kind, ())]
        or [words.encode(" object")[-1]]
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


def looking_loss(looks: Tensor, batch: Batch) -> Tensor:
    """By how much words look at other cells than they should, in nats: the mean divergence over layers and words."""
    wanted = torch.from_numpy(batch.look_cells).to(looks.device)
    divergence = F.kl_div(looks.log_softmax(-1), wanted.expand_as(looks), reduction="sum")
    return divergence / max(1, looks[..., 0].numel())


def losses(model: LanguageModel, hidden: Tensor, batch: Batch, words: Words) -> tuple[Tensor, Tensor]:
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
        torch.from_numpy(array).to(device)
        for array in (batch.tokens, batch.positions, batch.segments, batch.family, batch.look_place)
    ]


def train_language(config: Config, device: torch.device) -> None:
    """Learn to answer, from the maps that the frozen encoder makes."""
    maps, arrays, nothing = maps_of(config, device)
    tokenizer = config.out / "tokenizer.json"
    if not tokenizer.exists():
        sample = (unpacked(arrays[0], number) for number in range(min(1500, config.shard_size)))
        train_tokenizer(texts(sample, config.seed), config.shape.vocab).save(str(tokenizer))
    words = Words(tokenizer)
    model = LanguageModel(config.shape).to(device)
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
            if run.step >= SIMPLE_STEPS and random.random() < 0.04:
                rows.append(writer.row(None))
                seen.append(nothing[random.integers(len(nothing))])
            else:
                shard, number = int(random.integers(len(maps))), int(random.integers(config.shard_size))
                rows.append(writer.row(unpacked(arrays[shard], number), simple=run.step < SIMPLE_STEPS))
                seen.append(maps[shard][number])
        batch = collate(rows)
        hidden, looks, _ = run.compiled(
            standardised(model, torch.from_numpy(np.stack(seen)).to(device)), *batch_tensors(batch, device)
        )
        worded, p_yes = losses(model, hidden, batch, words)
        loss = worded + LOOK_WEIGHT * looking_loss(looks, batch)
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
