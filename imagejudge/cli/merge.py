"""`imagejudge merge`: the blocks of a scan by many processes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from imagejudge.blocks.manifest import read_manifest
from imagejudge.blocks.merge import check as check_blocks
from imagejudge.blocks.merge import merged, withdraw_summary, write_summary
from imagejudge.blocks.parts import Parts
from imagejudge.blocks.plan import as_list
from imagejudge.cli.console import console, say
from imagejudge.cli.named_files import refuse_existing
from imagejudge.cli.output import ExitZero, FailOnChoice, OnError, OnErrorChoice, counts_of, leave, tell_probed
from imagejudge.common.atomic_write import replacing
from imagejudge.common.text import counted
from imagejudge.errors import UsageError
from imagejudge.output.packing import Packing
from imagejudge.output.stats import FailOn
from imagejudge.output.verdict_files import save_lines
from imagejudge.output.writing import writing

INCOMPLETE = 2


def merge(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `imagejudge scan --shard -o` wrote into.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write all verdicts here, in the order of the blocks: .jsonl, .jsonl.gz, .jsonl.zst, .parquet.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of -o.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing.")] = False,
    fail_on: FailOnChoice = FailOn.UNSAFE,
    exit_zero: ExitZero = False,
    on_error: OnErrorChoice = OnError.FAIL,
) -> None:
    """Check the blocks of a scan by many processes, and put their verdicts together.

    Every image must have its verdict, once, in its block. Blocks that lack are listed on standard output as
    `imagejudge scan --blocks` takes them, and the exit code is 2. Where none does, `summary.json` and `_SUCCESS` are
    written into the folder, and the exit code is that of a scan of all images.
    """
    if check and output is not None:
        raise UsageError("--check writes nothing", "leave out -o")
    if output is not None:
        refuse_existing(output, overwrite=overwrite)
    packing = Packing.PLAIN if output is None else Packing.named(output)
    try:
        manifest = read_manifest(folder)
    except FileNotFoundError:
        problem = f"{folder} is no folder of blocks: there is no manifest.json"
        raise UsageError(problem, "`imagejudge scan --shard` with -o begins one") from None
    parts = Parts(folder, manifest.ending)
    found = check_blocks(manifest, folder, parts)
    for number, why in found.wrong.items():
        say("wrong", f"block {number}: {why}", "bold red")
    if found.wrong:
        say("hint", "judge them again with --blocks and --overwrite", "bold cyan")
    if lacking := sorted({*found.missing, *found.wrong}):
        if not check:
            withdraw_summary(folder)
        say("incomplete", f"not done: {len(lacking):,} of {counted(manifest.blocks, 'block')}", "bold red")
        sys.stdout.write(as_list(lacking) + "\n")
        raise typer.Exit(INCOMPLETE)
    if manifest.images and not found.stats.images:  # what was not looked at must not pass
        raise UsageError("no images were found: the shards hold none", "check what was scanned")
    if output is not None:
        with writing(output, "name another file with -o"), replacing(output) as fresh:
            save_lines(merged(manifest, parts), fresh, packing)
    if not check:
        write_summary(manifest, folder, found)
    if found.given_up:
        again = f"to try again: --blocks {as_list(found.given_up)} --overwrite"
        say("given up", f"blocks {as_list(found.given_up)}, in which runs died; {again}", "yellow")
    console(sys.stderr, wrap=True).print(counts_of(found.stats))
    tell_probed(found.stats)
    leave(found.stats, fail_on, on_error, exit_zero=exit_zero)
