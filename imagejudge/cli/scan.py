"""`imagejudge scan`: judge files and folders."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from imagejudge.blocks.work import Work
from imagejudge.cli.block_options import BlockOptions
from imagejudge.cli.block_scan import asked_by, folder_for, here, scan_blocks
from imagejudge.cli.config_options import Config, Isolated, in_force
from imagejudge.cli.console import warn
from imagejudge.cli.factory import prepared, recipe
from imagejudge.cli.image_options import ImageOptions
from imagejudge.cli.named_files import refuse_to_overwrite
from imagejudge.cli.options import CacheOptions, ModelOptions, RuleOptions, grouped
from imagejudge.cli.output import Output, OutputOptions, end, written
from imagejudge.cli.ray_scan import on_ray
from imagejudge.common.open_input import open_input
from imagejudge.errors import UsageError
from imagejudge.images.find import find_images, read_list
from imagejudge.images.names import HOW_TO_JUDGE, PLURALS, Unread, is_shard, shard_of
from imagejudge.images.ref import ImageRef
from imagejudge.images.shards import expand
from imagejudge.output.recorded import SameFile, WithMembers
from imagejudge.output.resume import Identity
from imagejudge.output.stats import Stats
from imagejudge.output.steps import identity_with
from imagejudge.verdict import Outcome, Verdict

STDIN = "-"


@grouped
def scan(
    call: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Files, folders (searched recursively), or - for a list on stdin."),
    ] = None,
    *,
    files_from: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST", help="Read paths from this file (- for stdin), one a line.", rich_help_panel="Images"
        ),
    ] = None,
    null: Annotated[
        bool,
        typer.Option("-0", "--null", help="Paths in the list end with NUL, not newline.", rich_help_panel="Images"),
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Skip what matches, as in .gitignore. Repeatable.", rich_help_panel="Images"),
    ] = None,
    respect_gitignore: Annotated[bool, typer.Option(help="Skip what git ignores.", rich_help_panel="Images")] = True,
    force_exclude: Annotated[
        bool, typer.Option("--force-exclude", help="Also skip files that were named.", rich_help_panel="Images")
    ] = False,
    allow_empty: Annotated[
        bool,
        typer.Option("--allow-empty", help="Finding no image is no failure.", rich_help_panel="Images"),
    ] = False,
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
    if not paths and files_from is None:
        raise UsageError("nothing to scan was named", "give files or folders, or - for a list on standard input")
    if null and files_from is None and STDIN not in (paths or []):
        raise UsageError("-0 is about how a list ends its paths, and there is no list", "add - or --files-from LIST")
    read = [*(paths or []), files_from, rules.constitution, output.baseline, *model.files]
    refuse_to_overwrite(read, output=output.output)
    named = list(dict.fromkeys(_named(paths or [], files_from, null)))  # an endless list may be of one path
    unread = Counter[Unread]()

    def passed_over(_: str, what: Unread) -> None:
        unread[what] += 1

    patterns: dict[str, Any] = {
        "exclude": exclude or [],
        "respect_gitignore": respect_gitignore,
        "force_exclude": force_exclude,
    }

    def find() -> list[ImageRef]:
        refs = list(find_images(named, **patterns, warn=warn, passed_over=passed_over))
        if not refs:
            if not allow_empty:  # what was not looked at must not pass
                raise _nothing_found(unread)
            warn("no images were found")
        return refs

    fields = sorted({name.removeprefix(".").lower() for name in keep_field or []})
    if by_blocks.wanted:
        folder = folder_for(by_blocks, output, retry_errors=retry_errors)
        with prepared(rules, model, image_options, cache, in_force(call), quiet=output.quiet) as judge:
            asked = asked_by(identity_with(Identity.of(judge.plan), output.steps), named, patterns, by_blocks, fields)
            work = Work(partial(written, steps=output.steps), fields)
            judging = here(judge, work, unread)
            if by_blocks.ray is not None:
                make = recipe(rules, by_blocks.on_actor(model), image_options, cache, in_force(call))
                judging = on_ray(by_blocks, folder, make, work, unread)
            tally = scan_blocks(folder, asked, find, by_blocks, judging, output)
        end(tally, judge.constitution, output, passed_over=_in_words(unread))
        return
    refs = find()
    gc.freeze()  # a million of them would be looked at again and again by the collector
    with prepared(rules, model, image_options, cache, in_force(call), quiet=output.quiet) as judge:
        found = WithMembers({ref.path for ref in refs})
        check = SameFile(found, judge.plan.limits)
        how: dict[str, Any] = {"retry_errors": retry_errors, "wanted": found, "check": check}
        with Output(output, judge.constitution, Identity.of(judge.plan), **how) as out:
            done = out.go_on(found)
            left = [ref for ref in refs if ref.path not in done]
            named_alone = {ref.path for ref in left if shard_of(ref.path)}  # though their shard may be named, too
            images = expand(
                left, judge.plan.limits, done=done | named_alone, passed_over=passed_over, keep_fields=fields
            )
            known = not any(is_shard(ref.path) for ref in left)
            write_all(judge.judge_all(images), len(left) if known else None, out, done=len(done))
    if not out.tally.images and refs and not allow_empty:
        raise _nothing_found(unread)
    out.end(passed_over=_in_words(unread))


def _named(paths: list[str], files_from: Path | None, null: bool) -> Iterator[str]:
    for path in paths:
        if path == STDIN:
            yield from read_list(sys.stdin.buffer, null)
        else:
            yield path
    if str(files_from) == STDIN:
        yield from read_list(sys.stdin.buffer, null)
    elif files_from is not None:
        try:
            with open_input(files_from) as listed:
                yield from read_list(listed, null)
        except OSError as error:
            raise UsageError(f"the list {files_from} cannot be read: {error.strerror}", "check --files-from") from error


def _nothing_found(unread: Counter[Unread]) -> UsageError:
    """What was not looked at is said, and must not pass."""
    for words in _in_words(unread):
        warn(f"passed over: {words}")
    return UsageError("no images were found", "check what was named, or allow it with --allow-empty")


def _in_words(unread: Counter[Unread]) -> list[str]:
    return [f"{count:,} {PLURALS[what] if count > 1 else what}; {HOW_TO_JUDGE[what]}" for what, count in unread.items()]


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
                bar.set_postfix_str(_counts(out.tally), refresh=False)
                bar.update()


def _counts(tally: Stats) -> str:
    shown = (Outcome.UNSAFE, Outcome.UNSURE, Outcome.ERROR)
    return ", ".join(f"{tally.outcomes[outcome]} {outcome}" for outcome in shown if tally.outcomes[outcome])
