# ruff: noqa: E501 - tables and forms of words read better on long lines
"""Fetch the pinned icon packages and clip art, render every drawing that shows a known concept and keep them all in one
array file.

Needs npm (its configuration decides which registry answers) and resvg-py, and for the clip art apt-get and dpkg-deb.
Every package is checked against its SHA-256 before it is opened.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagejudge.builtin.training.scenes import clipart
from imagejudge.builtin.training.scenes.concepts import CONCEPTS, INDEX, Concept
from imagejudge.builtin.training.scenes.pictograms import COLOURED, MONOCHROME, TABLES, on_paper

SIDE = 96  # pixels of a rendered sprite's longer side
PER_STYLE = 26  # at most this many drawings of one concept in one style, or people would crowd out the rest

PACKAGES = {
    "noto": ("1.2.9", "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad"),
    "noto-v1": ("1.2.5", "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37"),
    "fxemoji": ("1.2.2", "f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef"),
    "fluent-emoji": ("1.2.7", "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b"),
    "fluent-emoji-flat": ("1.2.6", "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175"),
    "twemoji": ("1.2.5", "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7"),
    "streamline-emojis": ("1.2.4", "5dac87c876b322500989828c5823143e0100d78881627a2e4081a4b897cbfdbc"),
    "emojione": ("1.2.3", "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e"),
    "fluent-emoji-high-contrast": ("1.2.6", "0b92d48c90d2200bd499e3cdd09a127ca6a8c8ddefd34c35eb5a1e4994012ae0"),
    "game-icons": ("1.2.4", "f5758efb34d91c4f50b941f355f16ee73938625e5996fabc25171288404460a4"),
    "mdi": ("1.2.3", "ddd817a7213f91de51147943915c0cda8c8b818a53c92b5c068cfa9883c6d7ac"),
    "icon-park": ("1.2.4", "c1a25212a31602aca93c3fa6f6b3288e89b9d7811afc132dfd78506e9d586b6f"),
    "ph": ("1.2.2", "e3a582a047d9829fc7e8842c660d8065e598d1b68bb58cb68e75a1f1e5a614cc"),
    "fa6-solid": ("1.2.4", "082c792eaad4751626438773fa7360cb23f495b687cf2dd01b2b0fccc7f6af8b"),
    "tabler": ("1.2.41", "3bf99af156d28d05568aff524a35ed1ba238df640a7835a5e02e1f8e439685f6"),
    "mingcute": ("1.2.8", "fec65f4430ac70a968e0e7fc7741e7064ba91e6da992b905f75c9d70c717bd2c"),
    "hugeicons": ("1.2.35", "cca09de913319938961fa0613a8eb42952f76c3ee13a7c68ef411091590c5d8b"),
    "temaki": ("1.2.6", "24a874e1d81a7de9d56e534fdc56287cfe6e73488a24ef5c8982d4fd5f294d8d"),
}
"""npm packages of the scope @iconify-json: version and SHA-256 of the tarball."""
STYLES = (*PACKAGES, clipart.STYLE)
HELD_OUT_STYLE = "emojione"
"""Never shown in training: the benchmark's split `style` is drawn with it."""
TRAINED_STYLES = tuple(number for number, style in enumerate(STYLES) if style != HELD_OUT_STYLE)
"""The numbers of all others."""
FIRST_STYLES = STYLES[:7]
"""Those the first training knew: the splits `seen` and `composition` are drawn with them, so that figures compare."""


def fetch(style: str, folder: Path) -> dict[str, Any]:
    """Download one package through npm unless it is there, check it and return its icons.json."""
    version, digest = PACKAGES[style]
    tarball = folder / f"iconify-json-{style}-{version}.tgz"
    if not tarball.exists():
        if shutil.which("npm") is None:
            raise SystemExit(f"{tarball}: the icon sets are downloaded by npm, which is not installed: install Node.js")
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(  # noqa: S603
            ["npm", "pack", "--silent", f"@iconify-json/{style}@{version}"],  # noqa: S607
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    content = tarball.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != digest:
        raise SystemExit(f"{tarball}: SHA-256 is {found}, expected {digest}: delete it and run this again")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        member = archive.extractfile("package/icons.json")
        if member is None:
            raise SystemExit(f"{tarball}: has no package/icons.json")
        icons: dict[str, Any] = json.load(member)
    return icons


NOT_SKIN_TONES = {"police-car-light"}  # a siren


def drawings(icons: dict[str, Any], wanted: tuple[str, ...]) -> list[str]:
    """The names of all icons of one set that show one concept: the wanted names with their skin tones and numbered
    variants, spread evenly."""
    pattern = re.compile(rf"({'|'.join(map(re.escape, wanted))})(-\d|-((medium-)?(light|dark)|medium)(-skin-tone)?)?")
    found = sorted(name for name in icons["icons"] if pattern.fullmatch(name) and name not in NOT_SKIN_TONES)
    step = max(1.0, len(found) / PER_STYLE)
    return [found[int(place * step)] for place in range(min(len(found), PER_STYLE))]


def icons_of(style: str, icons: dict[str, Any], concept: Concept) -> list[str]:
    """The names of the icons that show a concept in one set."""
    if style in MONOCHROME and concept.name in COLOURED:
        return []
    if style in TABLES:
        return [name for name in TABLES[style].get(concept.name, ()) if name in icons["icons"]]
    return drawings(icons, concept.icons)


def render(icons: dict[str, Any], name: str) -> NDArray[np.uint8]:
    """One icon as a tile."""
    import resvg_py

    icon = icons["icons"][name]
    width, height = icon.get("width", icons.get("width", 16)), icon.get("height", icons.get("height", 16))
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {width} {height}">{icon["body"]}</svg>'
    picture = Image.open(
        io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIDE * 2, height=SIDE * 2)))
    ).convert("RGBA")
    return cropped(picture)


def cropped(picture: Image.Image) -> NDArray[np.uint8]:
    """An RGBA picture as a tile of SIDE x SIDE: what is painted of it, its longer side as long as the tile."""
    box = picture.getchannel("A").point(lambda alpha: 255 if alpha > 40 else 0).getbbox()
    if box is None:
        return np.zeros((SIDE, SIDE, 4), np.uint8)
    picture = picture.crop(box)
    scale = SIDE / max(picture.size)
    picture = picture.resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.LANCZOS
    )
    tile = Image.new("RGBA", (SIDE, SIDE))
    tile.paste(picture, ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
    return np.asarray(tile)


def redden(drop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A blue droplet as a drop of blood: only few sets draw one."""
    red = drop.copy()
    shade = drop[..., :3].max(-1).astype(np.float32) / 255
    red[..., 0] = np.clip(90 + 130 * shade, 0, 255)
    red[..., 1] = np.clip(60 * shade**3, 0, 255)
    red[..., 2] = np.clip(60 * shade**3, 0, 255)
    return red


def tiles(style: str, assets: Path) -> Iterator[tuple[int, str, NDArray[np.uint8]]]:
    """Every drawing of a style that shows a known concept: the concept's number, the drawing's name and its tile."""
    if style == clipart.STYLE:
        for shown, name, picture in clipart.clipart(assets):
            yield INDEX[shown], name, cropped(picture)
        return
    icons = fetch(style, assets)
    for number, concept in enumerate(CONCEPTS):
        for name in icons_of(style, icons, concept):
            tile = render(icons, name)
            yield number, name, on_paper(tile) if style in MONOCHROME else tile
        if concept.name == "blood" and style not in MONOCHROME:
            for name in drawings(icons, ("droplet", "blackdroplet")):
                yield number, "red-" + name, redden(render(icons, name))


def write_sprites(out: Path, assets: Path) -> None:
    """Render everything into one file: rgba [N, SIDE, SIDE, 4], concept [N], style [N], name [N]."""
    rgba, concept_of, style_of, name_of = [], [], [], []
    for style_number, style in enumerate(STYLES):
        for number, name, tile in tiles(style, assets):
            if tile[..., 3].any():
                rgba.append(tile)
                concept_of.append(number)
                style_of.append(style_number)
                name_of.append(name)
        print(f"{style}: {style_of.count(style_number)} sprites", flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        out,
        rgba=np.stack(rgba),
        concept=np.array(concept_of, np.int16),
        style=np.array(style_of, np.int8),
        name=np.array(name_of),
    )
