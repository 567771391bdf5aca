"""The verdict on an image: from what was found in its frames, or from why it cannot be judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from imagejudge import __version__
from imagejudge.errors import EngineFailure
from imagejudge.images.read import Stamp, Unreadable, stamp_now
from imagejudge.images.ref import ImageRef
from imagejudge.judge.opened_image import OpenedImage, R, SampledFrame
from imagejudge.judge.plan import Plan
from imagejudge.judge.summary import Summary
from imagejudge.judge.video import FrameFindings, sum_up
from imagejudge.verdict import Failure, FileStamp, Outcome, Probing, RuleResult, Sampling, Timing, Verdict

Trouble: TypeAlias = Unreadable | EngineFailure
"""Why an image cannot be judged."""

_RANK = {Outcome.SAFE: 0, Outcome.UNSURE: 1, Outcome.UNSAFE: 2}


@dataclass(frozen=True, slots=True)
class Found:
    """What is said of one picture."""

    results: tuple[RuleResult, ...]
    summary: Summary
    out_of_world: float | None = None
    """How far the picture lies from what the model was made for; None where nothing tells."""

    @property
    def badness(self) -> tuple[int, int]:
        """The worse, the greater."""
        return _RANK[self.summary.outcome], len(self.summary.violations)


def verdict_on(
    image: OpenedImage[R],
    found: Mapping[int, Found],
    plan: Plan,
    method: str,
    seconds: Timing | None = None,
    probing: Probing | None = None,
) -> Verdict:
    """The verdict of an image is that of its worst frame; `found` is by the index of the frame.

    That of a video is drawn from all its frames, rule by rule.
    """
    of_video: dict[str, Any] = {}
    if image.step is not None:
        frame, results, summary, of_video = _watched(image, found, plan, image.step)
    else:
        frame = max(image.frames, key=lambda each: found[each.index].badness)
        results, summary = found[frame.index].results, found[frame.index].summary
    of_frame = {"ground": frame.ground, "tokens": image.answers.tokens(frame.part)}
    return _verdict(
        plan,
        method,
        image.stamp,
        path=image.ref.path,
        sha256=image.sha256,
        frame=frame.index if image.facts.frames > 1 or of_video else None,
        verdict=summary.outcome,
        rationale=summary.rationale,
        violations=summary.violations,
        rules=results,
        image=image.facts.model_copy(update=of_frame),
        fields=image.ref.fields,
        probing=probing,
        out_of_world=found[frame.index].out_of_world,
        seconds=seconds or Timing(),
        **of_video,
    )


def _watched(
    image: OpenedImage[R], found: Mapping[int, Found], plan: Plan, step: float
) -> tuple[SampledFrame, tuple[RuleResult, ...], Summary, dict[str, Any]]:
    """Of a video: its worst frame, each rule, what follows, and what its line has besides that of an image."""
    frames = {
        frame.index: FrameFindings(frame.time or 0.0, found[frame.index].results, found[frame.index].summary)
        for frame in image.frames
    }
    worst = max(image.frames, key=lambda each: (found[each.index].badness, frames[each.index].strength()))
    results, summary = sum_up(list(frames.values()), frames[worst.index], step, image.facts.duration or 0.0)
    sampled = Sampling(method=plan.limits.video_method, seconds=step, frames=len(frames))
    return worst, results, summary, {"time": worst.time, "sampled": sampled}


def error_verdict(ref: ImageRef, why: Trouble, image: OpenedImage[R] | None, plan: Plan, method: str) -> Verdict:
    """The verdict on an image that cannot be judged; `image` is None where it could not even be opened."""
    file = image or (why if isinstance(why, Unreadable) else None)
    of_file = ref.stamp or (stamp_now(ref.path) if ref.data is None else None)
    return _verdict(
        plan,
        method,
        file.stamp if file else of_file,
        path=ref.path,
        sha256=file.sha256 if file else None,
        verdict=Outcome.ERROR,
        rationale=why.message,
        image=image.facts if image else None,
        fields=ref.fields,
        error=Failure(kind=why.kind, message=why.message),
    )


def _verdict(plan: Plan, method: str, stamp: Stamp | None, **fields: Any) -> Verdict:
    return Verdict(
        file=FileStamp(**stamp._asdict()) if stamp else None,
        model=plan.model,
        constitution=plan.constitution.label,
        method=method,
        settings=plan.settings,
        imagejudge=__version__,
        **fields,
    )
