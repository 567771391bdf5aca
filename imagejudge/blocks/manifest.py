"""What all processes of one scan agree on: its blocks, and what they are judged by. Written once, by whoever is first.

manifest.json           what is judged by what, and the digest of the plan
blocks-<digest>.jsonl   the plan: a line for each block, with the paths of its images
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from imagejudge.blocks.plan import Block
from imagejudge.errors import OutputError, UsageError
from imagejudge.output.resume import Identity, difference
from imagejudge.output.writing import writing

NAME: Final = "manifest.json"
_SCHEMA: Final = 1
_BEGINNING: Final = re.compile(r"\.plan\.\w+\.tmp|blocks-\w+\.jsonl|manifest\.json")
"""What another process that begins at the same time has in the folder."""
_INSTEAD: Final = "name another folder with `output`"
_OTHER: Final = "name another folder with `output`"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a process was asked to scan."""

    identity: Identity
    """What verdicts are given by."""
    inputs: str
    """Digest of all that decides which images there are, and how they are cut and written: paths and options."""
    words: str
    """The same for people, shortened."""
    ending: str
    """Of the names of parts, as in `Parts`."""
    folder: str | None
    """Where relative paths begin; None where there are none."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `manifest.json` says."""

    schema: int
    inputs: str
    words: str
    ending: str
    folder: str | None
    constitution: str
    model: str
    method: str
    settings: Mapping[str, str | int]
    blocks: int
    images: int
    """Paths in all blocks."""
    plan: str
    """SHA-256 of the file of blocks, in hex."""

    def plan_in(self, folder: Path) -> Iterator[Block]:
        """The blocks, in order. Raises `UsageError` where their file is gone or has changed."""
        digest, number = hashlib.sha256(), 0
        try:
            with _plan_file(folder, self.plan).open("rb") as file:
                for number, line in enumerate(file, 1):
                    digest.update(line)
                    yield Block(number - 1, tuple(json.loads(line)))
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f"the plan in {folder} cannot be read: {error}", _OTHER) from error
        if digest.hexdigest() != self.plan:
            raise UsageError(f"the plan in {folder} is not the one that {NAME} is about", _OTHER)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest. Raises `FileNotFoundError` where there is none, `UsageError` where it cannot be used."""
    try:
        found: Any = json.loads((folder / NAME).read_bytes())
        manifest = Manifest(**found)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not one that was written here"
        raise UsageError(f"{folder / NAME} cannot be used: {why}", _OTHER) from error
    if manifest.schema != _SCHEMA:
        raise UsageError(f"{folder / NAME} was written by another version", _OTHER)
    return manifest


def agree(folder: Path, asked: Asked, blocks: Callable[[], Iterable[Block]]) -> Manifest:
    """The manifest of a folder that is begun or gone on with; `blocks` divides the images, where nobody did it before.

    Any number of processes may call this at once: the first one's plan holds for all. Raises `UsageError` where the
    folder was begun with something else, `OutputError` where it cannot be written.
    """
    try:
        found = read_manifest(folder)
    except FileNotFoundError:
        with writing(folder, _INSTEAD):
            folder.mkdir(parents=True, exist_ok=True)
            if not all(_BEGINNING.fullmatch(entry.name) for entry in folder.iterdir()):
                raise OutputError(f"{folder} holds other files", _OTHER) from None
            found = _begin(folder, asked, blocks())
    compare(folder, found, asked.identity)
    if found.inputs != asked.inputs:
        raise _refused(folder, f"other paths or options ({found.words}, now {asked.words})")
    if found.folder != asked.folder:
        raise _refused(folder, f"paths that begin in {found.folder}, and this is {asked.folder}")
    return found


def _begin(folder: Path, asked: Asked, blocks: Iterable[Block]) -> Manifest:
    """Write the plan, then the manifest, unless another process was quicker; gives the one that is there."""
    digest, count, images = hashlib.sha256(), 0, 0
    fresh = folder / f".plan.{uuid4().hex}.tmp"
    try:
        with fresh.open("wb") as file:
            for block in blocks:
                line = json.dumps(block.inputs, separators=(",", ":")).encode() + b"\n"
                file.write(line)
                digest.update(line)
                count, images = count + 1, images + len(block.inputs)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(_plan_file(folder, digest.hexdigest()))
        told = asdict(asked)
        told |= {**told.pop("identity"), "settings": asked.identity.settings or {}}
        manifest = Manifest(_SCHEMA, **told, blocks=count, images=images, plan=digest.hexdigest())
        fresh.write_text(json.dumps(asdict(manifest), indent=1) + "\n")
        with suppress(FileExistsError):
            os.link(fresh, folder / NAME)  # unlike a rename, never in the place of another's
    finally:
        fresh.unlink(missing_ok=True)
    return read_manifest(folder)


def _plan_file(folder: Path, digest: str) -> Path:
    return folder / f"blocks-{digest[:12]}.jsonl"


def compare(folder: Path, found: Manifest, identity: Identity) -> None:
    """Raise `UsageError` where verdicts are to be given by something else than those that are there."""
    for name in ("constitution", "model", "method"):
        here, now = getattr(found, name), getattr(identity, name)
        if here != now:
            raise _refused(folder, f"another {name} ({here}, now {now})")
    if words := difference(found.settings, identity.settings or {}):
        raise _refused(folder, words)


def _refused(folder: Path, what: str) -> UsageError:
    return UsageError(f"{folder} was begun with {what}", f"ask for the same, or {_OTHER}")
