"""Files with something wrong somewhere, for readers that must take whatever comes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random


def mutated(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Bits flipped, bytes replaced, parts cut, doubled, moved or swapped, sizes made extreme."""
    new = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        if not new:
            break
        at = random.randrange(len(new))
        length = random.choice((1, 2, 4, 12, 40))
        match random.randrange(8):
            case 0:
                new[at] ^= 1 << random.randrange(8)
            case 1:
                new[at : at + length] = random.randbytes(length)
            case 2:
                new[at : at + 4] = random.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1"))
            case 3:
                del new[at:]
            case 4:
                del new[at : at + length]
            case 5:
                new[at:at] = new[at : at + length]
            case 6:
                to = random.randrange(len(new))
                new[at : at + length], new[to : to + length] = new[to : to + length], new[at : at + length]
            case 7:  # a part of another file
                other = random.choice(others)
                start = random.randrange(len(other))
                new[at:at] = other[start : start + 100]
    return bytes(new)
