"""What the image encoder made of a picture, before any language model reads it: its tokens, and one vector for all."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from imagejudge.errors import EngineFailure

if TYPE_CHECKING:  # a tenth of a second, and a scan of known images needs none of it
    import numpy as np
    from numpy.typing import NDArray

POOLING: Final = "mean,max"
"""How the vectors of an image's tokens become one: their mean, and behind it their maximum."""

Embedding: TypeAlias = "NDArray[np.float32]"
"""Of one dimension, twice the width of the encoder's output; finite."""


EncodedTokens: TypeAlias = "NDArray[np.float32]"
"""What the image encoder made of a picture, all tiles in order: (tokens, width)."""


def pooled(tiles: Sequence[NDArray[np.float32]]) -> Embedding:
    """The embedding of a picture from all its tiles, at least one, each (tokens, width).

    Raises `EngineFailure` for what is no number.
    """
    import numpy as np

    tokens = np.concatenate(tiles)
    mean = tokens.mean(axis=0, dtype=np.float64)  # adding up thousands of tokens in float32 would cost digits
    vector = np.concatenate([mean, tokens.max(axis=0)]).astype(np.float32)
    if not np.isfinite(vector).all():
        raise EngineFailure("engine-error", "the embedding is no number; try a model file of another precision")
    return vector


def packed(vector: Embedding) -> str:
    """As JSON can hold it without losing a bit: Base64 of little-endian float32."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def unpacked(text: str) -> Embedding:
    """What `packed` wrote."""
    import numpy as np

    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
