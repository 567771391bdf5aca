"""`imagejudge stats`: what a file of verdicts amounts to, and what differs from another."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from imagejudge.cli.console import console, say, table, warn
from imagejudge.cli.named_files import PAGE, refuse_foreign, refuse_to_overwrite
from imagejudge.cli.verdict_file import STDIN, Verdicts, name_of, opened
from imagejudge.common.atomic_write import write_atomically
from imagejudge.common.text import counted, printable
from imagejudge.errors import UsageError
from imagejudge.output.comparison import compare
from imagejudge.output.figures import Figures, changed_figures, figures, summary
from imagejudge.output.overview import Overview
from imagejudge.output.report.statistics import statistics_page
from imagejudge.output.text import VERDICT_STYLES
from imagejudge.verdict import Verdict

_BAR = 24
"""Columns of the longest bar."""


def stats(
    verdicts: Verdicts,
    other: Annotated[
        str | None,
        typer.Argument(metavar="OTHER", help="Another file, about the same images: what differs is shown."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write every figure as JSON.")] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the tables as a page instead, which needs no network.")
    ] = None,
    top: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Rows of each long table.")] = 10,
) -> None:
    """Count what verdicts say: by verdict, rule, category, folder, question and score.

    With OTHER it shows what changed from one to the other, as after another model or constitution: images are matched
    by path and SHA-256. The exit code is 0 whatever the verdicts are.

    \b
    imagejudge stats verdicts.jsonl
    imagejudge stats verdicts.jsonl --html statistics.html
    imagejudge stats before.jsonl after.jsonl
    """
    if verdicts == other == STDIN:
        raise UsageError("standard input can be read once", "name one of the two files")
    if as_json and html is not None:
        raise UsageError("--json and --html contradict each other", "leave out one of them")
    refuse_to_overwrite([verdicts, other], html=html)
    refuse_foreign(html, PAGE, "html")
    found = Overview()
    with opened(verdicts) as lines:
        if other is None:
            for verdict in lines:
                found.add(verdict)
            document, about = found.document(), [summary(found), *found.probed.summary]
            tables = figures(found, top)
            latest = found
        else:
            with opened(other) as after:
                new = Overview()
                changes = compare(_counted(lines, found), _counted(after, new))
            document = {"before": found.document(), "after": new.document(), "comparison": changes.document()}
            sides = (("before", verdicts, found), ("after ", other, new))
            about = [f"{word} {printable(name)}: {summary(side)}" for word, name, side in sides]
            about += [f"{word.strip()}, {line}" for word, _, side in sides for line in side.probed.summary]
            tables = changed_figures(changes, found, new, top)
            latest = new
    if latest.probed.warning:
        warn(latest.probed.warning)
    if found.shortened:
        short = counted(found.shortened, "line")
        warn(f"{short} without the steps of all rules: what decided is not counted of the rest")
    if as_json:
        # The path of a file that is not UTF-8 needs escapes, which is what JSON in ASCII has.
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
    elif html is not None:
        title = " and ".join(name_of(each) for each in (verdicts, other) if each is not None)
        write_atomically(html, statistics_page(title, about, tables), "name another file with --html")
        say("written", f"statistics in {html}", "bold green")
    elif other is None and not found.images:
        warn("there are no verdicts in it")
    else:
        _show(about, tables)


def _counted(lines: Iterable[Verdict], overview: Overview) -> Iterable[Verdict]:
    for verdict in lines:
        overview.add(verdict)
        yield verdict


def _show(about: Iterable[str], tables: Iterable[Figures]) -> None:
    out = console(sys.stdout, wrap=True)
    for line in about:
        out.print(Text(printable(line)))
    for each in tables:
        out.print()
        out.print(Text(each.title, "bold"))
        out.print(_table(each))


def _table(figures: Figures) -> Table:
    """A table whose first column gives way, and whose others are numbers or short words."""
    shown = table()
    for column, head in enumerate(figures.heads):
        shown.add_column(head, justify="right" if figures.is_number(column) else "left", overflow="fold")
    for row in figures.rows:
        first = Text(printable(row.cells[0]), VERDICT_STYLES[row.tone] if row.tone else "")
        bar = ("#" * round(sum(share for _, share in row.parts) * _BAR),) if figures.has_room else ()
        shown.add_row(first, *map(printable, row.cells[1:]), *bar)
    for words in figures.more:
        shown.add_row(Text(words, "dim"))
    return shown
