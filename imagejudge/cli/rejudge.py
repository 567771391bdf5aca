"""`imagejudge rejudge`: other rules on recorded answers."""

from __future__ import annotations

import dataclasses
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from imagejudge.cli.config_options import Config, Isolated, in_force
from imagejudge.cli.console import say, warn
from imagejudge.cli.factory import ignore_settings, load_rules, prepared
from imagejudge.cli.image_options import ImageOptions
from imagejudge.cli.named_files import refuse_existing, refuse_to_overwrite
from imagejudge.cli.options import CacheOptions, ModelOptions, RuleOptions, grouped
from imagejudge.cli.output import Output, OutputOptions
from imagejudge.cli.scan import write_all
from imagejudge.cli.verdict_file import Verdicts, check_alike, opened
from imagejudge.common.atomic_write import write_atomically
from imagejudge.common.existing import is_file
from imagejudge.common.text import counted
from imagejudge.errors import UsageError
from imagejudge.images.read import Limits, Source
from imagejudge.images.ref import ImageRef, source_of
from imagejudge.images.shards import named as named_images
from imagejudge.judge.judge import Judge
from imagejudge.judge.plan import Plan, judging_settings
from imagejudge.judge.replay import Rejudge, Unrecorded, answered_with
from imagejudge.judge.scanner import Scanner
from imagejudge.judge.unanswered import Recorded, UnansweredImage
from imagejudge.output.paths import Paths
from imagejudge.output.recorded import AllBut, SameDigest
from imagejudge.output.resume import Identity, difference
from imagejudge.verdict import Verdict


@grouped
def rejudge(
    call: typer.Context,
    verdicts: Verdicts,
    *,
    missing: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the paths of images that need new answers here, for --files-from of `scan`.",
            rich_help_panel="Output",
        ),
    ] = None,
    output: OutputOptions,
    rules: RuleOptions,
    model: ModelOptions,
    image_options: ImageOptions,
    cache: CacheOptions,
    isolated: Isolated = False,
    config: Config = None,
) -> None:
    """Judge recorded answers again: by new thresholds, changed rules or another constitution.

    Neither images nor a model are needed where the recorded answers suffice. Where they do not, the images are
    counted, and listed with --missing; with --model they are opened and what is missing is asked, and only that.
    """
    del isolated, config  # they have had their effect
    read = [verdicts, rules.constitution, output.baseline, *model.files]
    refuse_to_overwrite(read, output=output.output, missing=missing)
    if missing is not None and is_file(missing):
        refuse_existing(missing, "missing", overwrite=output.overwrite)
    settings = in_force(call)
    constitution = load_rules(rules, settings)
    with opened(verdicts) as lines:
        first = next(iter(lines), None)
        if first is None:
            warn(f"there are no verdicts in {verdicts}")
            return
        now = judging_settings(ignore_settings(settings))
        plan = Plan(constitution, rules.as_method(), first.model, "", Limits(), settings=now, ignored=settings.ignored)
        again = Rejudge(plan)
        identity = dataclasses.replace(Identity.of(plan), settings=again.settings(first))
        # What failed is judged again once a scan has judged its image after all.
        repaired, same = AllBut(lines.failed()), SameDigest(lines.digests())
        with Output(output, constitution, identity, retry_errors=True, wanted=repaired, check=same) as out:
            out.go_on(out.done)
            lacking = _replay(lines, first, again, out)
            if lacking and model.model is not None:
                say("asking", f"{model.model} about these, and only what is missing", "bold cyan")
                with prepared(rules, model, image_options, cache, settings, quiet=output.quiet) as judge:
                    lacking = _ask(lacking, again, judge, out)
    if missing is not None:
        _list(lacking, missing, nul=output.print0)
    out.end(failed=bool(lacking))


def _replay(lines: Iterable[Verdict], first: Verdict, again: Rejudge, out: Output) -> list[UnansweredImage]:
    """Judge again what can be; gives the others."""
    lacking: list[UnansweredImage] = []
    lacks: Counter[str] = Counter()
    for line in tqdm(lines, unit="image", disable=out.hides_progress, dynamic_ncols=True):
        if not out.options.mix:
            check_alike(first, line, "rejudge them one by one, or allow both with --mix")
        if line.path in out.done:
            continue
        try:
            out.write(again.judge(line))
        except Unrecorded as unrecorded:
            lacking.append(UnansweredImage.of(line))
            lacks[unrecorded.lack] += 1
    if lacks:
        (lack, times), *others = lacks.most_common()
        more = f" and {counted(len(others), 'other lack')}" if others else ""
        need = counted(len(lacking), "image needs", "images need")
        say("missing", f"{need} new answers: {lack} ({times:,}){more}", "bold yellow")
    return lacking


def _ask(lacking: Sequence[UnansweredImage], again: Rejudge, judge: Judge, out: Output) -> list[UnansweredImage]:
    """Have the model answer what is missing; gives the images for which that is not possible."""
    for each in lacking:
        if each.model != judge.plan.model:
            problem = f"the recorded answers are by {each.model}, and --model is {judge.plan.model}"
            raise UsageError(problem, "name the same model, or scan the images again with this one")
        recorded = each.line.settings
        if recorded is None and not out.options.mix:
            problem = "the recorded answers are of an earlier version, which did not say with which settings"
            raise UsageError(problem, "scan the images again, or allow both with --mix")
        if "probe" in (recorded or {}):
            problem = "rules of these images were left to probes, and a model would be asked about them here"
            raise UsageError(problem, "scan the images again with the same --probe: answers are kept")
        words = difference(answered_with(recorded), answered_with(judge.plan.settings))
        if recorded is not None and words:
            raise UsageError(f"the recorded answers were made with {words}", "ask with the same options")
    wanted = {each.path: each for each in lacking}
    asked: set[str] = set()

    def unchanged() -> Iterator[ImageRef]:
        for ref in named_images(wanted, judge.plan.limits):
            source = source_of(ref, judge.plan.limits)
            if isinstance(source, Source) and source.sha256 == wanted[ref.path].sha256:
                asked.add(ref.path)
                yield dataclasses.replace(ref, fields=wanted[ref.path].line.fields)

    scanner = Scanner(judge.plan, Recorded(judge.cache, again, lacking), judge.engines)
    write_all(scanner.run(unchanged()), len(lacking), out)
    gone = [each for each in lacking if each.path not in asked]
    if gone:
        warn(f"{counted(len(gone), 'image')} of these cannot be asked about: gone, or changed since")
    return gone


def _list(lacking: Iterable[UnansweredImage], file: Path, *, nul: bool) -> None:
    stream = io.BytesIO()
    listed = Paths(stream, (), nul=nul)
    for each in lacking:
        listed.path(each.path)
    write_atomically(file, stream.getvalue(), "name another file with --missing")
    if listed.note:
        warn(listed.note)
