"""An image that can be judged: its facts, its sampled frames, and what is known about it already.

Knows files and answers, not what is asked, nor where answers are kept.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Generic, TypeVar

from imagejudge.errors import EngineFailure
from imagejudge.images.decode import DECODE_VERSION, Decoded, decode_image
from imagejudge.images.find import ImageRef
from imagejudge.images.picture import Picture
from imagejudge.images.read import Limits, Source, Stamp, Unreadable, given_image, read_image
from imagejudge.judge.cached_view import AnswerKey, ImageAnswers
from imagejudge.verdict import Ground, ImageFacts

R = TypeVar("R", bound=ImageRef)


@dataclass(frozen=True, slots=True)
class SampledFrame:
    """One frame that is judged; a still image has one, of index 0."""

    index: int
    ground: Ground | None
    """What was laid below it; None where nothing is transparent."""
    picture: Callable[[], Picture]
    """Decodes the file, if that was not done yet; raises `EngineFailure` where that worked in an earlier run alone."""


@dataclass(frozen=True, slots=True)
class OpenedImage(Generic[R]):
    """A file that can be judged."""

    ref: R
    sha256: str
    stamp: Stamp | None
    facts: ImageFacts
    """The ground is that of the first frame."""
    frames: tuple[SampledFrame, ...]
    """In order, at least one."""
    answers: ImageAnswers
    seconds: float
    """What reading and decoding took."""
    held: int
    """Bytes of the pictures that are decoded already."""


def open_image(ref: R, limits: Limits, answers_about: Callable[[str], ImageAnswers]) -> OpenedImage[R] | Unreadable:
    """Read a file, and decode it unless it is known which frames it has; `answers_about` is given its SHA-256."""
    started = time.perf_counter()
    source = source_of(ref, limits)
    if isinstance(source, Unreadable):
        return source
    answers = answers_about(source.sha256)
    key = AnswerKey(f"sampled@{DECODE_VERSION}:{limits.frames}:{limits.pixels}", b"")
    decode: Callable[[], Decoded | Unreadable]
    if key in answers.known:
        decode, held = cache(partial(decode_image, source, limits)), 0  # once for all frames that are wanted
    else:
        decoded = decode_image(source, limits)
        if isinstance(decoded, Unreadable):
            return dataclasses.replace(decoded, stamp=source.stamp)
        sampled = [(frame.index, frame.ground) for frame in decoded.frames]
        answers.add(key, {"facts": decoded.facts.model_dump(exclude_none=True), "sampled": sampled})
        decode, held = partial(_itself, decoded), sum(len(frame.picture.rgb) for frame in decoded.frames)
    known = answers.known[key]
    frames = tuple(SampledFrame(index, ground, partial(_picture, decode, index)) for index, ground in known["sampled"])
    facts, seconds = ImageFacts(**known["facts"]), time.perf_counter() - started
    return OpenedImage(ref, source.sha256, source.stamp, facts, frames, answers, seconds, held)


def source_of(ref: ImageRef, limits: Limits) -> Source | Unreadable:
    """The bytes of a file, or those that were given."""
    return read_image(ref.path, limits) if ref.data is None else given_image(ref.path, ref.data, limits)


def _itself(decoded: Decoded) -> Decoded:
    return decoded


def _picture(decode: Callable[[], Decoded | Unreadable], index: int) -> Picture:
    decoded = decode()
    for frame in decoded.frames if isinstance(decoded, Decoded) else ():
        if frame.index == index:
            return frame.picture
    raise EngineFailure("changed-decoder", "the file could be decoded in an earlier run but not in this one")
