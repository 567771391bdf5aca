"""`imagejudge explain`: every question about one image, with what was answered."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imagejudge.cli.config_options import Config, Isolated, in_force
from imagejudge.cli.console import console, table
from imagejudge.cli.factory import prepared
from imagejudge.cli.image_options import ImageOptions
from imagejudge.cli.named_files import PAGE, refuse_foreign, refuse_to_overwrite
from imagejudge.cli.options import CacheOptions, ModelOptions, RuleOptions, grouped
from imagejudge.cli.probe_options import ProbeOptions
from imagejudge.common.atomic_write import write_atomically
from imagejudge.common.text import clock, printable
from imagejudge.constitution import Constitution
from imagejudge.errors import UsageError
from imagejudge.images.read import Limits
from imagejudge.judge.frames import where
from imagejudge.judge.summary import overruled, unmeasured
from imagejudge.judge.world import is_outside
from imagejudge.output.text import VERDICT_STYLES
from imagejudge.verdict import ImageFacts, Outcome, RuleResult, RuleStatus, Step, StepStatus, Verdict, line_of

_SIDE = 1024
"""Most pixels of the longer side of the image in a page."""
_RULE_STYLES = {
    RuleStatus.VIOLATED: VERDICT_STYLES[Outcome.UNSAFE],
    RuleStatus.UNSURE: VERDICT_STYLES[Outcome.UNSURE],
    RuleStatus.EXCEPTED: "cyan",
    RuleStatus.CLEAR: VERDICT_STYLES[Outcome.SAFE],
}
_STEP_WORDS = {
    StepStatus.SATISFIED: "yes",
    StepStatus.NOT_SATISFIED: "no",
    StepStatus.UNSURE: "unsure",
    StepStatus.NOT_ASKED: "not asked",
}


@grouped
def explain(
    call: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="One image file.")],
    *,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write it as a page, with the image, here.")
    ] = None,
    images: ImageOptions,
    rules: RuleOptions,
    model: ModelOptions,
    probes: ProbeOptions,
    cache: CacheOptions,
    isolated: Isolated = False,
    config: Config = None,
) -> None:
    """Show every question about one image, and what decided it.

    p: probability of Yes with the image. prior: the same words with no image. centric: with the central region
    removed. gap: Yes over No in nats. off: probability of anything but Yes and No.
    """
    del isolated, config  # they have had their effect
    refuse_to_overwrite([image, rules.constitution, probes.probe, *model.files], html=html)
    refuse_foreign(html, PAGE, "html")
    with prepared(rules, model, images, cache, in_force(call), probes=probes) as judge:
        verdict = judge.judge(image)
    if verdict.error is not None:
        raise UsageError(
            f"{verdict.path}: {verdict.error.message}", "see docs/images.md for what each kind of failure means"
        )
    _show(console(sys.stdout, wrap=True), verdict, judge.constitution)
    if html is not None:
        write_atomically(html, _page(verdict, judge.constitution, judge.plan.limits), "name another file with --html")


def _show(out: Console, verdict: Verdict, constitution: Constitution) -> None:
    rules = {rule.id: rule for rule in constitution.rules}
    style = VERDICT_STYLES[verdict.verdict]
    frame = "" if verdict.frame is None else f", frame {verdict.frame}{_at(None, verdict.time)}"
    out.print(Text.assemble((printable(verdict.path) + frame, "bold"), ": ", (verdict.verdict, style)))
    out.print(Text(printable(f"{verdict.model}, {verdict.constitution}, {verdict.method}"), "dim"))
    if verdict.image is not None:
        out.print(Text(_picture(verdict.image), "dim"))
    if is_outside(verdict.out_of_world):
        out.print(Text(f"{verdict.rationale}; nothing was asked about it", style))
    for result in verdict.rules:
        out.print()
        status = (result.status, _RULE_STYLES[result.status])
        out.print(Text.assemble((result.rule, "bold"), ": ", status, _at(result.frame, result.time), _probe(result)))
        out.print(Padding(Text(printable(rules[result.rule].text), "dim"), (0, 0, 0, 2)))
        out.print(Padding(_steps(result), (0, 0, 0, 2)))


def _page(verdict: Verdict, constitution: Constitution, limits: Limits) -> str:
    """The page of a review, of one verdict: it opens with all there is to say of it."""
    from imagejudge.output.report.page import Origin, Pictures, page
    from imagejudge.output.report.records import records
    from imagejudge.output.report.thumbnails import inlined, thumbnail

    found = records([verdict], constitutions=[constitution])
    origin = Origin(Path(verdict.path).name, hashlib.sha256(line_of(verdict)).hexdigest())
    pictures = inlined(thumbnail(subject, limits, _SIDE) for subject in found.subjects)
    return "".join(page(found, origin, Pictures.INLINE, pictures))


def _at(frame: int | None, time: float | None) -> str:
    place = where(frame, time)
    return f" {place}" if place else ""


def _probe(result: RuleResult) -> Text:
    """What its probe says, and whether that was enough."""
    if result.probe is None:
        return Text()
    left = ", left to its probe" if result.by == "probe" else ""
    threshold = result.probe.threshold
    asked = "always asked" if threshold is None else f"asked from {threshold:+.1f} on"
    return Text(f"{left} (probe: {result.probe.p:.3f}; {result.probe.log_odds:+.1f}, {asked})", "dim")


def _picture(image: ImageFacts) -> str:
    words = f"{image.format}, {image.width} x {image.height} pixels"
    if image.duration is not None:
        words = f"{words}, {image.codec}, {clock(image.duration)} long"
    return words if image.tokens is None else f"{words}, {image.tokens:,} tokens"


def _steps(result: RuleResult) -> Table:
    steps = table()
    steps.add_column("", justify="right", style="dim")
    steps.add_column("question", ratio=1, overflow="fold")
    for name in ("p", "prior", "centric", "gap", "off"):
        steps.add_column(name, justify="right", no_wrap=True)
    steps.add_column("found", no_wrap=True)
    for step in result.steps:
        steps.add_row(
            "unless" if step.item is None else str(step.item),
            _question(step),
            "" if unmeasured(step) else _share(step.p_yes),
            _share(step.prior),
            _share(step.centric),
            "" if step.gap is None or unmeasured(step) else f"{step.gap:+.1f}",
            _share(step.off_mass),
            _found(step),
        )
    return steps


def _question(step: Step) -> Text:
    text = Text(printable(step.ask))
    if step.rationale:
        text.append(f"\n“{printable(step.rationale)}”", "italic dim")
    return text


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _found(step: Step) -> str:
    if unmeasured(step):
        return "unmeasured"
    word = _STEP_WORDS[step.status]
    if overruled(step):
        return f"{word}, reasoning over p"
    return f"{word}, {step.by}" if step.by else word
