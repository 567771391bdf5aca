"""From what was found in each sampled frame of a file to what is said of all of it. Knows times, not pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from imagejudge.common.text import clock
from imagejudge.judge.scores import rule_score
from imagejudge.judge.summary import Summary
from imagejudge.verdict import Outcome, RuleResult, RuleStatus, Span

_OUTCOMES = {Outcome.SAFE: 0, Outcome.UNSURE: 1, Outcome.UNSAFE: 2}
_STATUSES = {RuleStatus.CLEAR: 0, RuleStatus.EXCEPTED: 1, RuleStatus.UNSURE: 2, RuleStatus.VIOLATED: 3}


@dataclass(frozen=True, slots=True)
class FrameFindings:
    """One sampled frame, and what was found in it."""

    index: int
    time: float | None
    """None for images."""
    results: tuple[RuleResult, ...]
    """Of the same rules, in the same order, in all frames."""
    summary: Summary

    @property
    def badness(self) -> tuple[tuple[float, ...], ...]:
        """The worse, the greater: by outcome, severity, number of violations, and what speaks for one of any rule."""
        violations = self.summary.violations
        severity = max((each.severity.rank for each in violations), default=0)
        found = (_OUTCOMES[self.summary.outcome], severity, len(violations))
        return found, max(map(_strength, self.results), default=())


def sum_up(
    frames: Sequence[FrameFindings], worst: FrameFindings, step: float | None, duration: float
) -> tuple[tuple[RuleResult, ...], Summary]:
    """Each rule as it is in the frame where most speaks for its violation, and what follows for the whole file.

    `worst` is the frame that speaks for the file where no rule is violated; `step` is None for images.
    """
    rules, violations, reasons = [], [], []
    for place in range(len(worst.results)):
        peak = max(frames, key=lambda frame: _strength(frame.results[place]))
        result = peak.results[place]
        rules.append(result.model_copy(update={"frame": peak.index, "time": peak.time}))
        for violation in peak.summary.violations:
            if violation.rule == result.rule:
                spans = None if step is None else tuple(_spans(frames, place, step, duration))
                violations.append(violation.model_copy(update={"spans": spans}))
                reasons.append(f"{violation.rule} {where(peak.index, peak.time)}: {violation.rationale}")
    summary = worst.summary
    if not violations and summary.outcome is not Outcome.SAFE:
        reasons.append(f"{where(worst.index, worst.time)}: {summary.rationale}")
    return tuple(rules), Summary(summary.outcome, " ".join(reasons) or summary.rationale, tuple(violations))


def where(frame: int | None, time: float | None) -> str:
    """Which frame of its file something was found in, in words; empty for a still image."""
    if time is not None:
        return f"at {clock(time)}"
    return "" if frame is None else f"in frame {frame}"


def _strength(result: RuleResult) -> tuple[float, ...]:
    return _STATUSES[result.status], rule_score(result) or 0.0


def _spans(frames: Sequence[FrameFindings], place: int, step: float, duration: float) -> Iterator[Span]:
    """Runs of frames that violate a rule."""
    times = [frame.time or 0.0 for frame in frames]
    timed = zip([frame.results[place] for frame in frames], times, [*times[1:], duration], strict=True)
    for violated, run in groupby(timed, lambda each: each[0].status is RuleStatus.VIOLATED):
        if violated:
            shown = list(run)
            result, peak, _ = max(shown, key=lambda each: _strength(each[0]))
            _, last, end = shown[-1]
            yield Span(
                start=shown[0][1],
                end=max(end, last),
                peak=peak,
                step=step,
                score=rule_score(result),
                frames=len(shown),
            )
