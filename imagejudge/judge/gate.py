"""Which rules need not be asked about a picture, since their probes say "certainly not", and which images are asked in
full all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from imagejudge.constitution import Constitution
from imagejudge.engine.embedding import Embedding
from imagejudge.errors import UsageError
from imagejudge.judge.probe import Probe, Probes, Score
from imagejudge.judge.probe_file import digest_of
from imagejudge.verdict import ProbeScore


@dataclass(frozen=True, slots=True)
class Gate:
    """The probes of the rules that are judged, with the recall that skipping by them has to keep."""

    probes: Probes
    thresholds: Mapping[str, float]
    """Log odds by rule, below which it need not be asked."""
    recall: float
    """What is promised of it, in (0, 1): see `Probes.thresholds`."""
    audit: float = 0.0
    """The share of images that is asked in full all the same, in [0, 1]."""

    @classmethod
    def of(cls, probes: Probes, recall: float | None, audit: float) -> Self:
        """Raises `UsageError` for a recall or a share that is none, and where the probes cannot promise that recall."""
        if recall is None:
            raise UsageError(
                "`probe` alone leaves no rule out", "say which recall must be kept, as in `skip_below=0.95`"
            )
        if not 0 < recall < 1:
            raise UsageError(f"`skip_below={recall:g}` is no recall that can be promised", "write for example 0.95")
        if not 0 <= audit <= 1:
            raise UsageError(f"`audit={audit:g}` is no share of the images", "write for example 0.02")
        return cls(probes, probes.thresholds(recall), recall, audit)

    @property
    def settings(self) -> dict[str, str | int]:
        """For the verdict line, by the names of the options."""
        told: dict[str, str | int] = {"probe": digest_of(self.probes)[:12], "skip_below": f"{self.recall:g}"}
        return told | ({"audit": f"{self.audit:g}"} if self.audit else {})

    def audits(self, sha256: str) -> bool:
        """Whether an image is asked in full: every run with these probes draws the same."""
        drawn = hashlib.sha256(f"{self.probes.origin.data} {sha256}".encode()).digest()
        return int.from_bytes(drawn[:8]) < self.audit * 2**64

    def scores(self, vector: Embedding) -> dict[str, ProbeScore]:
        """What each rule's probe makes of a picture with this embedding."""
        scores = self.probes.scores(vector)
        return {probe.rule: self._told(probe, scores[probe.rule]) for probe in self.probes.probes}

    def _told(self, probe: Probe, score: Score) -> ProbeScore:
        return ProbeScore(
            p=score.probability,
            log_odds=score.log_odds,
            threshold=self.thresholds.get(probe.rule),
            digest=probe.digest[:12],
        )


def usable(probes: Probes, constitution: Constitution, whole: Constitution) -> tuple[Probes, tuple[str, ...]]:
    """The probes of rules as they are judged now; and what is to be said of the others (`Probes.within`).

    Raises `UsageError` where none is left.
    """
    left, remarks = probes.within(constitution, whole)
    if not left.probes:
        reasons = f" ({'; '.join(remarks)})" if remarks else ""
        raise UsageError(
            f"no probe is about a rule as it is judged now{reasons}",
            f"they were distilled for {probes.origin.constitution}: use that, or distil anew",
        )
    return left, remarks
