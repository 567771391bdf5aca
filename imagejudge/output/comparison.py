"""What differs between two files of verdicts about the same images, by two models, constitutions or methods."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from imagejudge.verdict import Outcome, RuleStatus, Verdict

_MOST: Final = 10_000
"""Images that are listed."""
_State = tuple[Outcome, frozenset[str]]
"""An outcome, and the rules that are violated."""


@dataclass(frozen=True, slots=True)
class Change:
    """One image of which the files say something else."""

    path: str
    before: Outcome
    after: Outcome
    new: tuple[str, ...]
    """Rules that are violated only in the other file."""
    gone: tuple[str, ...]
    """Rules that were violated only in the first."""


@dataclass(slots=True)
class Comparison:
    """The verdicts of two files, matched by path and SHA-256. About 120 bytes are held of each image of the first."""

    same: int = 0
    outcomes: Counter[tuple[Outcome, Outcome]] = field(default_factory=Counter)
    """Before and after, of the images that both files are about."""
    new: Counter[str] = field(default_factory=Counter)
    """Images by rules that are violated only in the other file; so too `gone`."""
    gone: Counter[str] = field(default_factory=Counter)
    only_before: int = 0
    only_after: int = 0
    other_bytes: int = 0
    """Images that had other bytes, which are not compared."""
    changed: int = 0
    changes: list[Change] = field(default_factory=list)
    """The first 10,000 images that changed."""

    def document(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        matrix = {a: {b: self.outcomes[a, b] for b in Outcome} for a in Outcome}
        return {
            "same": self.same,
            "changed": self.changed,
            "only_before": self.only_before,
            "only_after": self.only_after,
            "other_bytes": self.other_bytes,
            "verdicts": matrix,
            "rules": {
                rule: {"new": self.new[rule], "gone": self.gone[rule]} for rule in sorted({*self.new, *self.gone})
            },
            "changes": [
                {"path": each.path, "before": each.before, "after": each.after, "new": each.new, "gone": each.gone}
                for each in self.changes
            ],
        }


def compare(before: Iterable[Verdict], after: Iterable[Verdict]) -> Comparison:
    """Compare two files, each of which is about a path once."""
    found = Comparison()
    salt = os.urandom(16)
    places: dict[int, int] = {}
    digests, states = array("Q"), array("L")
    known: dict[_State, int] = {}
    for verdict in before:
        places[_key(verdict.path, salt)] = len(digests)
        digests.append(_key(verdict.sha256 or "", salt))
        states.append(known.setdefault(_state(verdict), len(known)))
    by_number = list(known)
    for verdict in after:
        place = places.pop(_key(verdict.path, salt), None)
        if place is None:
            found.only_after += 1
        elif digests[place] != _key(verdict.sha256 or "", salt):
            found.other_bytes += 1
        else:
            _add(found, verdict.path, by_number[states[place]], _state(verdict))
    found.only_before = len(places)
    return found


def _add(found: Comparison, path: str, before: _State, after: _State) -> None:
    found.outcomes[before[0], after[0]] += 1
    if before == after:
        found.same += 1
        return
    new, gone = sorted(after[1] - before[1]), sorted(before[1] - after[1])
    found.new.update(new)
    found.gone.update(gone)
    found.changed += 1
    if len(found.changes) < _MOST:
        found.changes.append(Change(path, before[0], after[0], tuple(new), tuple(gone)))


def _state(verdict: Verdict) -> _State:
    return verdict.verdict, frozenset(result.rule for result in verdict.rules if result.status is RuleStatus.VIOLATED)


def _key(text: str, salt: bytes) -> int:
    hashed = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=salt)
    return int.from_bytes(hashed.digest())
