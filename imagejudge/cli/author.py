"""`imagejudge constitution objectify` and `decompose`: drafts of rules by a text model, for a person to review."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text
from tqdm import tqdm

from imagejudge import drafting
from imagejudge.cli.changes import show_lines
from imagejudge.cli.config_options import Config, Isolated
from imagejudge.cli.console import console, say
from imagejudge.cli.factory import make_writer
from imagejudge.cli.options import WriterOptions, grouped
from imagejudge.common.existing import exists
from imagejudge.common.suggest import did_you_mean
from imagejudge.common.text import printable
from imagejudge.constitution import Constitution, Rule
from imagejudge.constitution.diff import compare
from imagejudge.constitution.shipped import shipped_constitutions
from imagejudge.drafting import ENOUGH, Document, DraftRejected, Rating, Revision
from imagejudge.engine.base import Engine
from imagejudge.errors import EngineFailure, UsageError

FAILED = 2

File = Annotated[Path, typer.Argument(metavar="FILE", help="The constitution whose rules are to be revised.")]
Write = Annotated[bool, typer.Option("--write", "-w", help="Change the file, not only show what would change.")]
Reviser = Callable[[Engine, Rule], Revision]


@grouped
def objectify(
    file: File,
    *,
    rule: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this rule. Repeatable. [default: all that are enabled]")
    ] = None,
    write: Write = False,
    model: WriterOptions,
    isolated: Isolated = False,
    config: Config = None,
) -> None:
    """Let a text model rate rules, and make them objective.

    A rule rated below 9 of 10, or with a word that `check` finds vague, is rewritten and rated again, at most three
    times. Shows the rating before and after. Exits with 2 when a rule could not be done; the others are.
    """
    del isolated, config  # they have had their effect
    document = _opened(file)
    chosen = _chosen(document.constitution, rule or ()) or [one for one in document.constitution.rules if one.enabled]
    _revise(document, chosen, drafting.objectify, model, write=write)


@grouped
def decompose(
    file: File,
    *,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID", help="Only this rule. Repeatable. [default: all that are enabled and have no preconditions]"
        ),
    ] = None,
    write: Write = False,
    model: WriterOptions,
    isolated: Isolated = False,
    config: Config = None,
) -> None:
    """Let a text model take rules apart into preconditions.

    Each rule becomes a chain of statements about what can be seen, with the objects they are about. A chain that the
    file has is replaced only where --rule names the rule. Exits with 2 when a rule could not be done; the others are.
    """
    del isolated, config  # they have had their effect
    document = _opened(file)
    bare = [one for one in document.constitution.rules if one.enabled and not one.preconditions]
    chosen = _chosen(document.constitution, rule or ()) or bare
    if not chosen:
        raise UsageError("every rule has its preconditions", "name a rule with --rule to have them drafted again")
    _revise(document, chosen, drafting.decompose, model, write=write)


def _opened(file: Path) -> Document:
    """A user's own file: what comes with imagejudge stays as it is."""
    source = next((path for path in shipped_constitutions() if path.stem == str(file)), None)
    if source is not None and not exists(file):
        raise UsageError(
            f"{file} comes with imagejudge and is not revised", f"copy it first: cp {source} {source.name}"
        )
    return Document.open(file)


def _chosen(constitution: Constitution, ids: Iterable[str]) -> list[Rule]:
    """The rules named, in the order of the file."""
    known = [rule.id for rule in constitution.rules]
    for name in ids:
        if name not in known:
            raise UsageError(f"no rule is called {name!r}", did_you_mean(name, known, f"there are: {', '.join(known)}"))
    return [rule for rule in constitution.rules if rule.id in set(ids)]


def _revise(document: Document, rules: list[Rule], reviser: Reviser, options: WriterOptions, *, write: bool) -> None:
    """Revise one rule after another, each written before the next begins, since a model takes its time."""
    failed, first = False, document
    bar = tqdm(rules, unit="rule", disable=not sys.stderr.isatty(), leave=False)
    with make_writer(options) as engine, contextlib.closing(bar):
        for rule in bar:
            try:
                revision = reviser(engine, rule)
                revised = document.revised(revision.rule)
                if write and revised != document:
                    revised.replace(document)
            except (DraftRejected, EngineFailure) as error:
                failed = True
                with tqdm.external_write_mode(file=sys.stderr):
                    say("error", f"{rule.id}: {error}", "bold red")
            else:
                with tqdm.external_write_mode(file=sys.stdout):
                    _show(rule.id, revision, document, revised)
                document = revised
    if document == first:
        say("note", f"{first.path} stays as it is", "bold")
    elif write:
        say("note", f"wrote {first.path}", "bold")
    else:
        say("note", "nothing was written; read it, then add --write", "bold")
    if failed:
        raise typer.Exit(FAILED)


def _show(name: str, revision: Revision, old: Document, new: Document) -> None:
    out = console(sys.stdout)
    out.print(Text(name, "bold"))
    _show_rating(revision.before)
    for change in compare(old.constitution, new.constitution):
        show_lines(change, out)
    _show_rating(revision.after)
    if revision.after is not None and revision.rule.preconditions:
        out.print(f"  note     its preconditions are those of the old text; decompose --rule {name} drafts new ones")


def _show_rating(rating: Rating | None) -> None:
    if rating is None:
        return
    style = "green" if rating.score >= ENOUGH else "red"
    line = Text.assemble("  rated    ", (f"{rating.score} of 10", style), f": {printable(rating.explanation)}")
    console(sys.stdout).print(line)
