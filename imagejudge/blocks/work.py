"""One block: its images judged, one after another, and their verdicts written."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass, field

from imagejudge.blocks.parts import Parts
from imagejudge.blocks.plan import Block
from imagejudge.blocks.tries import ATTEMPTS, Turn
from imagejudge.errors import EngineFailure
from imagejudge.images.names import Unread
from imagejudge.images.ref import ImageRef
from imagejudge.images.shards import expand
from imagejudge.judge.conclusion import error_verdict
from imagejudge.judge.judge import Judge
from imagejudge.judge.plan import Plan
from imagejudge.output.resume import Identity
from imagejudge.output.stats import Stats
from imagejudge.output.steps import identity_with
from imagejudge.verdict import Steps, Verdict

GIVEN_UP = "block"
"""The kind of failure of all images of a block in which too many runs died."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a block."""

    number: int
    stats: Stats | None
    """What it amounts to; None where it was left to other runs that are at it."""
    passed_over: Counter[Unread] = field(default_factory=Counter)
    """What in shards is no image."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with a block, by whichever process."""

    finished: Callable[[Verdict], Verdict]
    """What becomes of each verdict before it is written."""
    keep_fields: Collection[str] = ()
    """Fields of samples in shards that are carried into the verdict line."""
    steps: Steps = Steps.ALL
    """Which steps `finished` leaves in a verdict."""

    def identity(self, plan: Plan) -> Identity:
        """What all verdicts by one plan share when they are written."""
        return identity_with(Identity.of(plan), self.steps)

    def do(self, block: Block, parts: Parts, judge: Judge, passed_over: Callable[[str, Unread], None]) -> Stats | None:
        """Judge a block into its file; what it amounts to. `passed_over` is told of what in shards is no image.

        Where as many runs as `ATTEMPTS` died in it, each of its inputs has a verdict `error` instead. Where as many
        began it and one of them is still at it, it is left to that one, and nothing is known of it: None.
        """
        with parts.tries.attempt(block.number) as turn:
            if turn is Turn.LEAVE:
                return None
            given_up = turn is Turn.GIVE_UP
            refs = map(ImageRef, block.inputs)
            images = expand(refs, judge.plan.limits, passed_over=passed_over, keep_fields=self.keep_fields)
            verdicts = _given_up(block, judge.plan) if given_up else judge.judge_all(images)
            with contextlib.closing(verdicts):
                return parts.write(block.number, map(self.finished, verdicts), given_up=given_up)


def _given_up(block: Block, plan: Plan) -> Generator[Verdict, None, None]:
    message = (
        f"block {block.number} was given up: {ATTEMPTS} runs died in it; "
        "to try again, judge it with `blocks` and `overwrite`"
    )
    for path in block.inputs:
        yield error_verdict(ImageRef(path), EngineFailure(GIVEN_UP, message), None, plan, plan.method.label)
