"""The two files of a model: plain mistakes, found before llama.cpp finds them in words that are hard to read."""

from __future__ import annotations

from pathlib import Path

from imagejudge.common.gguf import architecture, is_gguf
from imagejudge.engine.parse import clean
from imagejudge.errors import ModelError


def check(model: Path, mmproj: Path | None) -> None:
    """ModelError when a file is missing, is no GGUF, or stands in the other's place."""
    text, vision = _architecture(model), _architecture(mmproj) if mmproj else ""
    if text == "clip":
        swapped = " and the other file is a text model: swap the two" if vision not in {"", "clip"} else ""
        raise ModelError(
            f"{model} is a vision encoder, not a text model{swapped}",
            "The text model goes first, the mmproj file second.",
        )
    if vision not in {"", "clip"}:
        raise ModelError(
            f"{mmproj} is a text model ({clean(vision, 40)}), not the vision encoder",
            "Give the mmproj file that was released with the model.",
        )


def _architecture(path: Path) -> str:
    try:
        if is_gguf(path):
            return architecture(path)
        with path.open("rb") as file:
            pointer = file.read(32).startswith(b"version https://git-lfs")
    except OSError as error:
        raise ModelError(
            f"cannot read {path}: {error.strerror}", "Check the path; `imagejudge models` lists known models."
        ) from error
    what = "a Git LFS pointer, not the file itself" if pointer else "not a GGUF file"
    raise ModelError(f"{path} is {what}", "Download the file again; a GGUF begins with the letters GGUF.")
