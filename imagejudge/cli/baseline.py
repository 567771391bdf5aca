"""`imagejudge baseline`: accept findings, and see which of those that were accepted nothing needs any more."""

from __future__ import annotations

import contextlib
import datetime
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, BinaryIO, Final, cast

import typer
from rich.text import Text

from imagejudge.cli.console import console, say
from imagejudge.cli.help import Command
from imagejudge.common.existing import exists
from imagejudge.common.open_input import open_input
from imagejudge.common.text import printable
from imagejudge.errors import UsageError
from imagejudge.output import baseline
from imagejudge.output.baseline import Baseline
from imagejudge.output.jsonl import Latest, keep

STDIN = "-"
_IN_MEMORY: Final = 64_000_000
"""Bytes of standard input that are kept without a temporary file."""
MAX_REASON = 1_000

app = typer.Typer(
    help="Accept findings, so that they are recorded but fail no scan.", no_args_is_help=True, rich_markup_mode=None
)

Verdicts = Annotated[
    str, typer.Argument(metavar="VERDICTS", help="What `imagejudge scan -o` wrote, or - for standard input.")
]
File = Annotated[Path, typer.Option("--baseline", "-b", metavar="FILE", help="The baseline.")]


@app.command("add", cls=Command)
def add(
    verdicts: Verdicts,
    rule: Annotated[list[str] | None, typer.Option(metavar="RULE", help="Only of this rule. Repeatable.")] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why it is accepted.")] = "",
    unsure: Annotated[bool, typer.Option("--unsure", help="Also what could not be decided.")] = False,
    file: File = baseline.DEFAULT,
) -> None:
    """Accept what was found: write each violation into a baseline.

    An entry holds the image's SHA-256, the rule, the reason, the date and a path for readers. It goes with the bytes,
    so it survives renaming and ends when the image is changed. Everything else in the file stays as it is.
    """
    if len(reason) > MAX_REASON:
        raise UsageError(f"the reason is {len(reason):,} characters long", f"write at most {MAX_REASON:,}")
    known = baseline.load_baseline(file) if exists(file) else Baseline()
    with opened(verdicts) as found:
        new = baseline.accept(
            found, known, reason=printable(reason), today=datetime.date.today(), rules=rule or (), unsure=unsure
        )
    if new:
        baseline.add(file, new)
    say("accepted", f"{len(new):,} more, {len(known.entries) + len(new):,} in {file}", "bold green")


@app.command("unused", cls=Command)
def unused(verdicts: Verdicts, file: File = baseline.DEFAULT) -> None:
    """List accepted findings that nothing needs.

    Exits with 1 if there are any. VERDICTS must be about all images and rules, or what merely was not looked at is
    listed as well.
    """
    with opened(verdicts) as found:
        idle = baseline.load_baseline(file).unused(found)
    out = console(sys.stdout)
    for each in idle:
        entry = each.entry
        out.print(Text(f"{printable(file)}:{entry.line}: {entry.rule}: {printable(entry.path)}: {each.why}"))
    if idle:
        raise typer.Exit(1)


@contextlib.contextmanager
def opened(name: str) -> Iterator[Latest]:
    """The verdicts in a file or on standard input. Raises `UsageError` where there is something else."""
    with contextlib.ExitStack() as stack:
        try:
            file = sys.stdin.buffer if name == STDIN else stack.enter_context(open_input(Path(name)))
            seekable = name != STDIN and file.seekable()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "no file can have this name"
            hint = "`imagejudge scan -o FILE` writes them"
            raise UsageError(f"the verdicts {name} cannot be read: {why}", hint) from error
        if not seekable:  # a pipe can be read only once
            kept = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
            _keep(file, kept, _shown(name))
            file = cast("BinaryIO", kept)
        yield Latest(file, _shown(name))


def _shown(name: str) -> str:
    return "standard input" if name == STDIN else printable(name)


def _keep(stream: BinaryIO, kept: IO[bytes], name: str) -> None:
    try:
        keep(stream, kept, name)
    except OSError as error:
        problem = f"{name} cannot be kept in {tempfile.gettempdir()}: {error.strerror}"
        raise UsageError(problem, "save it to a file, and give that") from error
