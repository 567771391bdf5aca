"""The two files that make a model, and their digests. Knows nothing of where they come from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from imagejudge.common.hashed_file import HashedFile, hash_file
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

    @property
    def paths(self) -> list[Path]:
        """All that llama.cpp opens: the text model, in however many parts, and last the image encoder."""
        return [self.model, *_other_parts(self.model), self.mmproj]


def _other_parts(model: Path) -> Iterator[Path]:
    """Those of a text model in several files, which llama.cpp finds by their names when it is given the first."""
    if parts := re.fullmatch(r"(.*-)00001(-of-(\d{5})\.gguf)", model.name, re.DOTALL):
        for number in range(2, int(parts[3]) + 1):
            yield model.with_name(f"{parts[1]}{number:05}{parts[2]}")


def whole_digest(digests: Iterable[str]) -> str:
    """One digest for a model, from those of its files."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of one file, in hex. Raises `ModelError`."""
    return hashed(path).digest


def hashed(path: Path) -> HashedFile:
    """One file with its digest. Raises `ModelError` where it cannot be read, or changes meanwhile."""
    try:
        return hash_file(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
