"""Shards: files of many images, such as tars. What is in them is read as a stream, and never unpacked.

A member of a shard is named by the shard's path, `::`, and its name in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import chain, groupby
from typing import Final

from imagejudge.images.metadata import FolderMetadata
from imagejudge.images.names import (
    INSTALL_SHARDS,
    SEPARATOR,
    TABLE_ENDINGS,
    Unread,
    is_shard,
    shard_of,
)
from imagejudge.images.read import Limits, Unreadable
from imagejudge.images.ref import ImageRef
from imagejudge.images.shards import parquet, tar

_LIBRARIES: Final = {".tar.zst": "zstandard", **dict.fromkeys(TABLE_ENDINGS, "pyarrow")}
"""What reads shards of an ending, where that is no part of Python."""

_NO_MEMBER: Final = Unreadable("missing", "no image of this name is in the shard; check its name")


def can_read(name: str) -> bool:
    """Whether a shard of this name can be read: what it needs may not be installed."""
    needed = [library for ending, library in _LIBRARIES.items() if name.lower().endswith(ending)]
    return all(find_spec(library) is not None for library in needed)


def expand(
    refs: Iterable[ImageRef],
    limits: Limits,
    *,
    done: Container[str] = (),
    passed_over: Callable[[str, Unread], None] = lambda path, what: None,
    keep_fields: Collection[str] = (),
) -> Iterator[ImageRef]:
    """The images in shards, in the order they lie there, and all other images as they are.

    One image is held at a time. Members whose paths are `done` are left out, and not read. A shard that is broken gives
    a last one with the `trouble` of kind `shard`, whose path says where. A path `SHARD::NAME` gives that member alone;
    the shard is read once for several in a row. `passed_over` is told of members that are no images, and of shards that
    hold none. `keep_fields` names what is carried with each image: members of the same sample (`shards.sample`), or
    columns of a table or a folder's metadata.
    """
    beside = FolderMetadata(keep_fields)
    for shard, group in groupby(refs, _shard_of_member):
        if shard is not None:
            yield from _chosen([ref.path for ref in group], shard, limits, keep_fields)
            continue
        for ref in group:
            if ref.data is not None or ref.trouble is not None:
                yield ref
            elif is_shard(ref.path):
                for member in _members(ref.path, limits, lambda path: path not in done, passed_over, keep_fields):
                    if member.path not in done:
                        yield member
            else:
                yield replace(ref, fields=beside.of(ref.path)) if keep_fields else ref


def _shard_of_member(ref: ImageRef) -> str | None:
    """The shard that has to be read for what is named as a member of it."""
    return None if ref.data is not None or ref.trouble is not None or is_shard(ref.path) else shard_of(ref.path)


def named(paths: Iterable[str], limits: Limits) -> Iterator[ImageRef]:
    """The images at these paths: files, and members of shards, each of which is read once, where it comes first."""
    places: dict[str, list[ImageRef]] = {}
    for path in paths:
        places.setdefault(shard_of(path) or path, []).append(ImageRef(path))
    return expand(chain.from_iterable(places.values()), limits)


def _chosen(paths: Sequence[str], shard: str, limits: Limits, keep_fields: Collection[str]) -> Iterator[ImageRef]:
    """Members by their paths, in the order of the shard; then what cannot be found of them."""
    left = dict.fromkeys(paths)
    row = parquet.row_of(paths[0].removeprefix(shard + SEPARATOR)) if len(left) == 1 else None
    missing = ImageRef(shard, trouble=_NO_MEMBER)
    for ref in _members(shard, limits, left.__contains__, lambda path, what: None, keep_fields, row):
        if ref.path in left:
            del left[ref.path]
            yield ref
            if not left:
                return
        elif ref.trouble is not None:  # that of the shard itself
            missing = ref
    for path in left:
        yield replace(missing, path=path)


def _members(
    shard: str,
    limits: Limits,
    wanted: Callable[[str], bool],
    passed_over: Callable[[str, Unread], None],
    keep_fields: Collection[str],
    row: int | None = None,
) -> Iterator[ImageRef]:
    """The images in a shard whose paths are `wanted`, and what is wrong with the shard itself; of a table, one row."""
    if not can_read(shard):
        yield ImageRef(shard, trouble=Unreadable("shard", f"cannot be read without its library: {INSTALL_SHARDS}"))
    elif shard.lower().endswith(TABLE_ENDINGS):
        yield from parquet.members(shard, limits, wanted, passed_over, keep_fields, row)
    else:
        yield from tar.members(shard, limits, wanted, passed_over, keep_fields)
