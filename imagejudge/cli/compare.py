"""`imagejudge compare`: evaluations side by side, best first."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from imagejudge.cli.console import console, warn
from imagejudge.common.text import counted, printable

if TYPE_CHECKING:
    from imagejudge.evaluate.leaderboard import Standing
    from imagejudge.evaluate.metrics import Convention
    from imagejudge.evaluate.statistics import Estimate


_UNBOUNDED: Final = 100_000
"""Columns that no table has."""


class Measure(StrEnum):
    """What rows are sorted by."""

    F1 = "f1"
    ACCURACY = "accuracy"
    BALANCED_ACCURACY = "balanced-accuracy"
    RECALL = "recall"
    PRECISION = "precision"
    SPECIFICITY = "specificity"
    OVER_SAFETY = "over-safety"
    AUROC = "auroc"
    AUPRC = "auprc"


class CountedAs(StrEnum):
    """What an undecided verdict stands for."""

    UNSAFE = "unsafe"
    SAFE = "safe"


def compare(
    evaluations: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="What `imagejudge evaluate --json FILE` wrote.")
    ],
    by: Annotated[
        Measure,
        typer.Option(metavar="MEASURE", help=f"The measure that rows are sorted by: {', '.join(Measure)}."),
    ] = Measure.F1,
    unsure: Annotated[CountedAs, typer.Option(help="What an undecided verdict counts as.")] = CountedAs.UNSAFE,
    mix: Annotated[bool, typer.Option("--mix", help="Compare files about different images or labels too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write every figure as JSON.")] = False,
) -> None:
    """Show evaluations side by side, best first, with intervals and paired differences.

    There is a row for each method of each FILE. All must be about the same images with the same labels. A difference
    is taken on the images that both rows judged, and its interval from samples of these, each with both verdicts.

    \b
    imagejudge compare small.json large.json
    imagejudge compare small.json large.json --by recall --unsure safe
    """
    from imagejudge.evaluate.leaderboard import leaderboard, read_evaluation

    measure = by.value.replace("-", "_")
    convention: Convention = "unsure_as_unsafe" if unsure is CountedAs.UNSAFE else "unsure_as_safe"
    rows = leaderboard([read_evaluation(path) for path in evaluations], measure, convention, mixed=mix)
    if as_json:
        document = {"by": measure, "unsure": unsure.value, "rows": [dataclasses.asdict(row) for row in rows]}
        sys.stdout.write(json.dumps(document, indent=1, allow_nan=False) + "\n")
        return
    _show(rows, _names(rows), measure, convention)
    if any(row.errors for row in rows):
        warn("errors are images that could not be judged: no measure speaks of them, so rows may stand too high")


def _names(rows: Sequence[Standing]) -> list[str]:
    """Of each row, as short as they are told apart by."""
    files = list(dict.fromkeys(row.file for row in rows))
    if len(files) == 1:
        return [row.method for row in rows]
    short = dict(zip(files, _told_apart(files), strict=True))
    one_method = len({row.method for row in rows}) == 1
    return [short[row.file] if one_method else f"{short[row.file]} {row.method}" for row in rows]


def _told_apart(files: Sequence[str]) -> list[str]:
    """Of each path its last parts, as few as tell all apart, without the ending and what all of them end with."""
    paths = [Path(file) for file in files]
    bare = [path.with_suffix("") for path in paths]
    ways = [path.parts for path in (bare if len(set(bare)) == len(files) else paths)]
    while all(len(way) > 1 for way in ways) and len({way[-1] for way in ways}) == 1:
        ways = [way[:-1] for way in ways]
    depth = next(depth for depth in count(1) if len({way[-depth:] for way in ways}) == len(ways))
    return [str(Path(*way[-depth:])) for way in ways]


def _show(rows: Sequence[Standing], names: Sequence[str], measure: str, convention: Convention) -> None:
    """Print rows under their names: what each reached, how far it is from the first, and what was measured."""
    from imagejudge.cli.figure_cells import NARROW, TITLES, WORDS, interval, percent, print_title, short, table_of

    failed = any(row.errors for row in rows)
    out = console(sys.stdout, wrap=True)
    if not out.is_terminal:  # what reads a pipe finds names that are whole
        out.width = _UNBOUNDED
    sizes = sorted({row.images for row in rows})
    images = counted(sizes[0], "image") if len(sizes) == 1 else f"{sizes[0]:,} to {counted(sizes[-1], 'image')}"
    beside = [name for name in ("f1", "recall", "over_safety", "auroc") if name != measure]
    print_title(out, f"by {TITLES.get(measure, measure)}", f"{images}, {WORDS[convention]}; over: over-safety")
    head, *heads = (NARROW.get(name, TITLES.get(name, name)) for name in (measure, *beside))
    figures = [
        (
            short(row.measures[measure]),
            interval(row.measures[measure]),
            *(short(row.measures[name]) for name in beside),
            percent(row.unsure_rate),
            *([f"{row.errors:,}"] if failed else []),
        )
        for row in rows
    ]
    out.print(table_of((head, "95 %", *heads, "unsure", *(["errors"] if failed else [])), _named(names, figures)))
    differences = [
        (f"{row.difference.images:,}", *_signed(row.difference.estimate)) for row in rows if row.difference is not None
    ]
    if differences:
        print_title(out, f"difference from {printable(names[0])}", "on the images that both judged, sampled in pairs")
        out.print(table_of(("images", "difference", "95 %"), _named(names[1:], differences)))
    out.print()
    out.print(Text("what was measured", "bold"))
    for file, model, constitution in dict.fromkeys((row.file, row.model, row.constitution) for row in rows):
        out.print(Text(printable(f"{file}: {model}, {constitution}")), soft_wrap=True)


def _named(names: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [(printable(name), *row) for name, row in zip(names, rows, strict=True)]


def _signed(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None:
        return "-", "-"
    return f"{estimate.value:+.3f}", f"{estimate.low:+.3f} to {estimate.high:+.3f}"
