"""From a Pillow image of any kind to 8-bit RGB without transparency, in strips: a copy of the whole is never made.

Knows pixels, not files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from imagejudge.verdict import Ground

_STRIP: Final = 1_000_000
"""Pixels that are worked on at once."""
_FAINT: Final = 32
"""Steps of 255: what differs less from its ground in every channel is not seen."""
_GROUNDS: Final[dict[Ground, tuple[int, int, int]]] = {"white": (255, 255, 255), "grey": (128, 128, 128)}

Paint: TypeAlias = "Callable[[Image.Image], Image.Image]"
"""Makes RGB or RGBA of a strip."""


def fitted(size: tuple[int, int], most: int) -> tuple[int, int]:
    """The size of a picture that keeps its shape and has about `most` pixels, if it has more."""
    width, height = size
    if width * height <= most:
        return size
    scale = (most / (width * height)) ** 0.5
    width = min(max(1, int(width * scale)), most)
    return width, max(1, min(int(height * scale), most // width))


def colored(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """As RGB, or RGBA where it is transparent, scaled down to a size."""
    paint = painter(image)
    mode = paint(image.crop((0, 0, 1, 1))).mode
    return _worked(image, size, mode, paint)


def ground_of(image: Image.Image) -> Ground | None:
    """What to lay below a picture so that it can be seen; None where nothing is transparent.

    White, as most viewers do, unless more than half of what is visible would vanish in it: then grey.
    """
    paint = painter(image)
    visible = vanishing = 0
    clear = False
    for strip in _strips(image):
        colors = paint(strip)
        if colors.mode != "RGBA":
            return None
        red, green, blue, alpha = colors.split()
        weights = alpha.histogram()
        clear = clear or sum(weights[:255]) > 0
        visible += _sum(weights)
        vanishing += _sum(alpha.histogram(_lost_in_white(red, green, blue, alpha)))
    if not clear:
        return None
    return "grey" if 2 * vanishing > visible else "white"


def laid(image: Image.Image, ground: Ground | None, size: tuple[int, int]) -> Image.Image:
    """The picture over its ground, as RGB, scaled down to a size."""
    from PIL import Image

    paint = painter(image)
    if ground is None and image.mode == "RGB" and image.size == size and not image.has_transparency_data:
        return image

    def over(strip: Image.Image) -> Image.Image:
        colors = paint(strip)
        if colors.mode != "RGBA":
            return colors
        below = Image.new("RGB", colors.size, _GROUNDS[ground or "white"])
        below.paste(colors, mask=colors)
        return below

    return _worked(image, size, "RGB", over)


def painter(image: Image.Image) -> Paint:
    """How strips of this image become RGB or RGBA."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _deep(image)
    return _plain


def _plain(image: Image.Image) -> Image.Image:
    if image.mode in ("La", "RGBa"):  # colours already multiplied by alpha
        image = image.convert(image.mode.upper())
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _worked(image: Image.Image, size: tuple[int, int], mode: str, work: Paint) -> Image.Image:
    from PIL import Image

    if image.size == size and size[0] * size[1] <= _STRIP:
        return work(image)
    out = Image.new(mode, size)
    step = max(1, _STRIP * size[1] // (image.width * image.height))
    scale = image.height / size[1]
    for top in range(0, size[1], step):
        bottom = min(top + step, size[1])
        first, last = top * scale, min(bottom * scale, image.height)
        start = int(first)
        strip = work(image.crop((0, start, image.width, min(-int(-last // 1), image.height))))
        if image.size != size:
            box = (0, first - start, image.width, min(last - start, strip.height))
            strip = strip.resize((size[0], bottom - top), Image.Resampling.BOX, box)
        out.paste(strip, (0, top))
    return out


def _strips(image: Image.Image) -> Iterator[Image.Image]:
    rows = max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


def _lost_in_white(red: Image.Image, green: Image.Image, blue: Image.Image, alpha: Image.Image) -> Image.Image:
    """A mask of the pixels that white would swallow though they are light: faint shadows vanish in any ground."""
    from PIL import ImageChops

    darkness = ImageChops.invert(ImageChops.darker(ImageChops.darker(red, green), blue))
    light = darkness.point(lambda value: 255 if value < 64 else 0)
    faint = ImageChops.multiply(darkness, alpha).point(lambda value: 255 if value < _FAINT else 0)
    return ImageChops.multiply(light, faint)


def _sum(histogram: list[int]) -> int:
    return sum(value * count for value, count in enumerate(histogram))


def _deep(image: Image.Image) -> Paint:
    """Grey of more than 8 bits to 8, which Pillow itself would cut off at 255.

    Whole numbers lose their lower bits. Measurements without a scale (32-bit, signed or floating point) are stretched
    from the least to the greatest, except for floating point within 0 to 1, where 1 is white.
    """
    import numpy as np  # a tenth of a second, and only deep pictures need it
    from PIL import Image

    tags = getattr(image, "tag_v2", {})
    inverted = tags.get(262) == 0  # zero is white
    clear = image.info.get("transparency")
    shift, low, high = 0, 0.0, 0.0
    if image.mode.startswith("I;16") or (image.format == "PPM" and image.mode == "I"):
        shift = 4 if tags.get(258) == (12,) else 8
    else:
        low, high = _range(image)

    def paint(strip: Image.Image) -> Image.Image:
        values = np.asarray(strip)
        grey = (values >> shift).astype(np.uint8) if shift else _stretched(values, low, high)
        plain = Image.fromarray(255 - grey if inverted else grey).convert("RGB")
        if isinstance(clear, int):
            plain.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
        return plain

    return paint


def _range(image: Image.Image) -> tuple[float, float]:
    """What becomes black and what becomes white."""
    import numpy as np

    low, high = np.inf, -np.inf
    for strip in _strips(image):
        values = np.asarray(strip).astype(np.float32)
        if (known := values[np.isfinite(values)]).size:
            low, high = min(low, float(known.min())), max(high, float(known.max()))
    return (0.0, 1.0) if low > high or (low >= 0 and high <= 1) else (low, high)


def _stretched(values: np.ndarray[Any, Any], low: float, high: float) -> np.ndarray[Any, np.dtype[np.uint8]]:
    import numpy as np

    with np.errstate(all="ignore"):
        scaled = (values.astype(np.float32) - low) * (255 / max(high - low, 1e-30))
    eight: np.ndarray[Any, np.dtype[np.uint8]] = np.nan_to_num(scaled, nan=0).clip(0, 255).round().astype(np.uint8)
    return eight
