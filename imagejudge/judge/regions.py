"""Where things were found, carried over from a recorded verdict to the one that other rules give."""

from __future__ import annotations

from collections.abc import Iterable

from imagejudge.verdict import RuleResult, StepStatus, Verdict


def with_regions_of(line: Verdict, rules: Iterable[RuleResult]) -> tuple[RuleResult, ...]:
    """The results with the regions that a line has for their statements, and no others.

    A line of an earlier version has none. One that has some tells them also where the rules could now do without.
    """
    known = {region.ask: region for result in line.rules for region in result.regions}
    return tuple(
        result.model_copy(update={"regions": tuple(known[ask] for ask in _asked(result) if ask in known)})
        if known or result.regions
        else result
        for result in rules
    )


def _asked(result: RuleResult) -> Iterable[str]:
    return dict.fromkeys(step.ask for step in result.steps if step.status is not StepStatus.NOT_ASKED)
