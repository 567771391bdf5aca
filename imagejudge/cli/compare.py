"""`imagejudge compare`: evaluations side by side, best first."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from imagejudge.evaluate.leaderboard import Standing
    from imagejudge.evaluate.metrics import Convention


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
    by: Annotated[Measure, typer.Option(help="The measure that rows are sorted by.")] = Measure.F1,
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
    from imagejudge.cli.evaluation import show_leaderboard

    show_leaderboard(rows, _names(rows), measure, convention)


def _names(rows: Sequence[Standing]) -> list[str]:
    """Of each row, as short as they are told apart by."""
    files = dict.fromkeys(row.file for row in rows)
    stems = Counter(Path(file).stem for file in files)
    short = {file: Path(file).stem if stems[Path(file).stem] == 1 else file for file in files}
    methods = {row.method for row in rows}
    return [short[row.file] if len(methods) == 1 < len(files) else f"{short[row.file]} {row.method}" for row in rows]
