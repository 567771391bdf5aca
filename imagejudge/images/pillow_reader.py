"""One picture unpacked by the library that knows its format, and what went wrong put in words.

Files are hostile here: on what they hold, the libraries raise almost anything.
"""

from __future__ import annotations

import ctypes
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from imagejudge.images import png, webp
from imagejudge.images.formats import PLUGINS, Refused

if TYPE_CHECKING:
    from PIL import Image

NO_MEMORY: Final = "needs more memory than there is; scale the image down"

# Pillow logs some complaints about files; without a handler of its own, logging would print them to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@cache
def available(format_: str) -> bool:
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
            _library("_imaging").TIFFSetErrorHandler(None)
    return bool(getattr(plugin, "SUPPORTED", True))


@cache
def _library(name: str) -> Any:
    """What a compiled module of Pillow was linked with, for what Pillow itself does not offer."""
    return ctypes.CDLL(import_module(f"PIL.{name}").__file__)


@cache
def webp_is_direct() -> bool:
    """Whether libwebp can be called without Pillow, whose way takes four times the memory."""
    with suppress(OSError, AttributeError):
        return bool(_library("_webp").WebPDecodeRGBAInto)
    return False


_lock = threading.Lock()
_inside = 0
_outside: tuple[warnings.catch_warnings[None], int | None]


@contextmanager
def settings(pixels: int) -> Iterator[None]:
    """Pillow's size limit set to ours and its warnings off, for as long as any thread decodes.

    Both belong to the whole process, so the first thread in sets them and the last one out puts them back.
    """
    from PIL import Image

    global _inside, _outside
    wanted = -(-pixels // 2)  # Pillow warns at its limit, and refuses at twice that
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
def guarded(format_: str) -> Iterator[None]:
    """Around calls of the libraries, and nothing else."""
    try:
        yield
    except Refused:
        raise
    except Exception as error:
        raise _explained(error, format_) from error


_EXIF_OF_AVIF: Final = re.compile(rb"Exif(?:(?<=infe\x02.{7}Exif)|(?<=infe\x03.{9}Exif))", re.DOTALL)
"""The kind of an item that is EXIF: Pillow would unpack that. An AVIF has fields of its own for how it is turned."""


def opened(data: bytes, format_: str) -> Image.Image:
    """A picture whose size is known; most formats are not unpacked yet."""
    if format_ == "WEBP" and webp_is_direct():
        return _webp(data)
    if format_ == "AVIF":
        data = _EXIF_OF_AVIF.sub(b"none", data)
    with guarded(format_):
        # What Image.open does once it knows the format, but with the reason when it fails, and with no other format
        # to fall back on.
        from PIL import Image

        image = Image.OPEN[format_][0](BytesIO(data), "")
    if format_ == "TIFF":
        _refuse_unknown_codec(image)
    _mend_transparency(image)
    return image


def unpacked(data: bytes, format_: str) -> Image.Image:
    """A picture with its pixels, from a file of one."""
    return loaded(opened(data, format_), data, format_)


def loaded(image: Image.Image, data: bytes, format_: str) -> Image.Image:
    """The picture with its pixels; `data` is what it was opened from."""
    try:
        with guarded(format_):
            image.load()
    except Refused as refused:
        if format_ != "PNG" or refused.kind != "corrupt":
            raise
        image = opened(png.unchecked(data), format_)
        with guarded(format_):
            image.load()
    return image


def _webp(data: bytes) -> Image.Image:
    from PIL import Image

    size = webp.dimensions(data)
    pixels = bytearray(size[0] * size[1] * 4)
    if pixels:
        target = (ctypes.c_ubyte * len(pixels)).from_buffer(pixels)
        decode = _library("_webp").WebPDecodeRGBAInto
        decode.restype = ctypes.c_void_p
        done = decode(data, ctypes.c_size_t(len(data)), target, ctypes.c_size_t(len(pixels)), size[0] * 4)
        if done:
            return Image.frombuffer("RGBA", size, pixels, "raw", "RGBA", 0, 1)
    raise Refused("corrupt", "the WEBP data is damaged or cut off; replace the file")


def _refuse_unknown_codec(image: Any) -> None:
    """A TIFF may hold its pixels in other formats, some of which this libtiff was built without."""
    codec = image.tag_v2.get(259, 1)
    with suppress(OSError, AttributeError, ctypes.ArgumentError):
        if not _library("_imaging").TIFFIsCODECConfigured(ctypes.c_uint16(codec)):
            name = str(image.info.get("compression", codec))
            raise Refused("unsupported", f"a TIFF packed as {name}, which is not read; convert it to PNG or JPEG")


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


_CUT: Final = re.compile("truncat|incomplete|insufficient|end of file|not enough|unpack|cannot read full", re.I)
_STRANGE: Final = re.compile("unsupport|not support|unknown .*mode|unknown data organization|no decoder", re.I)
_TIFF_TAGS: Final = range(254, 1000)
"""Those that no TIFF may lack, for which Pillow raises the same as for a codec that it does not know."""


def _explained(error: Exception, format_: str) -> Refused:
    from PIL.Image import DecompressionBombError

    if isinstance(error, DecompressionBombError):
        return Refused("too-many-pixels", "holds more pixels than allowed; raise the limit with `max_pixels`")
    if isinstance(error, MemoryError):
        return Refused("too-many-pixels", NO_MEMORY)
    words = str(error)
    # struct's words about its buffers mean nothing to a user.
    detail = f" ({''.join(filter(str.isprintable, words[:120]))})" if words and "unpack" not in words else ""
    if isinstance(error, EOFError) or _CUT.search(words):
        return Refused("truncated", f"the {format_} data ends too early{detail}; copy or download the file again")
    cause = error.__cause__ or error
    unknown_codec = format_ == "TIFF" and isinstance(cause, KeyError) and cause.args[0] not in _TIFF_TAGS
    if isinstance(error, NotImplementedError) or unknown_codec or _STRANGE.search(words):
        return Refused("unsupported", f"a kind of {format_} that is not read{detail}; convert it to PNG or JPEG")
    return Refused("corrupt", f"the {format_} data is damaged or cut off{detail}; replace the file")
