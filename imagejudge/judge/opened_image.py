"""An image that can be judged: its facts, its sampled frames, and what is known about it already.

Knows files and answers, not what is asked, nor where answers are kept.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeAlias, TypeVar

from imagejudge.common.file_stamp import Stamp
from imagejudge.errors import EngineFailure
from imagejudge.images.decode import DECODE_VERSION, Decoded, Frame, decode_image
from imagejudge.images.picture import Picture
from imagejudge.images.read import Limits, Source, Unreadable
from imagejudge.images.ref import ImageRef, source_of
from imagejudge.images.video import pyav
from imagejudge.images.video.reader import VIDEO_VERSION, Decoders, VideoPictures, is_video, sample_video
from imagejudge.judge.cached_view import AnswerKey, ImageAnswers, frame_part
from imagejudge.verdict import Ground, ImageFacts

R = TypeVar("R", bound=ImageRef)


@dataclass(frozen=True, slots=True)
class SampledFrame:
    """One frame that is judged; a still image has one, of index 0."""

    index: int
    part: str
    """Under what answers about it are kept. Frames of a video that look the same have the same, and so one answer."""
    ground: Ground | None
    """What was laid below it; None where nothing is transparent."""
    picture: Callable[[], Picture]
    """Decodes the file, if that was not done yet; raises `EngineFailure` where that worked in an earlier run alone."""
    time: float | None = None
    """When it is shown, in seconds from the first frame of a video on; None for images."""


class Pictures(Protocol):
    """The sampled frames of one file as pictures, decoded when they are wanted."""

    @property
    def held(self) -> int:
        """Bytes of those that are decoded, or that will be at any one time."""

    def of(self, index: int) -> Picture:
        """The picture of a frame; raises `EngineFailure` where the file could be decoded in an earlier run alone."""

    def give_up(self) -> None:
        """Free their memory and the file's; none may be wanted any more."""


class ImagePictures:
    """All of them at once, when the first one is wanted."""

    __slots__ = ("_decode", "_decoded")

    def __init__(self, decode: Callable[[], Decoded | Unreadable], decoded: Decoded | None = None) -> None:
        self._decode = decode
        self._decoded: Decoded | Unreadable | None = decoded

    @property
    def held(self) -> int:
        """As in `Pictures`."""
        return sum(len(frame.picture.rgb) for frame in _frames(self._decoded))

    def of(self, index: int) -> Picture:
        """As in `Pictures`."""
        if self._decoded is None:
            self._decoded = self._decode()
        for frame in _frames(self._decoded):
            if frame.index == index:
                return frame.picture
        raise EngineFailure("changed-decoder", "the file could be decoded in an earlier run but not in this one")

    def give_up(self) -> None:
        """As in `Pictures`."""
        self._decode, self._decoded = _given_up, None


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
    pictures: Pictures
    step: float | None = None
    """Seconds between the sampled frames of a video, at most; None for images."""


def open_image(
    ref: R, limits: Limits, answers_about: Callable[[str], ImageAnswers], decoders: Decoders
) -> OpenedImage[R] | Unreadable:
    """Read a file, and decode it unless it is known which frames it has; `answers_about` is given its SHA-256."""
    started = time.perf_counter()
    source = source_of(ref, limits)
    if isinstance(source, Unreadable):
        return source
    answers = answers_about(source.sha256)
    opened = _video(source, answers, limits, decoders) if is_video(source) else _image(source, answers, limits)
    if isinstance(opened, Unreadable):
        return dataclasses.replace(opened, stamp=source.stamp)
    facts, frames, pictures, step = opened
    seconds = time.perf_counter() - started
    return OpenedImage(ref, source.sha256, source.stamp, facts, frames, answers, seconds, pictures, step)


_Opened: TypeAlias = tuple[ImageFacts, tuple[SampledFrame, ...], Pictures, float | None]


def _image(source: Source, answers: ImageAnswers, limits: Limits) -> _Opened | Unreadable:
    key = AnswerKey(f"sampled@{DECODE_VERSION}:{limits.frames}:{limits.pixels}", b"")
    if key in answers.known:
        pictures = ImagePictures(partial(decode_image, source, limits))
    else:
        decoded = decode_image(source, limits)
        if isinstance(decoded, Unreadable):
            return decoded
        sampled = [(frame.index, frame.ground) for frame in decoded.frames]
        answers.add(key, {"facts": decoded.facts.model_dump(exclude_none=True), "sampled": sampled})
        pictures = ImagePictures(_given_up, decoded)
    known = answers.known[key]
    frames = tuple(
        SampledFrame(index, frame_part(index), ground, partial(pictures.of, index))
        for index, ground in known["sampled"]
    )
    return ImageFacts(**known["facts"]), frames, pictures, None


def _video(source: Source, answers: ImageAnswers, limits: Limits, decoders: Decoders) -> _Opened | Unreadable:
    sampling = f"{limits.every}:{limits.video_frames}:{limits.scenes}"
    key = AnswerKey(f"video@{VIDEO_VERSION}:{pyav()}:{sampling}:{limits.pixels}", b"")
    if key not in answers.known:
        video = sample_video(source, limits, decoders)
        if isinstance(video, Unreadable):
            return video
        samples = [(sample.index, sample.time, sample.digest) for sample in video.samples]
        told = {"facts": video.facts.model_dump(exclude_none=True), "step": video.step, "sampled": samples}
        answers.add(key, told)
    known = answers.known[key]
    shown_by: dict[str, int] = {}
    for index, _, digest in known["sampled"]:
        shown_by.setdefault(digest, index)
    facts = ImageFacts(**known["facts"])
    pictures = VideoPictures(source, facts, list(shown_by.values()), limits, decoders)
    frames = tuple(
        SampledFrame(index, f"pixels:{digest}", None, partial(pictures.of, shown_by[digest]), seconds)
        for index, seconds, digest in known["sampled"]
    )
    return facts, frames, pictures, known["step"]


def _frames(decoded: Decoded | Unreadable | None) -> Sequence[Frame]:
    return decoded.frames if isinstance(decoded, Decoded) else ()


def _given_up() -> Decoded:
    raise AssertionError("the pictures were given up")
