"""`imagejudge scan`: judge files and folders."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text
from tqdm import tqdm

from imagejudge import images
from imagejudge.cli.console import console, say, table, warn
from imagejudge.cli.options import CacheOptions, ImageOptions, ModelOptions, RuleOptions, grouped
from imagejudge.cli.setup import Setup, prepared
from imagejudge.constitution import Constitution
from imagejudge.errors import UsageError
from imagejudge.printable import printable
from imagejudge.scan import Scanner
from imagejudge.sinks.jsonl import Identity, JsonLines, ResumableFile
from imagejudge.sinks.text import VERDICT_STYLES, Lines
from imagejudge.tally import FailOn, Tally
from imagejudge.verdict import Outcome, RuleStatus

STDIN = "-"


class Format(StrEnum):
    """How verdicts are written to standard output."""

    JSONL = "jsonl"
    TEXT = "text"


class OnError(StrEnum):
    """What an image that could not be judged means for the exit code."""

    FAIL = "fail"
    WARN = "warn"


@grouped
def scan(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Files, folders (searched recursively), or - for a list on stdin."),
    ] = None,
    *,
    files_from: Annotated[
        Path | None,
        typer.Option(metavar="LIST", help="Read paths from this file, one a line.", rich_help_panel="Images"),
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
    image_options: ImageOptions,
    rules: RuleOptions,
    model: ModelOptions,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write JSON Lines here, and go on where a file from an earlier run ends.",
            rich_help_panel="Output",
        ),
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        Format | None,
        typer.Option(help="[default: text on a terminal, jsonl in a pipe]", rich_help_panel="Output"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start the file of -o afresh.", rich_help_panel="Output")
    ] = False,
    mix: Annotated[
        bool, typer.Option("--mix", help="Allow different models and rules in one file.", rich_help_panel="Output")
    ] = False,
    retry_errors: Annotated[
        bool,
        typer.Option("--retry-errors", help="Judge again what failed in an earlier run.", rich_help_panel="Output"),
    ] = False,
    fail_on: Annotated[
        FailOn, typer.Option(help="Exit with 1 for this or worse (or this severity).", rich_help_panel="Output")
    ] = FailOn.UNSAFE,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", "-e", help="Exit with 0 whatever was found.", rich_help_panel="Output")
    ] = False,
    on_error: Annotated[
        OnError, typer.Option(help="Whether an unreadable image makes the exit code 2.", rich_help_panel="Output")
    ] = OnError.FAIL,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, no summary, no safe images.", rich_help_panel="Output")
    ] = False,
    cache: CacheOptions,
) -> None:
    """Judge images: one verdict a line, with its reasons.

    Give files and folders; what is found is judged by the rules of --constitution with the model of --model.
    Answers are kept, so that a second run, or a run with one rule changed, asks only what is new.
    """
    if not paths and files_from is None:
        raise UsageError("nothing to scan was named", "give files or folders, or - for a list on standard input")
    named = list(_named(paths or [], files_from, null))
    refs = list(
        images.find(named, exclude=exclude or [], respect_gitignore=respect_gitignore, force_exclude=force_exclude)
    )
    if not refs:
        warn("no images were found")
        return
    with prepared(rules, model, image_options, cache) as setup:
        writer = _writer(setup, output, format, quiet=quiet, overwrite=overwrite, mix=mix, retry_errors=retry_errors)
        tally = Tally()
        try:
            if isinstance(writer, ResumableFile):
                skipped = len(refs)
                refs = [ref for ref in refs if ref.path not in writer.done]
                if skipped := skipped - len(refs):
                    say("resumed", f"{skipped:,} of these images have their line in {output} already", "bold cyan")
            _judge(setup, refs, writer, tally, quiet=quiet)
        except KeyboardInterrupt:
            left = len(refs) - tally.images
            say("interrupted", f"{tally.images:,} images judged, {left:,} left; {_way_on(output)}", "bold yellow")
            raise
        finally:
            writer.close()
    if not quiet:
        _summarise(tally, setup.plan.constitution)
    if tally.outcomes[Outcome.ERROR] and on_error is OnError.FAIL:
        raise typer.Exit(2)
    if tally.found(fail_on) and not exit_zero:
        raise typer.Exit(1)


def _named(paths: list[str], files_from: Path | None, null: bool) -> Iterator[str]:
    for path in paths:
        if path == STDIN:
            yield from images.read_list(sys.stdin.buffer, null)
        else:
            yield path
    if files_from is not None:
        try:
            with files_from.open("rb") as listed:
                yield from images.read_list(listed, null)
        except OSError as error:
            raise UsageError(f"the list {files_from} cannot be read: {error.strerror}", "check --files-from") from error


def _writer(setup: Setup, output: Path | None, form: Format | None, *, quiet: bool, **how: Any) -> JsonLines | Lines:
    if output is not None and str(output) != STDIN:
        if form is Format.TEXT:
            raise UsageError("a file of verdicts is always JSON Lines", "leave out --format, or leave out -o")
        plan = setup.plan
        return ResumableFile(output, Identity(plan.model, plan.constitution.label, plan.method.label), **how)
    if form is Format.TEXT or (form is None and output is None and sys.stdout.isatty()):
        return Lines(console(sys.stdout), findings_only=quiet)
    return JsonLines(sys.stdout.buffer)


def _judge(setup: Setup, refs: list[images.ImageRef], writer: JsonLines | Lines, tally: Tally, *, quiet: bool) -> None:
    scanner = Scanner(setup.plan, setup.cache, setup.engines)
    hidden = quiet or not sys.stderr.isatty()
    with (
        tqdm(total=len(refs), unit="image", disable=hidden, dynamic_ncols=True, smoothing=0.1) as bar,
        contextlib.closing(scanner.scan(refs)) as verdicts,
    ):
        for verdict in verdicts:
            with _unbroken(), tqdm.external_write_mode(sys.stdout) if not hidden else contextlib.nullcontext():
                writer.write(verdict)
                tally.add(verdict)
            bar.set_postfix_str(_counts(tally), refresh=False)
            bar.update()


@contextlib.contextmanager
def _unbroken() -> Iterator[None]:
    """Hold back Ctrl-C until a line is whole."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    late: list[Any] = []
    usual = signal.signal(signal.SIGINT, lambda *_: late.append(None))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if late:
        raise KeyboardInterrupt


def _counts(tally: Tally) -> str:
    shown = (Outcome.UNSAFE, Outcome.UNSURE, Outcome.ERROR)
    return ", ".join(f"{tally.outcomes[outcome]} {outcome}" for outcome in shown if tally.outcomes[outcome])


def _way_on(output: Path | None) -> str:
    if output is None:
        return "run the same command again: what was answered is kept"
    return f"run the same command again to go on with {output}"


def _summarise(tally: Tally, constitution: Constitution) -> None:
    """What was found, on standard error: a line of counts, and a row for each rule that was not always clear."""
    counts = Text(f"{tally.images:,} images: ")
    counts.append(
        Text(", ").join(
            Text(f"{tally.outcomes[outcome]:,} {outcome}", VERDICT_STYLES[outcome])
            for outcome in Outcome
            if tally.outcomes[outcome]
        )
    )
    err = console(sys.stderr, wrap=True)
    noted = (RuleStatus.VIOLATED, RuleStatus.UNSURE, RuleStatus.EXCEPTED)
    rules = [rule for rule in constitution.rules if any(tally.rules[rule.id, status] for status in noted)]
    if rules:
        found = table()
        found.add_column("rule", overflow="fold")
        found.add_column("severity")
        for status in noted:
            found.add_column(status, justify="right")
        for rule in rules:
            found.add_row(
                printable(rule.id), rule.severity, *(str(tally.rules[rule.id, status] or "") for status in noted)
            )
        err.print(found)
    err.print(counts)
