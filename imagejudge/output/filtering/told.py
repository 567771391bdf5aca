"""What verdicts say of the images in shards, by shard: on disk, since there may be millions."""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import IO, Any, NamedTuple

from imagejudge.images.names import SEPARATOR, shard_of
from imagejudge.judge.scores import image_score
from imagejudge.verdict import Outcome, RuleStatus, Verdict

_BADNESS = (Outcome.SAFE, Outcome.UNSURE, Outcome.UNSAFE, Outcome.ERROR)


class Told(NamedTuple):
    """What is said of one image."""

    outcome: str
    sha256: str | None
    document: dict[str, Any]
    """What is written beside it. Every one has the same keys, and no value is null or a list: readers take the types
    of a data set from its first samples.
    """


class ToldOfShards:
    """Verdicts on members of some shards. `file` is a temporary one; of each verdict 8 bytes are held."""

    def __init__(self, verdicts: Iterable[Verdict], shards: Sequence[str], file: IO[bytes]) -> None:
        self._file = file
        self._places = {os.path.realpath(shard): array("Q") for shard in shards}
        real = cache(os.path.realpath)
        at = 0
        for verdict in verdicts:
            shard = shard_of(verdict.path)
            if shard is None or (places := self._places.get(real(shard))) is None:
                continue
            member = verdict.path[len(shard) + len(SEPARATOR) :]
            line = json.dumps((member, *_told(verdict))).encode() + b"\n"
            places.append(at)
            at += file.write(line)

    def of(self, shard: str) -> Mapping[str, Told]:
        """By the member's name."""
        return {member: Told(*told) for member, *told in map(json.loads, self._lines(shard))}

    def digest(self, shard: str) -> str:
        """Of all that is said of its images, in hex."""
        found = hashlib.sha256()
        for line in self._lines(shard):
            found.update(line)
        return found.hexdigest()

    def _lines(self, shard: str) -> Iterator[bytes]:
        for place in self._places[os.path.realpath(shard)]:
            self._file.seek(place)
            yield self._file.readline()


def worst(images: Iterable[Told]) -> dict[str, Any]:
    """What is written beside several images of one sample."""
    found = list(images)
    document = max(found, key=lambda each: (_BADNESS.index(Outcome(each.outcome)), each.document["score"])).document
    return {**document, "images": len(found)}


def _told(verdict: Verdict) -> Told:
    score = image_score(verdict)
    document = {
        "verdict": verdict.verdict,
        "score": -1.0 if score is None else score,
        "violated": ";".join(violation.rule for violation in verdict.violations),
        "unsure": ";".join(result.rule for result in verdict.rules if result.status is RuleStatus.UNSURE),
        "rationale": verdict.rationale,
        "sha256": verdict.sha256 or "",
        "model": verdict.model,
        "constitution": verdict.constitution,
        "method": verdict.method,
    }
    return Told(verdict.verdict, verdict.sha256, document)
