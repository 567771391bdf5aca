"""What names say of files: which are images, videos, or files of many images, and what is said of those left out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from imagejudge.common.extras import how_to_install
from imagejudge.images.video import INSTALL as INSTALL_VIDEO

EXTENSIONS: Final = frozenset(
    (
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".avif", ".heic", ".heif"),
        *(".bmp", ".dib", ".tif", ".tiff", ".ico", ".ppm", ".pgm", ".pbm", ".pnm"),
    )
)
"""What an image found in a folder must end in, in lower case; a file that is named may end in anything."""
VIDEO_EXTENSIONS: Final = frozenset((".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts"))
"""The same for videos, where they can be read."""
SHARED_EXTENSIONS: Final = frozenset((".ts", ".mts"))
"""Those that program texts (TypeScript) have as well: what such a file begins with tells."""
TAR_ENDINGS: Final = (".tar", ".tgz", ".tar.gz", ".tar.zst")
PACKED_ENDINGS: Final = (".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tbz", ".tar.lzma", ".tar.lz4", ".tar.lz", ".tar.z")
"""Of tars in a way that is not read."""
PARQUET_ENDINGS: Final = (".parquet",)
ARROW_ENDINGS: Final = (".arrow",)
TABLE_ENDINGS: Final = (*PARQUET_ENDINGS, *ARROW_ENDINGS)
INSTALL_SHARDS: Final = how_to_install("shards")
"""What makes all of them readable."""
SEPARATOR: Final = "::"
"""Between the path of a shard and the name of a member of it."""


class Unread(StrEnum):
    """What may hold images and is not looked at, and where none were found."""

    VIDEO = "video"
    """Where what reads videos is not installed."""
    SHARD = "shard"
    """A file of many images, where what reads it is not installed."""
    PACKED = "tar that is neither plain nor packed by gzip or zstd"
    NESTED = "shard in another shard"
    EMPTY = "shard without an image"
    OTHER = "other member of a shard"
    """By its name, neither image nor video; in a tar, of a sample without any."""


PLURALS: Final[Mapping[Unread, str]] = MappingProxyType(
    {
        Unread.VIDEO: "videos",
        Unread.SHARD: "shards",
        Unread.PACKED: "tars that are neither plain nor packed by gzip or zstd",
        Unread.NESTED: "shards in other shards",
        Unread.EMPTY: "shards without an image",
        Unread.OTHER: "other members of shards",
    }
)
HOW_TO_JUDGE: Final[Mapping[Unread, str]] = MappingProxyType(
    {
        Unread.VIDEO: f"to judge them: {INSTALL_VIDEO}",
        Unread.SHARD: f"to judge what is in them: {INSTALL_SHARDS}",
        Unread.PACKED: "to judge what is in them, pack them in one of these ways",
        Unread.NESTED: "to judge what is in them, unpack them first",
        Unread.EMPTY: "members are known as images by how their names end",
        Unread.OTHER: "members are known as images by how their names end",
    }
)


def extension(name: str) -> str:
    """From the last dot on, in lower case."""
    return name[name.rfind(".") :].lower()


def is_image(name: str) -> bool:
    """Whether it is called as one."""
    return extension(name) in EXTENSIONS


def is_shard(name: str) -> bool:
    """Whether it is called as a file of many images."""
    return name.lower().endswith((*TAR_ENDINGS, *TABLE_ENDINGS))


def is_found_shard(name: str) -> bool:
    """The same for one that lies in a folder, without what the library datasets keeps beside images and data sets."""
    return is_shard(name) and name != "metadata.parquet" and not (name.startswith("cache-") and name.endswith(".arrow"))


def shard_of(path: str) -> str | None:
    """The path of the shard, where this is the path of a member of one."""
    at = -1
    while (at := path.find(SEPARATOR, at + 1)) >= 0:
        if is_shard(path[:at]):
            return None if os.path.lexists(path) else path[:at]
    return None
