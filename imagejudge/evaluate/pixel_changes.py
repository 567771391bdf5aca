"""Changes to the pixels of a picture that cover nothing: noise, compression, colours, crops. Knows nothing of names."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

_JPEG_SIDE = 65_500
"""Pixels; libjpeg writes no longer sides."""
_AT_ONCE = 3_000_000
"""Values that noise is drawn for in one go."""


def gaussian(image: Image.Image, deviation: float, random: np.random.Generator) -> Image.Image:
    """Noise on every value of every pixel; `deviation` is a share of the whole range."""
    from PIL import Image

    values = np.frombuffer(image.tobytes(), np.uint8).copy()
    for start in range(0, len(values), _AT_ONCE):
        part = values[start : start + _AT_ONCE]
        part[:] = (part + random.normal(0, deviation * 255, len(part))).round().clip(0, 255)
    return Image.frombuffer("RGB", image.size, values.tobytes())


def jpeg(image: Image.Image, quality: float) -> Image.Image:
    """Written as JPEG of that quality, from 1 to 95, and read again."""
    from PIL import Image

    size = image.size
    if max(size) > _JPEG_SIDE:
        image = image.resize((min(size[0], _JPEG_SIDE), min(size[1], _JPEG_SIDE)))
    file = BytesIO()
    image.save(file, "JPEG", quality=int(quality))
    read = Image.open(file)
    read.load()
    return read if read.size == size else read.resize(size)


def jpeg_twice(image: Image.Image, quality: float) -> Image.Image:
    """Written as JPEG, halved, written again and doubled, as a picture that was shared on."""
    half = max(1, image.width // 2), max(1, image.height // 2)
    return jpeg(jpeg(image, quality).resize(half), quality).resize(image.size)


def blur(image: Image.Image, deviation: float) -> Image.Image:
    """Gaussian blur; `deviation` in pixels."""
    from PIL import ImageFilter

    return image.filter(ImageFilter.GaussianBlur(deviation))


def resize(image: Image.Image, factor: float) -> Image.Image:
    """Scaled by that factor and back, so that only detail is lost."""
    small = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    return image.resize(small).resize(image.size)


def crop(image: Image.Image, share: float) -> Image.Image:
    """The middle, with that share of each side."""
    width, height = max(1, round(image.width * share)), max(1, round(image.height * share))
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def cut(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """What is left when these shares of width and height, each below one half, are cut off at the sides."""
    x, y = int(left * image.width), int(top * image.height)
    return image.crop((x, y, image.width - int(right * image.width), image.height - int(bottom * image.height)))


def rotate(image: Image.Image, degrees: float) -> Image.Image:
    """Turned to the left about its middle; corners are filled with the mean colour."""
    from PIL.Image import Resampling

    red, green, blue = (round(mean) for mean in _means(image))
    return image.rotate(degrees, Resampling.BICUBIC, fillcolor=(red, green, blue))


def flip(image: Image.Image, direction: str) -> Image.Image:
    """Mirrored, `horizontal` as in a mirror on the wall, or `vertical` as in water."""
    from PIL import ImageOps

    return ImageOps.mirror(image) if direction == "horizontal" else ImageOps.flip(image)


def grey(image: Image.Image, share: float) -> Image.Image:
    """Colours taken away: 1 leaves none."""
    from PIL import ImageEnhance

    return ImageEnhance.Color(image).enhance(1 - share)


def hue(image: Image.Image, degrees: float) -> Image.Image:
    """All colours turned around the colour circle: by 120 red becomes green."""
    from PIL import Image

    turn = round(degrees / 360 * 256)
    hues, saturation, value = image.convert("HSV").split()
    turned = hues.point([(each + turn) % 256 for each in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def _means(image: Image.Image) -> list[float]:
    from PIL import ImageStat

    return ImageStat.Stat(image).mean
