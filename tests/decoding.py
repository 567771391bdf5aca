"""Shorthands for tests that look at what a file's bytes become."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image

from imagejudge.images.decode import Decoded, decode_image
from imagejudge.images.picture import Picture
from imagejudge.images.read import Limits, Source, Unreadable

LIMITS = Limits()


def source(data: bytes) -> Source:
    return Source("x", data, hashlib.sha256(data).hexdigest())


def decoded(data: bytes, limits: Limits = LIMITS) -> Decoded:
    result = decode_image(source(data), limits)
    assert isinstance(result, Decoded), result
    return result


def refused(data: bytes, limits: Limits = LIMITS) -> Unreadable:
    result = decode_image(source(data), limits)
    assert isinstance(result, Unreadable), result
    assert result.sha256 == hashlib.sha256(data).hexdigest()
    return result


def pixels(data: bytes, frame: int = 0) -> list[tuple[int, ...]]:
    rgb = decoded(data).frames[frame].picture.rgb
    return [tuple(rgb[at : at + 3]) for at in range(0, len(rgb), 3)]


def greys(data: bytes) -> list[int]:
    """The grey values of a picture that must be all grey."""
    colors = pixels(data)
    assert all(len(set(color)) == 1 for color in colors)
    return [color[0] for color in colors]


def close(picture: Picture, image: Image.Image, most: int) -> bool:
    seen = np.frombuffer(picture.rgb, np.uint8).astype(int)
    return (picture.width, picture.height) == image.size and abs(seen - np.asarray(image, int).ravel()).max() <= most
