"""The files of a model: plain mistakes, found before llama.cpp finds them in words that are hard to read.

Knows only the first bytes of a GGUF.
"""

from __future__ import annotations

import struct
from pathlib import Path

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
    """The value of a GGUF's first key, which is general.architecture; empty when another key comes first."""
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError as error:
        raise ModelError(
            f"cannot read {path}: {error.strerror}", "Check the path; `imagejudge models` lists known models."
        ) from error
    if head[:4] != b"GGUF":
        pointer = head.startswith(b"version https://git-lfs")
        what = "a Git LFS pointer, not the file itself" if pointer else "not a GGUF file"
        raise ModelError(f"{path} is {what}", "Download the file again; a GGUF begins with the letters GGUF.")
    key = b"general.architecture"
    if head[24:32] != struct.pack("<Q", len(key)) or head[32:52] != key:
        return ""
    (size,) = struct.unpack("<Q", head[56:64])
    return head[64 : 64 + min(size, 128)].decode(errors="replace")
