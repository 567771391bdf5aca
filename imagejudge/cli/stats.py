"""`imagejudge stats`: what a file of verdicts amounts to, and what differs from another."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from imagejudge.cli.console import console, table, warn
from imagejudge.cli.output import images
from imagejudge.cli.verdict_file import STDIN, Verdicts, opened
from imagejudge.common.text import printable
from imagejudge.errors import UsageError
from imagejudge.output.comparison import Comparison, compare
from imagejudge.output.overview import BINS, Overview
from imagejudge.output.text import VERDICT_STYLES
from imagejudge.verdict import Outcome, RuleStatus, Verdict

_BAR = 24
"""Columns of the longest bar."""


def stats(
    verdicts: Verdicts,
    other: Annotated[
        str | None,
        typer.Argument(metavar="OTHER", help="Another file, about the same images: what differs is shown."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write every figure as JSON.")] = False,
    top: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Rows of each long table.")] = 10,
) -> None:
    """Count what verdicts say: by verdict, rule, category, folder, question and score.

    With OTHER it shows what changed from one to the other, as after another model or constitution: images are matched
    by path and SHA-256. The exit code is 0 whatever the verdicts are.

    \b
    imagejudge stats verdicts.jsonl
    imagejudge stats verdicts.jsonl --json
    imagejudge stats before.jsonl after.jsonl
    """
    if verdicts == other == STDIN:
        raise UsageError("standard input can be read once", "name one of the two files")
    out = console(sys.stdout, wrap=True)
    with opened(verdicts) as lines:
        if other is not None:
            with opened(other) as after:
                sides = (Overview(), Overview())
                changes = compare(_counted(lines, sides[0]), _counted(after, sides[1]))
            if as_json:
                both = {"before": sides[0].document(), "after": sides[1].document()}
                _write(both | {"comparison": changes.document()})
            else:
                _compared(out, (verdicts, other), sides, changes, top)
            return
        found = Overview()
        for verdict in lines:
            found.add(verdict)
    if as_json:
        _write(found.document())
    elif found.images:
        _show(out, found, top)
    else:
        warn("there are no verdicts in it")


def _counted(lines: Iterable[Verdict], overview: Overview) -> Iterable[Verdict]:
    for verdict in lines:
        overview.add(verdict)
        yield verdict


def _write(document: object) -> None:
    # The path of a file that is not UTF-8 needs escapes, which is what JSON in ASCII has.
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def _show(out: Console, found: Overview, top: int) -> None:
    out.print(Text(f"{images(found.images)} by {_names(found.models)}, {_names(found.constitutions)}"))
    _section(out, "verdicts", _verdicts(found))
    rules = {name: rule for name, rule in found.rules.items() if rule.statuses.keys() - {RuleStatus.CLEAR}}
    rows = [
        (name, rule.category, *(_number(rule.statuses[status]) for status in _NOTED))
        for name, rule in sorted(rules.items(), key=lambda each: (-each[1].statuses[RuleStatus.VIOLATED], each[0]))
    ]
    _section(
        out, "rules", _table(("rule", "category", *_NOTED), rows, top, len(found.rules) - len(rules), "were clear")
    )
    rows = [(name or "(none)", _number(count)) for name, count in found.categories.most_common()]
    _section(out, "categories", _table(("category", "images"), rows, top))
    folders = found.top_folders()
    if len(folders) > 1:
        most = sorted(folders.items(), key=lambda each: (-each[1][Outcome.UNSAFE], -each[1].total(), each[0]))
        rows = [(name, *(_number(counts[outcome]) for outcome in Outcome)) for name, counts in most]
        _section(out, "folders", _table(("folder", *Outcome), rows, top))
    rows = [(ask, _number(each.violated), _number(each.unsure), _number(each.cleared)) for ask, each in found.telling()]
    _section(out, "questions that decided most", _table(("question", "violated", "unsure", "cleared"), rows, top))
    _section(out, "what decided", _table(("by", "answers"), _counts(found.decided_by), top))
    _section(out, "why rules stayed unsure", _table(("reason", "answers"), _counts(found.unsure), top))
    _section(out, "errors", _table(("kind", "images"), _counts(found.errors), top))
    _section(out, "scores", _scores(found))


_NOTED = (RuleStatus.VIOLATED, RuleStatus.UNSURE, RuleStatus.EXCEPTED)


def _verdicts(found: Overview) -> Table:
    shown = _empty(("verdict", "images", "share"))
    for outcome in Outcome:
        share = found.outcomes[outcome] / found.images
        row = (Text(outcome, VERDICT_STYLES[outcome]), _number(found.outcomes[outcome]), f"{share:.1%}")
        shown.add_row(*row, _bar(share))
    if found.accepted:
        shown.add_row("accepted", _number(found.accepted), f"{found.accepted / found.images:.1%}", "")
    return shown


def _scores(found: Overview) -> Table | None:
    if not found.scores:
        return None
    outcomes = [outcome for outcome in Outcome if outcome in found.scores]
    shown = _empty(("score", *outcomes))
    totals = [sum(found.scores[outcome][number] for outcome in outcomes) for number in range(BINS)]
    for number, total in enumerate(totals):
        counts = (_number(found.scores[outcome][number]) for outcome in outcomes)
        shown.add_row(f"{number / BINS:.1f} - {(number + 1) / BINS:.1f}", *counts, _bar(total / max(totals)))
    return shown


def _compared(out: Console, names: Sequence[str], sides: Sequence[Overview], changes: Comparison, top: int) -> None:
    for word, name, side in zip(("before", "after"), names, sides, strict=True):
        facts = f"{_names(side.models)}, {_names(side.constitutions)}" if side.images else "no verdicts"
        out.print(Text(f"{word:<6} {printable(name)}: {images(side.images)} by {facts}"))
    counted = {
        "same": changes.same,
        "changed": changes.changed,
        "only before": changes.only_before,
        "only after": changes.only_after,
        "other bytes, not compared": changes.other_bytes,
    }
    _section(
        out, "images", _table(("", "images"), [(name, _number(count)) for name, count in counted.items()], len(counted))
    )
    shown = _empty(("before \\ after", *Outcome))
    for before in Outcome:
        counts = (_number(changes.outcomes[before, after]) for after in Outcome)
        shown.add_row(Text(before, VERDICT_STYLES[before]), *counts)
    _section(out, "verdicts", shown)
    rules = sorted({*changes.new, *changes.gone}, key=lambda rule: (-changes.new[rule] - changes.gone[rule], rule))
    rows = [(rule, _number(changes.new[rule]), _number(changes.gone[rule])) for rule in rules]
    _section(out, "rules that are violated", _table(("rule", "only after", "only before"), rows, top))
    worst = sorted(changes.changes, key=lambda each: (Outcome.UNSAFE not in (each.before, each.after), each.path))
    listed = [(each.path, each.before, each.after) for each in worst]
    left = changes.changed - len(listed)
    _section(out, "images that changed", _table(("path", "before", "after"), listed, top, left, "changed too"))


def _names(counts: Mapping[str, int]) -> str:
    first = printable(next(iter(counts)))
    return first if len(counts) == 1 else f"{first} and {len(counts) - 1} more"


def _section(out: Console, title: str, content: RenderableType | None) -> None:
    if content is not None:
        out.print()
        out.print(Text(title, "bold"))
        out.print(content)


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], top: int, more: int = 0, about: str = ""
) -> Table | None:
    """The first rows, and how many there are besides; None where there are none."""
    if not rows:
        return None
    shown = _empty(heads)
    for row in islice(rows, top):
        shown.add_row(*map(printable, row))
    if len(rows) > top:
        shown.add_row(Text(f"and {len(rows) - top:,} more", "dim"))
    if more:
        shown.add_row(Text(f"{more:,} more {about}", "dim"))
    return shown


def _empty(heads: Sequence[str]) -> Table:
    """A table whose first column gives way, and whose others are numbers or short words."""
    shown = table()
    shown.add_column(heads[0], overflow="fold")
    for head in heads[1:]:
        shown.add_column(head, justify="left" if head in _WORDS else "right", overflow="fold")
    return shown


_WORDS = ("category", "before", "after")


def _counts(counts: Mapping[Any, int]) -> list[tuple[str, str]]:
    return [(str(name), _number(count)) for name, count in sorted(counts.items(), key=lambda each: -each[1])]


def _number(count: int) -> str:
    return f"{count:,}" if count else "-"


def _bar(share: float) -> str:
    return "#" * round(share * _BAR)
