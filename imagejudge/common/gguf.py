"""What a GGUF file says of itself in its header. Knows nothing of models beyond that."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

MAGIC = b"GGUF"
"""What every GGUF file begins with."""
_HEAD = 1 << 16
"""Bytes that are looked at: general keys come first, long lists of tokens after them."""
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _LIST = 8, 9
_GUESSED = 1024
"""Added to a type that was not written down but inferred."""
# fmt: off
_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16",
}
# fmt: on


def quantisation(path: Path) -> str | None:
    """How the weights are stored, as llama.cpp names it, such as `Q4_K_M`; None where the file does not say."""
    for key, value in _metadata(path):
        if key == b"general.file_type":
            return _TYPES.get(value & ~_GUESSED, f"type {value}") if isinstance(value, int) else None
    return None


def architecture(path: Path) -> str:
    """The kind of network, such as `llama`, or `clip` for an image encoder; empty where the file does not begin with
    it, as llama.cpp's files do. Raises `OSError`.
    """
    key, value = next(_metadata(path), (b"", b""))
    return value.decode(errors="replace") if key == b"general.architecture" and isinstance(value, bytes) else ""


def is_gguf(path: Path) -> bool:
    """Whether the file begins as a GGUF file does. Raises `OSError`."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _metadata(path: Path) -> Iterator[tuple[bytes, Any]]:
    """Keys and values in the file's order, as far as its first bytes hold them and make sense."""
    with path.open("rb") as file:
        head = BytesIO(file.read(_HEAD))
    with suppress(struct.error, KeyError, OverflowError, RecursionError):  # its end was reached, or it is nonsense
        magic, _, _, count = struct.unpack("<4sIQQ", head.read(24))
        for _ in range(count if magic == MAGIC else 0):
            yield _string(head), _value(head, _number(head, 4))


def _value(head: BytesIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(head)
    if kind == _LIST:
        inner, size = _number(head, 4), _number(head, 10)
        return [_value(head, inner) for _ in range(size)]
    return _number(head, kind)


def _string(head: BytesIO) -> bytes:
    return head.read(_number(head, 10))


def _number(head: BytesIO, kind: int) -> Any:
    form = _NUMBERS[kind]
    return struct.unpack(form, head.read(struct.calcsize(form)))[0]
