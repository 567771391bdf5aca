"""Videos for tests, made by PyAV where that is installed."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from PIL import Image

from imagejudge.images.read import Source
from imagejudge.images.video import INSTALL, pyav

needs_pyav = pytest.mark.skipif(pyav() is None, reason=f"PyAV is not installed: {INSTALL}")

KINDS = {
    "MP4": ("mp4", "libx264"),
    "QuickTime": ("mov", "mpeg4"),
    "Matroska": ("matroska", "mpeg4"),
    "WebM": ("webm", "libvpx"),
    "AVI": ("avi", "mpeg4"),
    "MPEG-TS": ("mpegts", "libx264"),
}
"""Container and encoder."""


def film(
    pictures: Iterable[Image.Image],
    kind: str = "MP4",
    *,
    rate: int = 10,
    times: Sequence[float] | None = None,
    turn: int = 0,
) -> bytes:
    """Pictures, all of one size, at so many a second or at some times in seconds."""
    import av

    form, encoder = KINDS[kind]
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream: Any = container.add_stream(encoder, rate=rate)
        stream.pix_fmt = "yuv420p"
        if turn:
            stream.set_display_rotation(turn)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(pictures):
            if not number:
                stream.width, stream.height = picture.size
            frame = av.VideoFrame.from_image(picture)
            if times is not None:
                frame.pts, frame.time_base = round(times[number] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def plain(shade: int | tuple[int, int, int], size: tuple[int, int] = (64, 48)) -> Image.Image:
    """One colour, or grey."""
    return Image.new("RGB", size, (shade,) * 3 if isinstance(shade, int) else shade)


@cache
def shades(kind: str = "MP4", seconds: int = 6, rate: int = 10) -> bytes:
    """Each second in another grey: 20, 40, 60 ..."""
    return film([plain(20 + 20 * (at // rate)) for at in range(seconds * rate)], kind, rate=rate)


def source(data: bytes) -> Source:
    return Source("film", data, hashlib.sha256(data).hexdigest())
