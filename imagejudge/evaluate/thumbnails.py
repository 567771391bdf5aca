"""Small pictures for a page: an image made little, written anew as JPEG and put into a data URI.

Nothing of the file itself gets onto the page, neither its bytes nor what it says about itself.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from imagejudge.evaluate.image_views import subject_of
from imagejudge.evaluate.labels import Item
from imagejudge.evaluate.metrics import Case
from imagejudge.images.picture import Picture
from imagejudge.images.read import Limits, Unreadable

SIDE = 160
"""Most pixels of the longer side."""
_QUALITY = 70


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture as a `data:` address."""

    uri: str
    width: int
    height: int


def thumbnail(case: Case, image: Path | bytes | None, limits: Limits) -> Thumbnail | Unreadable:
    """The frame that a verdict is about, or why it cannot be shown."""
    if image is None:
        return Unreadable("missing", "the image is no longer there")
    subject = subject_of(Item(case.label, image), limits)
    if isinstance(subject, Unreadable):
        return subject
    if case.verdict.sha256 not in (None, subject.sha256):
        return Unreadable("changed", "the file was changed since it was judged")
    frames = {frame.index: frame.picture for frame in subject.frames}
    return _small(frames.get(case.verdict.frame or 0, subject.frames[0].picture))


def _small(picture: Picture) -> Thumbnail:
    from PIL import Image

    image = Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)
    image.thumbnail((SIDE, SIDE))
    file = BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return Thumbnail(f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}", *image.size)
