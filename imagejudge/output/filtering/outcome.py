"""What became of a shard that was filtered, and the record of it that tells which need not be filtered again."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final

from imagejudge.common.atomic_write import write_atomically
from imagejudge.verdict import Outcome

UNJUDGED: Final = "without a verdict"
CHANGED: Final = "changed since it was judged"
UNREADABLE: Final = "with an image or a member that cannot be read"
TOO_LARGE: Final = "of more than 1 GB"
NO_IMAGE: Final = "without an image"
OTHER: Final = "members of no sample"
LARGEST: Final = 1_000_000_000
"""Bytes of a sample, which is in memory as a whole: that of a member is up to the scan that judged it."""
_RECORDS: Final = ".imagejudge"
"""A folder beside the new shards; readers of data sets pass over what is hidden."""


def of_outcome(outcome: str) -> str:
    """Why a sample did not pass that has an image of this outcome."""
    return "with an image that could not be judged" if outcome == Outcome.ERROR else f"with an image that is {outcome}"


@dataclass(slots=True)
class Filtered:
    """How many samples a shard had, and how many passed."""

    samples: int = 0
    kept: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    """Samples by why they did not pass."""
    unjudged: int = 0
    """Images that no verdict is about."""
    broken: str = ""
    """Where and why the shard cannot be read to its end."""


class Records:
    """Which shards in a folder are done, and what they were made of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, name: str, made_of: str) -> Filtered | None:
        """What became of the shard, if it is there and was made of this."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(self._path(name).read_bytes())
            if (found.pop("made_of"), found.pop("state")) == (made_of, _state(self._folder / name)):
                return Filtered(**{**found, "left_out": Counter(found["left_out"])})
        return None

    def keep(self, name: str, made_of: str, filtered: Filtered, fresh: Path) -> None:
        """Record this right before `fresh`, which is written, is put in its place. Raises `OSError`, `OutputError`.

        After a kill just then, the record is not about the old shard that is still there.
        """
        self._path(name).parent.mkdir(parents=True, exist_ok=True)
        found = {each.name: getattr(filtered, each.name) for each in fields(filtered)}
        write_atomically(self._path(name), json.dumps({"made_of": made_of, "state": _state(fresh), **found}))

    def _path(self, name: str) -> Path:
        return self._folder / _RECORDS / f"{name}.json"


def made_of(shard: str, verdicts: str, only: Collection[str]) -> str:
    """What a new shard depends on, as text. Raises `OSError`."""
    return json.dumps([1, *_state(shard), verdicts, sorted(only)])


def _state(path: str | Path) -> list[int]:
    """What tells a file from another one under its name, and is still the same once it is renamed. Raises `OSError`."""
    status = os.stat(path)  # noqa: PTH116 - the name may have stray bytes
    return [status.st_size, status.st_mtime_ns]
