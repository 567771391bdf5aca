"""Embeddings: what the encoder gave, pooled, without encoding again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf_pairs
import numpy as np
import pytest
from gguf import GGUFReader
from llama_cpp import mtmd_cpp

from imagejudge.engine.embedding import packed, pooled, unpacked
from imagejudge.engine.llama import LlamaEngine, load_engine
from imagejudge.engine.llama_bindings import EncodedImage
from imagejudge.engine.scripted import Scripted
from imagejudge.errors import EngineFailure
from imagejudge.images.picture import Box, Picture
from imagejudge.prompts import visible

KINDS: dict[str, Callable[[Path], gguf_pairs.Pair]] = {
    "plain": gguf_pairs.tiny_pair,
    "mrope": gguf_pairs.mrope_pair,
    "tiles": lambda folder: gguf_pairs.tiled_pair(folder, "internvl"),
}


def picture(seed: int, width: int = 240, height: int = 90) -> Picture:
    return Picture(width, height, np.random.default_rng(seed).bytes(width * height * 3))


def start(pair: gguf_pairs.Pair) -> LlamaEngine:
    return load_engine({"model": str(pair.model), "mmproj": str(pair.mmproj), "threads": 1})


@pytest.mark.parametrize("kind", KINDS)
def test_all_tokens_are_pooled_and_nothing_is_encoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    encoded = []
    encode = mtmd_cpp.mtmd_encode_chunk
    monkeypatch.setattr(mtmd_cpp, "mtmd_encode_chunk", lambda *chunk: [encoded.append(1), encode(*chunk)][1])
    with start(KINDS[kind](tmp_path)) as engine:
        view = engine.view(picture(1))
        before = len(encoded)
        first = view.embedding()
        tiles = [part.embeddings for part in view.parts if isinstance(part, EncodedImage)]
        assert (len(tiles) > 1) == (kind == "tiles")
        assert len(encoded) == before == len(tiles)
        tokens = np.concatenate(tiles).astype(np.float64)
        assert first.dtype == np.float32
        assert first == pytest.approx(np.concatenate([tokens.mean(0), tokens.max(0)]), abs=1e-6)
        view.ask([visible("A knife")])
        assert view.embedding().tobytes() == first.tobytes() == engine.view(picture(1)).embedding().tobytes()
        assert not np.allclose(engine.view(picture(2)).embedding(), first)
        assert not np.allclose(view.crop(Box(0, 0, 0.5, 1)).embedding(), first)


def test_where_there_is_nothing_to_embed(tmp_path: Path) -> None:
    pair = gguf_pairs.tiny_pair(tmp_path)
    with start(pair) as engine, pytest.raises(EngineFailure, match="no picture to embed"):
        engine.view(None).embedding()
    with (
        load_engine({"model": str(pair.model), "threads": 1}) as engine,
        pytest.raises(EngineFailure, match="loaded without an image encoder"),
    ):
        engine.view(picture(1)).embedding()
    with pytest.raises(EngineFailure, match="no picture to embed"):
        Scripted(lambda picture, question: 0.5).view(None).embedding()


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_what_is_no_number_is_a_failure(tmp_path: Path, broken: float) -> None:
    pair = gguf_pairs.tiny_pair(tmp_path)
    (bias,) = (each for each in GGUFReader(pair.mmproj, "r+").tensors if each.name == "mm.2.bias")
    bias.data[:1] = broken
    bias.data.flush()
    with start(pair) as engine, pytest.raises(EngineFailure, match="no number"):
        engine.view(picture(1)).embedding()


def test_packing_loses_nothing() -> None:
    vector = np.float32([0.1, -0.0, 1e-45, 3.4e38])
    assert unpacked(packed(vector)).tobytes() == vector.tobytes()


def test_a_scripted_engine_tells_pictures_apart() -> None:
    engine = Scripted(lambda picture, question: 0.5)
    same, other = engine.view(picture(1)), engine.view(picture(2))
    assert same.embedding().tobytes() == engine.view(picture(1)).embedding().tobytes() != other.embedding().tobytes()
    assert engine.embedded == 3
    told = Scripted(lambda picture, question: 0.5, encode=lambda picture: [picture.width, 2.0])
    assert told.view(picture(1)).embedding().tolist() == pooled([np.float32([[240, 2]])]).tolist()
