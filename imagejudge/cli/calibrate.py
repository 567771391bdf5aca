"""`imagejudge calibrate`: thresholds from labels, and into the constitution.

A command of its own: below `evaluate` its name would be taken for that of a data set.
"""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text
from tqdm import tqdm

from imagejudge.cli.config_options import Config, Isolated, in_force
from imagejudge.cli.console import console, say, warn
from imagejudge.cli.evaluate import run
from imagejudge.cli.factory import load_rules, prepared
from imagejudge.cli.image_options import ImageOptions
from imagejudge.cli.labelled_data import DataOptions, dataset_of, labelled, reopened
from imagejudge.cli.named_files import refuse_pipe
from imagejudge.cli.options import CacheOptions, MethodName, ModelOptions, RuleOptions, grouped
from imagejudge.cli.settings_file import Settings
from imagejudge.common.atomic_write import write_atomically
from imagejudge.common.text import counted, printable
from imagejudge.constitution import (
    Constitution,
    Thresholds,
    find_constitution,
    parse_constitution,
    shipped_constitutions,
)
from imagejudge.errors import UsageError
from imagejudge.images.read import Limits
from imagejudge.images.signed import name_of
from imagejudge.judge.carried import left_to_probes
from imagejudge.judge.plan import Plan

if TYPE_CHECKING:
    from imagejudge.evaluate.calibration_repeats import Repeats
    from imagejudge.evaluate.calibration_split import Count, SampleSplit, Target
    from imagejudge.evaluate.metrics import Case
    from imagejudge.evaluate.threshold_search import Choice, RuleChoice

_DIFF_STYLES = {"+": "green", "-": "red"}


class SearchMethod(StrEnum):
    """How thresholds are chosen."""

    SWEEP = "sweep"
    CONFORMAL = "conformal"


@grouped
def calibrate(
    call: typer.Context,
    *,
    data: DataOptions,
    target_recall: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", min=0.5, max=0.99, help="Find at least this share of unsafe images.", rich_help_panel="Aim"
        ),
    ] = None,
    target_precision: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            min=0.5,
            max=0.99,
            help="Of the images called unsafe, let at least this share be.",
            rich_help_panel="Aim",
        ),
    ] = None,
    by: Annotated[
        SearchMethod,
        typer.Option(
            help="`sweep` takes what costs least; `conformal` what promises the recall.", rich_help_panel="Aim"
        ),
    ] = SearchMethod.SWEEP,
    repeats: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            max=10_000,
            help="Draw the halves anew N times, and show how the results spread.",
            rich_help_panel="Aim",
        ),
    ] = 0,
    seed: Annotated[
        int, typer.Option(metavar="S", min=0, help="Draw those of --repeats from this seed.", rich_help_panel="Aim")
    ] = 0,
    write: Annotated[
        bool, typer.Option("--write", "-w", help="Write them into the constitution's file.", rich_help_panel="Output")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, no tables.", rich_help_panel="Output")
    ] = False,
    rules: RuleOptions,
    model: ModelOptions,
    image_options: ImageOptions,
    cache: CacheOptions,
    isolated: Isolated = False,
    config: Config = None,
) -> None:
    """Choose thresholds by labels, and measure them on others.

    Half of the images choose: of all thresholds that reach the aim, those that cost least. The other half says how
    good they are. Rules that enough labels name get thresholds of their own, the others one set together. Shows what
    would change in the constitution, or writes it with --write.
    """
    del isolated, config  # they have had their effect
    from imagejudge.evaluate.calibration_repeats import repeat
    from imagejudge.evaluate.calibration_split import samples, split_samples, told, unjudged
    from imagejudge.evaluate.threshold_search import choose_all

    target = _target(target_recall, target_precision)
    if rules.method is MethodName.THRESHOLD:
        raise UsageError("--method threshold has no thresholds to choose", "leave it out")
    if by is SearchMethod.CONFORMAL and target.rate != "recall":
        raise UsageError("--by conformal can promise a recall only", "aim at one, or leave --by out")
    settings = in_force(call)
    refuse_pipe(rules.constitution)
    constitution = load_rules(rules, settings)
    file = _file(rules, write=write)
    if data.verdicts is not None:
        cases = _recorded(data, data.verdicts)
    else:
        refuse_pipe(data.dataset)
        _check_labels(data, target)
        cases = _judged(data, rules, model, image_options, cache, settings, quiet=quiet)
    plan = Plan(constitution, rules.as_method(), cases[0].verdict.model, "", Limits(), ignored=settings.ignored)
    if failed := unjudged(cases):
        error = failed[0].verdict.error
        first = f" (the first: {printable(error.kind)})" if error else ""
        warn(f"{counted(len(failed), 'image is', 'images are')} left out: they could not be judged{first}")
    images = samples(cases)
    usable = told(images, plan)
    if len(usable) < len(images):
        left_out = counted(len(images) - len(usable), "image is", "images are")
        warn(f"{left_out} left out: too little is recorded to judge by these rules")
    parts = split_samples(usable, target)
    hidden = quiet or not sys.stderr.isatty()

    def watch(choices: Sequence[Thresholds]) -> Iterable[Thresholds]:
        return tqdm(choices, unit="choice", disable=hidden, dynamic_ncols=True, leave=False)

    def watch_draws(draws: range) -> Iterable[int]:
        return tqdm(draws, unit="draw", disable=hidden, dynamic_ncols=True, leave=False)

    choice = choose_all(parts, plan, target, by.value, watch)
    held_out = _measure(parts, plan, choice, target, quiet=quiet)
    repeated = None
    if repeats:
        repeated = repeat(usable, plan, target, by.value, draws=repeats, seed=seed, watch=watch_draws)
        if not quiet:
            from imagejudge.cli.evaluation import show_repeats

            show_repeats(repeated)
    if choice.constitution.digest == constitution.digest:
        say("calibrated", "the present thresholds are the best for this aim; nothing changes", "bold green")
        return
    _change(
        file, constitution, choice, _Origin(data, rules, target, by, plan.model, parts, held_out, repeated), write=write
    )


def _target(recall: float | None, precision: float | None) -> Target:
    from imagejudge.evaluate.calibration_split import Target

    if recall is not None and precision is None:
        return Target("recall", recall)
    if precision is not None and recall is None:
        return Target("precision", precision)
    raise UsageError("say what to aim at", "give either --target-recall 0.95 or --target-precision 0.95")


def _file(rules: RuleOptions, *, write: bool) -> Path:
    path = find_constitution(rules.constitution or "")
    if write and path in shipped_constitutions():
        raise UsageError(
            f"{rules.constitution} comes with imagejudge and is not changed", f"copy {path} and name the copy"
        )
    return path


def _recorded(data: DataOptions, path: Path) -> list[Case]:
    """Verdicts that were made before, perhaps by several thresholds."""
    from imagejudge.evaluate.calibration_split import METHODS

    matched, _ = labelled(data, path)
    cases = [case for found in matched.cases.values() for case in found if case.verdict.method in METHODS]
    if partly := sum(bool(left_to_probes(case.verdict)) for case in cases):
        warn(f"{counted(partly, 'verdict')} left out: rules were left to probes, of which nothing is known")
        cases = [case for case in cases if not left_to_probes(case.verdict)]
    judges = sorted({case.verdict.model for case in cases})
    if len(judges) != 1:
        problem = f"these verdicts are of different models ({', '.join(judges)})" if judges else "no verdict is by clue"
        raise UsageError(problem, "calibrate what `imagejudge scan -o` wrote with one model")
    return cases


def _check_labels(data: DataOptions, target: Target) -> None:
    """Before a model spends hours on too few images."""
    from imagejudge.evaluate.calibration_split import check_enough

    if data.labels is not None:
        raise UsageError("--labels goes with --verdicts", "give the images as DATASET, with --adapter")
    dataset, _ = dataset_of(data)
    unsafe: dict[tuple[str, str | None], bool] = {}
    for label in (item.label for item in dataset.items):
        unsafe[label.subject] = label.unsafe or unsafe.get(label.subject, False)
    check_enough(unsafe.values(), target)


def _judged(
    data: DataOptions,
    rules: RuleOptions,
    model: ModelOptions,
    images: ImageOptions,
    cache: CacheOptions,
    settings: Settings,
    *,
    quiet: bool,
) -> list[Case]:
    """Verdicts that are made now: by the present thresholds, and by those that leave most to be asked."""
    from imagejudge.evaluate.threshold_search import WIDEST
    from imagejudge.evaluate.trial import Trial

    # There is no method to record by that leaves out both; replaying can leave out more than was recorded.
    method = "clue-no-debias" if rules.no_debias else rules.as_method().label
    with prepared(rules, model, images, cache, settings, quiet=quiet) as judge:
        rules_alike = tuple(dataclasses.replace(rule, thresholds=None) for rule in judge.plan.constitution.rules)
        wide = dataclasses.replace(judge.plan.constitution, thresholds=WIDEST, rules=rules_alike)
        tried = run(Trial(judge.plan, judge.cache, judge.engines, [method]), reopened(data), quiet=quiet)
        widely = dataclasses.replace(judge.plan, constitution=wide)
        tried += run(Trial(widely, judge.cache, judge.engines, [method]), reopened(data), quiet=quiet)
    return [each.cases[method] for each in tried]


def _measure(parts: SampleSplit, plan: Plan, choice: Choice, target: Target, *, quiet: bool) -> Count:
    """Both halves by the present thresholds and the chosen ones; gives how the chosen ones hold."""
    from imagejudge.evaluate.calibration_split import count

    now, then = plan.constitution, choice.constitution
    chosen = dataclasses.replace(plan, constitution=then)
    counts = {
        name: (count(half, plan, now.thresholds), count(half, chosen, then.thresholds))
        for name, half in zip(("chosen on", "held out"), parts, strict=True)
    }
    named = any(each.unsafe for each in choice.rules)
    if not named:
        say("rules", "no label of an unsafe image names one, so that one set is chosen for all", "bold cyan")
    if not quiet:
        from imagejudge.cli.evaluation import show_halves, show_rules

        if named:
            show_rules(choice.rules, target)
        show_halves(counts, now.thresholds, then.thresholds)
    held_out = counts["held out"][1]
    if held_out.rate(target.rate) < target.least:
        warn(
            f"on the images held out, the {target.rate} is {held_out.rate(target.rate):.3f}: "
            f"choosing made it look better than it is; aim higher, or label more images"
        )
    return held_out


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where thresholds came from, for the comments behind them."""

    data: DataOptions
    rules: RuleOptions
    target: Target
    by: SearchMethod
    model: str
    parts: SampleSplit
    held_out: Count
    repeats: Repeats | None

    def of_all(self) -> str:
        """For those of all rules."""
        chosen_on = self.parts.chosen_on
        remark = self._remark(len(chosen_on), sum(image.unsafe for image in chosen_on), self.held_out)
        return f"{remark}; reached in {self.repeats.held} of {self.repeats.draws} draws" if self.repeats else remark

    def of_rule(self, choice: RuleChoice) -> str:
        """For those of one rule."""
        held_out = choice.held_out
        if held_out is None:
            return printable(f"{self._command}: {choice.kept}, kept as they were")
        images = choice.unsafe + choice.safe - held_out.images
        return self._remark(images, choice.unsafe - held_out.unsafe, held_out)

    def _remark(self, images: int, unsafe: int, held_out: Count) -> str:
        measured = f"{held_out.rate(self.target.rate):.3f} on {held_out.images} others"
        return printable(f"{self._command}: by {images} images, {unsafe} unsafe; {measured}; {self.model}")

    @property
    def _command(self) -> str:
        labels = self.data.labels if self.data.dataset is None else name_of(self.data.dataset)
        options = (("select", self.rules.select), ("ignore", self.rules.ignore))
        chosen = "".join(f" --{option} {name}" for option, names in options for name in names)
        return f" {labels} --target-{self.target.rate} {self.target.least:g} --by {self.by}{chosen}"


def _change(path: Path, before: Constitution, choice: Choice, origin: _Origin, *, write: bool) -> None:
    from imagejudge.evaluate.rewrite import with_thresholds

    old = new = path.read_bytes().decode("utf-8-sig")
    after = choice.constitution
    rules = {rule.id: rule for rule in after.rules}
    # Those of all are also for rules that were not selected, of which nothing was measured.
    every = len(before.rules) == sum(rule.enabled for rule in parse_constitution(old, str(path)).rules)
    shared = after.thresholds if every else before.thresholds
    # Before those of all, so that what a rule's table leaves out stays what it was.
    for each in choice.rules:
        own, remark = rules[each.rule.id].thresholds, origin.of_rule(each)
        if own is None and not every:
            own, remark = after.thresholds, origin.of_all()
        if own is not None and (own != before.thresholds_of(each.rule) or shared != before.thresholds):
            new = with_thresholds(new, own, remark, each.rule.id)
    new = with_thresholds(new, shared, origin.of_all())
    if write:
        write_atomically(path, new, "copy it")
        say("calibrated", f"wrote the thresholds into {path}", "bold green")
        return
    out = console(sys.stdout)
    out.print()
    names = (f"{path}", f"{path} (with --write)")
    for line in difflib.unified_diff(old.splitlines(), new.splitlines(), *names, lineterm="", n=2):
        out.print(Text(printable(line), _DIFF_STYLES.get(line[:1], "")))
