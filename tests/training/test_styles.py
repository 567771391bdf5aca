"""Drawings in other manners, and icons of one colour as stickers."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from samples import write_sprites

from imagejudge.builtin.training.benchmark.bench import plan_of
from imagejudge.builtin.training.scenes import clipart
from imagejudge.builtin.training.scenes.concepts import CONCEPTS, INDEX
from imagejudge.builtin.training.scenes.painter import Painter, Plan, Sprites
from imagejudge.builtin.training.scenes.pictograms import MONOCHROME, TABLES, on_paper
from imagejudge.builtin.training.scenes.restyle import MANNERS, Tile, coloured, restyled
from imagejudge.builtin.training.scenes.sprites import FIRST_STYLES, HELD_OUT_STYLE, STYLES, icons_of, tiles


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
    for table in (*TABLES.values(), clipart.TABLE):
        assert set(table) <= set(INDEX)
    drawings = [name for names in clipart.TABLE.values() for name in names]
    assert len(drawings) == len(set(drawings))


def test_a_set_with_a_table_shows_what_stands_in_it_only() -> None:
    mouse = {"icons": {"mouse": {}, "elephant": {}}}
    other = CONCEPTS[INDEX["other animal"]]
    assert icons_of("mdi", mouse, other) == ["elephant"]
    assert icons_of("noto", mouse, other) == ["elephant", "mouse"]
    assert icons_of("fluent-emoji-high-contrast", {"icons": {"drop-of-blood": {}}}, CONCEPTS[INDEX["blood"]]) == []


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_clip_art_is_read_from_the_package_and_links_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tree/usr/share/openclipart/png"
    for place in ("animals", "tools"):
        (folder / place).mkdir(parents=True)
    for names in clipart.TABLE.values():
        for name in names:
            Image.new("RGBA", (30, 20), (200, 0, 0, 255)).save(folder / "tools" / f"{name}.png")
    (folder / "animals/bored_dog_01.png").symlink_to("../tools/knife.png")
    Image.new("RGBA", (30, 20), (0, 0, 200, 255)).save(folder / "animals/bomb_01.png")
    (tmp_path / "tree/DEBIAN").mkdir()
    about = "Package: openclipart-png\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: drawings\n"
    (tmp_path / "tree/DEBIAN/control").write_text(about)
    package = tmp_path / "openclipart-png_1%3a0.18+dfsg-19_all.deb"
    subprocess.run(["dpkg-deb", "--build", tmp_path / "tree", package], check=True, capture_output=True)

    with pytest.raises(SystemExit, match="SHA-256"):
        next(clipart.clipart(tmp_path))
    monkeypatch.setattr(clipart, "SHA256", hashlib.sha256(package.read_bytes()).hexdigest())
    found = {name: (concept, tile) for concept, name, tile in tiles_of(tmp_path)}
    assert len(found) == sum(map(len, clipart.TABLE.values()))
    assert found["bored_dog_01"][0] == "dog"
    assert found["bored_dog_01"][1][48, 48].tolist() == [200, 0, 0, 255]
    assert found["bomb_01"][1][48, 48].tolist() == [0, 0, 200, 255]  # of two of a name, the first folder's
    assert (found["knife"][1][..., 3] > 0).sum() == 96 * 64


@pytest.mark.parametrize(("style", "needs"), [("mdi", "npm"), (clipart.STYLE, "dpkg-deb")])
def test_what_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, style: str, needs: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=f"{needs}, which is not installed"):
        next(tiles(style, tmp_path))


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_without_a_download_the_place_for_the_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dpkg-deb").symlink_to(str(shutil.which("dpkg-deb")))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"openclipart-png.*\.deb: apt-get cannot download it here; put it there"):
        next(tiles(clipart.STYLE, tmp_path))


def tiles_of(folder: Path) -> Iterator[tuple[str, str, NDArray[np.uint8]]]:
    """Concept, name and tile of each piece of clip art."""
    for number, name, tile in tiles(clipart.STYLE, folder):
        yield CONCEPTS[number].name, name, tile


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
