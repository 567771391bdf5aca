"""The GGUF pair that the export writes, with random weights: llama.cpp must read it and answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from samples import SHAPE, random_weights, tokenizer

from imagejudge.builtin.training.network.export import interleaved, write_pair
from imagejudge.images.picture import Picture
from imagejudge.prompts import visible


def test_rows_are_reordered_so_that_neighbours_rotate_together() -> None:
    rows = np.arange(8, dtype=np.float32)[:, None]  # two heads of four
    assert interleaved(rows, heads=2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_random_pair_loads_and_answers(tmp_path: Path) -> None:
    from imagejudge.engine.llama import LlamaEngine
    from imagejudge.engine.llama_model import LlamaOptions

    write_pair(tmp_path, SHAPE, random_weights(SHAPE), tokenizer())
    options = LlamaOptions(str(tmp_path / "model.gguf"), str(tmp_path / "mmproj.gguf"), "bbox-xyxy-1000", threads=1)
    pixels = np.random.default_rng(1).integers(0, 256, (90, 120, 3), np.uint8)
    with LlamaEngine(options) as engine:
        seen, unseen = engine.view(Picture(120, 90, pixels.tobytes())), engine.view(None)
        answers = [view.ask([visible("A person is visible.")])[0] for view in (seen, unseen)]
    assert all(0 <= answer.p_yes <= 1 for answer in answers)
    assert answers[0].gap != answers[1].gap
