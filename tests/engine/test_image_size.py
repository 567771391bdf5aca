"""No picture becomes more tokens than asked for, tiles included, whatever its shape: random weights in real shapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf_pairs
import numpy as np
import pytest

from imagejudge.engine import llama
from imagejudge.engine.image_size import fitting_size, reduction
from imagejudge.images.picture import Box, Picture
from imagejudge.prompts import visible

SIZES = ((2048, 2048), (1920, 1080), (224, 224), (600, 2400), (40, 30))


def picture(width: int, height: int) -> Picture:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Picture(width, height, pixels.tobytes())


def image_tokens(engine: llama.LlamaEngine, shown: Picture) -> int:
    """Of tiles, and of marks between them; the view must say the same."""
    view = engine.view(shown)
    tiles = [n for n, part in enumerate(view.parts) if not isinstance(part, list)]
    assert view.tokens == sum(len(part) for part in view.parts[tiles[0] : tiles[-1] + 1])
    return view.tokens


@pytest.mark.parametrize("kind", ["idefics3", "internvl", "lfm2"])
def test_tiles_count(kind: str, tmp_path: Path) -> None:
    pair = gguf_pairs.tiled_pair(tmp_path, kind)
    options = {"model": str(pair.model), "mmproj": str(pair.mmproj), "threads": 1, "ctx": 4096}
    with llama.load_engine(options | {"image_max_tokens": None}) as engine:
        assert image_tokens(engine, picture(1920, 1080)) > 400, "else there is nothing to scale down"
    with llama.load_engine(options | {"image_max_tokens": 256}) as engine:
        made = {size: image_tokens(engine, picture(*size)) for size in SIZES}
        assert max(made.values()) <= 256, made
        assert made[2048, 2048] >= 64, "as large as allowed, or nearly"
        assert engine.view(picture(1920, 1080)).ask([visible("A dog.")])[0].off_mass > 0


def test_a_crop_is_cut_from_the_whole_picture(tmp_path: Path) -> None:
    pair = gguf_pairs.tiled_pair(tmp_path, "internvl")
    options = {"model": str(pair.model), "mmproj": str(pair.mmproj), "threads": 1, "image_max_tokens": 128}
    with llama.load_engine(options) as engine:
        view = engine.view(picture(1200, 900)).crop(Box(0.0, 0.0, 0.5, 0.5))
        assert (view._picture.width, view._picture.height) == (600, 450)


@pytest.mark.parametrize(
    ("size", "tokens", "fits"),
    [
        ((100, 50), lambda width, height: width * height // 100, (100, 50)),
        ((1000, 500), lambda width, height: width * height // 100, (244, 122)),
        ((1000, 500), lambda width, height: 9999, (1000, 500)),
        ((1000, 500), lambda width, height: 400 if width < 200 else 9999, (199, 99)),
        ((4000, 1), lambda width, height: width, (301, 1)),
    ],
)
def test_the_largest_size_that_fits(
    size: tuple[int, int], tokens: Callable[[int, int], int], fits: tuple[int, int]
) -> None:
    found = fitting_size(size, 300, tokens)
    assert found == pytest.approx(fits, rel=0.02)
    assert tokens(*found) <= max(300, tokens(16, 16))


@pytest.mark.parametrize("kind", ["idefics3", "internvl", "lfm2"])
def test_what_no_size_can_keep_to_is_as_little_as_it_gets(kind: str, tmp_path: Path) -> None:
    pair = gguf_pairs.tiled_pair(tmp_path, kind)
    options = {"model": str(pair.model), "mmproj": str(pair.mmproj), "threads": 1, "image_max_tokens": 20}
    with llama.load_engine(options) as engine:
        assert image_tokens(engine, picture(1920, 1080)) <= 140


@pytest.mark.parametrize(
    ("size", "tokens", "factor"),
    [
        ((4032, 3024), 64, 2),
        ((6000, 4000), 64, 2),
        ((8000, 6000), 64, 4),
        ((4032, 3023), 64, 1),  # an odd side would be stretched
        ((8004, 6002), 64, 2),
        ((4032, 3024), 256, 1),
        ((20_000, 1000), 64, 1),
        ((64, 64), 1, 1),
    ],
)
def test_what_is_far_too_large_is_reduced(size: tuple[int, int], tokens: int, factor: int) -> None:
    assert reduction(size, tokens) == factor


def test_a_large_picture_is_seen_as_before_and_cropped_from_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = gguf_pairs.tiny_pair(tmp_path)
    rows, columns = np.mgrid[0:2400, 0:3200]
    waves = np.stack([127 + 100 * np.sin(columns / side) * np.cos(rows / side) for side in (90, 140, 200)], axis=-1)
    large = Picture(3200, 2400, waves.astype(np.uint8).tobytes())
    questions, seen = [visible("A dog."), visible("A cat.")], []

    def gaps(view: llama.LlamaView) -> list[float]:
        return [answer.gap for answer in view.ask(questions)]

    reduced = Picture.reduced
    monkeypatch.setattr(Picture, "reduced", lambda self, factor: seen.append(factor) or reduced(self, factor))
    with llama.load_engine({"model": str(pair.model), "mmproj": str(pair.mmproj), "threads": 1}) as engine:
        view = engine.view(large)
        now, region = gaps(view), gaps(view.crop(Box(0.4, 0.4, 0.5, 0.5)))
        assert seen == [2, 1]
        monkeypatch.setattr("imagejudge.engine.llama_model.reduction", lambda size, tokens: 1)
        view = engine.view(large)
        assert region == gaps(view.crop(Box(0.4, 0.4, 0.5, 0.5)))
        assert gaps(view) == pytest.approx(now, abs=0.03)
        assert gaps(engine.view(large.crop(Box(0, 0, 0.9, 0.9)))) != pytest.approx(now, abs=0.03), "else all look alike"
