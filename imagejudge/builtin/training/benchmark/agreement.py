"""Does llama.cpp give the answers that PyTorch gives?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from imagejudge.builtin.training.benchmark.limits import SEED, picture, test_scene
from imagejudge.builtin.training.language.claims import Asker
from imagejudge.builtin.training.language.dialogue import ANSWER_TURN, Words
from imagejudge.builtin.training.language.facts import Facts
from imagejudge.builtin.training.language.rows import Goal, Row, collate
from imagejudge.builtin.training.network.language_stage import batch_tensors, trained
from imagejudge.builtin.training.scenes.painter import Painter
from imagejudge.builtin.training.shape import BEFORE, IMAGE_TOKENS
from imagejudge.engine.llama import LlamaEngine
from imagejudge.prompts import direct, visible


def measure_agreement(engine: LlamaEngine, painter: Painter, train: Path, scenes: int, temperature: float) -> None:
    """Print how many answers of a pair and of the checkpoints it was made from agree, and how far they differ."""
    vision, language = trained(train, torch.device("cpu"))
    words = Words(train / "tokenizer.json")
    random = np.random.default_rng((SEED, 8))
    asker = Asker(random)
    gaps, same = [], []
    spelt = [list(map(int, tokens)) for tokens in (engine._yes, engine._no)]
    for _ in range(scenes):
        scene = test_scene(painter, random, "seen")
        questions = [
            visible(claim.text) for claim in (asker.claim(Facts(scene)) for _ in range(8)) if claim is not None
        ]
        if not questions:
            continue
        answers = engine.view(picture(scene.pixels)).ask(questions)
        row = Row(8 * 48 + 16)
        row.add(-1, words.encode("<|im_start|>user\n<image>"))
        row.parents.append(0)
        row.ends.append(BEFORE + IMAGE_TOKENS)
        image = row.add(1, words.encode("</image>"))
        for question in questions:
            row.add(image, words.encode(direct(question) + ANSWER_TURN))
            row.goals.append(Goal(len(row.tokens) - 1, -1, 1.0, 1.0, ""))
        batch = collate([row])
        with torch.no_grad():
            pixels = torch.from_numpy(scene.pixels.copy()).permute(2, 0, 1)[None].float() / 255 * 2 - 1
            features = (vision(pixels) - language.mean) / language.std
            hidden, *_ = language(features, *batch_tensors(batch, torch.device("cpu")))
            logits = hidden.flatten(0, 1)[torch.from_numpy(batch.place)] @ language.embed.weight.T / temperature
            p = torch.sigmoid(logits[:, spelt[0]].logsumexp(-1) - logits[:, spelt[1]].logsumexp(-1)).tolist()
        gaps += [abs(ours - answer.p_yes) for ours, answer in zip(p, answers, strict=True)]
        same += [(ours > 0.5) == (answer.p_yes > 0.5) for ours, answer in zip(p, answers, strict=True)]
    print(
        f"{sum(same)} of {len(same)} answers agree; difference of P(Yes): mean {np.mean(gaps):.1e},"
        f" largest {max(gaps):.1e}"
    )
