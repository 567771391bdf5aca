"""A tar of samples (WebDataset), filtered: read and written as a stream, a sample at a time."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

from imagejudge.images.names import SHARED_EXTENSIONS, extension
from imagejudge.images.read import Unreadable, open_regular
from imagejudge.images.shards.sample import key_and_field
from imagejudge.images.shards.tar import META, is_plain, leads_out, why_not
from imagejudge.images.shards.tar_stream import BrokenTar, Entry, TarStream
from imagejudge.images.video.container import is_transport_stream
from imagejudge.output.filtering.outcome import (
    LARGEST,
    NO_IMAGE,
    OTHER,
    TOO_LARGE,
    UNJUDGED,
    UNREADABLE,
    Filtered,
    of_outcome,
)
from imagejudge.output.filtering.told import Told, worst
from imagejudge.output.packing import PackedWriter, Packing
from imagejudge.output.recorded import CHANGED

FIELD = "verdict.json"
"""What is added to each sample."""


def filter_tar(shard: str, fresh: Path, packing: Packing, told: Mapping[str, Told], only: Collection[str]) -> Filtered:
    """Write the samples of a tar all of whose images have one of these outcomes. Raises `OSError`.

    Members keep their names and bytes; owners, modes and times are not kept. Of a tar that breaks off, what came before
    is taken.
    """
    file = open_regular(shard)
    if isinstance(file, Unreadable):
        return Filtered(broken=file.message)
    with file, fresh.open("wb") as out:
        writer = PackedWriter(out, packing)
        with tarfile.open(fileobj=cast("Any", writer), mode="w|", format=tarfile.GNU_FORMAT) as tar:
            filtering = _Filtering(tar, told, only)
            try:
                stream = TarStream(file)
                for entry in stream:
                    filtering.take(entry, stream)
                filtering.end()
            except BrokenTar as broken:
                filtering.filtered.broken = f"byte {broken.offset:,}: the tar {broken.message}"
        writer.finish()
    return filtering.filtered


class _Filtering:
    def __init__(self, tar: tarfile.TarFile, told: Mapping[str, Told], only: Collection[str]) -> None:
        self.filtered = Filtered()
        self._tar = tar
        self._told = told
        self._only = only
        self._names: set[int] = set()
        """Of images so far, as hashes."""
        self._begin(None)

    def _begin(self, key: str | None) -> None:
        self._key = key
        self._members: list[tuple[str, bytes]] = []
        self._size = 0
        """Bytes of all its members so far."""
        self._images: list[Told] = []
        self._why: str | None = None
        """Why the sample in hand does not pass."""

    def take(self, entry: Entry, stream: TarStream) -> None:
        """Take the next member, and with the first of a sample write the one before."""
        if entry.type == tarfile.DIRTYPE:
            return
        place = None if META.match(entry.name) else key_and_field(entry.name)
        if place is None:
            self.filtered.left_out[OTHER] += 1
            return
        if place[0] != self._key:
            self.end()
            self._begin(place[0])
        if place[1] == FIELD:
            return
        called_image = why_not(entry.name) is None
        repeated = called_image and self._is_another(entry.name)
        if repeated or not is_plain(entry) or leads_out(entry.name):
            self._refuse(UNREADABLE)
            return
        self._size += entry.size
        if self._size > LARGEST:
            self._refuse(TOO_LARGE)
        if entry.size <= LARGEST and (self._why is None or called_image):
            self._member(entry.name, stream.data(entry), called_image=called_image)

    def end(self) -> None:
        """Write the sample in hand, if it passes."""
        if self._key is None:
            return
        self.filtered.samples += 1
        if self._why is None and not self._images:
            self._why = NO_IMAGE
        if self._why is not None:
            self.filtered.left_out[self._why] += 1
            return
        self.filtered.kept += 1
        document = json.dumps(worst(self._images)).encode()
        for name, data in (*self._members, (f"{self._key}.{FIELD}", document)):
            header = tarfile.TarInfo(name)
            header.size = len(data)
            self._tar.addfile(header, io.BytesIO(data))

    def _member(self, name: str, data: bytes, *, called_image: bool) -> None:
        if called_image and not (extension(name) in SHARED_EXTENSIONS and not is_transport_stream(data[:1024])):
            self._image(name, data)
        if self._why is None:
            self._members.append((name, data))

    def _image(self, name: str, data: bytes) -> None:
        told = self._told.get(name)
        if told is None:
            self.filtered.unjudged += 1
            self._refuse(UNJUDGED)
        elif told.outcome not in self._only:
            self._refuse(of_outcome(told.outcome))
        elif hashlib.sha256(data).hexdigest() != told.sha256:
            self._refuse(CHANGED)
        else:
            self._images.append(told)

    def _is_another(self, name: str) -> bool:
        """Whether an image of this name was there before: the verdict is on that one."""
        known = hash(name) in self._names
        self._names.add(hash(name))
        return known

    def _refuse(self, why: str) -> None:
        self._why = self._why or why
        self._members = []
