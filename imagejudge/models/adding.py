"""An entry for a repository on the hub: which of its files make a model, and how the user's list takes it in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

import tomlkit
from pydantic import ValidationError
from tomlkit.exceptions import TOMLKitError

from imagejudge.common.atomic_write import write_atomically
from imagejudge.common.remedy import remedy
from imagejudge.common.text import printable
from imagejudge.common.text_file import MARK
from imagejudge.errors import ModelError
from imagejudge.models import hub, registry
from imagejudge.models.registry import Entry

_MODEL_ORDER = ("Q4_K_M", "Q5_K_M", "Q4_K_S", "Q6_K", "Q8_0", "Q4_0", "BF16", "F16", "F32")
_MMPROJ_ORDER = ("F16", "BF16", "Q8_0", "F32")
"""What is taken first where a repository has several: small and nearly as good, and what llama.cpp runs everywhere."""
_INSTEAD = "write each of its entries below [[models]], or this one by hand"
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
            licence=printable(listing.licence or "see its page"),
            **{field: size for field, size in sizes.items() if size},  # type: ignore[arg-type]
        )
    except ValidationError as error:
        mistakes = "; ".join(mistake["msg"] for mistake in error.errors(include_input=False))
        hint = "name the files, or give it another name"
        raise ModelError(f"{repository} makes no entry: {mistakes}", hint) from error


def add(entry: Entry) -> None:
    """Put the entry at the end of the user's list; all else in it stays as it is, comments too.

    Raises `ModelError` where the list has one of this name, is wrong, or would not hold what it holds and the entry.
    """
    path = registry.user_file()
    name = printable(path)
    text = registry.read_list(path) if path.is_file() else "schema = 1\n"
    old = registry.parse_list(text, name)
    if entry.name in {each.name for each in old}:
        raise ModelError(f"{name} has a model {entry.name} already", "give this one another name, or delete that entry")
    new = _with_entry(text, entry, name)
    if len(new.encode()) > registry.MAX_BYTES:
        hint = "delete entries that are not needed"
        raise ModelError(f"{name} would be larger than {registry.MAX_BYTES:,} bytes", hint)
    if _entries(new) != [*old, entry]:
        raise ModelError(f"{name} is written in a way that cannot be added to", _INSTEAD)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"{name} cannot be written: {error.strerror}", remedy(error)) from error
    write_atomically(path, new)


def _with_entry(text: str, entry: Entry, name: str) -> str:
    mark = MARK * text.startswith(MARK)
    fields = entry.model_dump(exclude_defaults=True)
    try:
        document: Any = tomlkit.parse(text.removeprefix(MARK))
        rows = document.setdefault("models", tomlkit.aot())
        row = tomlkit.table() if isinstance(rows, tomlkit.items.AoT) else tomlkit.inline_table()
        row.update(fields)
        rows.append(row)
        return mark + tomlkit.dumps(document)
    except TOMLKitError as error:
        raise ModelError(f"{name} cannot be added to: {error}", _INSTEAD) from error


def _entries(text: str) -> list[Entry] | None:
    """What a list would say; None when it could not be read."""
    try:
        return registry.parse_list(text, "")
    except ModelError:
        return None


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
