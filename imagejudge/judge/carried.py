"""What other rules leave as it was: carried over from a recorded verdict to the one that they give."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from imagejudge.images.picture import Box
from imagejudge.judge.clue import ARITHMETIC, SMALL, Method, box_of
from imagejudge.verdict import RuleResult, StepStatus, Verdict


def left_to_probes(verdict: Verdict) -> frozenset[str]:
    """The rules that were not asked, since their probes said "certainly not"."""
    return frozenset(result.rule for result in verdict.rules if result.by == "probe")


def probed_otherwise(
    line: Verdict, results: Iterable[RuleResult], digests: Mapping[str, str], method: Method
) -> str | None:
    """The first rule that is left to its probe and, for all that the line tells, is not judged as that was made for;
    `digests` are those of the rules by `rule_digest`.

    A line does not tell whether its probes were made of labels, which would go with any method.
    """
    alike = line.method == method.label and (line.settings or {}).get("arithmetic") == ARITHMETIC
    probed = {result.rule: result.probe.digest for result in line.rules if result.probe is not None}
    left = (each.rule for each in results if each.by == "probe")
    return next((rule for rule in left if not alike or probed.get(rule) != digests[rule][:12]), None)


def carried_over(line: Verdict, rules: Iterable[RuleResult]) -> tuple[RuleResult, ...]:
    """The results with what a line has of probes, and with the regions that it has, no others.

    A line of an earlier version has none. One that has some tells them also where the rules could now do without, but
    for those that were looked at in a crop: beside one of these stand a crop's figures.
    """
    before = {result.rule: result for result in line.rules}
    known = {box_of(region) for result in line.rules for region in result.regions}
    return tuple(_carried(before.get(each.rule), each, known) for each in rules)


def _carried(before: RuleResult | None, result: RuleResult, known: Container[Box]) -> RuleResult:
    probe = before.probe if before else None
    if probe is None and not result.regions and not (before and before.regions):
        return result
    asked = [step.ask for step in result.steps if step.status is not StepStatus.NOT_ASKED]
    found = [region for region in result.regions if box_of(region) in known]
    looked = {region.ask for region in found}
    spared = (region for region in (before.regions if before else ()) if region.ask not in looked)
    found += (region for region in spared if region.ask in asked and box_of(region).area >= SMALL)
    regions = tuple(sorted(found, key=lambda region: asked.index(region.ask)))
    return result.model_copy(update={"regions": regions, "probe": probe})
