"""From what was found in each sampled frame of a video to what is said of all of it. Knows times, not pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from imagejudge.common.text import clock
from imagejudge.judge.scores import rule_score
from imagejudge.judge.summary import Summary
from imagejudge.verdict import Outcome, RuleResult, RuleStatus, Span, Violation

_RANK = {RuleStatus.CLEAR: 0, RuleStatus.EXCEPTED: 1, RuleStatus.UNSURE: 2, RuleStatus.VIOLATED: 3}


@dataclass(frozen=True, slots=True)
class FrameFindings:
    """One sampled frame, and what was found in it."""

    time: float
    results: tuple[RuleResult, ...]
    """Of the same rules, in the same order, in all frames."""
    summary: Summary

    def strength(self) -> tuple[float, ...]:
        """What speaks for a violation of any rule; the more, the greater."""
        return max((_strength(result) for result in self.results), default=())


def sum_up(
    frames: Sequence[FrameFindings], worst: FrameFindings, step: float, duration: float
) -> tuple[tuple[RuleResult, ...], Summary]:
    """Each rule as it is in the frame where most speaks for its violation, and what follows for the whole video.

    `worst` is the frame that speaks for the video where no rule is violated.
    """
    ends = [*(frame.time for frame in frames[1:]), duration]
    rules, violations = [], []
    for place in range(len(worst.results)):
        peak = max(frames, key=lambda frame: _strength(frame.results[place]))
        result = peak.results[place]
        rules.append(result.model_copy(update={"time": peak.time}))
        for violation in peak.summary.violations:
            if violation.rule == result.rule:
                spans = tuple(_spans(frames, ends, place, step))
                violations.append(violation.model_copy(update={"spans": spans}))
    summary = worst.summary
    rationale = " ".join(f"{each.rule} {when(each)}: {each.rationale}" for each in violations)
    if not violations and summary.outcome is not Outcome.SAFE:
        rationale = f"at {clock(worst.time)}: {summary.rationale}"
    return tuple(rules), Summary(summary.outcome, rationale or summary.rationale, tuple(violations))


def when(violation: Violation) -> str:
    """The time at which a rule is violated most, in words; empty for an image."""
    return f"at {clock(max(violation.spans, key=_score).peak)}" if violation.spans else ""


def _strength(result: RuleResult) -> tuple[float, ...]:
    return _RANK[result.status], rule_score(result) or 0.0


def _score(span: Span) -> float:
    return span.score or 0.0


def _spans(frames: Sequence[FrameFindings], ends: Iterable[float], place: int, step: float) -> Iterator[Span]:
    """Runs of frames that violate a rule."""
    timed = zip(frames, ends, strict=True)
    for violated, run in groupby(timed, lambda each: each[0].results[place].status is RuleStatus.VIOLATED):
        if violated:
            shown = list(run)
            peak, _ = max(shown, key=lambda each: _strength(each[0].results[place]))
            yield Span(
                start=shown[0][0].time,
                end=max(shown[-1][1], shown[-1][0].time),
                peak=peak.time,
                step=step,
                score=rule_score(peak.results[place]),
                frames=len(shown),
            )
