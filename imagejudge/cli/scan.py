"""`imagejudge scan`: judge files and folders."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Generator
from functools import partial
from typing import Annotated, Any

import typer
from tqdm import tqdm

from imagejudge.blocks.work import Work
from imagejudge.cli.block_options import BlockOptions
from imagejudge.cli.block_scan import asked_by, folder_for, here, scan_blocks
from imagejudge.cli.config_options import Config, Isolated, in_force
from imagejudge.cli.factory import prepared, recipe
from imagejudge.cli.find_options import FindOptions, Paths, Search
from imagejudge.cli.image_options import ImageOptions
from imagejudge.cli.named_files import refuse_to_overwrite
from imagejudge.cli.options import CacheOptions, ModelOptions, RuleOptions, grouped
from imagejudge.cli.output import Output, OutputOptions, end, written
from imagejudge.cli.probe_options import ProbeOptions
from imagejudge.cli.ray_scan import on_ray
from imagejudge.common.existing import is_folder
from imagejudge.errors import UsageError
from imagejudge.images.names import is_shard
from imagejudge.images.signed import whole
from imagejudge.output.recorded import SameFile, WithMembers
from imagejudge.output.resume import Identity
from imagejudge.output.stats import Stats
from imagejudge.verdict import Outcome, Verdict


@grouped
def scan(
    call: typer.Context,
    paths: Paths = None,
    *,
    search: FindOptions,
    keep_field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Carry this into the line: a member of the same sample, or a column. Repeatable.",
            rich_help_panel="Images",
        ),
    ] = None,
    image_options: ImageOptions,
    rules: RuleOptions,
    model: ModelOptions,
    probes: ProbeOptions,
    output: OutputOptions,
    retry_errors: Annotated[
        bool,
        typer.Option("--retry-errors", help="Judge again what failed in an earlier run.", rich_help_panel="Output"),
    ] = False,
    cache: CacheOptions,
    by_blocks: BlockOptions,
    isolated: Isolated = False,
    config: Config = None,
) -> None:
    """Judge images: one verdict a line, with its reasons.

    Give files and folders; what is found is judged by the rules of --constitution with the model of --model.
    Answers are kept, so that a second run, or a run with one rule changed, asks only what is new.
    """
    del isolated, config  # they have had their effect
    refuse_to_overwrite(
        [*(paths or []), search.files_from, rules.constitution, output.baseline, probes.probe, *model.files],
        output=output.output,
    )
    if output.output is not None and is_folder(output.output) and not by_blocks.wanted:
        raise UsageError(
            f"{output.output} cannot be written: it is a folder",
            "name a file in it with -o; by blocks, with --shard or --ray, a scan writes into a folder",
        )
    looking = Search(paths or [], search)
    if by_blocks.ray is not None and any(whole(path) != path for path in looking.named):
        raise UsageError("signatures of addresses are not given to other machines", "scan without --ray")
    fields = sorted({name.removeprefix(".").lower() for name in keep_field or []})
    if by_blocks.wanted:
        folder = folder_for(by_blocks, output, retry_errors=retry_errors)
        with prepared(rules, model, image_options, cache, in_force(call), probes=probes, quiet=output.quiet) as judge:
            finished = partial(written, steps=output.steps, no_timing=output.no_timing)
            work = Work(finished, fields, output.steps)
            identity = work.identity(judge.plan)
            asked = asked_by(identity, looking.named, looking.patterns, by_blocks, fields, output)
            judging = here(judge, work, looking.unread)
            if by_blocks.ray is not None:
                make = recipe(rules, by_blocks.on_actor(model), image_options, cache, in_force(call), probes)
                judging = on_ray(by_blocks, folder, make, work, looking.unread)
            stats, complete = scan_blocks(folder, asked, looking.find, by_blocks, judging, output)
        if complete and by_blocks.ray is not None and by_blocks.blocks is None:  # else others' blocks may hold some
            looking.expect_some(stats.images)
        end(stats, judge.constitution, output, failed=not complete, passed_over=looking.passed_over)
        return
    with prepared(rules, model, image_options, cache, in_force(call), probes=probes, quiet=output.quiet) as judge:
        refs = looking.find()  # after what is wrong with the rules or the model was said
        gc.freeze()  # a million of them would be looked at again and again by the collector
        found = WithMembers({ref.path for ref in refs})
        check = SameFile(found, judge.plan.limits)
        how: dict[str, Any] = {"retry_errors": retry_errors, "wanted": found, "check": check}
        with Output(output, judge.constitution, Identity.of(judge.plan), **how) as out:
            done = out.go_on(found)
            left = [ref for ref in refs if ref.path not in done]
            images = looking.images(left, judge.plan.limits, done=done, keep_fields=fields)
            known = not any(is_shard(ref.path) for ref in left)
            write_all(judge.judge_all(images), len(left) if known else None, out, done=len(done))
    if refs:
        looking.expect_some(out.stats.images)
    out.end(passed_over=looking.passed_over)


def write_all(verdicts: Generator[Verdict, None, None], count: int | None, out: Output, *, done: int = 0) -> None:
    """Write so many verdicts, with a bar on a terminal that also counts those that were done before.

    `count` is None where it is not known.
    """
    gc.freeze()  # what was loaded by now stays: no collection needs to look at it again
    gc.set_threshold(
        20_000
    )  # an image makes thousands of objects that go by themselves: a tenth of the time of known ones
    with (
        tqdm(
            total=None if count is None else done + count,
            initial=done,
            unit="image",
            disable=out.hides_progress,
            dynamic_ncols=True,
            smoothing=0.1,
        ) as bar,
        contextlib.closing(verdicts),
    ):
        for verdict in verdicts:
            out.write(verdict)
            if not bar.disable:
                bar.set_postfix_str(_counts(out.stats), refresh=False)
                bar.update()


def _counts(stats: Stats) -> str:
    shown = (Outcome.UNSAFE, Outcome.UNSURE, Outcome.ERROR)
    return ", ".join(f"{stats.outcomes[outcome]} {outcome}" for outcome in shown if stats.outcomes[outcome])
