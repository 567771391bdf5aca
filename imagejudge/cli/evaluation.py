"""An evaluation, a calibration and probes, as tables for a terminal of 80 columns."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from imagejudge.cli.console import console, table
from imagejudge.cli.figure_cells import (
    NARROW,
    TITLES,
    WORDS,
    interval,
    percent,
    plain,
    print_title,
    short,
    table_of,
    wide,
)
from imagejudge.cli.robustness_tables import show_attacks, show_robustness
from imagejudge.common.text import counted, printable
from imagejudge.constitution import THRESHOLD_NAMES, Thresholds
from imagejudge.evaluate.calibration_repeats import HeldOutRate, Repeats, Spread
from imagejudge.evaluate.calibration_split import LEAST_SAFE, Count, Target
from imagejudge.evaluate.distill import Distilled
from imagejudge.evaluate.known_category import KNOWN
from imagejudge.evaluate.metrics import CONVENTIONS, Convention, Costs, Group, Metrics
from imagejudge.evaluate.report import Evaluation
from imagejudge.evaluate.threshold_search import RuleChoice

_RATES = ("recall", "over_safety", "precision", "specificity", "accuracy", "balanced_accuracy", "f1")
_SHORT: tuple[HeldOutRate, ...] = ("recall", "over_safety", "precision", "f1")


def show(found: Evaluation) -> None:
    """Print it to standard output: one method in detail, several side by side."""
    out = console(sys.stdout, wrap=True)
    if len(found.metrics) == 1:
        ((name, metrics),) = found.metrics.items()
        _detail(out, name, metrics)
    else:
        for convention in CONVENTIONS:
            _compare(out, found.metrics, convention)
        _compare_costs(out, found.metrics)
        for name, metrics in found.metrics.items():
            if name.endswith(KNOWN):
                _known_category(out, name, found.metrics[name.removesuffix(KNOWN)], metrics)
    if found.robustness:
        show_robustness(out, found.robustness)
    if found.attack_results:
        show_attacks(out, found.attack_results)


def show_halves(counts: Mapping[str, tuple[Count, Count]], now: Thresholds, chosen: Thresholds) -> None:
    """Print thresholds, and each half of the images by either."""
    out = console(sys.stdout, wrap=True)
    limits = [
        (name, *(f"{getattr(each, limit):g}" for limit in THRESHOLD_NAMES))
        for name, each in (("now", now), ("chosen", chosen))
    ]
    out.print(table_of(THRESHOLD_NAMES, limits))
    for name, (before, after) in counts.items():
        print_title(
            out,
            name,
            f"{counted(before.images, 'image')}, {before.unsafe:,} of them unsafe; unsure as safe, unrecorded as wrong",
        )
        old, new = before.rates, after.rates
        rows = [(TITLES.get(rate, rate), wide(old[rate]), wide(new[rate])) for rate in _SHORT]
        rows.append(("unsure", f"{before.unsure:,}", f"{after.unsure:,}"))
        rows.append(("unrecorded", f"{before.untold:,}", f"{after.untold:,}"))
        out.print(table_of(("now", "chosen"), rows))


def show_repeats(found: Repeats) -> None:
    """Print how the half that is held out comes out when the halves are drawn anew."""
    out = console(sys.stdout, wrap=True)
    target = found.target
    aim = f"{target.rate} of {target.least:g}"
    print_title(out, f"held out, in {counted(found.draws, 'draw')} of the halves", _reached(found, aim))
    rows = [(TITLES.get(rate, rate), *_spread(found.spread(rate))) for rate in _SHORT]
    out.print(table_of(("mean", "median", "5-95 %"), rows))


def _reached(found: Repeats, aim: str) -> str:
    reached = f"a {aim} was reached in {found.held:,} of {found.draws:,}"
    lacking = found.draws - len(found.held_out)
    return f"{reached}; {lacking:,} gave no thresholds and are left out below" if lacking else reached


def _spread(spread: Spread | None) -> tuple[str, str, str]:
    if spread is None:
        return "-", "-", "-"
    return f"{spread.mean:.3f}", f"{spread.median:.3f}", f"{spread.low:.3f}-{spread.high:.3f}"


def show_rules(choices: Sequence[RuleChoice], target: Target) -> None:
    """Print what came of each rule, and how many labels that rests on."""
    out = console(sys.stdout, wrap=True)
    out.print(Text("rules", "bold"))
    needed = f"{2 * target.unsafe} unsafe and {2 * LEAST_SAFE} safe images"
    out.print(Text(f"own ones where labels of at least {needed} name the rule", "dim"))
    rows = table()
    rows.add_column("", overflow="fold")
    for title in ("unsafe", "safe", "thresholds", f"held-out {target.rate}", "over-safety"):
        rows.add_column(title, justify="right", overflow="fold")
    for choice in choices:
        limits, rates = choice.thresholds, choice.held_out.rates if choice.held_out else {}
        rows.add_row(
            printable(choice.rule.id),
            f"{choice.unsafe:,}",
            f"{choice.safe:,}",
            f"{limits.unsatisfied:g} {limits.satisfied:g} {limits.centric:g}" if limits else choice.kept,
            short(rates.get(target.rate)),
            short(rates.get("over_safety")),
        )
    out.print(rows)
    out.print()


def show_distilled(found: Distilled, images: int) -> None:
    """Print how good probes are, which rules have none, and what they save at which recall."""
    out = console(sys.stdout, wrap=True)
    print_title(out, "probes", f"{counted(images, 'image')}, each scored by a fit that had not seen it; 95 % intervals")
    rows = table()
    longest = max(len(printable(each.rule)) for each in found.rules)
    rows.add_column("", overflow="fold", no_wrap=longest <= 28)  # figures may take two lines, names rather not
    for title in ("violate", "AUROC", "AUPRC", "calibration error"):
        rows.add_column(title, justify="right", overflow="fold")
    for each in (each for each in found.rules if not each.left_out):
        figures = (wide(each.figures[name]) for name in ("auroc", "auprc", "calibration_error"))
        rows.add_row(printable(each.rule), f"{each.positives:,}", *figures)
    out.print(rows)
    for each in (each for each in found.rules if each.left_out):
        out.print(f"no probe: {printable(each.rule)}, {each.left_out}")
    print_title(
        out,
        "what a scan need not ask",
        "not asked: share of all rules of all images; still found: share of violations",
    )
    rows = table()
    rows.add_column("recall promised")
    for title in ("rules alone", "together", "not asked", "still found"):
        rows.add_column(title, justify="right")
    refused = [f"{promise.recall:g}" for promise in found.promises if promise.skipped is None]
    for promise in found.promises:
        counts = ("-", "-") if promise.skipped is None else (f"{promise.alone:,}", f"{promise.together:,}")
        rows.add_row(f"{promise.recall:g}", *counts, wide(promise.skipped), wide(promise.found))
    out.print(rows)
    if refused:
        most = f"at most {found.probes.highest_recall:g} can be"
        out.print(f"too few images violate a rule to promise {' or '.join(refused)}: {most}")


def _detail(out: Console, name: str, metrics: Metrics) -> None:
    pooled = metrics.pooled
    print_title(out, f"{printable(name)}, all images together", _counts(pooled))
    rows = table()
    rows.add_column("")
    for convention in CONVENTIONS:
        rows.add_column(WORDS[convention], justify="right", min_width=22)
    for rate in _RATES:
        rows.add_row(TITLES.get(rate, rate), *(wide(pooled.rates[each][rate]) for each in CONVENTIONS))
    if metrics.exceptions is not None:
        for title, values in (("PER", metrics.exceptions.per), ("PES", metrics.exceptions.pes)):
            rows.add_row(title, *(plain(values[each]) for each in CONVENTIONS))
    if metrics.pairs is not None:
        for title, found in (("both of a pair right", metrics.pairs.both), ("both called alike", metrics.pairs.alike)):
            rows.add_row(title, *(wide(found[each]) for each in CONVENTIONS))
    out.print(rows)
    if metrics.pairs is not None:
        out.print(counted(metrics.pairs.pairs, "pair"))
    out.print(
        f"score of {counted(pooled.scored, 'image')}: AUROC {wide(pooled.auroc)}, AUPRC {wide(pooled.auprc)},\n"
        f"calibration error (ECE) {plain(pooled.ece)}"
    )
    out.print(_cost(metrics.cost))
    _groups(out, "each rule by its own result", metrics.rules, metrics.macro["rules"])
    _groups(out, "images of each category", metrics.categories, metrics.macro["categories"])
    _groups(out, "images of each source", metrics.sources, metrics.macro["sources"])
    if metrics.unknown_rules:
        names = printable(", ".join(metrics.unknown_rules))
        out.print(f"\nlabels name rules that were not judged: {names}")


def _counts(group: Group) -> str:
    return (
        f"{counted(group.images, 'image')}, {group.unsafe:,} of them unsafe; "
        f"judged unsure: {group.unsure:,} ({percent(group.unsure_rate)}), "
        f"not judged: {group.errors:,} ({percent(group.errors_rate)})"
    )


def _cost(cost: Costs) -> str:
    seconds = "not known" if cost.seconds is None else f"{cost.seconds:.3g} s (of {counted(cost.timed, 'image')})"
    return f"per image: {_mean(cost.questions)} questions, {_mean(cost.reasonings)} reasonings, time {seconds}"


def _groups(
    out: Console,
    title: str,
    groups: Sequence[Group],
    macro: Mapping[Convention, Mapping[str, float | None]],
) -> None:
    if not groups:
        return
    convention = CONVENTIONS[0]
    print_title(out, title, f"{WORDS[convention]}; over: over-safety, prec.: precision")
    rows = table()
    rows.add_column("", overflow="fold")
    for name in ("images", "unsafe", "unsure", *(NARROW.get(rate, rate) for rate in _SHORT), "AUROC"):
        rows.add_column(name, justify="right", no_wrap=True)
    for group in groups:
        rows.add_row(
            printable(group.name),
            *(f"{count:,}" for count in (group.images, group.unsafe, group.unsure)),
            *(short(group.rates[convention][rate]) for rate in _SHORT),
            short(group.auroc),
        )
    if any(group.unsafe for group in groups):  # else there is nothing to find, and no mean of finding it
        mean = macro[convention]
        rows.add_row("macro mean", "", "", "", *(plain(mean[rate]) for rate in _SHORT), "", style="dim")
    out.print(rows)


def _compare(out: Console, methods: Mapping[str, Metrics], convention: Convention) -> None:
    groups = [metrics.pooled for metrics in methods.values()]
    count = counted(max(group.images for group in groups), "image")
    print_title(out, "all images together", f"{count}, {WORDS[convention]}; acc.: accuracy, over: over-safety")
    rows = table()
    rows.add_column("", overflow="fold")
    for name in ("F1", "95 %", "acc.", "recall", "over", "unsure", "AUROC"):
        rows.add_column(name, justify="right", no_wrap=True)
    for name, group in zip(methods, groups, strict=True):
        rates = group.rates[convention]
        rows.add_row(
            printable(name),
            short(rates["f1"]),
            interval(rates["f1"]),
            *(short(rates[rate]) for rate in ("accuracy", "recall", "over_safety")),
            percent(group.unsure_rate),
            short(group.auroc),
        )
    out.print(rows)


def _compare_costs(out: Console, methods: Mapping[str, Metrics]) -> None:
    print_title(out, "cost of an image", "each method is charged for all it asks, also where methods share")
    rows = table()
    rows.add_column("", overflow="fold")
    for name in ("questions", "reasonings", "seconds", "images timed", "not judged"):
        rows.add_column(name, justify="right", no_wrap=True)
    for name, metrics in methods.items():
        cost = metrics.cost
        seconds = "-" if cost.seconds is None else f"{cost.seconds:.3g}"
        counts = (f"{cost.timed:,}", f"{metrics.pooled.errors:,}")
        rows.add_row(printable(name), _mean(cost.questions), _mean(cost.reasonings), seconds, *counts)
    out.print(rows)


def _known_category(out: Console, name: str, ours: Metrics, known: Metrics) -> None:
    """Groups of images judged by all rules, and by those of their category alone."""
    convention = CONVENTIONS[0]
    words = f"{WORDS[convention]}; over: over-safety, own: by its category's rules alone"
    print_title(out, f"{printable(name)}, beside all rules", words)
    groups = zip(
        (*ours.categories, *ours.sources, ours.pooled),
        (*known.categories, *known.sources, known.pooled),
        strict=True,
    )
    rows = []
    for one, other in groups:
        rates = (each.rates[convention][rate] for rate in ("f1", "recall", "over_safety") for each in (one, other))
        rows.append((printable(one.name), f"{one.images:,}", *map(short, rates)))
    mean = (plain(each.macro["categories"][convention]["f1"]) for each in (ours, known))
    rows.append(("macro mean of categories", "", *mean, "", "", "", ""))
    out.print(table_of(("images", "F1", "own", "recall", "own", "over", "own"), rows))


def _mean(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
