"""Pictures of Pillow's as the bytes of a file, so that they are judged like any other."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, TypeAlias

from imagejudge.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

    PillowImage: TypeAlias = Image.Image

_IN_PNG = frozenset(("1", "L", "LA", "P", "RGB", "RGBA", "I;16"))
"""Modes that PNG holds as they are."""
_NO_COLOURS = frozenset(("F", "I", "I;16B"))
"""Modes of numbers with no set white: as colours, they would be cut off to all black or all white."""


def as_png(image: object) -> bytes:
    """The current frame, turned as its Exif data asks. Other colours than PNG holds become RGB, as Pillow does it.

    Raises `UsageError` where that is no picture or one that cannot be encoded.
    """
    # Whoever has a picture of Pillow's has loaded Pillow.
    pillow = sys.modules.get("PIL.Image")
    if pillow is None or not isinstance(image, pillow.Image):
        raise UsageError(
            f"cannot judge something of type {type(image).__name__}", "give a path, bytes, or a PIL.Image.Image"
        )
    from PIL import ImageOps

    file = io.BytesIO()
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode in _NO_COLOURS:
            raise ValueError(f"its mode {upright.mode} does not say what is white")
        if upright.mode not in _IN_PNG:
            upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
        upright.save(file, "PNG", compress_level=1)
    except (OSError, ValueError, SyntaxError) as error:
        raise UsageError(f"this picture cannot be encoded as PNG: {error}", "give the bytes of its file") from error
    return file.getvalue()
