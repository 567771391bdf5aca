"""Messages between a process and its child: a JSON header with raw bytes behind it. No pickles: pixels are hostile."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

_PREFIX = struct.Struct("<II")
_HEADER_LIMIT = 64 * 2**20


def send(stream: BinaryIO, header: dict[str, Any], payload: bytes = b"") -> None:
    """Write one message and flush it. The payload is at most 4 GiB."""
    text = json.dumps(header).encode()
    stream.write(_PREFIX.pack(len(text), len(payload)))
    stream.write(text)
    if payload:
        stream.write(payload)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """Read one message; None at the end of the stream, also when it ends in the middle of a message."""
    prefix = stream.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size:
        return None
    length, extra = _PREFIX.unpack(prefix)
    if length > _HEADER_LIMIT:
        return None
    text, payload = stream.read(length), stream.read(extra)
    if len(text) < length or len(payload) < extra:
        return None
    return json.loads(text), payload
