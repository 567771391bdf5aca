"""A copy of an image in which regions, or all of it, can no longer be made out. Nothing else of its file is in it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from imagejudge.images.decode import decode_image
from imagejudge.images.picture import Box
from imagejudge.images.read import Limits, Source, Unreadable

if TYPE_CHECKING:
    from PIL import Image

_WHOLE: Final = Box(0.0, 0.0, 1.0, 1.0)
_CELLS: Final = 8
"""What is left of a region is this many colours along its longer side."""
_MARGIN: Final = 1.2
"""How many times as long as the region's the blurred sides are: a box may cut off what it is about."""
_FORMATS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    ".jpg": ("JPEG", {"quality": 90}),
    ".jpeg": ("JPEG", {"quality": 90}),
    ".webp": ("WEBP", {"quality": 90}),
    ".png": ("PNG", {}),
}
"""How a copy is encoded by the end of its name."""


def copy_name(name: str) -> str:
    """The name of a copy: the same, or with `.png` behind it where this is no format that copies are written in."""
    return name if PurePath(name).suffix.lower() in _FORMATS else f"{name}.png"


def censored(source: Source, name: str, regions: Sequence[Box], frame: int, limits: Limits) -> bytes | Unreadable:
    """The bytes of a file called `name`: one upright frame, where each region is a few blurred patches of colour.

    Without regions it is the whole image, and so it is for an animation, whose other frames nobody located anything in.
    """
    decoded = decode_image(source, limits)
    if isinstance(decoded, Unreadable):
        return decoded
    from PIL import Image

    frames = {each.index: each.picture for each in decoded.frames}
    picture = frames.get(frame, decoded.frames[0].picture)
    image = Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)
    for region in regions if regions and decoded.facts.frames == 1 else (_WHOLE,):
        _blur(image, region.grown(_MARGIN))
    format_, options = _FORMATS[PurePath(name).suffix.lower()]
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def _blur(image: Image.Image, region: Box) -> None:
    from PIL import Image

    left, top = int(region.left * image.width), int(region.top * image.height)
    right = max(left + 1, min(image.width, -int(-region.right * image.width // 1)))
    bottom = max(top + 1, min(image.height, -int(-region.bottom * image.height // 1)))
    part = image.crop((left, top, right, bottom))
    longer = max(part.size)
    cells = (max(1, _CELLS * part.width // longer), max(1, _CELLS * part.height // longer))
    patches = part.resize(cells, Image.Resampling.BOX)
    image.paste(patches.resize(part.size, Image.Resampling.BICUBIC), (left, top))
