"""`imagejudge evaluate`: how often the judge is right."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tqdm import tqdm

from imagejudge.cli.config_options import Config, Isolated, in_force
from imagejudge.cli.console import say, warn
from imagejudge.cli.factory import prepared
from imagejudge.cli.options import (
    CacheOptions,
    ConstitutionChoice,
    Ignore,
    ImageOptions,
    ModelOptions,
    RuleOptions,
    Select,
    grouped,
)
from imagejudge.cli.settings_file import Settings
from imagejudge.cli.verdict_file import load_decisions
from imagejudge.common.atomic_write import write_atomically
from imagejudge.common.gguf import quantisation
from imagejudge.common.open_input import open_input
from imagejudge.errors import UsageError
from imagejudge.evaluate.datasets import ADAPTERS, load_dataset
from imagejudge.images.find import ImageRef
from imagejudge.images.read import Limits
from imagejudge.judge.engines import file_digests
from imagejudge.judge.judge import Judge

if TYPE_CHECKING:
    from imagejudge.evaluate.labels import Dataset, Label, Reading
    from imagejudge.evaluate.match import Matched
    from imagejudge.evaluate.report import Evaluation
    from imagejudge.evaluate.trial import Trial, TrialResult
    from imagejudge.verdict import Verdict

_ADAPTERS = " or ".join(", ".join(ADAPTERS).rsplit(", ", 1))


@dataclass(frozen=True, slots=True)
class DataOptions:
    """What is known to be true, and of which images."""

    dataset: Annotated[
        Path | None, typer.Argument(metavar="DATASET", help="Labelled images: a folder or a file, see --adapter.")
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
            help="The column for image, label, rule, category, source, sentence or exception. Repeatable.",
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


@dataclass(frozen=True, slots=True)
class TrialOptions:
    """Which rules, and the ways of judging by them that are compared."""

    constitution: ConstitutionChoice = None
    select: Select = field(default_factory=list)
    ignore: Ignore = field(default_factory=list)
    # Not `method`: a settings file gives that to `scan`, as one word.
    methods: Annotated[
        list[str],
        typer.Option(
            "--method",
            metavar="NAME",
            help="A way of judging, or `all`, to compare; docs/evaluate.md lists them. Repeatable. [default: clue]",
            rich_help_panel="Rules",
        ),
    ] = field(default_factory=list)
    perturb: Annotated[
        list[str],
        typer.Option(
            metavar="KIND:VALUE,...",
            help="Judge right verdicts again with the image changed, such as jpeg:30,blur:2. Repeatable.",
            rich_help_panel="Rules",
        ),
    ] = field(default_factory=list)

    def as_rules(self) -> RuleOptions:
        """As other commands take them."""
        return RuleOptions(constitution=self.constitution, select=self.select, ignore=self.ignore)


@grouped
def evaluate(
    call: typer.Context,
    *,
    data: DataOptions,
    trial: TrialOptions,
    model: ModelOptions,
    image_options: ImageOptions,
    json_: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write every figure here.", rich_help_panel="Output"),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write one page to look at here.", rich_help_panel="Output"),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, no tables.", rich_help_panel="Output")
    ] = False,
    cache: CacheOptions,
    isolated: Isolated = False,
    config: Config = None,
) -> None:
    """Measure how often verdicts are right, against labels.

    Judges the images of DATASET and scores the verdicts, or scores those of --verdicts. Answers are kept, so that a
    run that was stopped resumes where it was. Exits with 0 whatever the figures are.
    """
    del isolated, config  # they have had their effect
    if data.verdicts is not None:
        if trial.methods or trial.perturb:
            raise UsageError("--verdicts are made already", "leave out --method and --perturb, or give a DATASET")
        found = _score(data, data.verdicts)
    else:
        found = _judge(data, trial, model, image_options, cache, in_force(call), quiet=quiet)
    if json_ is not None:
        figures = json.dumps(found.document(), indent=1, allow_nan=False)
        write_atomically(json_, f"{figures}\n", "name another file with --json")
    if html is not None:
        from imagejudge.evaluate.page import page

        text = page(found, partial(_images, data), _limits(image_options))
        write_atomically(html, text, "name another file with --html")
    if not quiet:
        from imagejudge.cli.evaluation import show

        show(found)


def _score(data: DataOptions, path: Path) -> Evaluation:
    """Verdicts that were made before."""
    from imagejudge.evaluate.report import evaluation

    matched, origin = labelled(data, path)
    verdicts = [case.verdict for cases in matched.cases.values() for case in cases]
    origin |= {
        "verdicts": str(path),
        "model": sorted({verdict.model for verdict in verdicts}),
        "constitution": sorted({verdict.constitution for verdict in verdicts}),
    }
    return evaluation(matched.cases, (), origin, command=sys.argv)


def labelled(data: DataOptions, path: Path) -> tuple[Matched, dict[str, Any]]:
    """Verdicts from a file beside their labels, and where these came from; says what was left over."""
    from imagejudge.evaluate.match import match
    from imagejudge.output.jsonl import read_verdicts

    try:
        with open_input(path) as file:
            read = list(read_verdicts(file, str(path)))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "check --verdicts") from error
    labels, verdicts, origin = _labels(data, read)
    matched = match(labels, verdicts)
    if matched.unlabelled:
        warn(f"{matched.unlabelled:,} images have a verdict but no label; they are left out")
    if matched.unjudged:
        warn(f"{matched.unjudged:,} images have a label but no verdict; they are left out")
    return matched, origin


def _labels(data: DataOptions, read: Sequence[Verdict]) -> tuple[Sequence[Label], Sequence[Verdict], dict[str, Any]]:
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


def _judge(
    data: DataOptions,
    trial: TrialOptions,
    model: ModelOptions,
    images: ImageOptions,
    cache: CacheOptions,
    settings: Settings,
    *,
    quiet: bool,
) -> Evaluation:
    """Verdicts that are made now."""
    from imagejudge.engine import llama
    from imagejudge.evaluate.methods import METHODS
    from imagejudge.evaluate.perturbations import parse_perturbations
    from imagejudge.evaluate.report import evaluation
    from imagejudge.evaluate.trial import Trial

    if data.labels is not None:
        raise UsageError("--labels goes with --verdicts", "give the images as DATASET, with --adapter")
    methods = list(METHODS) if "all" in trial.methods else trial.methods or ["clue"]
    for name in methods:
        if name not in METHODS:
            raise UsageError(f"there is no method {name!r}", f"there are: all, {', '.join(METHODS)}")
    changes = [change for text in trial.perturb for change in parse_perturbations(text)]
    dataset, origin = dataset_of(data)
    with prepared(trial.as_rules(), model, images, cache, settings, quiet=quiet) as judge:
        methods = _askable(methods, judge, everything="all" in trial.methods)
        judged = run(Trial(judge.plan, judge.cache, judge.engines, methods, changes), dataset, quiet=quiet)
        cases = {name: [each.cases[name] for each in judged] for name in METHODS if name in methods}
        origin |= _identity(judge, model, images)
        perturbed = (row for each in judged for row in each.perturbed)
        return evaluation(cases, perturbed, origin, command=sys.argv, engine=llama.describe())


def _askable(methods: list[str], judge: Judge, *, everything: bool) -> list[str]:
    """The methods that the model has words for. Those that were named must be among them."""
    from imagejudge.evaluate.methods import SEVERAL_RULES

    left_out = [] if judge.spec.abilities.several_rules else [name for name in methods if name in SEVERAL_RULES]
    if not left_out:
        return methods
    why = f"in the prompt style {judge.files.prompt_style.name}, a model is asked about one rule at a time"
    if not everything:
        raise UsageError(
            f"{why}, and {left_out[0]} asks about all at once",
            "leave it out, take `rule-text`, which asks about one rule after another, or another --prompt-style",
        )
    warn(f"{', '.join(left_out)} left out: {why}")
    return [name for name in methods if name not in left_out]


def run(trial: Trial, dataset: Dataset, *, quiet: bool) -> list[TrialResult]:
    """Judge all of it, beside a bar."""
    hidden = quiet or not sys.stderr.isatty()
    judged: list[TrialResult] = []
    with (
        tqdm(total=dataset.count, unit="image", disable=hidden, dynamic_ncols=True, smoothing=0.1) as bar,
        contextlib.closing(trial.run(dataset.items)) as tried,
    ):
        try:
            for each in tried:
                judged.append(each)
                bar.update()
        except KeyboardInterrupt:
            left = dataset.count - len(judged)
            say("interrupted", f"{left:,} images left; run the same command again to resume", "bold yellow")
            raise
    return judged


def dataset_of(data: DataOptions) -> tuple[Dataset, dict[str, Any]]:
    """The data set that is named, and how it was read; says what its adapter noted."""
    if data.dataset is None:
        raise UsageError("nothing to evaluate was named", "give DATASET and --adapter, or --verdicts and --labels")
    if data.adapter not in ADAPTERS:
        wrong = "no --adapter was given" if data.adapter is None else f"there is no adapter {data.adapter!r}"
        raise UsageError(wrong, f"say how {data.dataset} is laid out: {_ADAPTERS}")
    dataset = load_dataset(data.dataset, data.adapter, _reading(data))
    for note in dataset.notes:
        warn(note)
    about = {"path": str(data.dataset), "adapter": data.adapter, "split": data.split or None, "images": dataset.count}
    return dataset, {"dataset": {**about, "columns": data.column, "unsafe": data.unsafe, "notes": dataset.notes}}


def reopened(data: DataOptions) -> Dataset:
    """The same data set, to be gone through once more."""
    return load_dataset(data.dataset or Path(), data.adapter or "", _reading(data))


def _reading(data: DataOptions) -> Reading:
    from imagejudge.evaluate.labels import Reading

    pairs = [text.partition("=") for text in data.column]
    for part, _, name in pairs:
        if not name:
            raise UsageError(f"--column {part} names no column", "write for example --column label=rating")
    return Reading({part: name for part, _, name in pairs}, tuple(data.unsafe), data.split)


def _identity(judge: Judge, model: ModelOptions, images: ImageOptions) -> dict[str, Any]:
    constitution = judge.plan.constitution
    files = judge.files
    return {
        "model": judge.plan.model,
        "model_files": [
            {"name": path.name, "sha256": digest, "quantisation": quantisation(path)}
            for path, digest in zip((files.model, files.mmproj), file_digests(files, judge.cache), strict=True)
        ],
        "prompt_style": judge.spec.settings["prompt_style"],
        "constitution": constitution.label,
        "constitution_digest": constitution.digest,
        "rules": [rule.id for rule in constitution.rules if rule.enabled],
        "model_options": dataclasses.asdict(model),
        "image_options": dataclasses.asdict(images),
    }


def _limits(images: ImageOptions) -> Limits:
    return Limits(bytes=images.max_bytes, pixels=images.max_pixels, frames=images.frames)


def _images(data: DataOptions, names: Collection[str]) -> Mapping[str, ImageRef]:
    """Those of the labelled images with these names."""
    if data.dataset is None:
        return {name: ImageRef(name) for name in names}
    return {item.label.name: item for item in reopened(data).items if item.label.name in names}
