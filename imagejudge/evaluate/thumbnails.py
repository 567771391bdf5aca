"""Small pictures for a page: an image scaled down, encoded as JPEG and put into a data URI.

Nothing of the file itself gets onto the page, neither its bytes nor what it says about itself.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO

from imagejudge.evaluate.metrics import Case
from imagejudge.images.picture import Picture
from imagejudge.images.read import Limits, Unreadable
from imagejudge.images.ref import ImageRef, source_of
from imagejudge.images.thumbnail import frame_of

SIDE = 160
"""Most pixels of the longer side."""
_QUALITY = 70


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture as a `data:` address."""

    uri: str
    width: int
    height: int


def thumbnail(case: Case, ref: ImageRef | None, limits: Limits) -> Thumbnail | Unreadable:
    """The frame that a verdict is about, or why it cannot be shown."""
    if ref is None:
        return Unreadable("missing", "the image is no longer there")
    source = source_of(ref, limits)
    if isinstance(source, Unreadable):
        return source
    if case.verdict.sha256 not in (None, source.sha256):
        return Unreadable("changed", "the file was changed since it was judged")
    picture = frame_of(source, case.verdict.frame or 0, limits)
    return picture if isinstance(picture, Unreadable) else _small(picture)


def _small(picture: Picture) -> Thumbnail:
    from PIL import Image

    image = Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)
    image.thumbnail((SIDE, SIDE))
    file = BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return Thumbnail(f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}", *image.size)
