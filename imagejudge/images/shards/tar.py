"""The images in a tar (WebDataset), by member: those with an image's ending or, where they are read, a video's.

What is no plain member of a name of its own gives a `trouble`. Nothing is ever written.
"""

from __future__ import annotations

import re
import tarfile
import time
from collections.abc import Callable, Collection, Iterator
from io import BufferedReader
from typing import Final

from imagejudge.common.file_stamp import Stamp
from imagejudge.images.names import (
    SEPARATOR,
    SHARED_EXTENSIONS,
    VIDEO_EXTENSIONS,
    Unread,
    extension,
    is_image,
    is_shard,
)
from imagejudge.images.read import Limits, Unreadable, open_regular, state_at_end, state_now, too_large
from imagejudge.images.ref import ImageRef
from imagejudge.images.shards.sample import Sample, key_and_field
from imagejudge.images.shards.tar_stream import BrokenTar, Entry, TarStream
from imagejudge.images.video import pyav
from imagejudge.images.video.container import is_transport_stream

META: Final = re.compile(r"__[^/]*__($|/)")
"""Matches the names of members that the library webdataset leaves out."""
_MOST_HELD: Final = 10_000
"""Members of one sample that are no images; of more, the first are told of though an image may follow."""
_NO_FILE: Final = {
    tarfile.LNKTYPE: "is a hard link to another member; store the file itself",
    tarfile.SYMTYPE: "is a symbolic link; store the file itself",
    tarfile.CHRTYPE: "is a device, not a file",
    tarfile.BLKTYPE: "is a device, not a file",
    tarfile.FIFOTYPE: "is a pipe, not a file",
}


def members(
    shard: str,
    limits: Limits,
    wanted: Callable[[str], bool],
    passed_over: Callable[[str, Unread], None],
    keep_fields: Collection[str],
) -> Iterator[ImageRef]:
    """The images in a tar whose paths are `wanted`, in order, and what is wrong with the tar itself."""
    file = open_regular(shard)
    if isinstance(file, Unreadable):
        yield ImageRef(shard, trouble=file)
        return
    with file:
        yield from _Tar(shard, file, limits, Sample(keep_fields, limits.bytes)).members(wanted, passed_over)


class _Tar:
    def __init__(self, shard: str, file: BufferedReader, limits: Limits, sample: Sample) -> None:
        self._shard = shard
        self._file = file
        self._limits = limits
        self._sample = sample
        self._state = state_now(self._file)
        self._stamp = self._state and self._state.settled(time.time_ns())
        self._taken: set[int] = set()
        """Names that were given out, as hashes: there may be millions."""
        self._has_images = False
        self._sample_has_images = False
        self._others: list[str] = []
        """Paths of the other members of a sample in which no image was seen so far."""

    def members(self, wanted: Callable[[str], bool], passed_over: Callable[[str, Unread], None]) -> Iterator[ImageRef]:
        try:
            stream = TarStream(self._file)
            for entry in stream:
                if entry.type != tarfile.DIRTYPE:
                    yield from self._member(entry, stream, wanted, passed_over)
            self._refuse_changed(_at_end(self._file, stream.place), stream.place)
        except BrokenTar as broken:
            yield from self._sample.end()
            self._end_sample(passed_over)
            trouble = Unreadable("shard", f"the tar {broken.message}")
            yield ImageRef(self._place(broken.offset), stamp=self._stamp, trouble=trouble)
            return
        yield from self._sample.end()
        self._end_sample(passed_over)
        if not self._has_images:
            passed_over(self._shard, Unread.EMPTY)

    def _member(
        self,
        entry: Entry,
        stream: TarStream,
        wanted: Callable[[str], bool],
        passed_over: Callable[[str, Unread], None],
    ) -> Iterator[ImageRef]:
        """The images that can be given out once this member is known."""
        if META.match(entry.name):
            passed_over(self._path(entry.name), Unread.OTHER)
            return
        before = self._sample.key
        yield from self._sample.begin(entry.name)
        if self._sample.key != before:
            self._end_sample(passed_over)
        if (why := why_not(entry.name)) is None:
            new = self._take(entry.name)
            path = self._path(entry.name) if new else self._place(entry.offset)
            if not wanted(path):
                self._count_image()
            elif (ref := self._ref(path, entry, stream, new)) is None:
                self._pass_over(entry.name, passed_over)
            else:
                self._count_image()
                yield from self._sample.image(ref)
            return
        if (field := self._sample.wants(entry.name)) is not None:
            fits = is_plain(entry) and self._sample.has_room(entry.size)
            self._sample.field(field, stream.data(entry) if fits else None)
        if why is Unread.OTHER:
            self._pass_over(entry.name, passed_over)
        else:
            passed_over(self._path(entry.name), why)

    def _count_image(self) -> None:
        self._has_images = self._sample_has_images = True
        self._others.clear()

    def _pass_over(self, name: str, passed_over: Callable[[str, Unread], None]) -> None:
        """Tell of a member that is no image, unless an image of the same sample is there, or follows."""
        if key_and_field(name) is None:
            passed_over(self._path(name), Unread.OTHER)
        elif not self._sample_has_images:
            self._others.append(self._path(name))
            if len(self._others) == _MOST_HELD:
                self._end_sample(passed_over)

    def _end_sample(self, passed_over: Callable[[str, Unread], None]) -> None:
        for path in self._others:
            passed_over(path, Unread.OTHER)
        self._others.clear()
        self._sample_has_images = False

    def _ref(self, path: str, entry: Entry, stream: TarStream, new: bool) -> ImageRef | None:
        """One image; None for what turns out to be none."""
        trouble = self._trouble(entry, new)
        if trouble is not None:
            return ImageRef(path, stamp=self._stamp, trouble=trouble)
        data = stream.data(entry)
        self._refuse_changed(state_now(self._file), entry.offset)
        if extension(entry.name) in SHARED_EXTENSIONS and not is_transport_stream(data[:1024]):
            return None
        return ImageRef(path, data, self._stamp)

    def _trouble(self, entry: Entry, new: bool) -> Unreadable | None:
        message = None
        if not new:
            message = f"is another member of the name {entry.name}; give each a name of its own"
        elif leads_out(entry.name):
            message = "has a name that leads out of the tar; give it another one"
        elif entry.type in _NO_FILE:
            message = _NO_FILE[entry.type]
        elif entry.sparse:
            message = "is stored as a sparse file; store it whole"
        elif not is_plain(entry):
            message = "is of a kind that only the program knows that wrote it; store it as a plain file"
        elif entry.size > self._limits.bytes:
            return too_large(self._limits)
        return None if message is None else Unreadable("member", message)

    def _refuse_changed(self, now: Stamp | None, offset: int) -> None:
        if (now and now[:2]) != (self._state and self._state[:2]):
            raise BrokenTar(offset, "changed while it was read; wait until it is written")

    def _path(self, name: str) -> str:
        return f"{self._shard}{SEPARATOR}{name}"

    def _place(self, offset: int) -> str:
        """A path for what has no name of its own."""
        name = f"@{offset}"
        while not self._take(name):
            name = f"@{name}"
        return self._path(name)

    def _take(self, name: str) -> bool:
        """Whether no other has this name."""
        key = hash(name)
        if key in self._taken:
            return False
        self._taken.add(key)
        return True


def _at_end(file: BufferedReader, offset: int) -> Stamp | None:
    try:
        return state_at_end(file)
    except OSError as error:
        raise BrokenTar(offset, f"cannot be read on: {error.strerror or error}") from None


def leads_out(name: str) -> bool:
    """Whether a member of this name would be unpacked elsewhere than where the tar is."""
    return name.startswith("/") or ".." in name.split("/")


def is_plain(entry: Entry) -> bool:
    """Whether its bytes lie in the tar as they are."""
    return entry.type in tarfile.REGULAR_TYPES and not entry.sparse


def why_not(name: str) -> Unread | None:
    """Why a member of this name is passed over; None for images and videos."""
    base = name.rpartition("/")[2]
    if base.startswith("."):
        return Unread.OTHER
    if is_image(base) or (extension(base) in VIDEO_EXTENSIONS and pyav() is not None):
        return None
    if extension(base) in VIDEO_EXTENSIONS - SHARED_EXTENSIONS:
        return Unread.VIDEO
    return Unread.NESTED if is_shard(base) else Unread.OTHER
