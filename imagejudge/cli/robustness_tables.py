"""How verdicts bear changes to their images, as tables for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from imagejudge.cli.console import table
from imagejudge.common.text import counted, printable
from imagejudge.evaluate.robustness import WORST, Robustness
from imagejudge.evaluate.statistics import Estimate


def show_robustness(out: Console, found: Sequence[Robustness]) -> None:
    """Print what each perturbation, and then what the worst of them, does to each method's verdicts."""
    for method in dict.fromkeys(row.method for row in found):
        rows = [row for row in found if row.method == method]
        _perturbations(out, method, rows)
        _rules(out, rows)


def _perturbations(out: Console, method: str, found: Sequence[Robustness]) -> None:
    last = found[-1]
    out.print()
    out.print(Text(f"robustness, {printable(method)}", "bold"))
    about = f"{counted(last.images, 'image')}; past: share of the {last.found:,} unsafe ones found that are called safe"
    out.print(Text(about, "dim"))
    rows = table()
    rows.add_column("", overflow="fold", max_width=26)
    for name in ("accuracy", "change", "95 %", "past", "95 %"):
        rows.add_column(name, justify="right", no_wrap=True)
    rows.add_row("unchanged", _value(last.plain_accuracy))
    for row in found:
        change = row.change
        rows.add_row(
            printable(row.perturbation),
            _value(row.accuracy),
            "-" if change is None else f"{change.value:+.3f}",
            "-" if change is None else f"{change.low:+.2f} to {change.high:+.2f}",
            _value(row.attack_success),
            _interval(row.attack_success),
            style="bold" if row.perturbation == WORST else None,
        )
    out.print(rows)
    if errors := sum(row.errors for row in found if row.perturbation != WORST):
        out.print(Text(f"not judged: {counted(errors, 'changed image')}", "dim"))


def _rules(out: Console, found: Sequence[Robustness]) -> None:
    """Each rule in the worst case, and which perturbation most images get past it with."""
    if not found[-1].rules:
        return
    out.print()
    out.print(Text("past each rule, by any of these changes", "bold"))
    rows = table()
    rows.add_column("", overflow="fold", max_width=26)
    for name in ("found", "past", "95 %", "most by"):
        rows.add_column(name, justify="right" if name != "most by" else "left", no_wrap=name != "most by")
    for rule in found[-1].rules:
        by = {row.perturbation: each.past for row in found for each in row.rules if each.rule == rule.rule}
        by.pop(WORST, None)
        most = max(by, key=lambda change: by[change])
        rows.add_row(
            printable(rule.rule),
            f"{rule.found:,}",
            _value(rule.attack_success),
            _interval(rule.attack_success),
            f"{printable(most)} ({by[most]:,})" if rule.past else "",
        )
    out.print(rows)


def _value(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.value:.3f}"


def _interval(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.low:.2f}-{estimate.high:.2f}"
