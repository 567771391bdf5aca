"""What runs in the process that decodes a video: FFmpeg on a hostile file, with bounds on memory, time and access.

Started as `python -m imagejudge.images.video.child REQUEST`, with the file as standard input. The reply to `sample` is
one message, to `show` one for each frame with its pixels behind it; `refused` instead, where that cannot be.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO, Final

import av
import av.filter
from PIL import Image

from imagejudge.common import messages
from imagejudge.common.child_process import confine, serve_parent
from imagejudge.images.flatten import fitted
from imagejudge.images.formats import Refused
from imagejudge.images.picture import FRAME_PIXELS
from imagejudge.images.pillow_reader import NO_MEMORY
from imagejudge.images.video.sampling import Sample, Sampler, of_equal_parts, of_scenes

_MEMORY: Final = 3_000_000_000
"""Bytes of address space, for all of the process."""
_CPU_SECONDS: Final = 3600
"""Of all threads together; the parent's patience ends earlier."""
_THREADS: Final = 2
_SMALL: Final = (32, 32)
_SHORTEST: Final = 0.001
"""Seconds that the last frame is shown for at least."""
_COMPARED: Final = (160, 90)
"""Width and height of what is compared to find changes of scene."""


@dataclass(frozen=True, slots=True)
class _Frame:
    index: int
    start: float
    end: float
    pixels: Any
    """A frame of PyAV's."""


class _Film:
    """The video in an open file, from its first frame on."""

    def __init__(self, file: BinaryIO, demuxer: str, pixels: int) -> None:
        file.seek(0)
        self._pixels = pixels
        # The demuxer is named, so that no other, as of lists of other files, is ever tried; and it may open nothing.
        self._container: Any = av.open(file, format=demuxer, options={"protocol_whitelist": "none"})
        streams = [
            each
            for each in self._container.streams.video
            if not each.disposition & av.stream.Disposition.attached_pic  # the picture on a song's cover
        ]
        if not streams:
            raise Refused("unsupported", "holds no video; leave it out")
        self._stream: Any = streams[0]
        codec = self._stream.codec_context
        if codec is None:
            raise Refused("unsupported", "its video is of a kind that is not read; convert it to H.264")
        self._check_size(codec)  # each frame may have another one
        codec.thread_type, codec.thread_count = "AUTO", _THREADS
        codec.options = {"err_detect": "explode"}  # damage is an error, not something to be painted over
        self.codec = str(codec.codec.canonical_name)
        self._from_key_frame = demuxer == "mpegts"  # a broadcast begins anywhere

    def frames(self) -> Iterator[_Frame]:
        """All frames in the order in which they are shown."""
        before: tuple[float, Any] | None = None
        first = 0.0
        index = 0
        for index, frame in enumerate(self._decoded()):
            time = self._seconds(frame.pts if frame.pts is not None else frame.dts)
            if before is None:
                first = time or 0.0
                before = 0.0, frame
                continue
            start = max(before[0], time - first if time is not None else before[0] + self._gap())
            yield _Frame(index - 1, before[0], start, before[1])
            before = start, frame
        if before is None:
            raise Refused("truncated", "not one frame of it can be decoded; copy or download it again")
        start, frame = before
        gap = self._seconds(getattr(frame, "duration", None)) or self._gap()
        yield _Frame(index, start, start + max(gap, _SHORTEST), frame)

    def _decoded(self) -> Iterator[Any]:
        waiting = self._from_key_frame
        for packet in self._container.demux(self._stream):
            waiting = waiting and not packet.is_keyframe
            if waiting:
                continue
            if packet.is_corrupt:
                raise Refused("truncated", "a part of the video is missing; copy or download it again")
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise Refused("corrupt", "the video is damaged in part; replace the file")
                self._check_size(frame)
                yield frame

    def _check_size(self, sized: Any) -> None:
        if sized.width * sized.height > self._pixels:
            raise Refused(
                "too-many-pixels",
                f"{sized.width} x {sized.height} is more than {self._pixels:,} pixels; "
                "raise the limit with `max_pixels`",
            )

    def _seconds(self, ticks: int | None) -> float | None:
        return None if ticks is None else float(ticks * self._stream.time_base)

    def _gap(self) -> float:
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(1 / rate) if rate else 0.04


def main() -> None:
    """Obey one request."""
    replies = serve_parent()
    request = json.loads(sys.argv[1])
    confine(_MEMORY, _CPU_SECONDS)
    try:
        with _explained():
            if request["do"] == "sample":
                messages.send(replies, _sample(request))
            else:
                _show(request, replies)
    except Refused as refused:
        messages.send(replies, {"refused": [refused.kind, refused.message]})


def _sample(request: dict[str, Any]) -> dict[str, Any]:
    """What the video is, and which of its frames are judged. All of it is decoded, so that damage is found first."""
    sampler = _sampler(request)
    film, size, frame = _film(request), None, None
    for frame in film.frames():
        if size is None:
            size = _upright(frame.pixels)
        if sampler.wants(frame.start, frame.end):
            image = _picture(frame.pixels)
            digest = hashlib.sha256(b"%d %d " % image.size + image.tobytes()).hexdigest()[:32]
            small = image.resize(_SMALL, Image.Resampling.BOX)
            sampler.add(Sample(frame.index, frame.start, frame.end, digest, small))
    assert size is not None and frame is not None  # noqa: S101, PT018 - a film without frames is refused
    return {
        "size": size,
        "codec": film.codec,
        "frames": frame.index + 1,
        "duration": round(frame.end, 3),
        "step": round(sampler.step, 3),
        "sampled": [(sample.index, round(sample.start, 3), digest) for sample, digest in sampler.judged()],
    }


def _sampler(request: dict[str, Any]) -> Sampler:
    """What is wanted of a video; all but even steps takes a pass of its own, since it depends on how long parts are."""
    if request["method"] == "every":
        return Sampler(request["seconds"])
    cuts = _Cuts() if request["method"] == "scenes" else None
    starts, end = [0.0], 0.0
    for frame in _film(request).frames():
        if cuts is not None and cuts.begins_scene(frame):
            starts.append(frame.start)
        end = frame.end
    return of_equal_parts(request["frames"], end) if cuts is None else of_scenes(starts, end)


class _Cuts:
    """Finds changes of scene by FFmpeg's own detector, at its own threshold.

    It compares neighbouring frames, and how much they differ with how much the two before did, so that steady movement
    is no change. In colour, as scenes may be equally bright.
    """

    def __init__(self) -> None:
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(
            width=_COMPARED[0], height=_COMPARED[1], format=av.VideoFormat("rgb24"), time_base=Fraction(1, 1000)
        )
        source.link_to(detector := self._graph.add("scdet", "sc_pass=1"))  # lets only what begins a scene pass
        detector.link_to(self._graph.add("buffersink"))
        self._graph.configure()

    def begins_scene(self, frame: _Frame) -> bool:
        """Whether a frame does, given all those before it; the first one does not."""
        small = frame.pixels.reformat(*_COMPARED, format="rgb24", interpolation="BILINEAR")
        small.pts, small.time_base = frame.index, Fraction(1, 1000)
        self._graph.push(small)
        try:
            self._graph.pull()
        except BlockingIOError:  # nothing passed
            return False
        return True


def _show(request: dict[str, Any], replies: BinaryIO) -> None:
    """The wanted frames; each waits in the pipe until it is read."""
    wanted = set(request["indexes"])
    for frame in _film(request).frames():
        if frame.index in wanted:
            image = _picture(frame.pixels)
            messages.send(
                replies, {"index": frame.index, "width": image.width, "height": image.height}, image.tobytes()
            )
            wanted.remove(frame.index)
            if not wanted:
                return


def _film(request: dict[str, Any]) -> _Film:
    return _Film(sys.stdin.buffer, request["demuxer"], request["pixels"])


def _turn(frame: Any) -> int:
    """Quarters by which it is to be turned against the clock."""
    return round(int(frame.rotation) / 90) % 4


def _upright(frame: Any) -> tuple[int, int]:
    size = (frame.width, frame.height)
    return size[::-1] if _turn(frame) % 2 else size


def _picture(frame: Any) -> Image.Image:
    """As RGB, upright."""
    width, height = fitted((frame.width, frame.height), FRAME_PIXELS)
    image: Image.Image = frame.to_image(width=width, height=height)
    if turn := _turn(frame):
        turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
        image = image.transpose(turns[turn - 1])
    return image


@contextmanager
def _explained() -> Iterator[None]:
    """Whatever goes wrong with a hostile file, in words."""
    try:
        yield
    except (Refused, BrokenPipeError):
        raise
    except MemoryError as error:
        raise Refused("too-many-pixels", NO_MEMORY) from error
    except EOFError as error:
        raise Refused("truncated", "the video ends too early; copy or download it again") from error
    except (av.error.DecoderNotFoundError, av.error.PatchWelcomeError) as error:
        raise Refused("unsupported", "its video is of a kind that is not read; convert it to H.264") from error
    except Exception as error:
        raise Refused("corrupt", "the video is damaged or cut off; replace the file") from error


if __name__ == "__main__":
    main()
