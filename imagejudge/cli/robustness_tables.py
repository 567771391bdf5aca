"""How verdicts bear changes to their images, as tables for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from imagejudge.cli.console import table
from imagejudge.cli.figure_cells import interval, print_title, short
from imagejudge.common.text import counted, printable
from imagejudge.evaluate.attacks import AttackResult
from imagejudge.evaluate.robustness import WORST, Robustness


def show_robustness(out: Console, found: Sequence[Robustness]) -> None:
    """Print what each perturbation, and then what the worst of them, does to each method's verdicts."""
    for method in dict.fromkeys(row.method for row in found):
        rows = [row for row in found if row.method == method]
        _perturbations(out, method, rows)
        _rules(out, rows)


def _perturbations(out: Console, method: str, found: Sequence[Robustness]) -> None:
    last = found[-1]
    about = f"{counted(last.images, 'image')}; past: share of the {last.found:,} unsafe ones found that are called safe"
    print_title(out, f"robustness, {printable(method)}", about)
    rows = table()
    rows.add_column("", overflow="fold", max_width=26)
    for name in ("accuracy", "change", "95 %", "past", "95 %"):
        rows.add_column(name, justify="right", no_wrap=True)
    rows.add_row("unchanged", short(last.plain_accuracy))
    for row in found:
        change = row.change
        rows.add_row(
            printable(row.perturbation),
            short(row.accuracy),
            "-" if change is None else f"{change.value:+.3f}",
            "-" if change is None else f"{change.low:+.2f} to {change.high:+.2f}",
            short(row.attack_success),
            interval(row.attack_success),
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
            short(rule.attack_success),
            interval(rule.attack_success),
            f"{printable(most)} ({by[most]:,})" if rule.past else "",
        )
    out.print(rows)


def show_attacks(out: Console, found: Sequence[AttackResult]) -> None:
    """Print how many searches got past each rule within so many queries."""
    for method in dict.fromkeys(result.method for result in found):
        results = [result for result in found if result.method == method]
        about = "share past the rule within so many queries; safe: by all rules, of those past"
        print_title(out, f"search for changes that get past, {printable(method)}", about)
        rows = table()
        rows.add_column("", overflow="fold", max_width=26)
        points = [f"{point.queries:,}" for point in results[0].curve]
        for name in ("attacked", *points, "95 %", "safe"):
            rows.add_column(name, justify="right", no_wrap=True)
        for result in results:
            last = result.curve[-1]
            rows.add_row(
                printable(result.rule) or "all",
                f"{result.attacked:,}",
                *(short(point.attack_success) for point in result.curve),
                interval(last.attack_success),
                f"{result.safe:,} of {last.past:,}",
                style=None if result.rule else "bold",
            )
        out.print(rows)
        if failed := results[-1].failed:
            out.print(
                Text(f"given up, as an image could not be judged: {counted(failed, 'search', 'searches')}", "dim")
            )
