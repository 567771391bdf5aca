"""What verdicts amount to, and what changed between two files of them, as tables for a terminal or a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from imagejudge.common.text import counted
from imagejudge.output.comparison import Change, Comparison
from imagejudge.output.overview import BINS, Overview
from imagejudge.output.probed import Probed
from imagejudge.verdict import Outcome, RuleStatus

_NOTED: Final = (RuleStatus.VIOLATED, RuleStatus.UNSURE, RuleStatus.EXCEPTED)
_TONES: Final = {
    RuleStatus.VIOLATED: Outcome.UNSAFE,
    RuleStatus.UNSURE: Outcome.UNSURE,
    RuleStatus.EXCEPTED: Outcome.SAFE,
}
_WORDS: Final = ("category", "before", "after", "rules")
"""Heads of columns that hold no numbers, as the first of a table does not."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. What it says may be hostile."""

    cells: tuple[str, ...]
    tone: Outcome | None = None
    """Of what colour the first cell is."""
    parts: tuple[tuple[Outcome | None, float], ...] = ()
    """A bar of coloured parts, as shares of the longest that is possible."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One table."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    more: tuple[str, ...] = ()
    """What it leaves out, in words."""
    has_room: bool = False
    """Whether a terminal has room for its bars."""

    def is_number(self, column: int) -> bool:
        """Whether a column holds numbers."""
        return column > 0 and self.heads[column] not in _WORDS


def summary(found: Overview) -> str:
    """How many images, by which model and constitution."""
    if not found.images:
        return "no verdicts"
    return f"{counted(found.images, 'image')} by {_names(found.models)}, {_names(found.constitutions)}"


def figures(found: Overview, top: int) -> Iterator[Figures]:
    """The tables about one file of verdicts, those that have anything to say, each with at most `top` rows."""
    if not found.images:
        return
    yield _verdicts(found)
    everything = (
        _rules(found, top),
        _counts("categories", ("category", "images"), dict(found.categories), top, found.images),
        _folders(found, top),
        _questions(found, top),
        _counts("what decided", ("by", "answers"), found.decided_by, top),
        _counts("why rules stayed unsure", ("reason", "answers"), found.unsure, top),
        _counts("errors", ("kind", "images"), found.errors, top, found.images),
        _probes(found, top),
        _scores(found),
    )
    yield from (each for each in everything if each.rows)


def changed_figures(changes: Comparison, before: Overview, after: Overview, top: int) -> Iterator[Figures]:
    """The tables about what changed from one file to another, and about the probes of both."""
    images = {
        "same": changes.same,
        "changed": changes.changed,
        "only before": changes.only_before,
        "only after": changes.only_after,
        "other bytes, not compared": changes.other_bytes,
    }
    yield Figures("images", ("", "images"), tuple(Row((name, _number(count))) for name, count in images.items()))
    matrix = (Row((one, *(_number(changes.outcomes[one, other]) for other in Outcome)), tone=one) for one in Outcome)
    yield Figures("verdicts", ("before \\ after", *Outcome), tuple(matrix))
    rules = sorted({*changes.new, *changes.gone}, key=lambda rule: (-changes.new[rule] - changes.gone[rule], rule))
    rows = [Row((rule, _number(changes.new[rule]), _number(changes.gone[rule]))) for rule in rules]
    worst = sorted(changes.changes, key=lambda each: (Outcome.UNSAFE not in (each.before, each.after), each.path))
    listed = [Row((each.path, each.before, each.after, _rules_of(each))) for each in worst]
    everything = (
        _cut("rules that are violated", ("rule", "only after", "only before"), rows, top),
        _cut("images that changed", ("path", "before", "after", "rules"), listed, top, changes.changed - len(listed)),
        _probes_of_both(before.probed, after.probed, top),
    )
    yield from (each for each in everything if each.rows)


def _rules_of(change: Change) -> str:
    """Those that came, and those that went."""
    return ", ".join([*(f"+{rule}" for rule in change.new), *(f"-{rule}" for rule in change.gone)])


def _verdicts(found: Overview) -> Figures:
    def row(name: str, count: int, tone: Outcome | None) -> Row:
        share = count / found.images
        return Row((name, _number(count), f"{share:.1%}"), tone, ((tone, share),) if tone else ())

    rows = [row(outcome, found.outcomes[outcome], outcome) for outcome in Outcome]
    if found.accepted:
        rows.append(row("accepted", found.accepted, None))
    if found.out_of_world:
        rows.append(row("out of its world", found.out_of_world, None))
    return Figures("verdicts", ("verdict", "images", "share"), tuple(rows), has_room=True)


def _rules(found: Overview, top: int) -> Figures:
    told = [(name, rule) for name, rule in found.rules.items() if rule.statuses.keys() - {RuleStatus.CLEAR}]
    told.sort(key=lambda each: (-each[1].statuses[RuleStatus.VIOLATED], each[0]))
    rows = [
        Row(
            (name, rule.category, *(_number(rule.statuses[status]) for status in _NOTED)),
            parts=tuple((_TONES[status], rule.statuses[status] / found.images) for status in _NOTED),
        )
        for name, rule in told
    ]
    clear = len(found.rules) - len(told)
    return _cut("rules", ("rule", "category", *_NOTED), rows, top, clear, "were clear")


def _folders(found: Overview, top: int) -> Figures:
    folders = found.top_folders() if len(found.folders) > 1 else {}
    most = sorted(folders.items(), key=lambda each: (-each[1][Outcome.UNSAFE], -each[1].total(), each[0]))
    largest = max((counts.total() for counts in folders.values()), default=1)
    rows = [
        Row(
            (name, *(_number(counts[outcome]) for outcome in Outcome)),
            parts=tuple((outcome, counts[outcome] / largest) for outcome in reversed(Outcome)),
        )
        for name, counts in most
    ]
    return _cut("folders", ("folder", *Outcome), rows if len(rows) > 1 else [], top)


def _questions(found: Overview, top: int) -> Figures:
    told = found.telling()
    most = max((each.violated + each.unsure + each.cleared for _, each in told), default=1)
    rows = [
        Row(
            (ask, _number(each.violated), _number(each.unsure), _number(each.cleared)),
            parts=(
                (Outcome.UNSAFE, each.violated / most),
                (Outcome.UNSURE, each.unsure / most),
                (Outcome.SAFE, each.cleared / most),
            ),
        )
        for ask, each in told
    ]
    return _cut("questions that decided most", ("question", "violated", "unsure", "cleared"), rows, top)


def _counts(
    title: str, heads: tuple[str, ...], counts: Mapping[Any, int], top: int, whole: int | None = None
) -> Figures:
    """Names and how often each was counted, of `whole`, or of all together."""
    whole = whole or sum(counts.values())
    rows = [
        Row((str(name) or "(none)", _number(count)), parts=((None, count / whole),))
        for name, count in sorted(counts.items(), key=lambda each: -each[1])
    ]
    return _cut(title, heads, rows, top)


def _scores(found: Overview) -> Figures:
    outcomes = [outcome for outcome in Outcome if outcome in found.scores]
    totals = [sum(found.scores[outcome][number] for outcome in outcomes) for number in range(BINS)]
    rows = [
        Row(
            (
                f"{number / BINS:.1f} - {(number + 1) / BINS:.1f}",
                *(_number(found.scores[one][number]) for one in outcomes),
            ),
            parts=tuple((outcome, found.scores[outcome][number] / max(totals)) for outcome in outcomes),
        )
        for number in range(BINS if outcomes else 0)
    ]
    return Figures("scores", ("score", *outcomes), tuple(rows), has_room=True)


def _probes(found: Overview, top: int) -> Figures:
    """What was left to probes, and what the images that were asked in full tell of it."""
    probed = found.probed
    rows = [
        Row(
            (
                rule,
                _number(probed.left[rule]),
                _number(probed.found[rule]),
                _number(probed.missed[rule]),
                _miss_rate(probed, rule),
            )
        )
        for rule in sorted(
            {*probed.left, *probed.found}, key=lambda rule: (-probed.missed[rule], -probed.left[rule], rule)
        )
    ]
    heads = ("rule", "left out", "in audit", "missed", "miss rate (95 %)")
    return _cut("probes", heads, rows, top)


def _miss_rate(probed: Probed, rule: str) -> str:
    """In a cell; that the interval is one of 95 % stands above."""
    rate = probed.miss_rate(rule)
    return "-" if rate is None else f"{rate.value:.1%} ({100 * rate.low:.1f} to {100 * rate.high:.1f})"


def _probes_of_both(before: Probed, after: Probed, top: int) -> Figures:
    sides = (before, after)
    rules = {rule for side in sides for rule in (*side.left, *side.found)}
    rows = [
        Row((rule, *(_number(side.left[rule]) for side in sides), *(_miss_rate(side, rule) for side in sides)))
        for rule in sorted(rules, key=lambda rule: (-after.missed[rule], -after.left[rule], -before.left[rule], rule))
    ]
    heads = ("rule", "left out", "after", "miss rate (95 %)", "after (95 %)")
    return _cut("probes", heads, rows, top)


def _cut(
    title: str, heads: tuple[str, ...], rows: Sequence[Row], top: int, more: int = 0, about: str = "changed too"
) -> Figures:
    """The first rows, and how many there are besides."""
    left = [f"and {len(rows) - top:,} more"] if len(rows) > top else []
    if more:
        left.append(f"{more:,} more {about}")
    return Figures(title, heads, tuple(rows[:top]), tuple(left))


def _names(counts: Mapping[str, int]) -> str:
    first = next(iter(counts))
    return first if len(counts) == 1 else f"{first} and {len(counts) - 1} more"


def _number(count: int) -> str:
    return f"{count:,}" if count else "-"
