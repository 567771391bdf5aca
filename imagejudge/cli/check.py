"""`imagejudge check`: says whether constitutions are valid, what they come to, and what could be better."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console

from imagejudge.cli.console import console
from imagejudge.common.text import printable, without_secrets
from imagejudge.constitution import Constitution
from imagejudge.constitution.file import load_constitution
from imagejudge.constitution.lint import Remark, lint_constitution
from imagejudge.constitution.shipped import find_constitution
from imagejudge.errors import ImageJudgeError

_MAX_TOLD = 100
"""Warnings that are shown of one file."""


def check(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="TOML files, or names of constitutions that are shipped.")
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when there are warnings.")] = False,
) -> None:
    """Validate constitutions, and give advice on them.

    Every mistake is shown with its line, and every statement that a model may answer badly.
    """
    raise typer.Exit(run(files, strict=strict, out=sys.stdout, err=sys.stderr))


def run(files: Sequence[str], *, strict: bool = False, out: TextIO, err: TextIO) -> int:
    """Report on each file: a summary to `out`, warnings and mistakes to `err`.

    Returns the exit code: 2 if any file is wrong or missing, 1 if `strict` and there are warnings, else 0.
    """
    facts, complaints = console(out), console(err)
    wrong = warned = False
    for name in files:
        try:
            path = find_constitution(name)
            constitution = load_constitution(path)
        except ImageJudgeError as error:
            wrong = True
            complaints.print(without_secrets(error.message), style="red")
            if error.hint:
                complaints.print(f"hint: {error.hint}")
            continue
        _summarise(constitution, path, facts)
        remarks = lint_constitution(constitution)
        warned = warned or bool(remarks)
        for remark in remarks[:_MAX_TOLD]:
            complaints.print(_line(remark, path), style="yellow")
        if len(remarks) > _MAX_TOLD:
            complaints.print(f"{printable(path)}: and {len(remarks) - _MAX_TOLD:,} more warnings", style="yellow")
    return 2 if wrong else int(strict and warned)


def _summarise(constitution: Constitution, path: Path, facts: Console) -> None:
    from imagejudge.judge.claims import chain_of, questions_of

    enabled = [rule for rule in constitution.rules if rule.enabled]
    disabled = len(constitution.rules) - len(enabled)
    first = {claim.question for rule in enabled for claim in chain_of(rule)[0]}
    facts.print(printable(path), style="bold")
    rows = {
        "name": f"{constitution.name}, version {constitution.version}",
        "digest": constitution.digest[:12],
        "rules": f"{len(constitution.rules)}, {disabled} disabled" if disabled else f"{len(enabled)}",
        "statements": f"{sum(len(rule.statements) for rule in enabled)}",
        "questions": f"{len(questions_of(constitution))} distinct, {len(first)} in the first wave",
    }
    for label, value in rows.items():
        facts.print(f"  {label:<11} {value}")


def _line(remark: Remark, path: Path) -> str:
    """`file:line: rule: message [code]`, without what is not known."""
    where = f"{printable(path)}:{remark.line}" if remark.line else printable(path)
    return f"{where}: {f'{remark.rule}: ' if remark.rule else ''}{remark.message} [{remark.code}]"
