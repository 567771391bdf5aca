"""Videos by way of the process that decodes them: what they are, which frames are judged, and those as pictures.

A video is decoded once to learn which frames there are, and once more while they are asked about: then only one picture
is held, however many are sampled.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Final, cast

from imagejudge.common import messages
from imagejudge.errors import EngineFailure
from imagejudge.images.formats import Refused
from imagejudge.images.picture import FRAME_PIXELS, Picture
from imagejudge.images.read import Limits, Source, Unreadable
from imagejudge.images.video import INSTALL, pyav
from imagejudge.images.video.container import Container, check_structure, container_of
from imagejudge.verdict import ImageFacts

VIDEO_VERSION: Final = 1
"""Raised with every change after which other frames may be sampled."""
_SECONDS: Final = 600.0
"""Wall-clock time to decode a video from its first frame to its last."""


@dataclass(frozen=True, slots=True)
class VideoSample:
    """One frame that is judged."""

    index: int
    """Of all frames, in the order in which they are shown."""
    time: float
    """Seconds from the first frame on."""
    digest: str
    """Of the pixels that it is judged by: its own, or those of an earlier one that looks the same."""


@dataclass(frozen=True, slots=True)
class SampledVideo:
    """What a video turned out to be, and its sampled frames in order, at least one."""

    facts: ImageFacts
    step: float
    """Seconds between samples, at most."""
    samples: tuple[VideoSample, ...]


class Decoders:
    """The processes that decode videos now. Any thread may use it, and `close` ends them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[_Decoder] = set()
        self._closed = False

    def start(self, source: Source, container: Container, request: dict[str, Any]) -> _Decoder:
        """Begin to decode. Raises `Refused` where that cannot be."""
        decoder = _Decoder(source.data, {"demuxer": container.demuxer, **request})
        with self._lock:
            if not self._closed:
                self._running.add(decoder)
                return decoder
        decoder.kill()
        raise Refused("internal", "the scan was stopped")

    def end(self, decoder: _Decoder) -> None:
        """End one; may be called twice."""
        with self._lock:
            self._running.discard(decoder)
        decoder.kill()

    def close(self) -> None:
        """End all, also while others wait for them, and begin no more."""
        with self._lock:
            self._closed = True
            running, self._running = self._running, set()
        for decoder in running:
            decoder.kill()


class _Decoder:
    """One process; `kill` it in the end."""

    def __init__(self, data: bytes, request: dict[str, Any]) -> None:
        try:
            with tempfile.TemporaryFile() as file:  # a pipe cannot be searched
                file.write(data)
                file.seek(0)
                self._process = subprocess.Popen(  # noqa: S603 - this program
                    # -P: the folder one happens to stand in must not supply modules.
                    [sys.executable, "-P", "-m", "imagejudge.images.video.child", json.dumps(request)],
                    stdin=file,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
        except OSError as error:
            raise Refused("io", f"the process that decodes videos cannot be started: {error.strerror}") from error
        self._replies = cast("IO[bytes]", self._process.stdout)
        self._late = False

    def receive(self) -> tuple[dict[str, Any], bytes]:
        """The next reply. Raises `Refused`."""
        clock = threading.Timer(_SECONDS, self._give_up)
        clock.daemon = True
        clock.start()
        try:
            with suppress(OSError, ValueError):  # `kill` closed it
                if (message := messages.receive(cast("BinaryIO", self._replies))) is not None:
                    if "refused" in message[0]:
                        raise Refused(*message[0]["refused"])
                    return message
        finally:
            clock.cancel()
        raise self._died()

    def _give_up(self) -> None:
        self._late = True
        self._process.kill()

    def _died(self) -> Refused:
        if self._late:
            return Refused("too-long", f"decoding takes more than {_SECONDS:g} seconds; cut the video into parts")
        code = self._process.wait()
        if code < 0:
            return Refused("corrupt", f"the decoder ended by {signal.Signals(-code).name} at it; replace the file")
        return Refused("corrupt", "the decoder gave up on it; replace the file")

    def kill(self) -> None:
        """End the process; may be called twice, also while another thread waits for a reply."""
        self._process.kill()
        self._process.wait()
        self._replies.close()


def is_video(source: Source) -> bool:
    """Whether a file is a video, by its first bytes."""
    return container_of(source.data) is not None


def sample_video(source: Source, limits: Limits, decoders: Decoders) -> SampledVideo | Unreadable:
    """What a video is, and which of its frames are judged; a video that is damaged anywhere is unreadable."""
    try:
        container = _container(source)
        request = {
            "do": "sample",
            "pixels": limits.pixels,
            "method": limits.video_method,
            "seconds": limits.every,
            "frames": limits.video_frames,
        }
        decoder = decoders.start(source, container, request)
        try:
            found, _ = decoder.receive()
        finally:
            decoders.end(decoder)
    except Refused as refused:
        return Unreadable(refused.kind, refused.message, source.sha256)
    width, height = found["size"]
    facts = ImageFacts(
        width=width,
        height=height,
        format=container.title,
        frames=found["frames"],
        duration=found["duration"],
        codec=found["codec"],
    )
    return SampledVideo(facts, found["step"], tuple(VideoSample(*each) for each in found["sampled"]))


def video_frame(source: Source, index: int, limits: Limits) -> Picture | Unreadable:
    """One frame of a video."""
    decoders = Decoders()
    try:
        request = {"do": "show", "pixels": limits.pixels, "indexes": [index]}
        header, pixels = decoders.start(source, _container(source), request).receive()
    except Refused as refused:
        return Unreadable(refused.kind, refused.message, source.sha256)
    finally:
        decoders.close()
    return Picture(header["width"], header["height"], pixels)


class VideoPictures:
    """Frames of one video as pictures, decoded as they are asked for; best in order. Holds one at a time."""

    def __init__(
        self, source: Source, facts: ImageFacts, indexes: Sequence[int], limits: Limits, decoders: Decoders
    ) -> None:
        self._source: Source | None = source
        self._facts = facts
        self._indexes = indexes
        self._limits = limits
        self._decoders = decoders
        self._decoder: _Decoder | None = None
        self._at = -1
        """Index of the last picture."""
        self._picture = Picture(0, 0, b"")

    @property
    def held(self) -> int:
        """Bytes of one picture."""
        return 3 * min(self._facts.width * self._facts.height, FRAME_PIXELS)

    def of(self, index: int) -> Picture:
        """The picture of a frame, one of `indexes`. Raises `EngineFailure` where the video cannot be decoded again."""
        if index == self._at:
            return self._picture
        try:
            if self._decoder is None or index < self._at:
                self._end()
                self._decoder = self._begin(index)
            while self._at != index:
                header, pixels = self._decoder.receive()
                self._at = header["index"]
                self._picture = Picture(header["width"], header["height"], pixels)
        except Refused as refused:
            self._end()
            raise EngineFailure(refused.kind, refused.message) from refused
        return self._picture

    def give_up(self) -> None:
        """Free the memory, the file's as well, and end the process; none may be wanted any more."""
        self._end()
        self._source = None

    def _begin(self, index: int) -> _Decoder:
        if self._source is None:
            raise AssertionError("the pictures were given up")
        left = [each for each in self._indexes if each >= index]
        request = {"do": "show", "pixels": self._limits.pixels, "indexes": left}
        return self._decoders.start(self._source, _container(self._source), request)

    def _end(self) -> None:
        if self._decoder is not None:
            self._decoders.end(self._decoder)
        self._decoder, self._at, self._picture = None, -1, Picture(0, 0, b"")


def _container(source: Source) -> Container:
    """What to read a file as. Raises `Refused`."""
    container = container_of(source.data)
    if container is None:
        raise Refused("not-an-image", "is no video of a known kind")
    if pyav() is None:
        raise Refused("unsupported", f"reading videos needs one more package: {INSTALL}")
    check_structure(source.data, container)
    return container
