"""The file of verdicts that a command reads, and which of them it is about."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, BinaryIO, Final, cast

import typer

from imagejudge.cli.console import warn
from imagejudge.cli.outcomes import outcomes
from imagejudge.common.existing import is_file
from imagejudge.common.open_input import open_input
from imagejudge.common.text import printable
from imagejudge.common.text_file import reading
from imagejudge.errors import UsageError
from imagejudge.judge.replay import answered_with
from imagejudge.output.choice import Choice, rules_named
from imagejudge.output.decisions import Decisions, read_decisions
from imagejudge.output.jsonl import Latest, keep
from imagejudge.output.packing import is_cut, unpacked
from imagejudge.output.recalled import recalled
from imagejudge.output.resume import difference
from imagejudge.output.table_file import lines_beside
from imagejudge.verdict import Outcome, Verdict

STDIN = "-"
_IN_MEMORY: Final = 64_000_000
"""Bytes of standard input that are kept without a temporary file."""

Verdicts = Annotated[
    str, typer.Argument(metavar="VERDICTS", help="What `imagejudge scan -o` wrote, or - for standard input.")
]


@dataclass(frozen=True, slots=True)
class ChoiceOptions:
    """Which verdicts a command is about."""

    only: Annotated[
        list[str],
        typer.Option(
            metavar="VERDICT",
            help="Only these: safe, unsure, unsafe, error. Repeatable, or with commas between.",
            rich_help_panel="Which images",
        ),
    ] = field(default_factory=list)
    rule: Annotated[
        list[str],
        typer.Option(
            metavar="RULE",
            help="Only where this rule, or a rule of this category, made them so. Repeatable.",
            rich_help_panel="Which images",
        ),
    ] = field(default_factory=list)

    def choice(self, lines: Latest, default: Sequence[Outcome] = ()) -> Choice:
        """What they choose; `default` are the outcomes where none is named."""
        return Choice(outcomes(self.only) or default, rules_named(self.rule, recalled(lines)) if self.rule else None)


@contextlib.contextmanager
def opened(name: str) -> Iterator[Latest]:
    """The verdicts in a file or on standard input. Raises `UsageError` where there is something else."""
    with contextlib.ExitStack() as stack:
        try:
            file = sys.stdin.buffer if name == STDIN else stack.enter_context(open_input(Path(name)))
            seekable = name != STDIN and file.seekable()
        except OSError as error:
            so_far = lines_beside(Path(name))
            hint = (
                f"what there is so far is in {so_far}" if is_file(so_far) else "`imagejudge scan -o FILE` writes them"
            )
            raise UsageError(f"the verdicts {name} cannot be read: {error.strerror}", hint) from error
        text = lines_in(file, name)
        if not seekable:  # a pipe can be read only once
            kept = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
            _keep(text, kept, _shown(name))
            text = cast("BinaryIO", kept)
        lines = Latest(text, _shown(name))
        if lines.torn:
            warn(f"the last line of {_shown(name)} was cut off when its writer was stopped, and is left out")
        elif is_cut(text):
            warn(f"{_shown(name)} has no end: its writer was stopped, or still writes")
        yield lines


def check_alike(first: Verdict, line: Verdict, hint: str) -> None:
    """Raise `UsageError` where two lines rest on answers of different models, or given in different ways."""
    if line.model != first.model:
        raise UsageError(f"these verdicts are of different models ({first.model}, {line.model})", hint)
    if words := difference(answered_with(first.settings), answered_with(line.settings)):
        raise UsageError(f"these verdicts were made with different settings: {words}", hint)


def name_of(verdicts: str) -> str:
    """What a page calls a file of verdicts."""
    return "standard input" if verdicts == STDIN else Path(verdicts).name


def lines_in(file: BinaryIO, name: str) -> BinaryIO:
    """The verdict lines in a file that may be compressed, or Parquet: what it begins with tells."""

    def complaint(why: str) -> UsageError:
        return UsageError(f"{_shown(name)} {why}", "copy it again, or save the lines before the damage with zcat")

    return unpacked(file, complaint)


def load_decisions(file: Path) -> Decisions:
    """The decisions in a file. Raises `UsageError` where it cannot be read, or for what is none."""
    name = printable(file)
    with (
        reading(name, UsageError, "the review page saves them", problem=f"the decisions {name} cannot be read"),
        open_input(file) as stream,
    ):
        return Decisions(read_decisions(stream, name, warn))


def _shown(name: str) -> str:
    return "standard input" if name == STDIN else printable(name)


def _keep(stream: BinaryIO, kept: IO[bytes], name: str) -> None:
    try:
        keep(stream, kept, name)
    except OSError as error:
        problem = f"{name} cannot be kept in {tempfile.gettempdir()}: {error.strerror}"
        raise UsageError(problem, "save it to a file, and give that") from error
