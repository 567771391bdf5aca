"""Playing a animation: layers painted on each other from the first on, as browsers do, whichever frames are wanted.

A canvas that is larger than any model looks at is painted on a smaller scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from imagejudge.images.flatten import colored, fitted
from imagejudge.images.layers import Animation, Dispose, Layer

if TYPE_CHECKING:
    from PIL import Image

Unpack: TypeAlias = "Callable[[Layer], Image.Image]"
"""The picture of a layer."""
Place: TypeAlias = tuple[int, int, int, int]


def play(animation: Animation, most: int, wanted: list[int], unpack: Unpack) -> Iterator[tuple[int, Image.Image]]:
    """The canvas, as RGBA, at each wanted index in rising order; it changes when the next one is asked for."""
    from PIL import Image

    size = fitted((animation.width, animation.height), most)
    canvas = Image.new("RGBA", size)
    for index, layer in enumerate(animation.layers[: wanted[-1] + 1]):
        place = _place(layer, animation, size)
        before = canvas.crop(place) if place and layer.dispose is Dispose.RESTORE else None
        if layer.area:
            picture = unpack(layer)  # also where it cannot be seen: it must be whole
            if place:
                _paint(canvas, _cut(picture, layer, animation), place, over=layer.over)
            del picture
        if index in wanted:
            yield index, canvas
        if place and layer.dispose is Dispose.CLEAR:
            canvas.paste((0, 0, 0, 0), place)
        elif before is not None:
            canvas.paste(before, place)


def _place(layer: Layer, animation: Animation, size: tuple[int, int]) -> Place | None:
    """Where a layer lies on the canvas as it is painted; None for what is outside."""
    right, bottom = min(layer.left + layer.width, animation.width), min(layer.top + layer.height, animation.height)
    if not layer.area or layer.left >= right or layer.top >= bottom:
        return None
    across, down = size[0] / animation.width, size[1] / animation.height
    ends = math.ceil(right * across), math.ceil(bottom * down)
    return int(layer.left * across), int(layer.top * down), min(ends[0], size[0]), min(ends[1], size[1])


def _cut(picture: Image.Image, layer: Layer, animation: Animation) -> Image.Image:
    """What of a picture lies on the canvas."""
    width, height = min(layer.width, animation.width - layer.left), min(layer.height, animation.height - layer.top)
    return picture if picture.size == (width, height) else picture.crop((0, 0, width, height))


def _paint(canvas: Image.Image, picture: Image.Image, place: Place, *, over: bool) -> None:
    size = place[2] - place[0], place[3] - place[1]
    colors = colored(picture, size)
    if over and colors.mode == "RGBA":
        canvas.alpha_composite(colors, place[:2])
    else:
        canvas.paste(colors, place)
