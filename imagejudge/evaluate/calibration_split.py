"""Labelled images in two split_samples, alike in labels, and how either comes out by a choice of thresholds.

Verdict lines are judged again by `rejudge` for each choice of thresholds, so nothing of the method stands here. Where
the lines of an image do not tell what a choice would have asked, the image counts as wrong: a rate is never better than
it says. Knows nothing of files, nor of how thresholds are chosen.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal, NamedTuple, TypeAlias

from imagejudge.constitution import Thresholds
from imagejudge.errors import UsageError
from imagejudge.evaluate.labels import Label
from imagejudge.evaluate.metrics import Case
from imagejudge.evaluate.statistics import SEED, Estimate, rates
from imagejudge.judge.plan import Plan
from imagejudge.judge.replay import Rejudge, Unrecorded
from imagejudge.verdict import Outcome, Verdict

METHODS = ("clue", "clue-no-debias", "clue-no-reasoning", "clue-no-debias-no-reasoning", "threshold")
"""Those that `scan` judges by: their lines hold answers as the model gave them."""
LEAST_SAFE = 10
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
    """One labelled image, beside one sentence where it has any, with its lines, perhaps by several thresholds."""

    digest: str
    """SHA-256 of the image; its name where no line tells it."""
    lines: tuple[Verdict, ...]
    unsafe: bool
    violated: tuple[str, ...] = ()
    """The rules that its labels say are violated."""
    spared: tuple[str, ...] = ()
    """Those of its other labels: it comes near to violating them."""

    def about(self, rule: str) -> Sample | None:
        """The image with only what is known of one rule; None where nothing is.

        As in the figures of each rule, a label speaks of the rules that it names, and a safe one without any of all.
        """
        if rule in self.violated:
            return replace(self, unsafe=True)
        known = rule in self.spared or not (self.unsafe or self.spared)
        return replace(self, unsafe=False) if known else None


class SampleSplit(NamedTuple):
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

    @property
    def images(self) -> int:
        """All of them."""
        return self.unsafe + self.fp + self.tn

    @property
    def unsafe(self) -> int:
        """Those with a label that says so."""
        return self.tp + self.fn

    def rate(self, name: Rate) -> float:
        """0 where nothing is there to be found, or nothing was called unsafe."""
        whole = self.tp + (self.fn if name == "recall" else self.fp)
        return self.tp / whole if whole else 0.0

    @property
    def rates(self) -> dict[str, Estimate | None]:
        """All of them, with intervals."""
        return rates(tp=self.tp, fp=self.fp, fn=self.fn, tn=self.tn)


def samples(cases: Iterable[Case]) -> list[Sample]:
    """Cases by what is judged: the same bytes beside the same sentence, unsafe if any of their labels says so."""
    images: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in cases:
        if case.verdict.verdict is not Outcome.ERROR:
            images[case.verdict.sha256 or case.label.name, case.label.sentence or ""].append(case)
    return [
        Sample(
            digest=digest,
            lines=tuple(case.verdict for case in found),
            unsafe=any(case.label.unsafe for case in found),
            violated=_rules(case.label for case in found if case.label.unsafe),
            spared=_rules(case.label for case in found if not case.label.unsafe),
        )
        for (digest, _), found in sorted(images.items())
    ]


def unjudged(cases: Iterable[Case]) -> list[Case]:
    """The first case of each image, or image and sentence, that no verdict judges."""
    found: dict[tuple[str, str | None], list[Case]] = defaultdict(list)
    for case in cases:
        found[case.label.subject].append(case)
    return [same[0] for same in found.values() if all(case.verdict.verdict is Outcome.ERROR for case in same)]


def _rules(labels: Iterable[Label]) -> tuple[str, ...]:
    return tuple(sorted({rule for label in labels for rule in label.rules}))


def check_enough(unsafe: Iterable[bool], target: Target) -> None:
    """Raise `UsageError` when there are too few labels of either kind to say anything."""
    needed = {True: 2 * target.unsafe, False: 2 * LEAST_SAFE}
    found = Counter(unsafe)
    if any(found[kind] < number for kind, number in needed.items()):
        raise UsageError(
            f"{found[True]:,} unsafe and {found[False]:,} safe images are too few to choose thresholds by",
            f"a target of {target.least:g} needs at least {needed[True]} unsafe and {needed[False]} safe ones; "
            "label more, or aim lower",
        )


def split_samples(images: Sequence[Sample], target: Target, chance: random.Random | None = None) -> SampleSplit:
    """Split by chance, with as many of each label in either, and all that shows the same picture in one.

    Without `chance` it is drawn from a fixed seed, so that the same images are always split alike; how many of each
    label a half gets is the same for every draw. Raises `UsageError` for too few.
    """
    check_enough((image.unsafe for image in images), target)
    pictures: dict[str, list[Sample]] = defaultdict(list)
    for image in images:
        pictures[image.digest].append(image)
    shuffled = list(pictures.values())
    (chance or random.Random(SEED)).shuffle(shuffled)  # noqa: S311 - no secret
    ordered = sorted(shuffled, key=_labels)
    halves = [tuple(chain.from_iterable(ordered[start::2])) for start in (0, 1)]
    for half in halves:
        unsafe = sum(image.unsafe for image in half)
        if unsafe < target.unsafe or len(half) - unsafe < LEAST_SAFE:
            raise UsageError(
                f"{unsafe:,} unsafe and {len(half) - unsafe:,} safe images are left for one half",
                f"it needs at least {target.unsafe} unsafe and {LEAST_SAFE} safe ones, and a picture is in one half "
                "with all its sentences; label more pictures, or aim lower",
            )
    return SampleSplit(*halves)


def _labels(picture: Sequence[Sample]) -> tuple[int, int, list[tuple[bool, tuple[str, ...], tuple[str, ...]]]]:
    """What is known of one picture: the numbers first, by which neighbours differ least."""
    known = sorted((image.unsafe, image.violated, image.spared) for image in picture)
    return sum(image.unsafe for image in picture), len(picture), known


def told(images: Iterable[Sample], plan: Plan) -> list[Sample]:
    """Images whose lines tell at least what the plan's own thresholds ask."""
    again = Rejudge(plan)
    return [image for image in images if _outcome(image, again) is not None]


def count(images: Iterable[Sample], plan: Plan, thresholds: Thresholds) -> Count:
    """How images come out by other thresholds."""
    again = Rejudge(_judged_by(plan, thresholds))
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


def missed(images: Iterable[Sample], plan: Plan, thresholds: Thresholds) -> set[int]:
    """Which of these images, by their number, are not called unsafe."""
    again = Rejudge(_judged_by(plan, thresholds))
    return {number for number, image in enumerate(images) if _outcome(image, again) is not Outcome.UNSAFE}


def _judged_by(plan: Plan, thresholds: Thresholds) -> Plan:
    return replace(plan, constitution=replace(plan.constitution, thresholds=thresholds))


def _outcome(image: Sample, again: Rejudge) -> Outcome | None:
    """By the first line that tells enough; None when none does."""
    for line in image.lines:
        try:
            return again.judge(line).verdict
        except Unrecorded:
            continue
    return None
