"""Pictures that show no sticker: each kind is drawn in whatever way chance has it, and by its seed alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import write_sprites

from imagejudge.builtin.training.scenes.drawings import Drawings
from imagejudge.builtin.training.scenes.patterns import PATTERNS, drawn
from imagejudge.builtin.training.scenes.photographs import Photographs
from imagejudge.builtin.training.scenes.scene import SIZE
from imagejudge.builtin.training.scenes.textures import Canvas


@pytest.mark.parametrize("family", PATTERNS, ids=lambda family: family.__name__)
def test_every_kind_can_be_drawn_and_differs_from_draw_to_draw(
    family: Callable[[np.random.Generator], Canvas],
) -> None:
    pictures = [drawn(np.random.default_rng(seed), (family,)) for seed in range(12)]
    assert {(each.shape, each.dtype.name) for each in pictures} == {((SIZE, SIZE, 3), "uint8")}
    assert np.array_equal(pictures[3], drawn(np.random.default_rng(3), (family,)))
    assert len({each.tobytes() for each in pictures}) == 12
    assert sum(each.std() > 4 for each in pictures) > 9, "nearly all show something"


def test_a_single_drawing_stands_on_one_colour(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    drawings = Drawings(write_sprites(tmp_path / "sprites.npz"), tmp_path / "nowhere", random)
    for _ in range(30):
        pixels = drawings.picture(random)
        assert pixels.shape == (SIZE, SIZE, 3)
        colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
        assert len(colours) > 1
        assert np.sort(counts)[-2:].sum() > SIZE * SIZE * 0.85, "the ground, and a disc or a bar of one colour"


def test_cuts_are_squares_of_what_a_folder_holds(tmp_path: Path) -> None:
    left_to_right = np.tile(np.linspace(0, 255, 1200).astype(np.uint8)[None, :, None], (300, 1, 3))
    (tmp_path / "below").mkdir()
    Image.fromarray(left_to_right).save(tmp_path / "below" / "a.png")
    photographs, random = Photographs(tmp_path), np.random.default_rng(0)
    spans = []
    for _ in range(40):
        cut = photographs.cut(random)
        assert cut.shape == (SIZE, SIZE, 3)
        spans.append(int(np.ptp(cut)))
    assert 5 < min(spans) < 30
    assert 50 < max(spans) < 75, "no cut is wider than the picture is high"
