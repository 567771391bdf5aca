"""A shipped pair read back, so that training can go on from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from samples import BUILTIN, SHAPE, random_weights, tokenizer

from imagejudge.builtin.training.network.export import write_pair
from imagejudge.builtin.training.network.restore import Pair, read_pair, write_tokenizer
from imagejudge.builtin.training.shape import TEMPERATURE


def write_again(folder: Path, pair: Pair) -> None:
    """As the export does, which divides the logits by the temperature."""
    weights = dict(pair.weights)
    weights["language.norm.weight"] = weights["language.norm.weight"] / np.float32(TEMPERATURE)
    write_pair(folder, pair.shape, weights, pair.tokenizer)


def test_the_shipped_pair_read_and_written_again_is_the_same_to_the_byte(tmp_path: Path) -> None:
    write_again(tmp_path, read_pair(BUILTIN))
    for name in ("model.gguf", "mmproj.gguf"):
        assert (tmp_path / name).read_bytes() == (BUILTIN / name).read_bytes()


def test_a_random_pair_comes_back_with_its_shape_and_weights(tmp_path: Path) -> None:
    weights = random_weights(SHAPE)
    write_pair(tmp_path, SHAPE, weights, tokenizer())
    pair = read_pair(tmp_path, temperature=1.0)
    assert pair.shape == SHAPE
    assert set(pair.weights) == set(weights)
    folded = {"language.mm0.weight", "language.mm0.bias", "language.position", "language.mean", "language.std"}
    for name in set(weights) - folded:
        assert pair.weights[name] == pytest.approx(weights[name], abs=1e-4), name


def test_the_tokenizer_comes_back_and_cuts_alike(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="training needs the extra train")
    from imagejudge.builtin.training.language.dialogue import Words

    write_tokenizer(read_pair(BUILTIN), tmp_path / "tokenizer.json")
    words = Words(tmp_path / "tokenizer.json")
    text = "<|im_start|>user\n<image>Is a knife visible? Answer Yes or No."
    ids = words.encode(text)
    assert words.tokenizer.decode(ids, skip_special_tokens=False) == text
    assert len(words.encode(" visible")) == 1


def test_giving_maps_another_scale_changes_no_embedding() -> None:
    torch = pytest.importorskip("torch", reason="training needs the extra train")
    from imagejudge.builtin.training.network.joint_stage import Joint

    pair = read_pair(BUILTIN)
    model = Joint(pair.shape)
    model.restore(pair)
    maps = model.scenes.vision(torch.rand(4, 3, 128, 128) * 2 - 1).detach()
    language = model.language
    before = language.project((maps - language.mean) / language.std)
    model.standardise(maps)
    assert language.std.std() > 0.01
    assert torch.allclose(language.project((maps - language.mean) / language.std), before, atol=1e-3)
