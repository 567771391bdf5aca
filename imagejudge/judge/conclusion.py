"""The verdict on an image: from what was found in its frames, or from why it cannot be judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from imagejudge import __version__
from imagejudge.common.file_stamp import Stamp
from imagejudge.errors import EngineFailure
from imagejudge.images.read import Unreadable, stamp_now
from imagejudge.images.ref import ImageRef
from imagejudge.judge.frames import FrameFindings, sum_up
from imagejudge.judge.opened_image import OpenedImage, R
from imagejudge.judge.plan import Plan
from imagejudge.judge.summary import Summary
from imagejudge.verdict import Failure, FileStamp, Outcome, Probing, RuleResult, Sampling, Timing, Verdict

Trouble: TypeAlias = Unreadable | EngineFailure
"""Why an image cannot be judged."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is said of one picture."""

    results: tuple[RuleResult, ...]
    summary: Summary
    out_of_world: float | None = None
    """How far the picture lies from what the model was made for; None where nothing tells."""


def verdict_on(
    image: OpenedImage[R],
    found: Mapping[int, Found],
    plan: Plan,
    method: str,
    seconds: Timing | None = None,
    probing: Probing | None = None,
) -> Verdict:
    """The verdict on a file is drawn from all its sampled frames, rule by rule; `found` is by the index of the frame.

    What a line tells of one frame alone is that of the worst.
    """
    frames = [
        FrameFindings(each.index, each.time, found[each.index].results, found[each.index].summary)
        for each in image.frames
    ]
    place = max(range(len(frames)), key=lambda each: frames[each].badness)
    frame, worst = image.frames[place], frames[place]
    results, summary = worst.results, worst.summary
    is_one_of_several = image.facts.frames > 1 or image.step is not None
    if is_one_of_several:
        results, summary = sum_up(frames, worst, image.step, image.facts.duration or 0.0)
    sampled = None
    if image.step is not None:
        sampled = Sampling(method=plan.limits.video_method, seconds=image.step, frames=len(frames))
    of_frame = {"ground": frame.ground, "tokens": image.answers.tokens(frame.part)}
    return _verdict(
        plan,
        method,
        image.stamp,
        path=image.ref.path,
        sha256=image.sha256,
        frame=frame.index if is_one_of_several else None,
        verdict=summary.outcome,
        rationale=summary.rationale,
        violations=summary.violations,
        rules=results,
        image=image.facts.model_copy(update=of_frame),
        time=frame.time,
        sampled=sampled,
        fields=image.ref.fields,
        probing=probing,
        out_of_world=found[frame.index].out_of_world,
        seconds=seconds or Timing(),
    )


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
