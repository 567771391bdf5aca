"""Pictures that show no sticker, drawn with lines, shapes and letters: charts, pages, signs, windows, codes, maps.

Each drawing function gives one picture, SIZE x SIZE x 3 in about 0..1.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from imagejudge.builtin.training.scenes.scene import SIZE
from imagejudge.builtin.training.scenes.textures import Canvas, Random, field, palette

Colour = tuple[int, int, int]

LETTERS = np.array(list("aaabcdeeefghiiijklmnnoooprrsssttuuvwxyzABCDEFGHIJKLMNOPRSTUVWXYZ0123456789.,-:;!?&%$#@+=/()"))


def blank(random: Random, light: float = 0.7) -> tuple[Image.Image, ImageDraw.ImageDraw, bool]:
    """An empty sheet, light or dark, what draws on it, and whether it is light."""
    bright = bool(random.random() < light)
    shade = random.uniform(0.75, 1, 3) if bright else random.uniform(0, 0.35, 3)
    if random.random() < 0.4:
        shade = np.full(3, 1.0 if bright else random.uniform(0, 0.2))
    sheet = Image.new("RGB", (SIZE, SIZE), rgb(shade))
    return sheet, ImageDraw.Draw(sheet), bright


def rgb(shade: NDArray[np.floating]) -> Colour:
    """A colour for Pillow."""
    red, green, blue = (np.clip(shade, 0, 1) * 255).astype(int).tolist()
    return red, green, blue


def ink(random: Random, bright: bool) -> Colour:
    """A colour that can be read on a light or a dark sheet."""
    return rgb(random.uniform(0, 0.5, 3) if bright else random.uniform(0.5, 1, 3))


def finished(sheet: Image.Image) -> Canvas:
    """A drawn sheet as numbers."""
    return np.asarray(sheet, np.float32) / np.float32(255)


def words(random: Random, count: int) -> str:
    """Words of one to nine letters."""
    return " ".join("".join(random.choice(LETTERS, int(random.integers(1, 10)))) for _ in range(count))


def facet_mesh(random: Random) -> Canvas:
    """The whole picture in triangles, as in low-polygon drawings."""
    cells = int(random.integers(3, 12))
    corners = np.stack(np.meshgrid(np.linspace(0, SIZE, cells + 1), np.linspace(0, SIZE, cells + 1)), -1)
    corners += random.uniform(-0.4, 0.4, corners.shape) * SIZE / cells
    base = palette(random, field(random, 2.0))
    sheet, draw, _ = blank(random)
    spread = random.uniform(0.02, 0.3)
    for i in range(cells):
        for j in range(cells):
            a, b, c, d = (tuple(corners[p].tolist()) for p in ((i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j)))
            for triangle in ([a, b, c], [a, c, d]):
                here = base[min(SIZE - 1, i * SIZE // cells), min(SIZE - 1, j * SIZE // cells)]
                draw.polygon(triangle, rgb(here + random.normal(0, spread)))
    return finished(sheet)


def polygons(random: Random) -> Canvas:
    """Many polygons and discs over each other, over the whole picture."""
    sheet, draw, _ = blank(random)
    size = random.uniform(8, 60)
    for _ in range(int(random.integers(15, 150))):
        x, y = random.uniform(0, SIZE, 2)
        if random.random() < 0.3:
            draw.ellipse((x - size / 2, y - size / 2, x + size / 2, y + size / 2), rgb(random.random(3)))
        else:
            corners = random.normal(0, size / 2, (int(random.integers(3, 6)), 2)) + np.array([x, y])
            draw.polygon([tuple(corner) for corner in corners.tolist()], rgb(random.random(3)))
    return finished(sheet)


def scribbles(random: Random) -> Canvas:
    """Pen lines without a meaning: straight, wandering or curled."""
    sheet, draw, bright = blank(random)
    colour, width = ink(random, bright), int(random.integers(1, 5))
    for _ in range(int(random.integers(1, 14))):
        steps = int(random.integers(2, 60))
        walk = np.cumsum(random.normal(0, random.uniform(2, 12), (steps, 2)), 0)
        if random.random() < 0.4:  # as handwriting runs
            time = np.arange(steps) * random.uniform(0.5, 1.5)
            walk = np.stack([time * 4 + 6 * np.sin(time * 2), 8 * np.cos(time * random.uniform(1, 2))], -1)
        points = walk + random.uniform(0, SIZE, 2)
        draw.line([tuple(point) for point in points.tolist()], colour, width)
        if random.random() < 0.3:
            colour = ink(random, bright)
    return finished(sheet)


def chart(random: Random) -> Canvas:
    """Bars, curves, points or a pie, with axes and labels."""
    sheet, draw, bright = blank(random, 0.85)
    font = ImageFont.load_default(float(random.choice([6, 7, 9])))
    black, left, foot = ink(random, bright), int(random.integers(8, 26)), int(random.integers(95, 122))
    kind, count = int(random.integers(4)), int(random.integers(3, 14))
    heights = random.uniform(5, 90, count)
    places = np.linspace(left + 6, SIZE - 8, count)
    if random.random() < 0.4:
        for y in np.arange(10, foot, random.uniform(8, 24)):
            draw.line((left, y, SIZE - 4, y), rgb(np.full(3, 0.8 if bright else 0.3)))
    colours = [rgb(random.random(3)) for _ in range(4)]
    if kind == 0:
        wide = random.uniform(0.3, 0.9) * (SIZE - left) / count / 2
        for number, (x, tall) in enumerate(zip(places, heights, strict=True)):
            draw.rectangle((x - wide, foot - tall, x + wide, foot), colours[number % 4 if random.random() < 0.3 else 0])
    elif kind == 1:
        for colour in colours[: int(random.integers(1, 4))]:
            line = np.stack([places, foot - random.uniform(5, 90, count)], -1)
            draw.line([tuple(point) for point in line.tolist()], colour, int(random.integers(1, 4)))
    elif kind == 2:
        for x, y in random.uniform((left, 8), (SIZE - 6, foot), (int(random.integers(10, 80)), 2)):
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), colours[int(random.integers(3))])
    else:
        ends = np.concatenate([[0], np.sort(random.uniform(0, 360, count)), [360]])
        for number, (first, last) in enumerate(itertools.pairwise(ends)):
            draw.pieslice((22, 18, 104, 100), first, last, rgb(random.random(3)) if number > 3 else colours[number])
    if kind < 3:
        draw.line((left, 6, left, foot, SIZE - 4, foot), black, 1)
        for x in places[:: max(1, count // 5)]:
            draw.text((x - 4, foot + 2), str(int(random.integers(0, 100))), black, font)
    if random.random() < 0.6:
        draw.text((random.uniform(5, 40), 1), words(random, 3), black, font)
    return finished(sheet)


def page(random: Random) -> Canvas:
    """A page of small lines in columns, with headings and framed boxes."""
    sheet, draw, bright = blank(random, 0.8)
    colour, size = ink(random, bright), float(random.choice([4, 5, 6, 8, 10, 13]))
    font, columns = ImageFont.load_default(size), int(random.integers(1, 4))
    for column in range(columns):
        left, y = 5 + column * SIZE / columns, random.uniform(2, 20)
        while y < SIZE - 4:
            if random.random() < 0.12:
                draw.text((left, y), words(random, 2)[:14], colour, ImageFont.load_default(size * 1.6))
                y += size * 2
            line = words(random, 12)[: int((SIZE / columns - 8) / size * 1.9 * random.uniform(0.6, 1))]
            draw.text((left, y), line, colour, font)
            y += size * random.uniform(1.1, 1.4)
            if random.random() < 0.1:
                y += size
    return finished(sheet)


def lettering(random: Random) -> Canvas:
    """A word or two as a sign or a title has them: large, bold, outlined, slanted or turned."""
    sheet, draw, bright = blank(random, 0.5)
    y = random.uniform(5, 60)
    for _ in range(int(random.integers(1, 4))):
        font = ImageFont.load_default(random.uniform(14, 60))
        draw.text((random.uniform(0, 30), y), words(random, 1), ink(random, bright), font,
                  stroke_width=int(random.choice([0, 0, 1, 2, 3])), stroke_fill=rgb(random.random(3)))  # fmt: skip
        y += random.uniform(16, 50)
    lean = random.uniform(-0.5, 0.5) if random.random() < 0.4 else 0.0
    sheet = sheet.transform(sheet.size, Image.Transform.AFFINE, (1, lean, -lean * 60, 0, 1, 0),
                            fillcolor=sheet.getpixel((0, 0)))  # fmt: skip
    return finished(sheet)


def window(random: Random) -> Canvas:
    """Part of a program: a bar of titles, panels, lists, buttons and fields with writing."""
    sheet, draw, bright = blank(random, 0.7)
    accent, black = rgb(random.random(3)), ink(random, bright)
    font = ImageFont.load_default(float(random.choice([5, 6, 7, 9])))
    faint = rgb(np.full(3, random.uniform(0.8, 0.95) if bright else random.uniform(0.15, 0.35)))
    bar = int(random.integers(6, 20))
    if random.random() < 0.7:
        draw.rectangle((0, 0, SIZE, bar), accent if random.random() < 0.5 else faint)
        draw.text((4, 1), words(random, 2), black, font)
        for number in range(3):
            draw.ellipse(
                (SIZE - 8 * number - 10, bar / 2 - 2, SIZE - 8 * number - 6, bar / 2 + 2), rgb(random.random(3))
            )
    side = int(random.integers(20, 50)) if random.random() < 0.5 else 0
    draw.rectangle((0, bar, side, SIZE), faint)
    y = bar + random.uniform(3, 10)
    while y < SIZE:
        tall, left = random.uniform(7, 26), side + random.uniform(3, 20)
        kind = random.random()
        if kind < 0.5:
            draw.text((left, y), words(random, int(random.integers(1, 5))), black, font)
        elif kind < 0.8:
            draw.rounded_rectangle((left, y, left + random.uniform(20, 80), y + tall), 3,
                                   accent if random.random() < 0.4 else faint, faint)  # fmt: skip
            draw.text((left + 3, y + tall / 4), words(random, 1), black, font)
        else:
            draw.rectangle((left, y, SIZE - 4, y + tall * 1.5), faint, black if random.random() < 0.3 else None)
            y += tall / 2
        if side:
            draw.text((3, y), words(random, 1)[: side // 5], black, font)
        y += tall + random.uniform(1, 8)
    return finished(sheet)


def code(random: Random) -> Canvas:
    """Squares as in a code for cameras, or bars as on goods."""
    cells = int(random.integers(10, 45))
    bits = random.random((cells, cells)) < 0.5
    if random.random() < 0.3:
        bits[:] = bits[:1]
    elif random.random() < 0.8:
        eye = np.ones((7, 7), np.bool_)
        eye[1:6, 1:6] = False
        eye[2:5, 2:5] = True
        bits[:7, :7] = bits[:7, -7:] = bits[-7:, :7] = eye
    edge = int(random.integers(0, 20))
    side = SIZE - 2 * edge
    grown = np.asarray(Image.fromarray(bits).convert("L").resize((side, side), Image.Resampling.NEAREST)) > 0
    value = np.zeros((SIZE, SIZE))
    value[edge : edge + side, edge : edge + side] = grown
    dark, light = random.uniform(0, 0.3, 3), random.uniform(0.8, 1, 3)
    return np.where(value[..., None] > 0, dark, light).astype(np.float32)


def strokes(random: Random) -> Canvas:
    """Thousands of short lines: grass, fur, hatching, rain."""
    base = palette(random, field(random, 2.0))
    sheet = Image.fromarray((base * 255).astype(np.uint8))
    draw = ImageDraw.Draw(sheet)
    lean, spread, long = random.uniform(0, math.pi), random.uniform(0, 0.6), random.uniform(3, 25)
    for _ in range(int(random.integers(100, 900))):
        x, y = random.uniform(0, SIZE, 2)
        angle = lean + random.normal(0, spread)
        here = base[int(y) % SIZE, int(x) % SIZE] + random.normal(0, 0.25)
        draw.line((x, y, x + long * math.cos(angle), y + long * math.sin(angle)), rgb(here), int(random.integers(1, 3)))
    return finished(sheet)


def streets(random: Random) -> Canvas:
    """A map or a plan: roads, blocks and names."""
    sheet, draw, bright = blank(random, 0.85)
    for _ in range(int(random.integers(0, 6))):
        draw.polygon([tuple(p) for p in random.uniform(0, SIZE, (4, 2)).tolist()], rgb(random.uniform(0.5, 1, 3)))
    for _ in range(int(random.integers(4, 25))):
        a, b = random.uniform(-20, SIZE + 20, (2, 2)).tolist()
        draw.line((*a, *b), rgb(random.uniform(0.3, 1, 3)), int(random.integers(1, 9)))
    for _ in range(int(random.integers(0, 6))):
        draw.text(tuple(random.uniform(0, 100, 2).tolist()), words(random, 1), ink(random, bright),
                  ImageFont.load_default(float(random.choice([5, 7, 9]))))  # fmt: skip
    return finished(sheet)


def ornament(random: Random) -> Canvas:
    """One small shape over and over, as on cloth or wallpaper."""
    cell = int(random.integers(8, 36))
    sheet, _, bright = blank(random, 0.5)
    stamp = Image.new("RGB", (cell, cell), sheet.getpixel((0, 0)))
    draw = ImageDraw.Draw(stamp)
    for _ in range(int(random.integers(1, 4))):
        corners = random.uniform(0, cell, (int(random.integers(3, 6)), 2)).tolist()
        if random.random() < 0.5:
            draw.polygon([tuple(corner) for corner in corners], ink(random, bright))
        else:
            left, top = corners[0][0] / 2, corners[0][1] / 2
            draw.ellipse((left, top, left + cell / 2, top + cell / 2), ink(random, bright))
    tile = np.asarray(stamp, np.float32) / np.float32(255)
    if random.random() < 0.5:
        tile = np.concatenate(
            [np.concatenate([tile, tile[:, ::-1]], 1), np.concatenate([tile[::-1], tile[::-1, ::-1]], 1)]
        )
    reps = SIZE // len(tile) + 1
    return np.tile(tile, (reps, reps, 1))[:SIZE, :SIZE]
