"""From what the user calls a model to the two files that make it. Knows nothing of how they are run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imagejudge.errors import ModelError

BUILTIN = "builtin"
BUILTIN_NOTE = "the built-in model understands stickers, emoji and icons, not photographs"

_BUILTIN_FOLDER = Path(__file__).parent / "builtin"
_WAYS_ON = (
    "choose one with --model: `--model builtin` for stickers, emoji and icons, "
    "or the two GGUF files of a vision-language model, `--model x.gguf --mmproj mmproj-x.gguf`"
)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A vision-language model as llama.cpp reads it: a text model and its image encoder."""

    name: str
    model: Path
    mmproj: Path
    box_style: str | None = None
    """Key of `questions.BOX_STYLES`; None: nobody said how this model writes boxes, so it is not asked for any."""


def resolve(model: str | None, mmproj: str | None) -> ModelFiles:
    """The files for what was given as --model and --mmproj. Raises `ModelError` with what to do instead."""
    if model is None:
        raise ModelError("no model was chosen", _WAYS_ON)
    if model == BUILTIN:
        if mmproj is not None:
            raise ModelError("--mmproj does not go with the built-in model", "leave it out")
        return _present(
            ModelFiles(BUILTIN, _BUILTIN_FOLDER / "model.gguf", _BUILTIN_FOLDER / "mmproj.gguf", "bbox-xyxy-1000")
        )
    if not model.endswith(".gguf") and not Path(model).exists():
        raise ModelError(f"no model is called {model!r}", _WAYS_ON)
    if mmproj is None:
        raise ModelError(f"{model} is only half of a model: it cannot see", "name its image encoder with --mmproj")
    return _present(ModelFiles(Path(model).stem, Path(model), Path(mmproj)))


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


def _present(files: ModelFiles) -> ModelFiles:
    for path in (files.model, files.mmproj):
        if not path.is_file():
            raise ModelError(f"there is no file {path}", _WAYS_ON)
    return files
