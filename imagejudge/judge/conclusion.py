"""The verdict on an image: from what was found in its frames, or from why it cannot be judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from imagejudge import __version__
from imagejudge.errors import EngineFailure
from imagejudge.images.find import ImageRef
from imagejudge.images.read import Stamp, Unreadable, stamp_now
from imagejudge.judge.cached_view import frame_part
from imagejudge.judge.opened_image import OpenedImage, R
from imagejudge.judge.plan import Plan
from imagejudge.judge.summary import Summary
from imagejudge.verdict import Failure, FileStamp, Outcome, RuleResult, Timing, Verdict

Trouble: TypeAlias = Unreadable | EngineFailure
"""Why an image cannot be judged."""

_RANK = {Outcome.SAFE: 0, Outcome.UNSURE: 1, Outcome.UNSAFE: 2}


@dataclass(frozen=True, slots=True)
class Found:
    """What is said of one picture."""

    results: tuple[RuleResult, ...]
    summary: Summary

    @property
    def badness(self) -> tuple[int, int]:
        """The worse, the greater."""
        return _RANK[self.summary.outcome], len(self.summary.violations)


def verdict_on(
    image: OpenedImage[R], found: Mapping[int, Found], plan: Plan, method: str, seconds: Timing | None = None
) -> Verdict:
    """The verdict of an image is that of its worst frame; `found` is by the index of the frame."""
    index = max(found, key=lambda each: found[each].badness)
    worst = found[index]
    ground = next(frame.ground for frame in image.frames if frame.index == index)
    of_frame = {"ground": ground, "tokens": image.answers.tokens(frame_part(index))}
    return _verdict(
        plan,
        method,
        image.stamp,
        path=image.ref.path,
        sha256=image.sha256,
        frame=index if image.facts.frames > 1 else None,
        verdict=worst.summary.outcome,
        rationale=worst.summary.rationale,
        violations=worst.summary.violations,
        rules=worst.results,
        image=image.facts.model_copy(update=of_frame),
        seconds=seconds or Timing(),
    )


def error_verdict(ref: ImageRef, why: Trouble, image: OpenedImage[R] | None, plan: Plan, method: str) -> Verdict:
    """The verdict on an image that cannot be judged; `image` is None where it could not even be opened."""
    file = image or (why if isinstance(why, Unreadable) else None)
    return _verdict(
        plan,
        method,
        file.stamp if file else stamp_now(ref.path) if ref.data is None else None,
        path=ref.path,
        sha256=file.sha256 if file else None,
        verdict=Outcome.ERROR,
        rationale=why.message,
        image=image.facts if image else None,
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
