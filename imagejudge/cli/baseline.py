"""`imagejudge baseline`: accept findings, and see which of those that were accepted nothing needs any more."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from imagejudge.cli.config_options import Config, Isolated
from imagejudge.cli.console import console, say
from imagejudge.cli.help import Command
from imagejudge.cli.named_files import refuse_to_overwrite
from imagejudge.cli.verdict_file import Verdicts, load_decisions, opened
from imagejudge.common.existing import exists
from imagejudge.common.text import printable
from imagejudge.errors import UsageError
from imagejudge.output import baseline as baselines
from imagejudge.output.baseline import Baseline
from imagejudge.output.choice import rules_named
from imagejudge.output.recalled import recalled

MAX_REASON = 1_000

app = typer.Typer(
    help="Accept findings, so that they are recorded but fail no scan.", no_args_is_help=True, rich_markup_mode=None
)

File = Annotated[
    Path, typer.Option("--baseline", "-b", metavar="FILE", help="The baseline, in the place of the settings file's.")
]


@app.command("add", cls=Command)
def add(
    verdicts: Verdicts,
    rule: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="Only of this rule, or of the rules of this category. Repeatable."),
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why it is accepted.")] = "",
    unsure: Annotated[bool, typer.Option("--unsure", help="Also what could not be decided.")] = False,
    from_: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Only what these decisions say is not there.")
    ] = None,
    baseline: File = baselines.DEFAULT,
    isolated: Isolated = False,
    config: Config = None,
) -> None:
    """Accept what was found: write each violation into a baseline.

    An entry holds the image's SHA-256, the rule, the reason, the date and a path for readers. It goes with the bytes,
    so it survives renaming and ends when the image is changed. Everything else in the file stays as it is.
    """
    del isolated, config  # they have had their effect
    if len(reason) > MAX_REASON:
        raise UsageError(f"the reason is {len(reason):,} characters long", f"write at most {MAX_REASON:,}")
    refuse_to_overwrite([verdicts, from_], baseline=baseline)
    decisions = None if from_ is None else load_decisions(from_)
    known = baselines.load_baseline(baseline) if exists(baseline) else Baseline()
    with opened(verdicts) as found:
        rules = rules_named(rule, recalled(found)) if rule else None
        new = baselines.accept(
            found,
            known,
            reason=printable(reason),
            today=datetime.date.today(),
            rules=rules or (),
            unsure=unsure,
            decisions=decisions,
        )
    if new:
        baselines.add(baseline, new)
    total = f"{len(known.entries) + len(new):,} in {baseline}" if exists(baseline) else "so no file was made"
    say("accepted", f"{len(new):,} more, {total}", "bold green")


@app.command("unused", cls=Command)
def unused(
    verdicts: Verdicts,
    baseline: File = baselines.DEFAULT,
    isolated: Isolated = False,
    config: Config = None,
) -> None:
    """List accepted findings that nothing needs.

    Exits with 1 if there are any. VERDICTS must be about all images and rules, or what merely was not looked at is
    listed as well.
    """
    del isolated, config  # they have had their effect
    with opened(verdicts) as found:
        idle = baselines.load_baseline(baseline).unused(found)
    out = console(sys.stdout)
    for each in idle:
        entry = each.entry
        out.print(Text(f"{printable(baseline)}:{entry.line}: {entry.rule}: {printable(entry.path)}: {each.why}"))
    if idle:
        raise typer.Exit(1)
