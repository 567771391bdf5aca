"""What to say of an image, or of words, for which the context has no room. Knows numbers alone, no llama.cpp."""

from __future__ import annotations

from imagejudge.engine.spec import BESIDE_IMAGE
from imagejudge.errors import EngineFailure


def no_room(image: int, words: int, context: int, limit: int | None) -> EngineFailure:
    """For an image and words of so many tokens (0: there is none), more than the context has together.

    `limit` is the most that an image may become, None for the model's own.
    """
    taken = [f"the image takes {image:,} tokens"] * bool(image) + [f"what is said takes {words:,}"] * bool(words)
    advice = f"set `ctx={image + words + BESIDE_IMAGE}`"
    fewer = context // 4
    if fewer < image and (limit is None or image <= limit):
        advice += f" or more, or `image_max_tokens={fewer}` or less"
    return EngineFailure("engine-error", f"{' and '.join(taken)}, too many for a context of {context:,}; {advice}")


def too_large_at_once(tile: int, most: int) -> EngineFailure:
    """For an image that has to be read at once, of more tokens than the engine was made for."""
    return EngineFailure(
        "engine-error",
        f"the image takes {tile:,} tokens that have to be read at once, and there is room for {most:,}; "
        f"set `image_max_tokens={tile}`",
    )
