"""Tars for tests, written by the standard library."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def write_tar(path: Path, files: Mapping[str, bytes] | Iterable[tuple[str | tarfile.TarInfo, bytes]]) -> Path:
    """Write members in order, packed as the name says."""
    members = files.items() if isinstance(files, Mapping) else files
    path.write_bytes(packed(tar_of(members), path.name.lower()))
    return path


def tar_of(members: Iterable[tuple[str | tarfile.TarInfo, bytes]], format_: int = tarfile.PAX_FORMAT) -> bytes:
    """The bytes of a tar; a member is given by its name, or by a header that says more than that."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format_) as tar:
        for given, data in members:
            header = given if isinstance(given, tarfile.TarInfo) else tarfile.TarInfo(given)
            if header.isreg():
                header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    return file.getvalue()


def packed(data: bytes, name: str) -> bytes:
    """Compressed as a file of this name is."""
    if name.endswith(("gz", "tgz")):
        return gzip.compress(data)
    if name.endswith("zst"):
        import zstandard

        return zstandard.compress(data)
    return data
