"""From a file's bytes to pictures: 8-bit RGB, upright, over a ground in which they can be seen.

Files are hostile here: whatever they hold, the outcome is pictures or an `Unreadable`, in bounded memory and time.
Knows nothing of where files come from or what becomes of the pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from imagejudge.common.extras import how_to_install
from imagejudge.common.memory_budget import Budget
from imagejudge.images import gif, icon, jpeg, png, tiff, webp
from imagejudge.images.animation import play
from imagejudge.images.flatten import fitted, ground_of, laid
from imagejudge.images.formats import Refused, sniff
from imagejudge.images.layers import Animation, Layer
from imagejudge.images.picture import FRAME_PIXELS, Picture
from imagejudge.images.pillow_reader import NO_MEMORY, available, guarded, loaded, opened, settings, unpacked
from imagejudge.images.planes import bytes_per_pixel
from imagejudge.images.read import Limits, Source, Unreadable
from imagejudge.verdict import Ground, ImageFacts

if TYPE_CHECKING:
    from PIL import Image

DECODE_VERSION: Final = 4
"""Raised with every change after which a model may see other pixels of the same file: older answers are void then."""

# An animation can only be played from its start, so work on it is bounded by looking at its beginning alone: this many
# frames, or fewer when they are large (480 of 1920 x 1080), which is ten seconds of work at worst.
_PLAYED_FRAMES: Final = 10_000
_PLAYED_PIXELS: Final = 1_000_000_000
# A JPEG may go over its picture several times: a progressive one does about ten times, another once for each channel.
# Each time costs the decoder the whole picture again, but the file as little as 10 bytes, so a small file could take
# days. libjpeg sets no limit; libtiff, for JPEG within TIFF, this one.
_JPEG_PASSES: Final = 100
# Larger pictures are scaled down, and frames that are larger than `FRAME_PIXELS`: no model looks at as many pixels, and
# several of them would fill the memory. The size depends on the file alone, so that an answer about a frame stays good
# whichever others are sampled.
_STILL_PIXELS: Final = 40_000_000
# All sampled frames of a file are in memory at once, in three bytes a pixel.
_KEPT_PIXELS: Final = 100_000_000
# libjpeg can unpack a JPEG at half its size, which spares a large one three quarters of the memory.
_HALVED_JPEG: Final = 60_000_000

_BYTES_PER_PIXEL: Final = {"JPEG": 7, "WEBP": 8, "AVIF": 10, "HEIF": 10, "GIF": 2, "ICO": 9}
"""What unpacking takes at most, measured; 4 or 5 for formats that are not listed."""
# Of an image at the default limit of pixels, decoding may take 1.2 GB in all.
_MOST_PER_PIXEL: Final = 10.5
_ALWAYS_ALLOWED: Final = 1_050_000_000
_budget = Budget(1_100_000_000)


@dataclass(frozen=True, slots=True)
class Frame:
    """One sampled frame of an animation, or page; a still image has one, of index 0."""

    index: int
    picture: Picture
    ground: Ground | None = None
    """What was laid below it; None where nothing is transparent."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a file turned out to be, and its sampled frames in order, at least one."""

    facts: ImageFacts
    """The ground is that of the first frame."""
    frames: tuple[Frame, ...]


def decode_image(source: Source, limits: Limits) -> Decoded | Unreadable:
    """The evenly sampled frames of an image, first and last included.

    Of an animation longer than 10,000 frames or 1,000,000,000 pixels, only that much from its start is sampled.
    Waits while other threads decode so much that there would be no memory for it.
    """
    try:
        format_ = sniff(source.data)
        with settings(limits.pixels):
            return _decode(source.data, format_, limits)
    except Refused as refused:
        return Unreadable(refused.kind, refused.message, source.sha256)
    except MemoryError:
        return Unreadable("too-many-pixels", NO_MEMORY, source.sha256)


def _decode(data: bytes, format_: str, limits: Limits) -> Decoded:
    if not available(format_):
        advice = how_to_install("heif") if format_ == "HEIF" else "pip install -U pillow"
        raise Refused("unsupported", f"reading {format_} needs one more package: {advice}")
    match format_:
        case "GIF":
            return _played(gif.animation(data, _PLAYED_FRAMES), format_, len(data), limits)
        case "PNG":
            parsed = png.parse(data)
            if animation := parsed.animation():
                return _played(animation, format_, len(data), limits)
            return _png(parsed, format_, limits)
        case "WEBP":
            return _webp(webp.parse(data), len(data), limits)
        case "ICO":
            data, inside = icon.largest(data)
            return _png(png.parse(data), format_, limits) if inside == "PNG" else _turned(data, format_, limits)
        case "JPEG":
            return _jpeg(*jpeg.clean(data), limits)
        case "TIFF":
            data, turns = tiff.clean(data)
            return _turned(data, format_, limits, turns)
    return _turned(data, format_, limits)


def _png(file: png.Png, format_: str, limits: Limits) -> Decoded:
    return _turned(file.still(), format_, limits, (tiff.orientation(file.exif),), reader="PNG")


def _jpeg(data: bytes, exif: bytes, limits: Limits) -> Decoded:
    turns = (tiff.orientation(exif),)
    try:
        return _turned(data, "JPEG", limits, turns)
    except Refused as refused:
        if refused.kind != "truncated":
            raise
        one, other = (_turned(file, "JPEG", limits, turns) for file in jpeg.ended(data))
        if one != other:
            raise
        return one


def _webp(file: webp.WebP, length: int, limits: Limits) -> Decoded:
    if animation := file.animation():
        return _played(animation, "WEBP", length, limits)
    data = file.still()
    _check_size(webp.dimensions(data), limits)
    try:
        return _turned(data, "WEBP", limits, (tiff.orientation(file.exif),))
    except Refused as refused:
        if file.cut and refused.kind == "corrupt":
            raise webp.ends_early() from refused
        raise


def _played(animation: Animation, format_: str, length: int, limits: Limits) -> Decoded:
    """An animation, or one picture on a canvas."""
    size = animation.width, animation.height
    _check_size(size, limits)
    played = _played_layers(animation.layers)
    for layer in played:
        if layer.area:
            _check_size((layer.width, layer.height), limits)

    def unpack(layer: Layer) -> Image.Image:
        image = unpacked(layer.file(), format_)
        if image.size != (layer.width, layer.height):
            raise Refused("corrupt", f"a frame of the {format_} has not the size it says; replace the file")
        return image

    turn, most = tiff.orientation(animation.exif), _most(len(animation.layers))
    indexes = _sample(len(played), size[0] * size[1], most, limits)
    with _budget.room(_need(format_, max(layer.area for layer in played), most, length)):
        canvases = play(animation, most, indexes, unpack)
        frames = [_frame(canvas, index, turn, most, format_) for index, canvas in canvases]
    return _decoded(_upright(size, turn), format_, len(animation.layers), frames)


def _played_layers(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Those that are looked at, from the first on."""
    played = pixels = 0
    for layer in layers[:_PLAYED_FRAMES]:
        pixels += layer.area
        if played and pixels > _PLAYED_PIXELS:
            break
        played += 1
    return layers[:played]


def _turned(
    data: bytes, format_: str, limits: Limits, turns: Sequence[int] = (), *, reader: str | None = None
) -> Decoded:
    """A still picture, or pages that stand for themselves and can be turned to.

    `turns` has the orientation of each, in formats whose reader is not told it.
    """
    reader = reader or format_
    image = opened(data, reader)
    size = image.size
    _check_size(size, limits)
    if reader == "JPEG":
        _begin_jpeg(image, data)
    total = len(turns) or max(1, int(getattr(image, "n_frames", 1)))
    area, most = size[0] * size[1], _most(total)
    frames: list[Frame] = []
    kept = 0
    deep = bytes_per_pixel(reader, data, len(image.getbands()))
    with _budget.room(_need(format_, area, most, len(data), deep)):
        for index in _sample(min(total, _PLAYED_FRAMES), area, most, limits):
            page = _page(image, index, data, reader, limits)
            turn = turns[index] if turns else tiff.orientation(page.info.get("exif") or b"")
            if not frames:
                size = _upright(size if reader == "JPEG" else page.size, turn)
            frames.append(_frame(page, index, turn, most, format_))
            kept += len(frames[-1].picture.rgb) // 3
            if kept > max(_KEPT_PIXELS, limits.pixels):  # pages that grow
                raise Refused("too-many-pixels", "its pages are too large together; look at fewer with `frames`")
    return _decoded(size, format_, total, frames)


def _page(image: Image.Image, index: int, data: bytes, reader: str, limits: Limits) -> Image.Image:
    """One page, unpacked. Pages must be asked for in order."""
    with guarded(reader):
        if index or image.tell():
            image.seek(index)
    _check_size(image.size, limits)
    if reader == "TIFF":
        _check_blocks(image, limits)
    _check_planes(image, data, reader, limits)
    image = loaded(image, data, reader)
    _check_size(image.size, limits)  # some formats show their true size only now
    if reader in ("BMP", "DIB", "ICO") and image.mode == "RGBA" and image.getchannel("A").getextrema()[1] == 0:
        return image.convert("RGB")  # the fourth byte of a pixel was never meant as alpha
    return image


def _begin_jpeg(image: Image.Image, data: bytes) -> None:
    if jpeg.passes(data) > _JPEG_PASSES:
        raise Refused("corrupt", "goes over its picture too often, as only attacks do; save it again in an editor")
    if image.width * image.height > _HALVED_JPEG:
        image.draft(None, (image.width // 2, image.height // 2))


def _check_size(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width * height > limits.pixels:
        raise Refused(
            "too-many-pixels",
            f"{width} x {height} is more than {limits.pixels:,} pixels; raise the limit with `max_pixels`",
        )
    if not width or not height:
        raise Refused("corrupt", "the image has no pixels; replace the file")


def _allowed(limits: Limits) -> float:
    """Bytes that unpacking one picture may take."""
    return max(_MOST_PER_PIXEL * limits.pixels, _ALWAYS_ALLOWED)


def _check_blocks(image: Any, limits: Limits) -> None:
    """A TIFF is unpacked in blocks of any size, beside the picture."""
    tags, block = image.tag_v2, 0
    with suppress(Exception):  # damaged tags; unpacking will tell
        across, down = tags.get(322, image.width), tags.get(323, min(tags.get(278, image.height), image.height))
        samples = 1 if tags.get(284) == 2 else tags.get(277, 1)
        block = across * down * samples * max(tags.get(258, (1,))) // 8
    if block + 4 * image.width * image.height > _allowed(limits):
        raise Refused(
            "too-many-pixels",
            "is stored in blocks that need too much memory; save it again, or raise the limit with `max_pixels`",
        )


def _check_planes(image: Image.Image, data: bytes, format_: str, limits: Limits) -> None:
    if bytes_per_pixel(format_, data, len(image.getbands())) * image.width * image.height > _allowed(limits):
        raise Refused(
            "too-many-pixels",
            "has a depth that needs too much memory; save it with 8 bits, or raise the limit with `max_pixels`",
        )


def _most(total: int) -> int:
    """Pixels of a frame that are kept."""
    return _STILL_PIXELS if total == 1 else FRAME_PIXELS


def _need(format_: str, area: int, most: int, length: int, deep: float = 0.0) -> int:
    """About how many bytes it takes to unpack a picture and to lay it on its ground, by what its file says.

    `deep` is what its depth takes, in bytes a pixel.
    """
    return int(max(_BYTES_PER_PIXEL.get(format_, 5), deep) * area) + 10 * min(area, most) + 2 * length


def _sample(played: int, area: int, most: int, limits: Limits) -> list[int]:
    """Indexes of the frames to look at, in order, the first always among them."""
    wanted = max(1, min(played, limits.frames, _KEPT_PIXELS // min(area, most)))
    return [at * (played - 1) // max(1, wanted - 1) for at in range(wanted)]


def _frame(image: Image.Image, index: int, turn: int, most: int, format_: str) -> Frame:
    """What the model sees of a picture."""
    with guarded(format_):
        ground = ground_of(image)
        flat = laid(image, ground, fitted(image.size, most))
        if turn in _TURNS:
            flat = flat.transpose(_TURNS[turn])
        return Frame(index, Picture(flat.width, flat.height, flat.tobytes()), ground)


def _decoded(size: tuple[int, int], format_: str, total: int, frames: list[Frame]) -> Decoded:
    facts = ImageFacts(width=size[0], height=size[1], format=format_, frames=total, ground=frames[0].ground)
    return Decoded(facts, tuple(frames))


_TURNS: Final[dict[int, Any]] = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""EXIF orientation to the number of Pillow's Transpose that undoes it."""


def _upright(size: tuple[int, int], turn: int) -> tuple[int, int]:
    return size[::-1] if turn in (5, 6, 7, 8) else size
