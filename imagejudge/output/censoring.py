"""What is blurred in the copy of a judged image: the regions of the rules it violates, or all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imagejudge.common.placing import ContentChanged
from imagejudge.images.censor import censored
from imagejudge.images.picture import Box
from imagejudge.images.read import Limits, Unreadable, read_image
from imagejudge.output.findings import located
from imagejudge.verdict import RuleResult, RuleStatus, StepStatus, Verdict


def censored_copy(source: Path, name: str, verdict: Verdict) -> bytes:
    """The bytes of a censored copy that is called `name`.

    Raises `ContentChanged` where the file is not the one that was judged, `ValueError` with the reason why it cannot be
    decoded.
    """
    limits = _limits_of(verdict, source.stat().st_size)
    read = read_image(str(source), limits)
    if isinstance(read, Unreadable):
        raise ValueError(read.message)
    if read.sha256 != verdict.sha256:
        raise ContentChanged
    made = censored(read, name, regions_of(verdict), verdict.frame or 0, limits)
    if isinstance(made, Unreadable):
        # of too many pixels, the advice is about options of a scan
        raise ValueError(made.message.partition(";")[0] if made.kind == "too-many-pixels" else made.message)
    return made


def _limits_of(verdict: Verdict, size: int) -> Limits:
    """What a file of so many bytes needs to be decoded as it was: its line does not have the limits of the scan."""
    frames, usual, image = (verdict.settings or {}).get("frames"), Limits(), verdict.image
    return Limits(
        max(usual.bytes, size),
        max(usual.pixels, image.width * image.height if image else 0),
        frames if isinstance(frames, int) and 1 <= frames <= 64 else usual.frames,
    )


def regions_of(verdict: Verdict) -> tuple[Box, ...]:
    """Where what an image violates was found; none, which means all of it, unless that is known of each rule."""
    found = [tuple(_held(verdict, result)) for result in verdict.rules if result.status is RuleStatus.VIOLATED]
    return tuple(box for boxes in found for box in boxes) if all(found) else ()


def _held(verdict: Verdict, result: RuleResult) -> Iterator[Box]:
    held = {step.ask for step in result.steps if step.status is StepStatus.SATISFIED}
    for region in located(verdict, result):
        if region.ask in held and region.left < region.right and region.top < region.bottom:
            yield Box(region.left, region.top, region.right, region.bottom)
