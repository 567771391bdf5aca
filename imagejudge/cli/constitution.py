"""`imagejudge constitution`: look at rule files, begin, draft, test and compare them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text
from rich.tree import Tree

from imagejudge.cli import author, constitution_test
from imagejudge.cli.changes import objects_in_brackets, show_change
from imagejudge.cli.console import console, table
from imagejudge.cli.help import Command
from imagejudge.cli.option_names import with_options
from imagejudge.common.remedy import remedy
from imagejudge.common.text import printable
from imagejudge.constitution import THRESHOLD_NAMES, Constitution, Precondition, Rule, Severity, Statement, Thresholds
from imagejudge.constitution.diff import compare
from imagejudge.constitution.file import load_constitution
from imagejudge.constitution.shipped import find_constitution, shipped_constitutions
from imagejudge.constitution.template import template
from imagejudge.errors import UsageError

app = typer.Typer(
    help="Look at rule files, begin, draft, test and compare them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("objectify", cls=Command)(author.objectify)
app.command("decompose", cls=Command)(author.decompose)
app.command("test", cls=Command)(constitution_test.hold_to_examples)

DIFFERENT = 1
_SEVERITY_STYLES = {Severity.LOW: "cyan", Severity.MEDIUM: "yellow", Severity.HIGH: "red"}


@app.command("list", cls=Command)
def list_() -> None:
    """The constitutions that come with imagejudge."""
    shown = table()
    for title in ("name", "version", "rules", "questions", "description"):
        shown.add_column(title, justify="right" if title in ("rules", "questions") else "left", overflow="fold")
    for path in shipped_constitutions():
        constitution = load_constitution(path)
        rules, questions = len(constitution.rules), len(_questions(constitution))
        shown.add_row(path.stem, constitution.version, f"{rules}", f"{questions}", constitution.description)
    console(sys.stdout, wrap=True).print(shown)


@app.command("show", cls=Command)
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A constitution that is shipped, or a TOML file.")],
) -> None:
    """Show the rules of a constitution as a tree.

    A rule is violated when all its branches hold and nothing under `unless` does. Brackets hold the objects of a
    statement.
    """
    constitution = load_constitution(find_constitution(name))
    out = console(sys.stdout, wrap=True)
    out.print(Text.assemble((constitution.name, "bold"), f" {printable(constitution.version)}"))
    for words in (constitution.description, constitution.source, constitution.licence):
        if words:
            out.print(Text(printable(" ".join(words.split())), "dim"))
    if constitution.thresholds != Thresholds():
        out.print(_thresholds(constitution.thresholds))
    for rule in constitution.rules:
        out.print()
        out.print(_tree(rule))


@app.command("new", cls=Command)
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it, such as rules.toml.")],
) -> None:
    """Write a constitution to begin with.

    It has two rules and comments on everything, and passes `imagejudge check`.
    """
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(with_options(template(file.stem)))
    except FileExistsError:
        raise UsageError(f"{file} is there already", "give another name; nothing is ever overwritten") from None
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}", remedy(error, "give another name")) from None
    typer.echo(f"wrote {printable(file)}")


@app.command("diff", cls=Command)
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A TOML file, or a shipped name.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Another one.")],
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when verdicts may differ.")] = False,
) -> None:
    """Show what changed between two constitutions.

    Only what verdicts depend on counts: not comments, descriptions or the order of rules. Answers are kept by the
    exact words of a question, so those to the questions that stay are still good.
    """
    before, after = load_constitution(find_constitution(old)), load_constitution(find_constitution(new))
    changes = compare(before, after)
    out = console(sys.stdout)
    out.print(f"--- {_named(before)}", style="bold")
    out.print(f"+++ {_named(after)}", style="bold")
    for change in changes:
        out.print()
        show_change(change, out)
    out.print()
    out.print(_kept(before, after))
    if exit_code and not all(change.disabled for change in changes):
        raise typer.Exit(DIFFERENT)


def _questions(constitution: Constitution) -> set[object]:
    from imagejudge.judge.claims import questions_of  # loads the engine's interface, which `new` need not wait for

    return set(questions_of(constitution))


def _tree(rule: Rule) -> Tree:
    about = f"{rule.category}, " if rule.category else ""
    title = Text.assemble((rule.id, "bold"), f"  {about}", (rule.severity, _SEVERITY_STYLES[rule.severity]))
    if not rule.enabled:
        title.append("  disabled", "dim")
    tree = Tree(Text.assemble(title, "\n", (printable(rule.text), "dim")), guide_style="dim")
    if rule.thresholds is not None:
        tree.add(_thresholds(rule.thresholds))
    if not rule.preconditions:
        tree.add(Text("asked whole", "italic"))
    for number, item in enumerate(rule.preconditions):
        _grow(tree, "and" if number else "if", item)
    if rule.unless:
        _grow(tree, "unless", Precondition(rule.unless))
    return tree


def _thresholds(thresholds: Thresholds) -> Text:
    numbers = (f"{name} {getattr(thresholds, name)}" for name in THRESHOLD_NAMES)
    return Text.assemble(("thresholds ", "bold"), ", ".join(numbers))


def _grow(tree: Tree, joint: str, item: Precondition) -> None:
    """A branch for one precondition: a leaf, or a fork where there are alternatives."""
    if len(item.any) == 1:
        tree.add(Text.assemble((f"{joint} ", "bold"), _leaf(item.any[0])))
        return
    fork = tree.add(Text(f"{joint} any of", "bold"))
    for statement in item.any:
        fork.add(_leaf(statement))


def _leaf(statement: Statement) -> Text:
    return Text.assemble(printable(statement.ask), (objects_in_brackets(statement.objects), "dim"))


def _named(constitution: Constitution) -> str:
    return f"{constitution.name} {printable(constitution.version)} ({constitution.digest[:12]})"


def _kept(before: Constitution, after: Constitution) -> str:
    old, new = _questions(before), _questions(after)
    return f"questions: {len(old & new)} kept with their answers, {len(old - new)} dropped, {len(new - old)} new"
