"""Thresholds chosen by labelled images: for each rule that has enough of them, then one set for all the others.

A sweep takes what would have cost least; split-conformal prediction takes the strictest for which a recall is promised.
Knows nothing of files, nor how either half of the images is shown.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, TypeAlias

from imagejudge.common.text import counted
from imagejudge.constitution import Constitution, Rule, Thresholds
from imagejudge.errors import UsageError
from imagejudge.evaluate.calibration_split import LEAST_SAFE, Count, Sample, SampleSplit, Target, count, missed
from imagejudge.judge.plan import Plan
from imagejudge.verdict import Step, Verdict

WIDEST = Thresholds(unsatisfied=0.6, satisfied=0.9, centric=0.8)
"""Of all choices, the one by which arithmetic decides least, so that a line judged by it tells the most."""
_UNSATISFIED = (0.1, 0.2, 0.3, 0.4, 0.5, WIDEST.unsatisfied)
_SATISFIED = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, WIDEST.satisfied)
_CENTRIC = (0.2, 0.4, 0.6, WIDEST.centric)
_LADDER = tuple(rung / 50 for rung in range(1, 50))
"""From lax to strict: the values of `satisfied` among which split-conformal prediction chooses."""

Watch = Callable[[Sequence[Thresholds]], Iterable[Thresholds]]
"""Sees the choices go by."""
Chooser = Callable[[Sequence[Sample], Plan, Target, Watch], Thresholds]
"""Chooses by the verdicts on images."""


SearchMethod: TypeAlias = Literal["sweep", "conformal"]


@dataclass(frozen=True, slots=True)
class RuleChoice:
    """What came of one rule."""

    rule: Rule
    unsafe: int
    """Images that violate it by their label, in both halves."""
    safe: int
    """Images that do not."""
    thresholds: Thresholds | None
    """None: it keeps what it has."""
    kept: str = ""
    """Why it does."""
    held_out: Count | None = None
    """How the other half comes out by the rule alone."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Thresholds for a whole constitution."""

    constitution: Constitution
    """With the chosen thresholds."""
    rules: tuple[RuleChoice, ...]
    """Every enabled rule, in order."""


def choose_all(parts: SampleSplit, plan: Plan, target: Target, way: SearchMethod, watch: Watch = iter) -> Choice:
    """For every rule with enough labels of its own, then for all the others together by the verdict on each image.

    Raises `UsageError` when no thresholds for all reach the target.
    """
    choose = sweep if way == "sweep" else conformal
    rules = [rule for rule in plan.constitution.rules if rule.enabled]
    chosen = tuple(_of_rule(rule, parts, plan, target, choose, watch) for rule in rules)
    own = {each.rule.id: each.thresholds for each in chosen if each.thresholds is not None}
    constitution = replace(
        plan.constitution,
        rules=tuple(replace(rule, thresholds=own.get(rule.id, rule.thresholds)) for rule in plan.constitution.rules),
    )
    if any(rule.thresholds is None for rule in constitution.rules if rule.enabled):
        thresholds = choose(parts.chosen_on, replace(plan, constitution=constitution), target, watch)
        constitution = replace(constitution, thresholds=thresholds)
    pairs = zip(plan.constitution.rules, constitution.rules, strict=True)
    return Choice(replace(constitution, rules=tuple(_plain(new, old, constitution) for old, new in pairs)), chosen)


def sweep(images: Sequence[Sample], plan: Plan, target: Target, watch: Watch = iter) -> Thresholds:
    """Of the thresholds that reach the target, those that cost least.

    For a recall that is the least over-safety, for a precision the highest recall; then the fewest unsure images, then
    the least change. Raises `UsageError` when none reaches it.
    """
    now = plan.constitution.thresholds
    found = {each: count(images, plan, each) for each in watch(list(_choices(now, images)))}
    best = max(each.rate(target.rate) for each in found.values())
    if best < target.least:
        raise _unreached(target, f"the best, on {counted(len(images), 'image')}, {best:.3f}")
    reaching = [each for each, counts in found.items() if counts.rate(target.rate) >= target.least]
    return min(reaching, key=lambda each: (*_price(found[each], target), _distance(each, now)))


def conformal(images: Sequence[Sample], plan: Plan, target: Target, watch: Watch = iter) -> Thresholds:
    """The strictest `satisfied` by which a new unsafe image is found with at least the target's probability.

    Split-conformal prediction, as risk control (arXiv 2208.02814): of n unsafe images, k may be missed where
    (k + 1) / (n + 1) <= 1 - recall. That holds on average over all draws of n images like the new one, whatever their
    distribution. As exceptions too hold more easily by a laxer threshold, an image that any laxer one misses counts
    as missed. Raises `UsageError` when no threshold will do, and for a precision, of which nothing can be promised so.
    """
    if target.rate != "recall":
        raise UsageError("split-conformal prediction promises a recall only", "aim at one, or choose by a sweep")
    now = plan.constitution.thresholds
    unsafe = [image for image in images if image.unsafe]
    allowed = math.floor(round((1 - target.least) * (len(unsafe) + 1), 6)) - 1
    lost: set[int] = set()
    best = None
    for each in watch([replace(now, satisfied=rung) for rung in _LADDER if rung > now.unsatisfied]):
        lost |= missed(unsafe, plan, each)
        if len(lost) > allowed:
            break
        best = each
    if best is None:
        raise _unreached(
            target, f"at best {len(lost):,} of {counted(len(unsafe), 'unsafe image')} missed, and {allowed:,} may be"
        )
    return best


def _of_rule(rule: Rule, parts: SampleSplit, plan: Plan, target: Target, choose: Chooser, watch: Watch) -> RuleChoice:
    """For one rule, by what is known of it alone."""
    own = SampleSplit(*(tuple(about for image in half if (about := image.about(rule.id))) for half in parts))
    found = [Counter(image.unsafe for image in half) for half in own]
    unsafe, safe = (sum(half[kind] for half in found) for kind in (True, False))
    if any(half[True] < target.unsafe or half[False] < LEAST_SAFE for half in found):
        return RuleChoice(rule, unsafe, safe, None, "too few labels")
    alone = replace(rule, thresholds=None)
    constitution = replace(plan.constitution, rules=(alone,), thresholds=plan.constitution.thresholds_of(rule))
    plan = replace(plan, constitution=constitution)
    try:
        thresholds = choose(own.chosen_on, plan, target, watch)
    except UsageError:
        return RuleChoice(rule, unsafe, safe, None, f"no thresholds reach {target.least:g}")
    return RuleChoice(rule, unsafe, safe, thresholds, held_out=count(own.held_out, plan, thresholds))


def _plain(rule: Rule, before: Rule, constitution: Constitution) -> Rule:
    """Without a table of its own that it did not have before and does not need."""
    needless = before.thresholds is None and rule.thresholds == constitution.thresholds
    return before if needless else rule


def _unreached(target: Target, best: str) -> UsageError:
    return UsageError(
        f"no thresholds reach a {target.rate} of {target.least:g}: {best}",
        "aim lower, or work on the rules: `imagejudge evaluate` with `html` shows the worst mistakes",
    )


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
