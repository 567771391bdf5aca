"""Thumbnails of what was judged: made side by side, in order, as far as there is room for them.

Files are hostile here, and may have changed since they were judged; where there is no picture there is a reason.
"""

from __future__ import annotations

import base64
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imagejudge.common.prefetch import prefetch
from imagejudge.common.system import threads
from imagejudge.images.names import shard_of
from imagejudge.images.read import Limits, Unreadable
from imagejudge.images.ref import ImageRef, source_of
from imagejudge.images.shards import expand, named
from imagejudge.images.thumbnail import judged_picture, webp
from imagejudge.output.report.records import Subject

SIDE = 256
"""Most pixels of the longer side."""
MOST = 5_000
"""Pictures that are put into a page."""
MOST_LINKED = 50_000
"""Pictures that lie beside one."""
_QUALITY = 60
_AHEAD = 16
"""Files that are opened before their turn."""


def thumbnail(subject: Subject, limits: Limits, side: int = SIDE) -> bytes | str:
    """A WebP of the judged frame, or why there is none."""
    (ref,) = expand([ImageRef(subject.path)], limits) if shard_of(subject.path) else [ImageRef(subject.path)]
    return _small(ref, subject, limits, side)


def _small(ref: ImageRef, subject: Subject, limits: Limits, side: int = SIDE) -> bytes | str:
    limits = Limits(limits.bytes, limits.pixels, subject.frames)
    picture = judged_picture(source_of(ref, limits), subject.sha256, subject.frame, limits)
    return picture.message.partition(";")[0] if isinstance(picture, Unreadable) else webp(picture, side, _QUALITY)


def made(subjects: Sequence[Subject], limits: Limits, most: int = MOST) -> Generator[bytes | str, None, None]:
    """Of each subject in order, `thumbnail`; stop early by closing it.

    Each shard is read once, before the first one: those of members among the first `most` are held until their turn,
    and there are no others.
    """
    pool = ThreadPoolExecutor(threads())
    try:
        of_members = dict(_of_members(subjects[:most], limits, pool))

        def one(subject: Subject) -> bytes | str:
            if shard_of(subject.path) is None:
                return thumbnail(subject, limits)
            return of_members.pop(subject.path, "too many come before it")

        yield from prefetch(lambda subject: pool.submit(one, subject), subjects, _AHEAD)
    finally:
        pool.shutdown(cancel_futures=True)


def _of_members(
    subjects: Iterable[Subject], limits: Limits, pool: ThreadPoolExecutor
) -> Iterator[tuple[str, bytes | str]]:
    members = {subject.path: subject for subject in subjects if shard_of(subject.path)}

    def small(ref: ImageRef) -> tuple[str, bytes | str]:
        return ref.path, _small(ref, members[ref.path], limits)

    return prefetch(lambda ref: pool.submit(small, ref), named(members, limits), _AHEAD)


def inlined(thumbnails: Iterable[bytes | str], *, most: int = MOST, room: int = 50_000_000) -> Iterator[str]:
    """Lines for a page that holds its thumbnails: base64, or `!` and a reason.

    Ends after `most` pictures or `room` bytes.
    """
    pictures = size = 0
    for each in thumbnails:
        line = f"!{each}" if isinstance(each, str) else base64.b64encode(each).decode()
        pictures += isinstance(each, bytes)
        size += len(line)
        if pictures > most or size > room:
            return
        yield line


def linked(
    thumbnails: Iterable[bytes | str], subjects: Iterable[Subject], folder: Path, *, most: int = MOST_LINKED
) -> Iterator[str]:
    """Lines for a page whose thumbnails lie in a folder: names of files there, or `!` and a reason.

    Ends after `most` pictures. Names are digests of images, not theirs. Raises `OSError`.
    """
    pictures = 0
    for each, subject in zip(thumbnails, subjects, strict=False):
        if isinstance(each, str):
            yield f"!{each}"
            continue
        pictures += 1
        if pictures > most:
            return
        name = f"{subject.sha256}-{subject.frame}.webp"
        (folder / name).write_bytes(each)
        yield name
