"""Verdict lines in compressed files: which compression is told by the name where one is written, and by its first bytes
where one is read.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

from imagejudge.common import compression
from imagejudge.errors import UsageError
from imagejudge.images.names import INSTALL_SHARDS

_FED: Final = 512
"""Bytes that are decompressed at once: Zstandard can make 128 kB of 4, so that these are 16 MB at most."""
_SKIPPED: Final = 1_000_000


class Packing(Enum):
    """How lines lie in a file; the value is what such a file begins with."""

    PLAIN = b""
    GZIP = compression.GZIP
    ZSTD = compression.ZSTD
    PARQUET = b"PAR1"

    @classmethod
    def named(cls, path: Path) -> Packing:
        """That of a file to be written. Raises `UsageError` where what it takes is not installed."""
        packing = _SUFFIXES.get(path.suffix.lower(), cls.PLAIN)
        library = _LIBRARIES.get(packing)
        if library is not None and find_spec(library) is None:
            raise UsageError(f"{path} cannot be written without {library}", INSTALL_SHARDS)
        return packing


_SUFFIXES: Final = {".gz": Packing.GZIP, ".tgz": Packing.GZIP, ".zst": Packing.ZSTD, ".parquet": Packing.PARQUET}
_LIBRARIES: Final = {Packing.ZSTD: "zstandard", Packing.PARQUET: "pyarrow"}
_HEAD: Final = max(len(packing.value) for packing in Packing)


def _found(head: bytes) -> Packing:
    """That of a file that begins so; also of one that was cut off within its first bytes."""
    packed = (each for each in Packing if each is not Packing.PLAIN)
    return next((each for each in packed if head and _agree(head, each.value)), Packing.PLAIN)


def _agree(one: bytes, other: bytes) -> bool:
    return one.startswith(other) or other.startswith(one)


class Writable(Protocol):
    """Takes bytes; what was flushed can be read by others."""

    def write(self, data: bytes, /) -> object:
        """Take more."""

    def flush(self) -> object:
        """Let others see what was written."""


class PackedWriter:
    """Writes into a stream as a packing wants it: as one more gzip member or Zstandard frame, begun by the first byte.

    What was flushed can be read although the member has no end yet. The stream stays open for its owner.
    """

    def __init__(self, stream: BinaryIO, packing: Packing) -> None:
        self._stream = stream
        self._packing = packing
        self._compressor: Any = None
        self._flushing, self._ending = zlib.Z_SYNC_FLUSH, zlib.Z_FINISH

    def write(self, data: bytes) -> None:
        """Take more."""
        if self._packing is not Packing.PLAIN:
            if self._compressor is None:
                self._begin()
            data = self._compressor.compress(data)
        self._stream.write(data)

    def flush(self) -> None:
        """Write what was held back; what is repeated later still refers to it."""
        if self._compressor is not None:
            self._stream.write(self._compressor.flush(self._flushing))
        self._stream.flush()

    def finish(self) -> None:
        """End the member, if one was begun."""
        if self._compressor is not None:
            self._stream.write(self._compressor.flush(self._ending))
            self._compressor = None
        self._stream.flush()

    def _begin(self) -> None:
        if self._packing is Packing.GZIP:
            self._compressor = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
            return
        import zstandard

        self._compressor = zstandard.ZstdCompressor().compressobj()
        self._flushing, self._ending = zstandard.COMPRESSOBJ_FLUSH_BLOCK, zstandard.COMPRESSOBJ_FLUSH_FINISH


Complaint = Callable[[str], Exception]
"""Makes an exception of what is wrong with a file, in words."""


def unpacked(stream: BinaryIO, complaint: Complaint) -> BinaryIO:
    """The lines in a file, however they are packed; the stream itself where they are not.

    It is read from the beginning if it can be gone through more than once, and so can the result. A compressed stream
    that is cut off gives what can be read. Raises a `complaint` of one that is damaged.
    """
    if stream.seekable():
        stream.seek(0)
        head = stream.read(_HEAD)
        stream.seek(0)
    else:
        head = cast("io.BufferedReader", stream).peek(_HEAD)[:_HEAD]
    packing = _found(head)
    if packing is Packing.PLAIN:
        return stream
    if packing is Packing.PARQUET and not stream.seekable():
        raise complaint("is Parquet, which cannot be read from a pipe")
    if (library := _LIBRARIES.get(packing)) is not None and find_spec(library) is None:
        raise complaint(f"cannot be read without {library}: {INSTALL_SHARDS}")
    return cast("BinaryIO", io.BufferedReader(_Unpacked(stream, packing, complaint), 2**16))


def packing_of(text: BinaryIO) -> Packing:
    """How the file lies there of which `unpacked` gave the lines."""
    raw = getattr(text, "raw", None)
    return raw.packing if isinstance(raw, _Unpacked) else Packing.PLAIN


def is_cut(text: BinaryIO) -> bool:
    """Whether what `unpacked` gave, and was read to its end, is of a compressed file that has no end."""
    raw = getattr(text, "raw", None)
    return isinstance(raw, _Unpacked) and raw.cut


class _Unpacked(io.RawIOBase):
    """The text of a compressed file. To go back in it means to begin anew."""

    def __init__(self, source: BinaryIO, packing: Packing, complaint: Complaint) -> None:
        super().__init__()
        self.packing = packing
        self.cut = False
        """Whether the end was reached and is missing."""
        self._source = source
        self._complaint = complaint
        self._part = memoryview(b"")
        self._begin()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """As far as the file is."""
        return self._source.seekable()

    def readinto(self, buffer: Any, /) -> int:
        """Read more; at most what was decompressed at once."""
        while not self._part:
            self._part = memoryview(next(self._parts, b""))
            if not self._part:
                return 0
        size = min(len(buffer), len(self._part))
        buffer[:size] = self._part[:size]
        self._part = self._part[size:]
        self._at += size
        return size

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place in the text."""
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("where it ends is not known")
        target = offset + (self._at if whence == io.SEEK_CUR else 0)
        if target < self._at:
            self._begin()
        while self._at < target and self.read(min(target - self._at, _SKIPPED)):
            pass
        return self._at

    def _begin(self) -> None:
        self._at = 0
        self._part = memoryview(b"")
        self._parts: Iterator[bytes] = self._rows() if self.packing is Packing.PARQUET else self._decompressed()

    def _rows(self) -> Iterator[bytes]:
        from imagejudge.output.parquet import lines_in

        return lines_in(self._source, self._complaint)

    def _decompressed(self) -> Iterator[bytes]:
        """What is not empty, member by member."""
        new, errors = _decompressors(self.packing)
        if self._source.seekable():
            self._source.seek(0)
        member = None
        while fed := self._source.read(_FED):
            while fed:
                member = member or new()
                try:
                    part = member.decompress(fed)
                except errors as error:
                    raise self._complaint(f"is damaged ({error})") from error
                if part:
                    yield part
                fed = member.unused_data
                if member.eof:
                    member = None
        self.cut = member is not None


def _decompressors(packing: Packing) -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """What makes them, and what they raise."""
    if packing is Packing.GZIP:
        return lambda: zlib.decompressobj(16 + zlib.MAX_WBITS), (zlib.error,)
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=compression.ZSTD_WINDOW).decompressobj, (zstandard.ZstdError,)
