"""An evaluation, a calibration and probes, as tables for a terminal of 80 columns."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagejudge.cli.console import console, table
from imagejudge.cli.robustness_tables import show_robustness
from imagejudge.common.text import counted, printable
from imagejudge.constitution import Thresholds
from imagejudge.evaluate.calibration_repeats import HeldOutRate, Repeats, Spread
from imagejudge.evaluate.calibration_split import LEAST_SAFE, Count, Target
from imagejudge.evaluate.distill import Distilled
from imagejudge.evaluate.known_category import KNOWN
from imagejudge.evaluate.leaderboard import Standing
from imagejudge.evaluate.metrics import CONVENTIONS, Convention, Costs, Group, Metrics
from imagejudge.evaluate.report import Evaluation
from imagejudge.evaluate.statistics import Estimate
from imagejudge.evaluate.threshold_search import RuleChoice

_WORDS: Mapping[Convention, str] = {"unsure_as_unsafe": "unsure as unsafe", "unsure_as_safe": "unsure as safe"}
_RATES = ("recall", "over_safety", "precision", "specificity", "accuracy", "balanced_accuracy", "f1")
_SHORT: tuple[HeldOutRate, ...] = ("recall", "over_safety", "precision", "f1")
_NARROW = {"accuracy": "acc.", "over_safety": "over", "precision": "prec.", "f1": "F1"}
_TITLES = {"over_safety": "over-safety", "balanced_accuracy": "balanced accuracy", "f1": "F1"}
_TITLES |= {"auroc": "AUROC", "auprc": "AUPRC"}


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


def show_halves(counts: Mapping[str, tuple[Count, Count]], now: Thresholds, chosen: Thresholds) -> None:
    """Print thresholds, and each half of the images by either."""
    out = console(sys.stdout, wrap=True)
    limits = [
        (name, *(f"{limit:g}" for limit in (each.unsatisfied, each.satisfied, each.centric)))
        for name, each in (("now", now), ("chosen", chosen))
    ]
    out.print(_rows(("unsatisfied", "satisfied", "centric"), limits))
    for name, (before, after) in counts.items():
        _title(
            out,
            name,
            f"{counted(before.images, 'image')}, {before.unsafe:,} of them unsafe; unsure as safe, unrecorded as wrong",
        )
        old, new = before.rates, after.rates
        rows = [(_TITLES.get(rate, rate), _wide(old[rate]), _wide(new[rate])) for rate in _SHORT]
        rows.append(("unsure", f"{before.unsure:,}", f"{after.unsure:,}"))
        rows.append(("unrecorded", f"{before.untold:,}", f"{after.untold:,}"))
        out.print(_rows(("now", "chosen"), rows))


def show_repeats(found: Repeats) -> None:
    """Print how the half that is held out comes out when the halves are drawn anew."""
    out = console(sys.stdout, wrap=True)
    target = found.target
    aim = f"{target.rate} of {target.least:g}"
    _title(out, f"held out, in {counted(found.draws, 'draw')} of the halves", _reached(found, aim))
    rows = [(_TITLES.get(rate, rate), *_spread(found.spread(rate))) for rate in _SHORT]
    out.print(_rows(("mean", "median", "5-95 %"), rows))


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
            _short(rates.get(target.rate)),
            _short(rates.get("over_safety")),
        )
    out.print(rows)
    out.print()


def show_leaderboard(rows: Sequence[Standing], names: Sequence[str], measure: str, convention: Convention) -> None:
    """Print rows under their names: what each reached, how far it is from the first, and what was measured."""
    out = console(sys.stdout, wrap=True)
    sizes = sorted({row.images for row in rows})
    images = counted(sizes[0], "image") if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,} images"
    beside = [name for name in ("f1", "recall", "over_safety", "auroc") if name != measure]
    _title(out, f"by {_TITLES.get(measure, measure)}", f"{images}, {_WORDS[convention]}; over: over-safety")
    heads = (_NARROW.get(name, _TITLES.get(name, name)) for name in beside)
    figures = [
        (
            _short(row.measures[measure]),
            _interval(row.measures[measure]),
            *(_short(row.measures[name]) for name in beside),
            _percent(row.unsure_rate),
        )
        for row in rows
    ]
    out.print(_rows((_TITLES.get(measure, measure), "95 %", *heads, "unsure"), _named(names, figures)))
    differences = [
        (f"{row.difference.images:,}", *_signed(row.difference.estimate)) for row in rows if row.difference is not None
    ]
    if differences:
        _title(out, f"difference from {printable(names[0])}", "on the images that both judged, sampled in pairs")
        out.print(_rows(("images", "difference", "95 %"), _named(names[1:], differences)))
    out.print()
    out.print(Text("what was measured", "bold"))
    for file, model, constitution in dict.fromkeys((row.file, row.model, row.constitution) for row in rows):
        out.print(Text(printable(f"{file}: {model}, {constitution}")))


def _named(names: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [(printable(name), *row) for name, row in zip(names, rows, strict=True)]


def _signed(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None:
        return "-", "-"
    return f"{estimate.value:+.3f}", f"{estimate.low:+.3f} to {estimate.high:+.3f}"


def show_distilled(found: Distilled, images: int) -> None:
    """Print how good probes are, which rules have none, and what they save at which recall."""
    out = console(sys.stdout, wrap=True)
    _title(out, "probes", f"{counted(images, 'image')}, each scored by a fit that had not seen it; 95 % intervals")
    rows = table()
    rows.add_column("", overflow="fold")
    for title in ("violate", "AUROC", "AUPRC", "calibration error"):
        rows.add_column(title, justify="right", overflow="fold")
    for each in (each for each in found.rules if not each.left_out):
        figures = (_wide(each.figures[name]) for name in ("auroc", "auprc", "calibration_error"))
        rows.add_row(printable(each.rule), f"{each.positives:,}", *figures)
    out.print(rows)
    for each in (each for each in found.rules if each.left_out):
        out.print(f"no probe: {printable(each.rule)}, {each.left_out}")
    _title(
        out,
        "what a scan need not ask",
        "share of the rules of all images, and of what violates a rule, what is still found",
    )
    rows = table()
    rows.add_column("recall promised")
    for title in ("rules alone", "together", "not asked", "still found"):
        rows.add_column(title, justify="right")
    for promise in found.promises:
        kept = promise.skipped is not None
        counts = (f"{promise.alone:,}", f"{promise.together:,}") if kept else ("too few", "images")
        rows.add_row(f"{promise.recall:g}", *counts, _wide(promise.skipped), _wide(promise.found))
    out.print(rows)


def _rows(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    shown = table()
    shown.add_column("", overflow="fold")
    for title in titles:
        shown.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        shown.add_row(*row)
    return shown


def _detail(out: Console, name: str, metrics: Metrics) -> None:
    pooled = metrics.pooled
    _title(out, f"{printable(name)}, all images together", _counts(pooled))
    rows = table()
    rows.add_column("")
    for convention in CONVENTIONS:
        rows.add_column(_WORDS[convention], justify="right", min_width=22)
    for rate in _RATES:
        rows.add_row(_TITLES.get(rate, rate), *(_wide(pooled.rates[each][rate]) for each in CONVENTIONS))
    if metrics.exceptions is not None:
        for title, values in (("PER", metrics.exceptions.per), ("PES", metrics.exceptions.pes)):
            rows.add_row(title, *(_share(values[each]) for each in CONVENTIONS))
    if metrics.pairs is not None:
        for title, found in (("both of a pair right", metrics.pairs.both), ("both called alike", metrics.pairs.alike)):
            rows.add_row(title, *(_wide(found[each]) for each in CONVENTIONS))
    out.print(rows)
    if metrics.pairs is not None:
        out.print(counted(metrics.pairs.pairs, "pair"))
    out.print(
        f"score of {counted(pooled.scored, 'image')}: AUROC {_wide(pooled.auroc)}, AUPRC {_wide(pooled.auprc)},\n"
        f"calibration error (ECE) {_share(pooled.ece)}"
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
        f"judged unsure: {group.unsure:,} ({_percent(group.unsure_rate)}), "
        f"not judged: {group.errors:,} ({_percent(group.errors_rate)})"
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
    _title(out, title, f"{_WORDS[convention]}; over: over-safety, prec.: precision")
    rows = table()
    rows.add_column("", overflow="fold")
    for name in ("images", "unsafe", "unsure", *(_NARROW.get(rate, rate) for rate in _SHORT), "AUROC"):
        rows.add_column(name, justify="right", no_wrap=True)
    for group in groups:
        rows.add_row(
            printable(group.name),
            *(f"{count:,}" for count in (group.images, group.unsafe, group.unsure)),
            *(_short(group.rates[convention][rate]) for rate in _SHORT),
            _short(group.auroc),
        )
    if any(group.unsafe for group in groups):  # else there is nothing to find, and no mean of finding it
        mean = macro[convention]
        rows.add_row("macro mean", "", "", "", *(_share(mean[rate]) for rate in _SHORT), "", style="dim")
    out.print(rows)


def _compare(out: Console, methods: Mapping[str, Metrics], convention: Convention) -> None:
    groups = [metrics.pooled for metrics in methods.values()]
    count = counted(max(group.images for group in groups), "image")
    _title(out, "all images together", f"{count}, {_WORDS[convention]}; acc.: accuracy, over: over-safety")
    rows = table()
    rows.add_column("", overflow="fold")
    for name in ("F1", "95 %", "acc.", "recall", "over", "unsure", "AUROC"):
        rows.add_column(name, justify="right", no_wrap=True)
    for name, group in zip(methods, groups, strict=True):
        rates = group.rates[convention]
        rows.add_row(
            printable(name),
            _short(rates["f1"]),
            _interval(rates["f1"]),
            *(_short(rates[rate]) for rate in ("accuracy", "recall", "over_safety")),
            _percent(group.unsure_rate),
            _short(group.auroc),
        )
    out.print(rows)


def _compare_costs(out: Console, methods: Mapping[str, Metrics]) -> None:
    _title(out, "cost of an image", "each method is charged for all it asks, also where methods share")
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
    words = f"{_WORDS[convention]}; over: over-safety, own: by its category's rules alone"
    _title(out, f"{printable(name)}, beside all rules", words)
    groups = zip(
        (*ours.categories, *ours.sources, ours.pooled),
        (*known.categories, *known.sources, known.pooled),
        strict=True,
    )
    rows = []
    for one, other in groups:
        rates = (each.rates[convention][rate] for rate in ("f1", "recall", "over_safety") for each in (one, other))
        rows.append((printable(one.name), f"{one.images:,}", *map(_short, rates)))
    mean = (_share(each.macro["categories"][convention]["f1"]) for each in (ours, known))
    rows.append(("macro mean of categories", "", *mean, "", "", "", ""))
    out.print(_rows(("images", "F1", "own", "recall", "own", "over", "own"), rows))


def _title(out: Console, title: str, more: str) -> None:
    out.print()
    out.print(Text(title, "bold"))
    out.print(Text(more, "dim"))


def _wide(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.value:.3f} ({_interval(estimate)})"


def _short(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.value:.3f}"


def _interval(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.low:.2f}-{estimate.high:.2f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _mean(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
