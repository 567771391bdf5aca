"""An entry for a repository on the hub: which of its files make a model, and how the user's list takes it in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

import tomlkit
from pydantic import ValidationError

from imagejudge.common.atomic_write import write_atomically
from imagejudge.common.text_file import read_text
from imagejudge.errors import ModelError
from imagejudge.models import hub, registry
from imagejudge.models.registry import Entry

_MODEL_ORDER = ("Q4_K_M", "Q5_K_M", "Q4_K_S", "Q6_K", "Q8_0", "Q4_0", "BF16", "F16", "F32")
_MMPROJ_ORDER = ("F16", "BF16", "Q8_0", "F32")
"""What is taken first where a repository has several: small and nearly as good, and what llama.cpp runs everywhere."""
_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")


def entry_of(repository: str, name: str | None, model: str | None, mmproj: str | None) -> Entry:
    """An entry for the repository, with the files named or else the usual choice among those that it has.

    Raises `ModelError` when it has no pair of files, or what it says does not make an entry.
    """
    listing = hub.list_files(repository)
    files = {file: size for file, size in listing.files.items() if file.lower().endswith(".gguf")}
    encoders = [file for file in files if "mmproj" in PurePosixPath(file).name.lower()]
    texts = [file for file in files if file not in encoders and not _PART.search(file)]
    chosen = _chosen(repository, "text model", texts, model, _MODEL_ORDER)
    encoder = _chosen(repository, "image encoder (mmproj)", encoders, mmproj, _MMPROJ_ORDER)
    called = name or re.sub(r"[^a-z0-9.-]+", "-", repository.split("/")[-1].lower().removesuffix("-gguf")).strip("-.")
    sizes = {"model_bytes": files[chosen], "mmproj_bytes": files[encoder]}
    try:
        return Entry(
            name=called,
            repository=repository,
            model=chosen,
            mmproj=encoder,
            licence=listing.licence or "see its page",
            **{field: size for field, size in sizes.items() if size},  # type: ignore[arg-type]
        )
    except ValidationError as error:
        mistakes = "; ".join(mistake["msg"] for mistake in error.errors(include_input=False))
        hint = "name the files, or give it another name"
        raise ModelError(f"{repository} makes no entry: {mistakes}", hint) from error


def add(entry: Entry) -> None:
    """Put the entry at the end of the user's list. Raises `ModelError` where that has one of this name, or is wrong."""
    path = registry.user_file()
    if path.is_file() and entry.name in registry.own_entries():
        raise ModelError(f"{path} has a model {entry.name} already", "give this one another name, or delete that entry")
    try:
        document = (
            tomlkit.parse(read_text(path, registry.MAX_BYTES)) if path.is_file() else tomlkit.parse("schema = 1\n")
        )
        rows = document.setdefault("models", tomlkit.aot())
        rows.append(tomlkit.item(entry.model_dump(exclude_defaults=True)))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, tomlkit.dumps(document))
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror}", "make it writable") from error


def _chosen(repository: str, what: str, files: Iterable[str], named: str | None, order: tuple[str, ...]) -> str:
    there = sorted(files)
    if named is not None:
        if named not in there:
            raise ModelError(f"{repository} has no {what} called {named}", f"it has: {', '.join(there) or 'none'}")
        return named
    if not there:
        raise ModelError(
            f"{repository} has no {what} in the GGUF format",
            "look for a repository that has both files; conversions are often called NAME-GGUF",
        )
    return min(there, key=lambda file: (_rank(file, order), len(file), file))


def _rank(file: str, order: tuple[str, ...]) -> int:
    """The place of the file's precision in the order; what is not in it comes last."""
    found = [place for place, kind in enumerate(order) if re.search(rf"(?<![A-Z0-9]){kind}\b", file.upper())]
    return min(found, default=len(order))
