"""From a file's bytes to pictures: 8-bit RGB, upright, over white. The only module that knows Pillow.

Files are hostile here: whatever they hold, the outcome is pictures or an `Unreadable`, in bounded memory and time.
Knows nothing of where files come from or what becomes of the pictures.
"""

from __future__ import annotations

import ctypes
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from imagejudge.formats import PLUGINS, Refused, sniff
from imagejudge.picture import Picture
from imagejudge.source import Limits, Source, Unreadable
from imagejudge.verdict import ImageFacts

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

# An animation can only be played from its start, so work on it is bounded by looking at its beginning alone: this many
# frames, or fewer when they are large (480 of 1920 x 1080), which is ten seconds of work at worst.
_PLAYED_FRAMES: Final = 10_000
_PLAYED_PIXELS: Final = 1_000_000_000
# Pages can be turned to directly, but only counted by reading what is said about each, which may be long.
_COUNTED_PAGES: Final = 1000
# A progressive JPEG goes over its picture about ten times. Each time costs the decoder the whole picture again, but
# the file as little as 30 bytes, so a small file could take days.
_JPEG_PASSES: Final = 100
# All sampled frames of a file are in memory at once, in three bytes a pixel.
_KEPT_PIXELS: Final = 200_000_000

_NO_MEMORY: Final = "needs more memory than there is; scale the image down"

# Pillow logs some complaints about files; without a handler of its own, logging would print them to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Frame:
    """One sampled frame of an animation, or page; a still image has one, of index 0."""

    index: int
    picture: Picture


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a file turned out to be, and its sampled frames in order, at least one."""

    facts: ImageFacts
    frames: tuple[Frame, ...]


def decode(source: Source, limits: Limits) -> Decoded | Unreadable:
    """The evenly sampled frames of an image, first and last included.

    Of an animation longer than 10,000 frames or 1,000,000,000 pixels, only that much from its start is sampled.
    """
    try:
        format_ = sniff(source.data)
        with _settings(limits):
            return _decode(source.data, format_, limits)
    except Refused as refused:
        return Unreadable(refused.kind, refused.message, source.sha256)
    except MemoryError:
        return Unreadable("too-many-pixels", _NO_MEMORY, source.sha256)


@cache
def _available(format_: str) -> bool:
    """Load the one Pillow plugin that reads a format; False when this installation has none."""
    if format_ == "HEIF":
        try:
            import_module("pillow_heif").register_heif_opener()
        except ImportError:
            return False
        return True
    plugin = import_module(f"PIL.{PLUGINS[format_]}")
    if format_ == "TIFF":
        # libtiff prints its complaints to stderr by itself, and Pillow offers no way to stop it.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(import_module("PIL._imaging").__file__).TIFFSetErrorHandler(None)
    return bool(getattr(plugin, "SUPPORTED", True))


_lock = threading.Lock()
_inside = 0
_outside: tuple[warnings.catch_warnings[None], int | None]


@contextmanager
def _settings(limits: Limits) -> Iterator[None]:
    """Pillow's size limit set to ours and its warnings off, for as long as any thread decodes.

    Both belong to the whole process, so the first thread in sets them and the last one out puts them back.
    """
    from PIL import Image

    global _inside, _outside
    wanted = -(-limits.pixels // 2)  # Pillow warns at its limit, and refuses at twice that
    with _lock:
        if not _inside:
            _outside = warnings.catch_warnings(), Image.MAX_IMAGE_PIXELS
            _outside[0].__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.|pillow_heif\.")
            Image.MAX_IMAGE_PIXELS = wanted
        Image.MAX_IMAGE_PIXELS = max(wanted, Image.MAX_IMAGE_PIXELS or 0)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _outside[0].__exit__(None, None, None)
                Image.MAX_IMAGE_PIXELS = _outside[1]


@contextmanager
def _pillow(format_: str) -> Iterator[None]:
    """Around calls of Pillow and nothing else: on hostile bytes it raises almost anything."""
    try:
        yield
    except Exception as error:
        raise _explain(error, format_) from error


_CUT: Final = re.compile("truncat|incomplete|insufficient|end of file|not enough|unpack|cannot read full", re.I)
_STRANGE: Final = re.compile("unsupport|not support|unknown .*mode|unknown data organization|no decoder", re.I)


def _explain(error: Exception, format_: str) -> Refused:
    from PIL.Image import DecompressionBombError

    if isinstance(error, DecompressionBombError):
        return Refused("too-many-pixels", "holds more pixels than allowed; raise the limit with --max-pixels")
    if isinstance(error, MemoryError):
        return Refused("too-many-pixels", _NO_MEMORY)
    words = str(error)
    # struct's words about its buffers help nobody.
    detail = f" ({''.join(filter(str.isprintable, words[:120]))})" if words and "unpack" not in words else ""
    if isinstance(error, EOFError) or _CUT.search(words):
        return Refused("truncated", f"the {format_} data ends too early{detail}; copy or download the file again")
    if isinstance(error, NotImplementedError) or _STRANGE.search(words):
        return Refused("unsupported", f"a kind of {format_} that is not read{detail}; convert it to PNG or JPEG")
    return Refused("corrupt", f"the {format_} data is damaged or cut off{detail}; replace the file")


def _decode(data: bytes, format_: str, limits: Limits) -> Decoded:
    from PIL import Image

    if not _available(format_):
        advice = "pip install imagejudge[heif]" if format_ == "HEIF" else "pip install --upgrade pillow"
        raise Refused("unsupported", f"reading {format_} needs one more package; run `{advice}`")
    if format_ == "WEBP" and len(data) < 8 + int.from_bytes(data[4:8], "little"):  # Pillow does not say why it fails
        raise Refused("truncated", "the WEBP data ends too early; copy or download the file again")
    with _pillow(format_):
        # What Image.open does once it knows the format, but with the reason when it fails, and with no other format
        # to fall back on.
        image = Image.OPEN[format_][0](BytesIO(data), "")
    _check_size(image, limits)
    if format_ == "JPEG" and image.info.get("progressive") and _passes(data) > _JPEG_PASSES:
        raise Refused("corrupt", "goes over its picture too often, as only attacks do; save it anew in an editor")
    _mend_transparency(image)
    total = _count(image, data, format_)
    frames: list[Frame] = []
    kept = 0
    for index in _sample(image, total, format_, limits):
        picture = _picture(image, index, format_, limits)
        frames.append(Frame(index, picture))
        kept += picture.width * picture.height
        if kept > max(_KEPT_PIXELS, limits.pixels):  # pages that grow
            raise Refused("too-many-pixels", "its pages are too large together; look at fewer with --frames")
    first = frames[0].picture
    facts = ImageFacts(width=first.width, height=first.height, format=format_, frames=total)
    return Decoded(facts, tuple(frames))


def _check_size(image: Image.Image, limits: Limits) -> None:
    width, height = image.size
    if width * height > limits.pixels:
        raise Refused(
            "too-many-pixels",
            f"{width} x {height} is more than {limits.pixels:,} pixels; raise the limit with --max-pixels",
        )
    if not width or not height:
        raise Refused("corrupt", "the image has no pixels; replace the file")


def _passes(data: bytes) -> int:
    """How many scans a JPEG has, up to its end: what phones append to it does not count."""
    count, at = 0, 2
    while marker := _JPEG_MARKER.search(data, at):
        if marker[0] == b"\xff\xd9":
            break
        count += marker[0] == b"\xff\xda"
        at = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return count


_JPEG_MARKER: Final = re.compile(rb"\xff[^\0\x01\xd0-\xd8\xff]")


def _count(image: Image.Image, data: bytes, format_: str) -> int:
    """How many frames or pages; counting stops where looking does, for formats that do not tell."""
    if image.format == "MPO":  # a JPEG with more JPEGs behind it, such as a depth map: only the first is the picture
        return 1
    if format_ == "GIF":
        return max(1, _count_gif(data))
    if format_ != "TIFF":
        return max(1, int(getattr(image, "n_frames", 1)))
    # Pillow's own counting takes time that grows with the square of the number of pages.
    pages = 1
    with _pillow(format_):
        with suppress(EOFError):
            while pages < _COUNTED_PAGES:
                image.seek(pages)
                pages += 1
        image.seek(0)
    return pages


def _count_gif(data: bytes) -> int:
    """Walk over the blocks of a GIF without decoding them, as Pillow's own counting has no bound."""
    count = 0
    at = 13 + _color_table(data, 10)
    while at < len(data) and count < _PLAYED_FRAMES:
        block = data[at]
        if block == 0x2C:  # an image
            if at + 10 >= len(data):
                break
            count += 1
            at += 11 + _color_table(data, at + 9)
        elif block == 0x21:  # an extension
            at += 2
        elif block == 0x3B:  # the end
            break
        else:  # as Pillow does, look for the next block
            at += 1
            continue
        while at < len(data) and data[at]:
            at += data[at] + 1
        at += 1
    return count


def _color_table(data: bytes, at: int) -> int:
    flags = data[at] if at < len(data) else 0
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _sample(image: Image.Image, total: int, format_: str, limits: Limits) -> list[int]:
    """Indexes of the frames to look at, in order, the first always among them."""
    size = image.width * image.height
    played = min(total, _PLAYED_FRAMES)
    if format_ not in ("TIFF", "HEIF"):  # whose pages stand for themselves
        played = max(1, min(played, _PLAYED_PIXELS // size))
    wanted = max(1, min(played, limits.frames, _KEPT_PIXELS // size))
    return [at * (played - 1) // max(1, wanted - 1) for at in range(wanted)]


def _picture(image: Image.Image, index: int, format_: str, limits: Limits) -> Picture:
    """One frame. Frames must be asked for in order."""
    with _pillow(format_):
        if index or image.tell():
            image.seek(index)
    _check_size(image, limits)
    with _pillow(format_):
        image.load()
    _check_size(image, limits)  # some formats show their true size only now
    upright = image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        upright = _eight_bits(image)
    with _pillow(format_):
        upright = _over_white(upright)
        if (turn := _TURNS.get(_orientation(image))) is not None:
            upright = upright.transpose(turn)
        return Picture(upright.width, upright.height, upright.tobytes())


_TURNS: Final[dict[int, Any]] = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""EXIF orientation to the number of Pillow's Transpose that undoes it."""


def _orientation(image: Image.Image) -> int:
    with suppress(Exception):  # damaged notes about an image do not make the image unreadable
        return int(image.getexif().get(0x0112, 1))
    return 1


def _over_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode in ("La", "RGBa"):  # colours already multiplied by alpha
        image = image.convert(image.mode.upper())
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _mend_transparency(image: Image.Image) -> None:
    """Scale the transparent colour of a PNG that has not 8 bits to the values that Pillow gives its pixels."""
    color = image.info.get("transparency")
    tile = getattr(image, "tile", None)
    if image.format != "PNG" or color is None or not tile:
        return
    raw = str(tile[0][3])
    if isinstance(color, int) and raw in ("L;2", "L;4"):
        image.info["transparency"] = color * (85 if raw == "L;2" else 17)
    elif isinstance(color, tuple) and raw == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in color)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits to 8, which Pillow itself would cut off at 255.

    Whole numbers lose their lower bits. Measurements without a scale (32-bit, signed or floating point) are stretched
    from the least to the greatest, except for floating point within 0 to 1, where 1 is white.
    """
    import numpy as np  # a tenth of a second, and only deep pictures need it
    from PIL import Image

    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16") or (image.format == "PPM" and image.mode == "I"):
        depth = 12 if tags.get(258) == (12,) else 16
        grey = (values >> (depth - 8)).astype(np.uint8)
    else:
        grey = _stretch(values.astype(np.float32))
    if tags.get(262) == 0:  # zero is white
        grey = 255 - grey
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[values == clear] = 255
    return Image.fromarray(grey)


def _stretch(values: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    import numpy as np

    known = np.isfinite(values)
    low, high = (float(values[known].min()), float(values[known].max())) if known.any() else (0.0, 1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    with np.errstate(all="ignore"):
        scaled = (values - low) * (255 / max(high - low, 1e-30))
    eight: np.ndarray[Any, np.dtype[np.uint8]] = np.nan_to_num(scaled, nan=0).clip(0, 255).round().astype(np.uint8)
    return eight
