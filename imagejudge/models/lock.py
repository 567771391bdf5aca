"""The lock file: which models were pulled, the SHA-256 that each file had the first time, and which is the default.

Trust on first use: a digest is written once and never replaced by itself. Knows nothing of the network.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from imagejudge.common.atomic_write import replacing
from imagejudge.common.remedy import remedy
from imagejudge.common.text_file import UnreadableError, read_text
from imagejudge.common.toml_read import parse
from imagejudge.errors import ModelError
from imagejudge.models.registry import Entry

_MAX_BYTES = 10_000_000

_HEADER = """# Written by imagejudge: the files of every model that was pulled, as they were the first time.
# `imagejudge models verify` compares the files with it. Copied to another machine, it pins the same files there.

"""


class PinnedFile(BaseModel):
    """One file, as it was when it was first pulled."""

    model_config = ConfigDict(extra="forbid", defer_build=True, frozen=True)

    sha256: str
    bytes: int


class Pin(BaseModel):
    """One model, as it was when it was first pulled."""

    model_config = ConfigDict(extra="forbid", defer_build=True, frozen=True)

    repository: str
    commit: str
    folder: Path
    """Where the files lie on this machine, unless they were removed since."""
    files: Annotated[dict[str, PinnedFile], Field(min_length=2, max_length=2)]
    """By name on the hub: text model, image encoder."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the files would be: text model, image encoder."""
        return tuple(self.folder / name for name in self.files)

    @property
    def whole(self) -> bool:
        """Whether the files are there with their full size; `store.verify` looks inside."""
        try:
            return all((self.folder / name).stat().st_size == file.bytes for name, file in self.files.items())
        except (OSError, ValueError):  # also of a name that no file can have
            return False


@dataclass(frozen=True, slots=True)
class Lock:
    """What the lock file says."""

    pins: dict[str, Pin]
    default: str | None = None
    """The model that is used when none is chosen."""

    def pin(self, entry: Entry) -> Pin | None:
        """What is pinned for a model, unless its registry entry now names other files."""
        pin = self.pins.get(entry.name)
        return pin if pin and (pin.repository, tuple(pin.files)) == (entry.repository, entry.files) else None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    version: Annotated[Literal[1], Field(alias="schema")]
    default: str | None = None
    models: dict[str, Pin] = {}


def path() -> Path:
    """Where the lock file is: in the user's data folder."""
    return Path(platformdirs.user_data_dir("imagejudge", appauthor=False)) / "models.lock"


def read_lock() -> Lock:
    """What the lock file says; nothing when there is none. Raises `ModelError` when it cannot be believed."""
    where = path()
    try:
        found = _File.model_validate(parse(read_text(where, _MAX_BYTES))[0])
    except FileNotFoundError:
        return Lock({})
    except OSError as error:
        raise ModelError(f"{where} cannot be read: {error.strerror}") from error
    except (UnreadableError, ValidationError) as error:
        raise ModelError(
            f"{where} cannot be believed: {str(error).splitlines()[0]}",
            "bring back an earlier copy, or move it away and pull again: what is pulled then is trusted again",
        ) from error
    return Lock(found.models, found.default)


def keep(name: str, pin: Pin) -> bool:
    """Write down what was pulled; the first model becomes the default. Returns whether it did."""
    return _change(lambda lock: Lock({**lock.pins, name: pin}, lock.default or name)).default is None


def choose(name: str | None) -> None:
    """Make a model the default, or none."""
    _change(lambda lock: replace(lock, default=name))


def forget(name: str) -> None:
    """Trust whatever is pulled next under this name."""
    _change(lambda lock: replace(lock, pins={other: pin for other, pin in lock.pins.items() if other != name}))


def _change(edit: Callable[[Lock], Lock]) -> Lock:
    """Read, edit and write the file while no other process does; returns what was in it before."""
    where = path()
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        with _alone(where):
            before = read_lock()
            after = edit(before)
            if after != before:
                _write(where, after)
    except OSError as error:
        raise ModelError(f"{where} cannot be written: {error.strerror}", remedy(error)) from error
    return before


def _alone(where: Path) -> AbstractContextManager[object]:
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    return WeakFileLock(where.with_name(f".{where.name}.lock"))


def _write(where: Path, lock: Lock) -> None:
    import tomlkit

    whole: dict[str, Any] = {"schema": 1}
    if lock.default is not None:
        whole["default"] = lock.default
    whole["models"] = {name: pin.model_dump(mode="json") for name, pin in sorted(lock.pins.items())}
    with replacing(where, locked=True) as fresh:
        fresh.write_text(_HEADER + tomlkit.dumps(whole), encoding="utf-8")
