"""How verdicts leave a command: written, counted, summed up, and turned into an exit code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.text import Text
from tqdm import tqdm

from imagejudge.cli.config_options import counts_where
from imagejudge.cli.console import console, say, table, warn
from imagejudge.cli.option_names import shown
from imagejudge.cli.outcomes import outcomes
from imagejudge.cli.signals import unbroken
from imagejudge.common.text import counted, printable
from imagejudge.constitution import Constitution
from imagejudge.errors import UsageError
from imagejudge.output import Sink, baseline
from imagejudge.output.csv import Csv
from imagejudge.output.github import Annotations
from imagejudge.output.jsonl import JsonLines
from imagejudge.output.paths import Paths
from imagejudge.output.recorded import Check
from imagejudge.output.resume import Identity, ResumableFile
from imagejudge.output.sarif import Sarif
from imagejudge.output.stats import FailOn, Stats
from imagejudge.output.steps import identity_with, trimmed
from imagejudge.output.text import VERDICT_STYLES, Lines
from imagejudge.output.verdict_files import open_record
from imagejudge.verdict import Outcome, RuleStatus, Steps, Timing, Verdict

STDOUT = "-"


class Format(StrEnum):
    """How verdicts are written to standard output."""

    JSONL = "jsonl"
    TEXT = "text"
    CSV = "csv"
    GITHUB = "github"
    PATHS = "paths"
    SARIF = "sarif"


class OnError(StrEnum):
    """What an image that could not be judged means for the exit code."""

    FAIL = "fail"
    WARN = "warn"


FailOnChoice = Annotated[
    FailOn, typer.Option(help="Exit with 1 for this or worse (or this severity).", rich_help_panel="Output")
]
ExitZero = Annotated[
    bool, typer.Option("--exit-zero", "-e", help="Exit with 0 whatever was found.", rich_help_panel="Output")
]
OnErrorChoice = Annotated[
    OnError, typer.Option(help="Whether an unreadable image makes the exit code 2.", rich_help_panel="Output")
]


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Where verdicts go, and what they mean for the exit code."""

    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write verdicts here, and resume a file from an earlier run: .jsonl, .jsonl.gz, .jsonl.zst, .parquet.",
            rich_help_panel="Output",
        ),
    ] = None
    format: Annotated[
        Format | None,
        typer.Option(
            callback=counts_where("output", STDOUT, is_it=False),
            help="What standard output gets, also beside -o. [default: text on a terminal, jsonl in a pipe]",
            rich_help_panel="Output",
        ),
    ] = None
    only: Annotated[
        list[str],
        typer.Option(
            metavar="VERDICT",
            callback=counts_where("format", Format.PATHS),
            help="With --format paths: safe, unsure, unsafe, error. Repeatable, or with commas. [default: unsafe]",
            rich_help_panel="Output",
        ),
    ] = field(default_factory=list)
    print0: Annotated[
        bool,
        typer.Option("--print0", help="End each written path with NUL, not newline.", rich_help_panel="Output"),
    ] = False
    steps: Annotated[
        Steps,
        typer.Option(
            help="Which steps lines have: those asked, those of rules that are not clear, none; `rejudge` needs all.",
            rich_help_panel="Output",
        ),
    ] = Steps.ALL
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start the file of -o afresh.", rich_help_panel="Output")
    ] = False
    mix: Annotated[
        bool, typer.Option("--mix", help="Allow different models and rules in one file.", rich_help_panel="Output")
    ] = False
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            "-b",
            metavar="FILE",
            help="Findings that are accepted: they are recorded but do not count.",
            rich_help_panel="Output",
        ),
    ] = None
    fail_on: FailOnChoice = FailOn.UNSAFE
    exit_zero: ExitZero = False
    on_error: OnErrorChoice = OnError.FAIL
    no_timing: Annotated[
        bool,
        typer.Option("--no-timing", help="Write no seconds: equal scans give equal bytes.", rich_help_panel="Output"),
    ] = False
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, no summary, no safe images.", rich_help_panel="Output")
    ] = False


def written(verdict: Verdict, steps: Steps, *, no_timing: bool = False) -> Verdict:
    """A verdict as it is written: options by the names that they have here, and the steps and times that are wanted."""
    verdict = trimmed(shown(verdict), steps)
    return verdict.model_copy(update={"seconds": Timing()}) if no_timing else verdict


class Output:
    """Takes verdicts, writes them wherever they are wanted, and knows what they amount to.

    Use it as a context manager: only a run that came to its end closes what is written in one piece.
    """

    def __init__(
        self,
        options: OutputOptions,
        constitution: Constitution,
        identity: Identity,
        *,
        retry_errors: bool = False,
        wanted: Container[str] | None = None,
        check: Check | None = None,
    ) -> None:
        self.options = options
        self.stats = Stats()
        self.hides_progress = options.quiet or not sys.stderr.isatty()
        """Whether a progress bar would not be seen."""
        self._constitution = constitution
        self._accepted = baseline.load_baseline(options.baseline) if options.baseline else baseline.Baseline()
        self._shown = _shown(options, constitution)
        self._record: ResumableFile | None = None
        if options.output is not None and str(options.output) != STDOUT:
            how = {"overwrite": options.overwrite, "mix": options.mix, "retry_errors": retry_errors}
            identity = identity_with(identity, options.steps)
            self._record = open_record(options.output, identity, **how, wanted=wanted, check=check)
            if not self._record.locked:
                warn(f"no locks where {options.output} lies: do not let two scans write to it at once")

    def __enter__(self) -> Output:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._record is not None:
            with contextlib.closing(self._record):
                if kind is None:
                    self._record.finish()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            judged = self.stats.images
            have = "has its" if judged == 1 else "have their"
            say("interrupted", f"{counted(judged, 'image')} {have} verdict; {self._way_on()}", "bold yellow")
        if kind is None and self._shown is not None:
            self._shown.close()
            if self._shown.note:
                warn(self._shown.note)

    def _way_on(self) -> str:
        again = "run the same command again"
        return (
            f"{again}: what was answered is kept"
            if self._record is None
            else f"{again} to resume {self.options.output}"
        )

    @property
    def done(self) -> set[str]:
        """Paths of the images that have their line in the file of -o already."""
        return self._record.done if self._record is not None else set()

    def go_on(self, paths: Container[str]) -> set[str]:
        """Take in what an earlier run wrote about these images; gives those of them that have their line."""
        done = {path for path in self.done if path in paths}
        if self._record is not None and (changed := len(self._record.changed)):
            say("changed", f"{counted(changed, 'image')} since their line was written; judged again", "bold cyan")
        if done and self._record is not None:
            told = 0
            for verdict in self._record.recorded(done, telling=self._shown is None):
                self._take(self._accepted.mark(verdict))
                told += 1
            self.stats.add_safe(len(done) - told)
            have = "has its" if len(done) == 1 else "have their"
            say("resumed", f"{len(done):,} of these images {have} line in {self.options.output} already", "bold cyan")
        return done

    def write(self, verdict: Verdict) -> None:
        """Write one more."""
        verdict = self._accepted.mark(written(verdict, self.options.steps, no_timing=self.options.no_timing))
        beside_a_bar = self._shown is not None and not self.hides_progress
        with unbroken(), tqdm.external_write_mode(sys.stdout) if beside_a_bar else contextlib.nullcontext():
            if self._record is not None:
                self._record.write(verdict)
            self._take(verdict)

    def _take(self, verdict: Verdict) -> None:
        if self._shown is not None:
            self._shown.write(verdict)
        self.stats.add(verdict)

    def end(self, *, failed: bool = False, passed_over: Iterable[str] = ()) -> None:
        """As the function `end`, of what was taken in."""
        end(self.stats, self._constitution, self.options, failed=failed, passed_over=passed_over)


def end(
    stats: Stats,
    constitution: Constitution,
    options: OutputOptions,
    *,
    failed: bool = False,
    passed_over: Iterable[str] = (),
) -> None:
    """Say what was found and what was passed over, and leave with the exit code for what was found.

    `failed`: not every image could be judged.
    """
    if stats.images and not options.quiet:
        _summarise(stats, constitution)
    for words in () if options.quiet else passed_over:
        say("passed over", words, "yellow")
    leave(stats, options.fail_on, options.on_error, exit_zero=options.exit_zero, failed=failed)


def leave(stats: Stats, fail_on: FailOn, on_error: OnError, *, exit_zero: bool, failed: bool = False) -> None:
    """Leave with the exit code for what was found, where that is not 0."""
    if (failed or stats.outcomes[Outcome.ERROR]) and on_error is OnError.FAIL:
        raise typer.Exit(2)
    if stats.found(fail_on) and not exit_zero:
        raise typer.Exit(1)


def _shown(options: OutputOptions, constitution: Constitution) -> Sink | None:
    """What goes to standard output."""
    form = options.format
    if str(options.output) == STDOUT:
        if form not in (None, Format.JSONL):
            raise UsageError("-o - and --format both want standard output", "leave out one of them, or name a file")
        form = Format.JSONL
    if options.only and form is not Format.PATHS:
        raise UsageError("--only is about paths", "add --format paths")
    if form is None and options.output is None:
        form = Format.TEXT if sys.stdout.isatty() else Format.JSONL
    if form is None:
        return None
    only = outcomes(options.only) or [Outcome.UNSAFE]
    return sink(form, sys.stdout, constitution, only, nul=options.print0, findings_only=options.quiet)


def sink(
    form: Format,
    stream: TextIO,
    constitution: Constitution,
    only: Collection[Outcome],
    *,
    nul: bool = False,
    findings_only: bool = False,
) -> Sink:
    """What writes a format; `only` and `nul` are for paths, `findings_only` for text."""
    match form:
        case Format.JSONL:
            return JsonLines(stream.buffer)
        case Format.TEXT:
            return Lines(console(stream), findings_only=findings_only)
        case Format.CSV:
            return Csv(stream.buffer, constitution)
        case Format.GITHUB:
            return Annotations(stream.buffer)
        case Format.PATHS:
            return Paths(stream.buffer, only, nul=nul)
        case Format.SARIF:
            return Sarif(stream.buffer, constitution)


def counts_of(stats: Stats) -> Text:
    """How many images there are, and of each verdict, for standard error."""
    counts = Text(f"{counted(stats.images, 'image')}: ")
    return counts.append(Text(", ").join(_count(stats, outcome) for outcome in Outcome if stats.outcomes[outcome]))


def _count(stats: Stats, outcome: Outcome) -> Text:
    accepted = f" ({stats.accepted[outcome]:,} accepted)" if stats.accepted[outcome] else ""
    return Text(f"{stats.outcomes[outcome]:,} {outcome}{accepted}", VERDICT_STYLES[outcome])


def _summarise(stats: Stats, constitution: Constitution) -> None:
    """What was found, on standard error: a line of counts, and a row for each rule that was not always clear."""
    err = console(sys.stderr, wrap=True)
    noted = (RuleStatus.VIOLATED, RuleStatus.UNSURE, RuleStatus.EXCEPTED)
    rules = [rule for rule in constitution.rules if any(stats.rules[rule.id, status] for status in noted)]
    if rules:
        found = table()
        found.add_column("rule", overflow="fold")
        found.add_column("severity")
        for status in noted:
            found.add_column(status, justify="right")
        for rule in rules:
            found.add_row(
                printable(rule.id), rule.severity, *(str(stats.rules[rule.id, status] or "") for status in noted)
            )
        err.print(found)
    err.print(counts_of(stats))
    if stats.out_of_world:
        say("hint", stats.hint, "bold cyan")
    tell_probed(stats)


def tell_probed(stats: Stats) -> None:
    """What was left to probes, and what an audit found, on standard error."""
    err = console(sys.stderr, wrap=True)
    for words in stats.probed.summary:
        err.print(Text(words))
    if stats.probed.warning:
        warn(stats.probed.warning)
