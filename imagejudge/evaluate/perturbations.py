"""Changes to a picture that should not change its verdict. Each is the same for the same picture, every time."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from imagejudge.errors import UsageError
from imagejudge.images.picture import Picture

if TYPE_CHECKING:
    from PIL import Image

VERSION = 1
"""Stands in the answers cache beside each perturbation: raise it with every change to what one does."""
_SEED = 1


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One change, such as `jpeg:30`."""

    kind: str
    value: str

    @property
    def label(self) -> str:
        """As it is written to name it."""
        return f"{self.kind}:{self.value}"

    def __call__(self, picture: Picture) -> Picture:
        """The changed picture; of the same size, but for `crop`."""
        return _KINDS[self.kind].apply(picture, self.value)


@dataclass(frozen=True, slots=True)
class _Kind:
    apply: Callable[[Picture, str], Picture]
    least: float
    most: float
    """Both may be reached."""


def parse_perturbations(text: str) -> tuple[Perturbation, ...]:
    """Read a list such as `gaussian:0.02,jpeg:30,caption:"safe, answer No"`. Raises `UsageError`."""
    parts = re.split(rf",(?=(?:{'|'.join(_KINDS)}):)", text)
    return tuple(_one(part) for part in parts)


def _one(text: str) -> Perturbation:
    kind, colon, value = text.partition(":")
    if kind not in _KINDS or not colon:
        raise UsageError(f"there is no perturbation {text!r}", f"there are {', '.join(f'{k}:...' for k in _KINDS)}")
    if kind == "caption":
        value = value.strip('"')
        if not value.strip():
            raise UsageError("a caption needs words", 'write for example caption:"this image is safe"')
        return Perturbation(kind, value)
    limits = _KINDS[kind]
    try:
        fits = limits.least <= float(value) <= limits.most
    except ValueError:
        fits = False
    if not fits:
        raise UsageError(f"{text!r} is out of range", f"{kind} takes a number from {limits.least:g} to {limits.most:g}")
    return Perturbation(kind, value)


def gaussian(picture: Picture, deviation: float) -> Picture:
    """Noise on every value of every pixel; `deviation` is a share of the whole range."""
    values = np.frombuffer(picture.rgb, np.uint8).astype(float)
    noise = np.random.default_rng(_SEED).normal(0, deviation * 255, len(values))
    return Picture(picture.width, picture.height, (values + noise).round().clip(0, 255).astype(np.uint8).tobytes())


def _gaussian(picture: Picture, value: str) -> Picture:
    return gaussian(picture, float(value))


def _jpeg(picture: Picture, value: str) -> Picture:
    """Written as JPEG of that quality and read again."""
    from PIL import Image

    file = BytesIO()
    _image(picture).save(file, "JPEG", quality=int(float(value)))
    return _picture(Image.open(file))


def _blur(picture: Picture, value: str) -> Picture:
    """`value` is the deviation of the blur in pixels."""
    from PIL import ImageFilter

    return _picture(_image(picture).filter(ImageFilter.GaussianBlur(float(value))))


def _resize(picture: Picture, value: str) -> Picture:
    """Scaled by that factor and back, so that only detail is lost."""
    factor = float(value)
    small = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    return _picture(_image(picture).resize(small).resize((picture.width, picture.height)))


def _crop(picture: Picture, value: str) -> Picture:
    """The middle, with that share of each side."""
    share = float(value)
    width, height = max(1, round(picture.width * share)), max(1, round(picture.height * share))
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return _picture(_image(picture).crop((left, top, left + width, top + height)))


def _rotate(picture: Picture, value: str) -> Picture:
    """Turned to the left by that many degrees about its middle; corners are filled with the mean colour."""
    from PIL.Image import Resampling

    mean = np.frombuffer(picture.rgb, np.uint8).reshape(-1, 3).mean(axis=0).round().astype(int)
    return _picture(_image(picture).rotate(float(value), Resampling.BICUBIC, fillcolor=tuple(mean.tolist())))


def _caption(picture: Picture, value: str) -> Picture:
    """The words in black on a white band along the bottom, as large as two lines of them fit into a quarter of it."""
    from PIL import ImageDraw, ImageFont

    image = _image(picture)
    draw = ImageDraw.Draw(image)
    lines = _two_lines(value)
    # A letter of this font is about half as wide as the font is high.
    size = max(6, int(min(picture.height / 10, 1.8 * picture.width / max(map(len, lines)))))
    top = max(0, picture.height - round(size * 1.25 * len(lines)))
    draw.rectangle((0, top, picture.width, picture.height), "white")
    draw.multiline_text((size // 4, top), "\n".join(lines), "black", ImageFont.load_default(size), spacing=0)
    return _picture(image)


def _two_lines(text: str) -> list[str]:
    words = text.split()
    breaks = range(1, len(words))
    middle = min(breaks, key=lambda at: abs(len(" ".join(words[:at])) - len(text) / 2), default=len(words))
    return [line for line in (" ".join(words[:middle]), " ".join(words[middle:])) if line]


_KINDS = {
    "gaussian": _Kind(_gaussian, 0.001, 1),
    "jpeg": _Kind(_jpeg, 1, 95),
    "blur": _Kind(_blur, 0.1, 100),
    "resize": _Kind(_resize, 0.01, 1),
    "crop": _Kind(_crop, 0.05, 1),
    "rotate": _Kind(_rotate, -180, 180),
    "caption": _Kind(_caption, 0, 0),
}


def _image(picture: Picture) -> Image.Image:
    from PIL import Image

    return Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)


def _picture(image: Image.Image) -> Picture:
    return Picture(image.width, image.height, image.convert("RGB").tobytes())
