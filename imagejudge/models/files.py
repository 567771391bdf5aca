"""The two files that make a model, and their digests. Knows nothing of where they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imagejudge.errors import ModelError
from imagejudge.prompts import HOUSE, PromptStyle


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A vision-language model as llama.cpp reads it: a text model and its image encoder."""

    name: str
    model: Path
    mmproj: Path
    box_style: str | None = None
    """Key of `prompts.BOX_STYLES`; None: not known how this model writes boxes, so it is not asked for any."""
    prompt_style: PromptStyle = HOUSE
    """In whose words it is asked."""
    chat_template: str | None = None
    """Jinja source of the template by which it is asked; None: the one that its file holds."""
    image_tokens: int | None = None
    """Most tokens an image should become for this model; None: no number is recommended."""
    image_min_tokens: int | None = None
    """Least tokens of an image; None: as the model has it."""
    world: Path | None = None
    """The file that tells how far a picture lies from what this model was made for; None: it has none."""


def whole_digest(digests: Iterable[str]) -> str:
    """One digest for a model, from those of its files."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of one file, in hex."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
