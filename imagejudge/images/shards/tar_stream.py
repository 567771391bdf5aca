"""A tar as a stream of entries, compressed or not, read once from front to back.

`tarfile` takes an archive that breaks off for one that ends, and holds what headers claim. Here every break is told,
and nothing costs memory but what is asked for. Knows the format, not images.
"""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from typing import Final, Protocol, cast

from imagejudge.common.compression import GZIP, ZSTD, ZSTD_WINDOW
from imagejudge.images.names import INSTALL_SHARDS

_BLOCK: Final = 512
_PIECE: Final = 1 << 20
_LONGEST_EXTRA: Final = 1 << 20
"""Bytes of all that a member has before its own header, such as a long name; larger claims are not believed."""
_LONGEST_PADDING: Final = 1 << 20
"""Bytes of zeros after the mark that ends an archive; usual are at most 10,240."""
_SMALL: Final = 1_000_000_000
_MOST_EXPANSION: Final = 1_100
"""A compressed archive that is not small may become so many times as large; gzip's best is 1,032."""
_NAME, _SIZE, _SPARSE, _SPARSE_NAME = b"path", b"size", b"GNU.sparse.", b"GNU.sparse.name"


class BrokenTar(Exception):  # noqa: N818 - ends one archive, not the run
    """An archive cannot be read on. `offset` is that of the entry it broke in, decompressed."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an archive, as its headers describe it."""

    offset: int
    """Of its first header, in bytes from the start of the decompressed archive."""
    name: str
    """Bytes that are not UTF-8 are surrogates."""
    size: int
    """Bytes that are stored."""
    type: bytes
    """One of those that `tarfile` names: regular, a link, a folder ..."""
    sparse: bool
    """Whether what is stored is not the file, but its parts that are no holes."""


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


class TarStream:
    """Iterates over the entries of an open archive; the bytes of the current one can be read. Raises `BrokenTar`."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._errors: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error)
        self._at = 0
        self._entry = 0
        """Where the current entry begins."""
        self._name: str | None = None
        """Of the current entry, once it is known."""
        self._left = 0
        """Bytes of it that are still ahead, padding included."""
        self._everywhere: dict[bytes, bytes] = {}
        """What was said of all entries that follow."""
        self._compressed = True
        self._reader = self._opened()

    def __iter__(self) -> Iterator[Entry]:
        while (entry := self._next()) is not None:
            yield entry

    @property
    def place(self) -> int:
        """Where the current entry begins; at the end, the mark that ends the archive."""
        return self._entry

    def data(self, entry: Entry) -> bytes:
        """The bytes of the current entry, all at once."""
        data = self._exactly(entry.size)
        self._left -= entry.size
        return data

    def _opened(self) -> _Reader:
        try:
            magic = self._file.peek(4)[:4]
        except OSError as error:
            raise self._unreadable(error) from None
        if magic[:2] == GZIP:
            return gzip.GzipFile(fileobj=self._file)
        if magic == ZSTD or magic[1:] == b"\x2a\x4d\x18":
            try:
                import zstandard
            except ImportError:
                raise self._broken(f"is compressed with zstd: {INSTALL_SHARDS}") from None
            self._errors = (*self._errors, zstandard.ZstdError)
            decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
            return cast("_Reader", decompressor.stream_reader(self._file, read_across_frames=True, closefd=False))
        self._compressed = False
        return self._file

    def _next(self) -> Entry | None:
        self._skip(self._left)
        self._entry, self._name = self._at, None
        special: dict[bytes, bytes] = {}
        while (block := self._header()) is not None:
            try:
                header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            except tarfile.HeaderError:
                if self._entry == 0:
                    raise self._broken("is no tar") from None
                raise self._broken("has something else where the header of a member should be") from None
            if header.size < 0:
                raise self._broken("has a member of less than no bytes")
            if header.type == tarfile.GNUTYPE_LONGNAME:
                special[_NAME] = self._extra(header.size).partition(b"\0")[0]
            elif header.type == tarfile.GNUTYPE_LONGLINK:
                self._extra(header.size)
            elif header.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
                special.update(self._records(header.size))
            elif header.type == tarfile.XGLTYPE:
                self._everywhere.update(self._records(header.size))
            else:
                return self._described(header, block, {**self._everywhere, **special})
        return None

    def _header(self) -> bytes | None:
        """A block that is a header; None at the end of the archive."""
        if self._at - self._entry > _LONGEST_EXTRA:
            raise self._broken("has a member with headers larger than any are")
        block = self._read(_BLOCK)
        if not block and self._at == 0:
            raise self._broken("is empty, without even the mark that ends an archive")
        if len(block) < _BLOCK:
            raise self._broken("ends without the mark that ends an archive, so it may be cut off")
        if any(block):
            return block
        if self._at - self._entry > _BLOCK:
            raise self._broken("ends within the headers of a member")
        rest = self._read(_LONGEST_PADDING + 1)
        if any(rest):
            raise self._broken("goes on after the mark that ends an archive; what is there was not read")
        if len(rest) > _LONGEST_PADDING:
            raise self._broken(f"goes on for more than {_LONGEST_PADDING:,} bytes after the mark that ends an archive")
        return None

    def _described(self, header: tarfile.TarInfo, block: bytes, special: Mapping[bytes, bytes]) -> Entry:
        name, size = header.name, header.size
        if (told := special.get(_SPARSE_NAME, special.get(_NAME))) is not None:
            name = told.decode("utf-8", "surrogateescape")
        if (told := special.get(_SIZE)) is not None:
            size = self._number(told)
        sparse = header.type == tarfile.GNUTYPE_SPARSE
        more = sparse and block[482]  # the map of its parts goes on in blocks of its own
        while more:
            more = self._extra(_BLOCK)[504]
        has_data = header.isreg() or header.type not in tarfile.SUPPORTED_TYPES
        self._left = _padded(size) if has_data else 0
        self._name = name
        sparse = sparse or _SPARSE in special or _SPARSE_NAME in special
        return Entry(self._entry, name, size, header.type, sparse)

    def _records(self, size: int) -> dict[bytes, bytes]:
        """Of a pax header, what matters here."""
        found, records, at = {}, self._extra(size).rstrip(b"\0"), 0
        while at < len(records):
            length = self._number(records[at : at + 20].partition(b" ")[0])
            key, equals, value = records[at : at + length].partition(b" ")[2].partition(b"=")
            if not equals or not value.endswith(b"\n"):
                raise self._broken("has a member with a header that cannot be read")
            if key in (_NAME, _SIZE, _SPARSE_NAME):
                found[key] = value[:-1]
            elif key.startswith(_SPARSE):
                found[_SPARSE] = b""  # of the map of its parts, that there is one
            at += length
        return found

    def _number(self, digits: bytes) -> int:
        if not digits.isdigit() or len(digits) > 20:
            raise self._broken("has a member with a header that cannot be read")
        return int(digits)

    def _extra(self, size: int) -> bytes:
        """What stands between the headers of a member, padding cut off."""
        if self._at + size - self._entry > _LONGEST_EXTRA:
            raise self._broken("has a member with headers larger than any are")
        return self._exactly(_padded(size))[:size]

    def _exactly(self, size: int) -> bytes:
        data = self._read(size)
        if len(data) < size:
            raise self._cut_off()
        return data

    def _skip(self, size: int) -> None:
        if not self._compressed and self._file.seekable():
            if self._at + size > os.fstat(self._file.fileno()).st_size:
                raise self._cut_off()
            self._file.seek(size, os.SEEK_CUR)
            self._at += size
            return
        while size:
            size -= len(self._exactly(min(size, _PIECE)))

    def _read(self, size: int) -> bytes:
        """So many bytes, fewer only at the end of the file."""
        parts = []
        try:
            while size and (part := self._reader.read(size)):
                parts.append(part)
                self._at += len(part)
                size -= len(part)
        except self._errors as error:
            raise self._unreadable(error) from None
        if self._compressed and self._at > max(_SMALL, self._file.tell() * _MOST_EXPANSION):
            raise self._broken("becomes more than a thousand times as large when it is decompressed")
        return b"".join(parts)

    def _cut_off(self) -> BrokenTar:
        return self._broken("is cut off within " + ("a header" if self._name is None else self._name))

    def _unreadable(self, error: Exception) -> BrokenTar:
        return self._broken(f"cannot be read on: {getattr(error, 'strerror', None) or error}")

    def _broken(self, message: str) -> BrokenTar:
        return BrokenTar(self._entry, message)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
