"""What probes left out of a scan, and what the images that were asked in full tell of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from imagejudge.common.proportion import Proportion, proportion
from imagejudge.common.text import counted, printable
from imagejudge.verdict import RuleStatus, Verdict

_TOLD = 3
"""So many rules that the audit found missed are named."""


@dataclass(slots=True)
class Probed:
    """Counts, as verdicts come in; those that were given without probes are not counted."""

    images: int = 0
    rules: int = 0
    """Of all these images together."""
    left: Counter[str] = field(default_factory=Counter)
    """Images by the rule that was left to its probe."""
    asked: int = 0
    """Questions, those that were answered in an earlier run included."""
    spared: int = 0
    """Questions that were not asked, at least."""
    timed: int = 0
    """Questions of images about which something was asked anew, and the seconds that took."""
    seconds: float = 0.0
    audited: int = 0
    """Images that were asked in full."""
    found: Counter[str] = field(default_factory=Counter)
    """Of these, by the rule that is violated and has a probe."""
    missed: Counter[str] = field(default_factory=Counter)
    """Of these, where the probe would have left it out."""
    promised: float | None = None
    """The recall; the lowest, where there are several."""

    def add(self, verdict: Verdict) -> None:
        """Count one more image."""
        probing = verdict.probing
        if probing is None:
            return
        self.images += 1
        self.rules += len(verdict.rules)
        self.left.update(result.rule for result in verdict.rules if result.by == "probe")
        self.asked += probing.asked
        self.spared += probing.spared
        if verdict.seconds.ask:
            self.timed += probing.asked
            self.seconds += verdict.seconds.ask
        if probing.audited:
            self.audited += 1
            for result in verdict.rules:
                if result.probe is not None and result.status is RuleStatus.VIOLATED:
                    self.found[result.rule] += 1
                    self.missed[result.rule] += result.probe.certainly_not
        with suppress(KeyError, ValueError):
            recall = float((verdict.settings or {})["skip_below"])
            self.promised = recall if self.promised is None else min(self.promised, recall)

    def add_all(self, other: Probed) -> None:
        """Count all that another one counted."""
        for name in ("images", "rules", "asked", "spared", "timed", "seconds", "audited"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.left.update(other.left)
        self.found.update(other.found)
        self.missed.update(other.missed)
        known = [each.promised for each in (self, other) if each.promised is not None]
        self.promised = min(known, default=None)

    @property
    def saved(self) -> float | None:
        """Seconds that the questions would have taken, at what others took; None where none was timed."""
        return self.seconds / self.timed * self.spared if self.timed else None

    def miss_rate(self, rule: str | None = None) -> Proportion | None:
        """Of what the audit found violated, of a rule or of all, the share that the probes would have left out.

        None where nothing was found.
        """
        found = self.found.total() if rule is None else self.found[rule]
        missed = self.missed.total() if rule is None else self.missed[rule]
        return proportion(missed, found) if found else None

    @property
    def summary(self) -> Iterator[str]:
        """In words, a line each."""
        if not self.images:
            return
        share = f"{self.left.total():,} of {counted(self.rules, 'rule')}" if self.rules else "no rules"
        yield f"left to probes: {share} of {counted(self.images, 'image')}{self._cost}"
        if self.promised is not None:
            yield f"promised: {self.promised:.1%} of what the full judge would find is asked about, at least"
        if self.audited:
            yield f"audit: {self._audit}"

    @property
    def _cost(self) -> str:
        told = f"; {counted(self.asked, 'question')} asked, {self.spared:,} or more saved"
        return told if self.saved is None else f"{told}, about {self.saved:,.1f} s (an estimate)"

    @property
    def _audit(self) -> str:
        whole = self.miss_rate()
        images = f"{counted(self.audited, 'image')} asked in full"
        if whole is None:
            return f"{images}; no violation was found in them, so that nothing is known of what is missed"
        told = f"{images}; {self.missed.total():,} of {counted(self.found.total(), 'violation')} missed: {whole}"
        rules = [(rule, count) for rule, count in self.missed.most_common() if count]
        names = "; ".join(f"{printable(rule)}: {count:,} of {self.found[rule]:,}" for rule, count in rules[:_TOLD])
        more = f"; and {counted(len(rules) - _TOLD, 'more rule')}" if len(rules) > _TOLD else ""
        return f"{told}{f' ({names}{more})' if names else ''}"

    @property
    def warning(self) -> str:
        """What is wrong where the audit's interval lies above what was promised; else empty."""
        whole = self.miss_rate()
        if whole is None or self.promised is None or whole.low <= 1 - self.promised:
            return ""
        return (
            f"the probes miss more than the {1 - self.promised:.1%} that was promised: {whole}; "
            "images may have changed since they were distilled: scan some in full, and distil again"
        )

    def document(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        whole = self.miss_rate()
        return {
            "images": self.images,
            "rules": self.rules,
            "left": dict(self.left),
            "asked": self.asked,
            "spared": self.spared,
            "promised_recall": self.promised,
            "audited": self.audited,
            "miss_rate": whole and whole._asdict(),
            "audit": {
                rule: {"found": found, "missed": self.missed[rule], "miss_rate": rate._asdict()}
                for rule, found in self.found.items()
                if (rate := self.miss_rate(rule)) is not None
            },
        }
