"""Labelled images and labelled verdicts, as the commands that measure take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imagejudge.cli.console import warn
from imagejudge.cli.verdict_file import lines_in, load_decisions
from imagejudge.common.open_input import open_input
from imagejudge.common.text import counted
from imagejudge.common.text_file import reading
from imagejudge.errors import UsageError
from imagejudge.evaluate.datasets import ADAPTERS, load_dataset
from imagejudge.images.signed import name_of
from imagejudge.verdict import Steps, steps_in

if TYPE_CHECKING:
    from imagejudge.evaluate.labels import Dataset, Label, Reading
    from imagejudge.evaluate.match import Matched
    from imagejudge.verdict import Verdict

_ADAPTERS = " or ".join(", ".join(ADAPTERS).rsplit(", ", 1))


@dataclass(frozen=True, slots=True)
class DataOptions:
    """What is known to be true, and of which images."""

    dataset: Annotated[
        str | None,
        typer.Argument(metavar="DATASET", help="Labelled images: a folder, a file or an address, see --adapter."),
    ] = None
    adapter: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"How DATASET is laid out: {_ADAPTERS}.", rich_help_panel="Data"),
    ] = None
    split: Annotated[
        str, typer.Option(metavar="NAME", help="Only this part of DATASET, such as test.", rich_help_panel="Data")
    ] = ""
    column: Annotated[
        list[str],
        typer.Option(
            metavar="PART=NAME",
            help="The column for image, label, rule, category, source, sentence, exception, pair or box. Repeatable.",
            rich_help_panel="Data",
        ),
    ] = field(default_factory=list)
    unsafe: Annotated[
        list[str],
        typer.Option(metavar="VALUE", help="A label that means unsafe. Repeatable.", rich_help_panel="Data"),
    ] = field(default_factory=list)
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --verdicts, in place of DATASET: a .csv, .jsonl or .json file, or decisions of a review.",
            rich_help_panel="Data",
        ),
    ] = None
    verdicts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Score what `scan -o` wrote; no model is needed.", rich_help_panel="Data"),
    ] = None


def dataset_of(data: DataOptions) -> tuple[Dataset, dict[str, Any]]:
    """The data set that is named, and how it was read; says what its adapter noted."""
    if data.dataset is None:
        raise UsageError("nothing to evaluate was named", "give DATASET and --adapter, or --verdicts and --labels")
    if data.adapter not in ADAPTERS:
        wrong = "no --adapter was given" if data.adapter is None else f"there is no adapter {data.adapter!r}"
        raise UsageError(wrong, f"say how {name_of(data.dataset)} is laid out: {_ADAPTERS}")
    dataset = load_dataset(data.dataset, data.adapter, _reading(data))
    for note in dataset.notes:
        warn(note)
    about = {
        "path": name_of(data.dataset),
        "adapter": data.adapter,
        "split": data.split or None,
        "images": dataset.count,
    }
    return dataset, {"dataset": {**about, "columns": data.column, "unsafe": data.unsafe, "notes": dataset.notes}}


def reopened(data: DataOptions) -> Dataset:
    """The same data set, to be gone through once more."""
    return load_dataset(data.dataset or "", data.adapter or "", _reading(data))


def _reading(data: DataOptions) -> Reading:
    from imagejudge.evaluate.labels import Reading

    pairs = [text.partition("=") for text in data.column]
    for part, _, name in pairs:
        if not name:
            raise UsageError(f"--column {part} names no column", "write for example --column label=rating")
    return Reading({part: name for part, _, name in pairs}, tuple(data.unsafe), data.split)


def labelled(data: DataOptions, path: Path) -> tuple[Matched, dict[str, Any]]:
    """Verdicts from a file beside their labels, and where these came from; says what was left over."""
    from imagejudge.evaluate.match import match
    from imagejudge.output.jsonl import read_verdicts

    with reading(path, UsageError, "check --verdicts"), open_input(path) as file:
        read = list(read_verdicts(lines_in(file, str(path)), str(path)))
    if any(steps_in(verdict) in (Steps.FOUND, Steps.NONE) for verdict in read):
        problem = f"lines of {path} have not all the steps that scores and costs are read off"
        raise UsageError(problem, "scan again with --steps all: answers that were kept are not asked again")
    labels, verdicts, origin = labels_for(data, read)
    matched = match(labels, verdicts)
    if matched.unlabelled:
        warn(f"{counted(matched.unlabelled, 'image has', 'images have')} a verdict but no label: left out")
    if matched.unjudged:
        warn(f"{counted(matched.unjudged, 'image has', 'images have')} a label but no verdict: left out")
    return matched, origin


def labels_for(data: DataOptions, read: Sequence[Verdict]) -> tuple[Sequence[Label], Sequence[Verdict], dict[str, Any]]:
    """Labels, the verdicts to compare with them, and where the labels came from."""
    from imagejudge.evaluate.datasets.table import labels_in
    from imagejudge.evaluate.decided import is_decisions, labels_of

    if (data.labels is None) == (data.dataset is None):
        raise UsageError("--verdicts needs labels", "name them with --labels FILE, or give DATASET and --adapter")
    if data.labels is None:
        dataset, origin = dataset_of(data)
        return [item.label for item in dataset.items], read, origin
    if is_decisions(data.labels):
        labels, verdicts, notes = labels_of(load_decisions(data.labels), read)
    else:
        (labels, notes), verdicts = labels_in(data.labels, _reading(data)), read
    for note in notes:
        warn(note)
    return labels, verdicts, {"dataset": {"labels": str(data.labels), "images": len(labels), "notes": notes}}
