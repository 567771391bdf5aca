"""Drawings in other manners, and icons of one colour as stickers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from samples import write_sprites

from imagejudge.builtin.training.benchmark.bench import plan_of
from imagejudge.builtin.training.scenes.concepts import CONCEPTS, INDEX
from imagejudge.builtin.training.scenes.painter import Painter, Plan, Sprites
from imagejudge.builtin.training.scenes.pictograms import MONOCHROME, TABLES, on_paper
from imagejudge.builtin.training.scenes.restyle import MANNERS, Tile, coloured, restyled
from imagejudge.builtin.training.scenes.sprites import FIRST_STYLES, HELD_OUT_STYLE, STYLES, icons_of


def disc(side: int = 48) -> Tile:
    """A shaded disc, premultiplied."""
    rows, columns = np.mgrid[:side, :side]
    alpha = ((rows - side / 2) ** 2 + (columns - side / 2) ** 2 < (side * 0.4) ** 2).astype(np.float32)[..., None]
    colour = np.stack([rows / side, columns / side, np.full((side, side), 0.3)], -1).astype(np.float32)
    return np.concatenate([colour * alpha, alpha], -1)


@pytest.mark.parametrize("manner", sorted({manner for manner, _ in MANNERS}, key=lambda manner: manner.__name__))
def test_every_manner_keeps_the_shape_but_for_its_edge(manner) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(1)
    before = disc()
    for _ in range(5):
        after = manner(random, before.copy())
        assert after.dtype == np.float32
        assert (after[..., :3] <= after[..., 3:] + 0.01).all()
        assert after.min() >= 0
        assert (after[..., 3] > 0.5).sum() == pytest.approx((before[..., 3] > 0.5).sum(), rel=0.6)
        assert not np.array_equal(after, before)


def test_what_is_known_by_its_colour_keeps_it() -> None:
    random = np.random.default_rng(2)
    red = disc()
    red[..., :3] = red[..., 3:] * np.array([0.8, 0.05, 0.05], np.float32)
    for _ in range(200):
        after = restyled(random, red.copy(), INDEX["blood"], inked=False)
        body = after[(after[..., 3] > 0.9) & (after[..., :3].min(-1) < 0.7)]
        assert body[:, 0].mean() > body[:, 1:3].mean() + 0.2


def test_a_line_drawing_gets_a_body_and_two_colours() -> None:
    ring = np.zeros((40, 40, 4), np.uint8)
    rows, columns = np.mgrid[:40, :40]
    far = np.hypot(rows - 20, columns - 20)
    ring[(far > 14) & (far < 17), 3] = 255
    paper = on_paper(ring)
    assert paper[20, 20].tolist() == [255, 255, 255, 255]
    assert paper[20, 5].tolist() == [0, 0, 0, 255]
    assert paper[1, 1].tolist() == [0, 0, 0, 0]
    tile = coloured(np.random.default_rng(3), paper.astype(np.float32) / 255, "key")
    assert abs(tile[20, 20, :3] - tile[20, 5, :3]).max() > 0.1


def test_the_tables_name_known_concepts_and_known_sets() -> None:
    assert set(TABLES) | MONOCHROME <= set(STYLES)
    for table in TABLES.values():
        assert set(table) <= {concept.name for concept in CONCEPTS}


def test_a_set_with_a_table_shows_what_stands_in_it_only() -> None:
    mouse = {"icons": {"mouse": {}, "elephant": {}}}
    other = CONCEPTS[INDEX["other animal"]]
    assert icons_of("mdi", mouse, other) == ["elephant"]
    assert icons_of("noto", mouse, other) == ["elephant", "mouse"]
    assert icons_of("fluent-emoji-high-contrast", {"icons": {"drop-of-blood": {}}}, CONCEPTS[INDEX["blood"]]) == []


def test_the_benchmark_stays_in_the_styles_it_was_measured_in() -> None:
    assert plan_of("seen").styles == plan_of("composition").styles == tuple(range(7))
    assert not plan_of("seen").restyled
    assert HELD_OUT_STYLE not in FIRST_STYLES
    assert STYLES.index(HELD_OUT_STYLE) not in Plan(restyled=True).styles


def test_restyled_scenes_keep_their_truth(tmp_path: Path) -> None:
    painter = Painter(Sprites(write_sprites(tmp_path / "sprites.npz")))
    random = np.random.default_rng(4)
    drawn = [painter.scene(random, [INDEX["dog"], INDEX["ball"]], Plan(restyled=True), ("apart",)) for _ in range(30)]
    assert all(scene.gap[0, 1] > 0 for scene in drawn if len(scene.things) == 2)
    assert len({scene.pixels.tobytes() for scene in drawn}) == 30
