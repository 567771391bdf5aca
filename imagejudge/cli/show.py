"""`imagejudge show`: finished verdicts in another format."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TextIO

import typer

from imagejudge.cli.console import warn
from imagejudge.cli.named_files import refuse_existing, refuse_to_overwrite
from imagejudge.cli.options import grouped
from imagejudge.cli.output import STDOUT, Format, sink
from imagejudge.cli.verdict_file import ChoiceOptions, Verdicts, opened
from imagejudge.common.atomic_write import replacing
from imagejudge.constitution import Constitution
from imagejudge.errors import UsageError
from imagejudge.output.choice import Choice
from imagejudge.output.jsonl import Latest
from imagejudge.output.packing import Packing
from imagejudge.output.recalled import recalled
from imagejudge.output.verdict_files import save_lines
from imagejudge.output.writing import writing
from imagejudge.verdict import Outcome, line_of

_NAMING_RULES = (Format.CSV, Format.SARIF)
"""Formats that say something of every rule before, or beside, what they say of images."""
_INSTEAD = "name another file with -o"


@grouped
def show(
    verdicts: Verdicts,
    *,
    choice: ChoiceOptions,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="What is written. [default: text on a terminal, else jsonl]",
            rich_help_panel="Output",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write there instead, once all of it is there.",
            rich_help_panel="Output",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of -o.", rich_help_panel="Output")
    ] = False,
    print0: Annotated[
        bool,
        typer.Option("--print0", "-0", help="End each path with NUL, not newline.", rich_help_panel="Output"),
    ] = False,
) -> None:
    """Write finished verdicts again: other formats, or only some of them.

    Neither the images nor the model nor the constitution are needed. With --format paths it is the unsafe images, with
    all other formats every one, unless --only or --rule say which. The exit code is 0 whatever the verdicts are.

    \b
    imagejudge show verdicts.jsonl --only unsafe,unsure
    imagejudge show verdicts.jsonl --format paths --only error
    imagejudge show verdicts.jsonl --format csv --rule violence -o violence.csv
    """
    if print0 and form is not Format.PATHS:
        raise UsageError("-0 is about paths", "add --format paths")
    target = None if output is None or str(output) == STDOUT else output
    refuse_to_overwrite([verdicts], output=target)
    if target is not None:
        refuse_existing(target, overwrite=overwrite)
    if form is None:
        form = Format.TEXT if target is None and sys.stdout.isatty() else Format.JSONL
    if target is not None and form is not Format.JSONL and Packing.named(target) is not Packing.PLAIN:
        raise UsageError(f"{target} would be JSON Lines or a table of them", "add --format jsonl, or name another file")
    with opened(verdicts) as lines:
        chosen = choice.choice(lines, [Outcome.UNSAFE] if form is Format.PATHS else [])
        constitution = recalled(lines if form in _NAMING_RULES else ())
        if target is not None and form is Format.JSONL:
            _save(lines, chosen, target)
            return
        with _stream(target) as stream:
            _write(lines, chosen, form, stream, constitution, nul=print0)


def _save(lines: Latest, chosen: Choice, target: Path) -> None:
    packing = Packing.named(target)
    with writing(target, _INSTEAD), replacing(target) as fresh:
        save_lines((line_of(verdict) for verdict in lines if chosen.takes(verdict)), fresh, packing)


def _write(
    lines: Latest, chosen: Choice, form: Format, stream: TextIO, constitution: Constitution, *, nul: bool
) -> None:
    out = sink(form, stream, constitution, tuple(Outcome), nul=nul)
    for verdict in lines:
        if chosen.takes(verdict):
            out.write(verdict)
    out.close()
    if out.note:
        warn(out.note)


@contextlib.contextmanager
def _stream(target: Path | None) -> Iterator[TextIO]:
    """Standard output; or a file that is put in its place when all was written."""
    if target is None:
        yield sys.stdout
        return
    with (
        writing(target, _INSTEAD),
        replacing(target) as fresh,
        fresh.open("w", encoding="utf-8", newline="") as stream,
    ):
        yield stream
