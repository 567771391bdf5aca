"""What a scan amounts to: counts of verdicts and rules, and the exit code they deserve."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from imagejudge.common.text import counted
from imagejudge.constitution import Severity
from imagejudge.judge.world import is_outside
from imagejudge.output.probed import Probed
from imagejudge.verdict import Outcome, RuleStatus, Verdict


class FailOn(StrEnum):
    """The least that makes a scan exit with 1."""

    UNSURE = "unsure"
    UNSAFE = "unsafe"
    MEDIUM = "medium"
    HIGH = "high"


_LEAST = {
    FailOn.UNSURE: 0,
    FailOn.UNSAFE: Severity.LOW.rank,
    FailOn.MEDIUM: Severity.MEDIUM.rank,
    FailOn.HIGH: Severity.HIGH.rank,
}


@dataclass(slots=True)
class Stats:
    """Counts, as verdicts come in."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    rules: Counter[tuple[str, RuleStatus]] = field(default_factory=Counter)
    levels: Counter[int] = field(default_factory=Counter)
    """Images by the worst that is not accepted: 0 unsure, 1 to 3 unsafe by their highest severity."""
    accepted: Counter[Outcome] = field(default_factory=Counter)
    """Images by their verdict, of those in which all that was found is accepted."""
    probed: Probed = field(default_factory=Probed)
    out_of_world: int = 0
    """Images that the model was not made for, and so was not asked about."""

    def add(self, verdict: Verdict) -> None:
        """Count one more image."""
        self.outcomes[verdict.verdict] += 1
        self.probed.add(verdict)
        self.out_of_world += is_outside(verdict.out_of_world)
        self.rules.update((result.rule, result.status) for result in verdict.rules)
        found = [result for result in verdict.rules if result.status in (RuleStatus.VIOLATED, RuleStatus.UNSURE)]
        if found and all(result.accepted for result in found):
            self.accepted[verdict.verdict] += 1
        levels = [violation.severity.rank for violation in verdict.violations if not violation.accepted]
        levels += [0 for result in verdict.rules if result.status is RuleStatus.UNSURE and not result.accepted]
        if levels:
            self.levels[max(levels)] += 1

    def add_safe(self, images: int) -> None:
        """Count so many images of which nothing more is to be said."""
        self.outcomes[Outcome.SAFE] += images

    def add_all(self, other: Stats) -> None:
        """Count all that another one counted."""
        self.outcomes.update(other.outcomes)
        self.rules.update(other.rules)
        self.levels.update(other.levels)
        self.accepted.update(other.accepted)
        self.probed.add_all(other.probed)
        self.out_of_world += other.out_of_world

    @property
    def images(self) -> int:
        """How many images were counted."""
        return self.outcomes.total()

    @property
    def hint(self) -> str:
        """On the images that were not asked about."""
        images = counted(self.out_of_world, "image does", "images do")
        return (
            f"{images} not look like what the model was made for: unsure, without being asked about; "
            "have another model judge them"
        )

    def found(self, fail_on: FailOn) -> bool:
        """Whether any image is at least that bad."""
        return any(count for level, count in self.levels.items() if level >= _LEAST[fail_on])
