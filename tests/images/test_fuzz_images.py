"""Mutated images of every format: pictures or an error of a known kind, in bounded time; never anything else.

As a script it runs all of them and tells which took longest: `python tests/images/test_fuzz_images.py`.
"""

from __future__ import annotations

import hashlib
import time
from functools import cache
from random import Random

import make_images
import numpy as np
import pytest
from damaged_files import mutated
from PIL import Image

from imagejudge.images.decode import Decoded, decode_image
from imagejudge.images.read import Limits, Source

KINDS = {"not-an-image", "truncated", "corrupt", "too-many-pixels", "unsupported"}
LIMITS = Limits(pixels=1_000_000)
SECONDS = 20.0
"""For one file, with much to spare for a busy machine."""


@cache
def samples() -> dict[str, bytes]:
    """A file of every format and of the kinds that are read by code of our own."""
    noise = Image.fromarray(np.random.default_rng(7).integers(0, 256, (24, 30, 3), np.uint8))
    clear = noise.convert("RGBA")
    clear.putalpha(noise.convert("L"))
    layers = [(clear.crop((0, 0, 20, 16)), (at * 2, at * 2), at % 2, at % 2) for at in range(4)]
    indexes = np.arange(48).reshape(6, 8) % 8
    gif = [(indexes, (0, 0), 2, None), (indexes[:3, :4], (2, 2), 3, 1), (indexes[:0], (0, 0), 0, 0)]
    return make_images.good() | {
        "noise.png": make_images.encode(clear, "PNG"),
        "palette.png": make_images.encode(noise.quantize(16), "PNG", transparency=3),
        "noise.jpg": make_images.encode(noise, "JPEG", progressive=True),
        "inks.jpg": make_images.encode(noise.convert("CMYK"), "JPEG"),
        "turned.jpg": make_images.turned(6, "JPEG"),
        "noise.webp": make_images.encode(clear, "WEBP"),
        "float.tiff": make_images.encode(noise.convert("F"), "TIFF", compression="tiff_lzw"),
        "deep.png": make_images.png_16(np.arange(64).reshape(8, 8) * 999, 0),
        "animation.png": make_images.apng((30, 24), [(clear, (0, 0), 0, 0), *layers[:3]]),
        "animation.webp": make_images.webp_film((30, 24), layers),
        "animation.gif": make_images.gif_film((8, 6), gif, [make_images.RED, make_images.GREEN, make_images.BLUE]),
        "picture.ico": make_images.encode(clear, "ICO", sizes=[(16, 16)], bitmap_format="bmp"),
        "noted.png": make_images.png_with(make_images.good()["image.png"], b"zTXt", b"Comment\0\0rubbish"),
    }


def mended(data: bytes) -> bytes:
    """A PNG whose checksums are right again, so that what stands behind them is reached."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    try:
        return make_images.png_of([(kind, content) for kind, content in make_images.png_parts(data) if kind])
    except Exception:  # no chunks any more
        return data


def check(number: int) -> float:
    """One mutation; how long it took."""
    random = Random(number)
    name = random.choice(sorted(samples()))
    data = mutated(samples()[name], random, list(samples().values()))
    if number % 2:
        data = mended(data)
    started = time.perf_counter()
    result = decode_image(Source(name, data, hashlib.sha256(data).hexdigest()), LIMITS)
    seconds = time.perf_counter() - started
    about = f"mutation {number} of {name}"
    if isinstance(result, Decoded):
        assert 1 <= len(result.frames) <= LIMITS.frames, about
        assert result.facts.width * result.facts.height <= LIMITS.pixels, about
        for frame in result.frames:
            assert len(frame.picture.rgb) == frame.picture.width * frame.picture.height * 3 > 0, about
    else:
        assert result.kind in KINDS, about
        assert result.message.isprintable() and len(result.message) < 300, about  # noqa: PT018 - one thing
    assert seconds < SECONDS, about
    return seconds


def test_some_mutations() -> None:
    for number in range(400):
        check(number)


@pytest.mark.slow
def test_all_mutations() -> None:
    for number in range(400, 4000):
        check(number)


if __name__ == "__main__":
    print(sorted(((check(number), number) for number in range(4000)), reverse=True)[:5])
