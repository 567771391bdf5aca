"""The largest picture of a Windows icon, as a file of its own. Knows the icon's list, not pixels."""

from __future__ import annotations

import struct

from imagejudge.images.formats import Refused

_HEAD = 6
_ENTRY = 16


def largest(data: bytes) -> tuple[bytes, str]:
    """A PNG, or an icon of one picture, and which of them it is."""
    count = int.from_bytes(data[4:6], "little")
    if len(data) < _HEAD + count * _ENTRY or not count:
        raise Refused("truncated", "the ICO data ends within its list; copy or download the file again")
    entries = [data[at : at + _ENTRY] for at in range(_HEAD, _HEAD + count * _ENTRY, _ENTRY)]
    best = max(entries, key=lambda entry: ((entry[0] or 256) * (entry[1] or 256), entry[6:8][::-1]))
    size, at = struct.unpack("<II", best[8:])
    if data[at : at + 4] == b"\x89PNG":  # which tells its own length
        return data[at:], "PNG"
    picture = data[at : at + size]
    if len(picture) < 4:
        raise Refused("truncated", "the ICO data ends before its picture; copy or download the file again")
    head = struct.pack("<3H", 0, 1, 1) + best[:8] + struct.pack("<II", len(picture), _HEAD + _ENTRY)
    return head + picture, "ICO"
