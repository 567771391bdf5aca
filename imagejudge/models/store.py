"""Models as a whole: pull, verify and remove them. Knows the registry and the lock file, and leaves the network to
`hub`.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagejudge.errors import ModelError
from imagejudge.models import lock
from imagejudge.models.files import file_digest
from imagejudge.models.lock import Pin, PinnedFile
from imagejudge.models.registry import Entry, find_entry, user_file

if TYPE_CHECKING:
    from imagejudge.models.hub import Remote, Tell


@dataclass(frozen=True, slots=True)
class Checked:
    """One file compared with the lock file."""

    model: str
    name: str
    size: int
    sha256: str
    """As pinned."""
    problem: str | None
    """None, `missing` or `changed`."""


def verify(name: str, pin: Pin) -> list[Checked]:
    """Read a model's files and compare them with what was pinned."""
    return [
        Checked(name, file, pinned.bytes, pinned.sha256, _problem(pin.folder / file, pinned))
        for file, pinned in pin.files.items()
    ]


def _problem(path: Path, pinned: PinnedFile) -> str | None:
    if not path.is_file():
        return "missing"
    return None if file_digest(path) == pinned.sha256 else "changed"


def pull(entry: Entry, tell: Tell) -> Pin:
    """Fetch and pin a model, or resume doing so; without the network when its files are here already.

    Raises `ModelError` with what to do, above all when a file differs from the one pinned at the first pull.
    """
    if not entry.files:
        raise ModelError(
            f"no GGUF files of {entry.name} are known",
            f"convert https://huggingface.co/{entry.repository} and name the two files with `model` and `mmproj`, "
            f"or list them in {user_file()}",
        )
    pin = lock.read_lock().pin(entry)
    if pin is not None and pin.whole:
        _refuse_changed(verify(entry.name, pin))
        return pin
    pin = _fetched(entry, pin, tell)
    lock.keep(entry.name, pin)
    return pin


def _fetched(entry: Entry, pin: Pin | None, tell: Tell) -> Pin:
    from imagejudge.models import hub

    remotes: list[Remote] = []
    revision = pin.commit if pin else "main"
    for name in entry.files:
        remotes.append(hub.look(entry.repository, name, revision))
        revision = remotes[0].commit  # both files of one commit, also when another one is made right now
    if pin:
        for remote in remotes:
            _refuse_other(entry, remote, pin.files[remote.name])
    hub.make_room(remotes)
    files = {}
    for remote in remotes:
        digest = hub.fetch(remote, pin.files[remote.name].sha256 if pin else None, tell)
        files[remote.name] = PinnedFile(sha256=digest, bytes=remote.size)
    folder = hub.snapshot(entry.repository, revision)
    return Pin(repository=entry.repository, commit=revision, folder=folder, files=files)


def _refuse_other(entry: Entry, remote: Remote, pinned: PinnedFile) -> None:
    """Before gigabytes are fetched: the hub says itself that it has another file now."""
    if remote.sha256 not in (None, pinned.sha256):
        raise ModelError(
            f"the hub offers another {remote.name} than the one that was pinned at the first pull",
            f"if you trust the new one, `imagejudge models rm` {entry.name} with `forget`, then pull again",
        )


def _refuse_changed(files: list[Checked]) -> None:
    for file in files:
        if file.problem:
            raise ModelError(
                f"{file.name} is not the file that was pinned at the first pull: it was changed since",
                f"remove it with `imagejudge models rm {file.model}`, then pull again",
            )


def remove(name: str, *, forget: bool) -> int:
    """Delete a model's files, also half-fetched ones, and return how many bytes that freed.

    What was pinned stays pinned unless `forget`, so that a later pull brings the same files.
    """
    from imagejudge.models import hub

    state = lock.read_lock()
    pin = state.pins.get(name)
    repository = pin.repository if pin else find_entry(name).repository  # it may be listed no longer
    freed = sum(_delete(path) for path in hub.partials(repository))
    if pin is not None:
        freed += sum(_remove(path) for path in pin.paths)
    if state.default == name:
        lock.choose(None)
    if forget:
        lock.forget(name)
    return freed


def _remove(path: Path) -> int:
    """Delete a file of the cache, and what it links to unless another commit's folder links to it too."""
    blob = path.parent / path.readlink() if path.is_symlink() else None
    freed = _delete(path)
    if blob is not None and not _linked(blob, path):
        freed += _delete(blob)
    return freed


def _linked(blob: Path, path: Path) -> bool:
    snapshots = next((folder for folder in path.parents if folder.name == "snapshots"), None)
    others = snapshots.rglob(path.name) if snapshots else ()
    return any(other.is_symlink() and other.resolve() == blob.resolve() for other in others)


def _delete(path: Path) -> int:
    """Bytes freed by deleting a file, or a link (none)."""
    size = 0 if path.is_symlink() else path.stat().st_size if path.exists() else 0
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    except OSError as error:
        raise ModelError(f"{path} cannot be deleted: {error.strerror}") from error
    return size
