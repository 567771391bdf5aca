"""What other rules leave as it was: carried over from a recorded verdict to the one that they give."""

from __future__ import annotations

from collections.abc import Iterable

from imagejudge.verdict import RuleResult, StepStatus, Verdict


def left_to_probes(verdict: Verdict) -> frozenset[str]:
    """The rules that were not asked, since their probes said "certainly not"."""
    return frozenset(result.rule for result in verdict.rules if result.by == "probe")


def asks_otherwise(line: Verdict, results: Iterable[RuleResult]) -> str | None:
    """The first rule that is left to its probe and has other statements than in the line, of which the probe knows
    nothing."""
    recorded = {result.rule: _statements(result) for result in line.rules}
    changed = (each.rule for each in results if each.by == "probe" and _statements(each) != recorded[each.rule])
    return next(changed, None)


def carried_over(line: Verdict, rules: Iterable[RuleResult]) -> tuple[RuleResult, ...]:
    """The results with what a line has of probes, and with the regions that it has for their statements, no others.

    A line of an earlier version has none. One that has some tells them also where the rules could now do without.
    """
    regions = {region.ask: region for result in line.rules for region in result.regions}
    probes = {result.rule: result.probe for result in line.rules if result.probe is not None}
    if not regions and not probes:
        return tuple(each.model_copy(update={"regions": ()}) if each.regions else each for each in rules)
    return tuple(
        result.model_copy(
            update={
                "regions": tuple(regions[ask] for ask in _asked(result) if ask in regions),
                "probe": probes.get(result.rule),
            }
        )
        for result in rules
    )


def _statements(result: RuleResult) -> list[tuple[str, int | None]]:
    return [(step.ask, step.item) for step in result.steps]


def _asked(result: RuleResult) -> Iterable[str]:
    return dict.fromkeys(step.ask for step in result.steps if step.status is not StepStatus.NOT_ASKED)
