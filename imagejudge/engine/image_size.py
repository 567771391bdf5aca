"""How large a picture may be to become no more tokens than asked for, and how large it need be for those it becomes.

Knows nothing of pixels or llama.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Size = tuple[int, int]
_SMALL = 32
"""Pixels of the longer side of a small picture."""
_STEPS = 10
"""Halvings of what is still unknown of the scale."""
_TOKEN_SIDE = 64
"""Pixels of a side of what one token shows, at most, in the encoders of llama.cpp (SmolVLM's, DeepSeek-OCR's)."""
_SPARE = 2
"""How many times the side of what an encoder looks at is kept, so that its own scaling still decides."""


def fitting_size(size: Size, limit: int, tokens: Callable[[int, int], int]) -> Size:
    """The size itself if it makes at most `limit` tokens, else about the largest of its shape that does.

    `tokens` counts those of a width and a height. Where even a small picture makes more, its number is the limit.
    """
    least = _scaled(size, min(1.0, _SMALL / max(size)))
    limit = max(limit, tokens(*least))
    if tokens(*size) <= limit:
        return size
    best, fits, exceeds = least, 0.0, 1.0
    for _ in range(_STEPS):
        scale = (fits + exceeds) / 2
        smaller = _scaled(size, scale)
        if tokens(*smaller) <= limit:
            best, fits = smaller, scale
        else:
            exceeds = scale
    return best


def reduction(size: Size, tokens: int) -> int:
    """By what to divide both sides of a picture that becomes so many tokens: 1, or a power of two that divides both.

    What is left is at least twice as high and wide as the largest square that any encoder makes so many tokens of.
    """
    wanted = _SPARE * _TOKEN_SIDE * math.sqrt(tokens)
    factor = 1
    while min(size) >= 2 * factor * wanted and not any(side % (2 * factor) for side in size):
        factor *= 2
    return factor


def _scaled(size: Size, scale: float) -> Size:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
