"""Small pictures for pages. Neither a file's bytes nor what it says about itself get into them."""

from __future__ import annotations

from io import BytesIO

from imagejudge.images.decode import decode_image
from imagejudge.images.picture import Picture
from imagejudge.images.read import Limits, Source, Unreadable
from imagejudge.images.video.reader import is_video, video_frame


def webp(picture: Picture, side: int, quality: int) -> bytes:
    """A picture as WebP, its longer side at most `side` pixels."""
    from PIL import Image

    image = Image.frombuffer("RGB", (picture.width, picture.height), picture.rgb)
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    file = BytesIO()
    image.save(file, "WEBP", quality=quality)
    return file.getvalue()


def judged_picture(source: Source | Unreadable, sha256: str | None, frame: int, limits: Limits) -> Picture | Unreadable:
    """The frame that a verdict is about, or why it cannot be shown; that the file is another one now, for example."""
    if isinstance(source, Unreadable):
        return source
    if source.sha256 != sha256:
        return Unreadable("changed", "the file was changed since it was judged", source.sha256)
    return frame_of(source, frame, limits)


def frame_of(source: Source, frame: int, limits: Limits) -> Picture | Unreadable:
    """One frame of an image, the first where it was not sampled, or of a video; or why it cannot be shown."""
    if is_video(source):
        return video_frame(source, frame, limits)
    decoded = decode_image(source, limits)
    if isinstance(decoded, Unreadable):
        return decoded
    frames = {each.index: each.picture for each in decoded.frames}
    return frames.get(frame, decoded.frames[0].picture)
