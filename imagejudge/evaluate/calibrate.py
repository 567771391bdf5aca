"""Thresholds from labels: chosen on one half of the images by a plain sweep, and measured on the other half.

Verdict lines are judged again by `rejudge` for each choice of thresholds, so nothing of the method stands here. Where
the lines of an image do not tell what a choice would have asked, the image counts as wrong: a rate is never better than
it says. Knows nothing of files.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, NamedTuple, TypeAlias

from imagejudge.constitution import Thresholds
from imagejudge.errors import UsageError
from imagejudge.evaluate.figures import SEED, Estimate, rates
from imagejudge.evaluate.metrics import Case
from imagejudge.rejudge import Rejudge, Unrecorded
from imagejudge.scan import Plan
from imagejudge.verdict import Outcome, Step, Verdict

METHODS = ("clue", "clue-no-debias", "clue-no-reasoning", "clue-no-debias-no-reasoning", "threshold")
"""Those that `scan` judges by: their lines hold answers as the model gave them."""
WIDEST = Thresholds(unsatisfied=0.6, satisfied=0.9, centric=0.8)
"""Of all choices, the one by which arithmetic decides least, so that a line judged by it tells the most."""
_UNSATISFIED = (0.1, 0.2, 0.3, 0.4, 0.5, WIDEST.unsatisfied)
_SATISFIED = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, WIDEST.satisfied)
_CENTRIC = (0.2, 0.4, 0.6, WIDEST.centric)
_LEAST_SAFE = 10
"""Safe images in each half: with fewer, over-safety says nothing."""

Rate: TypeAlias = Literal["recall", "precision"]


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be reached."""

    rate: Rate
    least: float

    @property
    def unsafe(self) -> int:
        """Unsafe images that each half needs: with fewer, a single mistake already misses the target."""
        return math.ceil(round(1 / (1 - self.least), 6))


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled image with the lines about it, perhaps by several thresholds."""

    lines: tuple[Verdict, ...]
    unsafe: bool
    stratum: tuple[str, ...]
    """The rules of its labels."""


class Halves(NamedTuple):
    """Two parts of the same images, alike in labels."""

    chosen_on: tuple[Sample, ...]
    held_out: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """Verdicts by label. Unsure is not unsafe: it finds nothing and raises no alarm."""

    tp: int
    fp: int
    fn: int
    tn: int
    unsure: int
    untold: int
    """Those whose lines did not tell enough; they count as wrong."""

    def rate(self, name: Rate) -> float:
        """0 where nothing is there to be found, or nothing was called unsafe."""
        whole = self.tp + (self.fn if name == "recall" else self.fp)
        return self.tp / whole if whole else 0.0

    @property
    def rates(self) -> dict[str, Estimate | None]:
        """All of them, with intervals."""
        return rates(tp=self.tp, fp=self.fp, fn=self.fn, tn=self.tn)


def samples(cases: Iterable[Case]) -> list[Sample]:
    """Cases by image: the same bytes are one image, which is unsafe if any of its labels says so."""
    images: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.verdict.verdict is not Outcome.ERROR:
            images[case.verdict.sha256 or case.label.name].append(case)
    return [
        Sample(
            lines=tuple(case.verdict for case in found),
            unsafe=any(case.label.unsafe for case in found),
            stratum=tuple(sorted({rule for case in found for rule in case.label.rules})),
        )
        for _, found in sorted(images.items())
    ]


def check_enough(unsafe: Iterable[bool], target: Target) -> None:
    """Raise `UsageError` when there are too few labels of either kind to say anything."""
    needed = {True: 2 * target.unsafe, False: 2 * _LEAST_SAFE}
    found = Counter(unsafe)
    if any(found[kind] < number for kind, number in needed.items()):
        raise UsageError(
            f"{found[True]:,} unsafe and {found[False]:,} safe images are too few to choose thresholds by",
            f"a target of {target.least:g} needs at least {needed[True]} unsafe and {needed[False]} safe ones; "
            "label more, or aim lower",
        )


def halves(images: Sequence[Sample], target: Target) -> Halves:
    """Split by chance, from a fixed seed, with as many of each label in either. Raises `UsageError` for too few."""
    check_enough((image.unsafe for image in images), target)
    shuffled = list(images)
    random.Random(SEED).shuffle(shuffled)  # noqa: S311 - no secret
    ordered = sorted(shuffled, key=lambda image: (image.unsafe, image.stratum))
    return Halves(tuple(ordered[::2]), tuple(ordered[1::2]))


def told(images: Iterable[Sample], plan: Plan) -> list[Sample]:
    """Images whose lines tell at least what the plan's own thresholds ask."""
    again = Rejudge(plan)
    return [image for image in images if _outcome(image, again) is not None]


def count(images: Iterable[Sample], plan: Plan, thresholds: Thresholds) -> Count:
    """How images come out by other thresholds."""
    constitution = replace(plan.constitution, thresholds=thresholds)
    again = Rejudge(replace(plan, constitution=constitution))
    found = Counter((image.unsafe, _outcome(image, again)) for image in images)
    tp, fp = found[True, Outcome.UNSAFE], found[False, Outcome.UNSAFE] + found[False, None]
    unsafe = sum(number for (is_unsafe, _), number in found.items() if is_unsafe)
    return Count(
        tp=tp,
        fp=fp,
        fn=unsafe - tp,
        tn=found.total() - unsafe - fp,
        unsure=found[True, Outcome.UNSURE] + found[False, Outcome.UNSURE],
        untold=found[True, None] + found[False, None],
    )


def choose(
    images: Sequence[Sample],
    plan: Plan,
    target: Target,
    watch: Callable[[Sequence[Thresholds]], Iterable[Thresholds]] = iter,
) -> Thresholds:
    """Of the thresholds that reach the target, those that cost least.

    For a recall that is the least over-safety, for a precision the highest recall; then the fewest unsure images, then
    the least change. Raises `UsageError` when none reaches it. `watch` sees the choices go by.
    """
    now = plan.constitution.thresholds
    found = {each: count(images, plan, each) for each in watch(list(_choices(now, images)))}
    best = max(each.rate(target.rate) for each in found.values())
    if best < target.least:
        raise UsageError(
            f"no thresholds reach a {target.rate} of {target.least:g}: the best, on {len(images):,} images, {best:.3f}",
            "aim lower, or work on the rules: `imagejudge evaluate --html` shows the worst mistakes",
        )
    reaching = [each for each, counted in found.items() if counted.rate(target.rate) >= target.least]
    return min(reaching, key=lambda each: (*_price(found[each], target), _distance(each, now)))


def _choices(now: Thresholds, images: Iterable[Sample]) -> Iterator[Thresholds]:
    """The present thresholds, and a grid; regions are left alone where no line tells of one."""
    looked = any(step.centric is not None for image in images for line in image.lines for step in _steps(line))
    yield now
    for unsatisfied, satisfied, centric in product(_UNSATISFIED, _SATISFIED, _CENTRIC if looked else (now.centric,)):
        choice = replace(now, unsatisfied=unsatisfied, satisfied=satisfied, centric=centric)
        if unsatisfied < satisfied and choice != now:
            yield choice


def _price(counted: Count, target: Target) -> tuple[int, int]:
    alarms_or_misses = counted.fp if target.rate == "recall" else counted.fn
    return alarms_or_misses, counted.unsure


def _distance(one: Thresholds, other: Thresholds) -> float:
    steps = (one.unsatisfied - other.unsatisfied, one.satisfied - other.satisfied, one.centric - other.centric)
    return round(sum(map(abs, steps)), 6)


def _steps(line: Verdict) -> Iterator[Step]:
    return (step for result in line.rules for step in result.steps)


def _outcome(image: Sample, again: Rejudge) -> Outcome | None:
    """By the first line that tells enough; None when none does."""
    for line in image.lines:
        try:
            return again.judge(line).verdict
        except Unrecorded:
            continue
    return None
