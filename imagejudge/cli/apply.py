"""`imagejudge apply`: move, copy, link, delete or censor what was found, and take that back."""

from __future__ import annotations

import datetime
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from imagejudge.cli.console import console, say, table, warn
from imagejudge.cli.named_files import refuse_existing, refuse_to_overwrite
from imagejudge.cli.options import grouped
from imagejudge.cli.signals import unbroken
from imagejudge.cli.verdict_file import ChoiceOptions, load_decisions, opened
from imagejudge.common.existing import exists, is_folder
from imagejudge.common.text import printable
from imagejudge.errors import UsageError
from imagejudge.output.acting import GONE, Acting, Row, State, common_root
from imagejudge.output.decisions import Decisions
from imagejudge.output.location import below_here
from imagejudge.output.taking_back import take_back
from imagejudge.output.undo_file import Action, UndoFile, read_backwards
from imagejudge.verdict import Outcome, Verdict

_FROM_WHERE = "paths count from the folder that the scan ran in"
_STYLES = {State.READY: "bold", State.DONE: "dim", State.REFUSED: "bold yellow"}
_DONE = {
    Action.MOVE: "moved",
    Action.COPY: "copied",
    Action.LINK: "linked",
    Action.CENSOR: "censored",
    Action.DELETE: "deleted",
}


def _to(action: Action, words: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        f"--{action}", metavar="DIR", help=words, rich_help_panel="What to do"
    )
    return option


@dataclass(frozen=True, slots=True)
class ActionOptions:
    """What is done; one of them."""

    move: Annotated[Path | None, _to(Action.MOVE, "Move them below this folder.")] = None
    copy: Annotated[Path | None, _to(Action.COPY, "Copy them below this folder.")] = None
    link: Annotated[Path | None, _to(Action.LINK, "Make symbolic links to them below this folder.")] = None
    censor: Annotated[
        Path | None,
        _to(
            Action.CENSOR, "Write copies below this folder in which what was found, or all, is blurred beyond recovery."
        ),
    ] = None
    delete: Annotated[
        bool,
        typer.Option("--delete", help="Delete them for good: this cannot be undone.", rich_help_panel="What to do"),
    ] = False
    undo: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Take back what this file records.", rich_help_panel="What to do"),
    ] = None

    def one(self) -> tuple[Action, Path | None] | None:
        """The action that is named, and where to; None: taking back. Raises `UsageError` unless there is one."""
        folders = {Action.MOVE: self.move, Action.COPY: self.copy, Action.LINK: self.link, Action.CENSOR: self.censor}
        named = [(action, folder) for action, folder in folders.items() if folder is not None]
        if len(named) + self.delete + (self.undo is not None) != 1:
            hint = "one of --move DIR, --copy DIR, --link DIR, --censor DIR, --delete, --undo FILE"
            raise UsageError("say what to do, and one thing only", hint)
        if self.undo is not None:
            return None
        return named[0] if named else (Action.DELETE, None)


@grouped
def apply(
    verdicts: Annotated[
        str | None,
        typer.Argument(metavar="VERDICTS", help="What `imagejudge scan -o` wrote, or - for standard input."),
    ] = None,
    *,
    action: ActionOptions,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Do it. Without this, it is only shown.", rich_help_panel="What to do"),
    ] = False,
    choice: ChoiceOptions,
    decisions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What people decided in a review: it goes before what the verdicts say.",
            rich_help_panel="Which images",
        ),
    ] = None,
    reviewed: Annotated[
        bool,
        typer.Option("--reviewed", help="Only images that somebody decided about.", rich_help_panel="Which images"),
    ] = False,
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Paths below DIR stay as they are below this folder; nothing outside it is touched. [default: the "
            "deepest folder that holds all images of VERDICTS]",
            rich_help_panel="Which images",
        ),
    ] = None,
    undo_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Record here what is done, for --undo. [default: imagejudge-undo-TIME.jsonl here]",
            rich_help_panel="What to do",
        ),
    ] = None,
) -> None:
    """Move, copy, link, delete or censor what was found, and take that back.

    It is about unsafe images, unless --only says otherwise. What a baseline accepts is not found. Nothing is done
    without --yes. Files that changed since they were judged are left alone, and nothing is put over another file. The
    exit code is 2 when something that was chosen could not be done.

    \b
    imagejudge apply verdicts.jsonl --move quarantine
    imagejudge apply verdicts.jsonl --move quarantine --yes --undo-file undo.jsonl
    imagejudge apply --undo undo.jsonl --yes
    imagejudge apply verdicts.jsonl --copy clean --only safe --decisions d.jsonl
    """
    what = action.one()
    if what is None:
        if verdicts is not None:
            raise UsageError("--undo needs no verdicts: its file says what was done", "leave them out")
        done = _taken_back(action.undo or Path(), really=yes)
        _tell(done, "take back", "taken back", really=yes)
        return
    if verdicts is None:
        raise UsageError("no verdicts were named", "give the file that `imagejudge scan -o` wrote, or -")
    if reviewed and decisions is None:
        raise UsageError("--reviewed is about a review", "name its file with --decisions")
    record = UndoFile(undo_file or _new_name())
    refuse_existing(record.path, "undo_file")
    if what[1] is not None:
        refuse_to_overwrite([], **{what[0]: what[1]}, undo_file=record.path)
    decided = Decisions() if decisions is None else load_decisions(decisions)
    with opened(verdicts) as lines:
        chosen = choice.choice(lines, [Outcome.UNSAFE])
        acting = Acting(*what, _root(root, (path for path, _ in lines.subjects())))
        say("root", str(acting.root), "bold cyan")
        found = (decided.applied(verdict) for verdict in lines if not reviewed or decided.about(verdict))
        taken = (verdict for verdict in found if chosen.takes(verdict))
        rows = (_done(acting, verdict, record) if yes else acting.look(verdict) for verdict in taken)
        try:
            _tell(rows, what[0], _DONE[what[0]], really=yes)
        finally:
            record.close()
            if record.begun:
                _say_the_way_back(record, what[0])


def _root(named: Path | None, paths: Iterable[str]) -> Path:
    """The folder outside which nothing is touched, which is there. Raises `UsageError`."""
    if named is None:
        root = common_root(paths)
        if not exists(root):  # here it would look as though all was deleted before
            raise UsageError(f"there is no {printable(root)}, which held the images", _FROM_WHERE)
        return root
    if not is_folder(named):
        raise UsageError(f"--root {named} is no folder", "name one that holds the images")
    return named


def _done(acting: Acting, verdict: Verdict, record: UndoFile) -> Row:
    with unbroken():
        row = acting.look(verdict)
        return row if row.state is not State.READY else acting.do(row, verdict, record)


def _taken_back(file: Path, *, really: bool) -> Iterator[Row]:
    for record in read_backwards(file):
        with unbroken():
            row = take_back(record, really=really)
        if row is not None:
            yield row


def _tell(rows: Iterable[Row], verb: str, done: str, *, really: bool) -> None:
    """A line for each image, and counts on standard error. Leaves with 2 when something was refused."""
    out = console(sys.stdout)
    counts: Counter[tuple[State, str]] = Counter()
    for row in rows:
        counts[row.state, row.why] += 1
        out.print(_line(row, done if really else verb))
    if not counts:
        warn("no image was chosen")
    shown = table()
    shown.add_column(justify="right")
    shown.add_column(overflow="fold")
    shown.show_header = False
    for (state, why), count in sorted(counts.items()):
        shown.add_row(f"{count:,}", Text(_words(state, why, done if really else f"to {verb}"), _STYLES[state]))
    console(sys.stderr, wrap=True).print(shown)
    if counts.keys() == {(State.REFUSED, GONE)}:
        warn(f"none of them is there: {_FROM_WHERE}")
    if counts and not really:
        say("nothing was done", "this is what --yes would do", "bold yellow")
    if any(state is State.REFUSED for state, _ in counts):
        raise typer.Exit(2)


def _line(row: Row, verb: str) -> Text:
    word = verb if row.state is State.READY or not row.why else "refused" if row.state is State.REFUSED else "as it is"
    line = Text.assemble((f"{word:<10}", _STYLES[row.state]), " ", printable(row.path))
    if row.why:
        return line.append(f": {printable(row.why)}")
    return line if row.target is None else line.append(f" -> {printable(below_here(str(row.target)))}")


def _words(state: State, why: str, verb: str) -> str:
    if state is State.REFUSED:
        return f"refused: {printable(why)}"
    return f"nothing left to do: {printable(why)}" if why else verb


def _say_the_way_back(record: UndoFile, action: Action) -> None:
    if action is Action.DELETE:
        say("recorded", f"what was deleted, in {record.path}; nothing brings it back", "bold yellow")
    else:
        name = shlex.quote(str(record.path))
        say("recorded", f"in {record.path}; imagejudge apply --undo {name} --yes takes it back", "bold cyan")


def _new_name() -> Path:
    return Path(f"imagejudge-undo-{datetime.datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.jsonl")
