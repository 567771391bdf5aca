"""How figures look in the tables of a terminal of 80 columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from imagejudge.cli.console import table
from imagejudge.evaluate.metrics import Convention
from imagejudge.evaluate.statistics import Estimate

WORDS: Mapping[Convention, str] = {"unsure_as_unsafe": "unsure as unsafe", "unsure_as_safe": "unsure as safe"}
NARROW = {"accuracy": "acc.", "over_safety": "over", "precision": "prec.", "f1": "F1"}
NARROW |= {"balanced_accuracy": "bal. acc.", "specificity": "spec."}
TITLES = {"over_safety": "over-safety", "balanced_accuracy": "balanced accuracy", "f1": "F1"}
TITLES |= {"auroc": "AUROC", "auprc": "AUPRC"}


class _Name:
    """The name of a row, which is folded behind its slashes and spaces where there is no room for it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, cell_len(self._name)).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = ""
        for part in re.findall("[^/ ]*[/ ]?", self._name):
            if line and cell_len(line + part.rstrip()) > options.max_width:
                yield Text(line.rstrip(), overflow="fold")
                line = ""
            line += part
        yield Text(line, overflow="fold")


def print_title(out: Console, title: str, more: str) -> None:
    """An empty line, a heading, and what it is about."""
    out.print()
    out.print(Text(title, "bold"))
    out.print(Text(more, "dim"))


def table_of(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Rows whose first cell is their name, which gives way, and whose others stand under `titles`."""
    shown = table()
    shown.add_column("")
    for title in titles:
        shown.add_column(title, justify="right", no_wrap=True)
    for name, *figures in rows:
        shown.add_row(_Name(name), *figures)
    return shown


def wide(estimate: Estimate | None) -> str:
    """With its interval."""
    return "-" if estimate is None else f"{estimate.value:.3f} ({interval(estimate)})"


def short(estimate: Estimate | None) -> str:
    """Without its interval."""
    return "-" if estimate is None else f"{estimate.value:.3f}"


def interval(estimate: Estimate | None) -> str:
    """The interval alone."""
    return "-" if estimate is None else f"{estimate.low:.2f}-{estimate.high:.2f}"


def plain(value: float | None) -> str:
    """A figure that has no interval."""
    return "-" if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """A share of one."""
    return "-" if value is None else f"{100 * value:.1f} %"
