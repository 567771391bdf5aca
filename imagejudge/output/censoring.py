"""What is blurred in the copy of a judged image: the regions of the rules it violates, or all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imagejudge.common.placing import ContentChanged
from imagejudge.images.censor import censored
from imagejudge.images.picture import Box
from imagejudge.images.read import Limits, Unreadable, read_image
from imagejudge.verdict import RuleResult, RuleStatus, StepStatus, Verdict


def censored_copy(source: Path, name: str, verdict: Verdict) -> bytes:
    """The bytes of a censored copy that is called `name`.

    Raises `ContentChanged` where the file is not the one that was judged, `ValueError` with the reason why it cannot be
    decoded.
    """
    frames = (verdict.settings or {}).get("frames")
    limits = Limits(frames=frames) if isinstance(frames, int) and 1 <= frames <= 64 else Limits()
    read = read_image(str(source), limits)
    if isinstance(read, Unreadable):
        raise ValueError(read.message)
    if read.sha256 != verdict.sha256:
        raise ContentChanged
    made = censored(read, name, regions_of(verdict), verdict.frame or 0, limits)
    if isinstance(made, Unreadable):
        raise ValueError(made.message)
    return made


def regions_of(verdict: Verdict) -> tuple[Box, ...]:
    """Where what an image violates was found; none, which means all of it, unless that is known of each rule."""
    found = [tuple(_held(result)) for result in verdict.rules if result.status is RuleStatus.VIOLATED]
    return tuple(box for boxes in found for box in boxes) if all(found) else ()


def _held(result: RuleResult) -> Iterator[Box]:
    held = {step.ask for step in result.steps if step.status is StepStatus.SATISFIED}
    for region in result.regions:
        if region.ask in held and region.left < region.right and region.top < region.bottom:
            yield Box(region.left, region.top, region.right, region.bottom)
