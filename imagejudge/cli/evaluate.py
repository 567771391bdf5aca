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
from imagejudge.cli.image_options import ImageOptions
from imagejudge.cli.labelled_data import DataOptions, dataset_of, labelled, reopened
from imagejudge.cli.named_files import FIGURES, PAGE, PREDICTIONS, refuse_foreign, refuse_pipe, refuse_to_overwrite
from imagejudge.cli.options import CacheOptions, ChosenRules, ModelOptions, RuleOptions, grouped
from imagejudge.cli.settings_file import Settings
from imagejudge.common.atomic_write import write_atomically
from imagejudge.common.gguf import quantisation
from imagejudge.common.text import counted, quiet_json
from imagejudge.errors import UsageError
from imagejudge.images.shards import named
from imagejudge.images.signed import name_of
from imagejudge.judge.judge import Judge

if TYPE_CHECKING:
    from imagejudge.constitution import Constitution
    from imagejudge.evaluate.labels import Dataset
    from imagejudge.evaluate.metrics import Case
    from imagejudge.evaluate.report import Evaluation
    from imagejudge.evaluate.trial import Trial, TrialResult
    from imagejudge.images.read import Limits
    from imagejudge.images.ref import ImageRef


@dataclass(frozen=True, slots=True)
class TrialOptions(ChosenRules):
    """Which rules, and the ways of judging by them that are compared."""

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
            metavar="NAME:VALUE,...",
            help="Judge images again when they are changed, such as jpeg:30,blur:2, or `all`; "
            "docs/robustness.md lists them. Repeatable.",
            rich_help_panel="Rules",
        ),
    ] = field(default_factory=list)
    attack_budget: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            max=10_000,
            help="Search for a change that each rule found is blind to, with at most N changed images each.",
            rich_help_panel="Rules",
        ),
    ] = 0
    seed: Annotated[
        int,
        typer.Option(
            metavar="S",
            min=0,
            help="What chance decides in --perturb and --attack-budget is drawn from this seed.",
            rich_help_panel="Rules",
        ),
    ] = 0
    known_category: Annotated[
        bool,
        typer.Option(
            "--known-category",
            help="Judge each image also by the rules of its labelled category alone, as UnsafeBench does.",
            rich_help_panel="Rules",
        ),
    ] = False

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
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write each image's label, and what every method said of it, here: one JSON object a line.",
            rich_help_panel="Output",
        ),
    ] = None,
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
    read = [data.verdicts, data.labels, data.dataset, trial.constitution, *model.files]
    refuse_to_overwrite(read, output=output, json=json_, html=html)
    refuse_foreign(output, PREDICTIONS)
    refuse_foreign(json_, FIGURES, "json")
    refuse_foreign(html, PAGE, "html")
    if html is not None:
        refuse_pipe(data.dataset, "for --html")
    if data.verdicts is not None:
        if trial.methods or trial.perturb or trial.attack_budget or trial.known_category:
            hint = "leave out --method, --perturb, --attack-budget and --known-category, or give a DATASET"
            raise UsageError("--verdicts are made already", hint)
        found = _score(data, data.verdicts)
    else:
        found = _judge(data, trial, model, image_options, cache, in_force(call), quiet=quiet)
    if output is not None:
        lines = (quiet_json(json.dumps(row, ensure_ascii=False, allow_nan=False)) for row in found.predictions())
        rows = "".join(f"{line}\n" for line in lines).encode(errors="backslashreplace")  # as JSON escapes stray bytes
        write_atomically(output, rows, "name another file with -o")
    if json_ is not None:
        figures = json.dumps(found.document(), indent=1, allow_nan=False)
        write_atomically(json_, f"{figures}\n", "name another file with --json")
    if html is not None:
        from imagejudge.evaluate.page import page

        limits = image_options.limits()
        text = page(found, partial(_images, data, limits), limits)
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
    return evaluation(matched.cases, (), origin, command=list(map(name_of, sys.argv)))


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
    from imagejudge.evaluate.distill import check_installed
    from imagejudge.evaluate.known_category import KNOWN
    from imagejudge.evaluate.methods import METHODS
    from imagejudge.evaluate.perturbations import VERSION, parse_perturbations
    from imagejudge.evaluate.probe_methods import PROBE_METHODS
    from imagejudge.evaluate.report import evaluation
    from imagejudge.evaluate.trial import Trial

    if data.labels is not None:
        raise UsageError("--labels goes with --verdicts", "give the images as DATASET, with --adapter")
    known = (*METHODS, *PROBE_METHODS)
    everything = "all" in trial.methods
    methods = list(known) if everything else trial.methods or ["clue"]
    for name in methods:
        if name not in known:
            raise UsageError(f"there is no method {name!r}", f"there are: all, {', '.join(known)}")
    changes = [change for text in trial.perturb for change in parse_perturbations(text)]
    if not everything and not PROBE_METHODS.keys().isdisjoint(methods):
        check_installed()  # before a model spends hours
        if changes or trial.attack_budget:
            raise UsageError(
                "methods with a probe judge no image that is changed",
                "evaluate them without --perturb and --attack-budget",
            )
    dataset, origin = dataset_of(data)
    with prepared(trial.as_rules(), model, images, cache, settings, quiet=quiet) as judge:
        methods = _askable(methods, judge, everything=everything)
        probed = [name for name in PROBE_METHODS if name in methods]
        asked = Trial(
            judge.plan,
            judge.cache,
            judge.engines,
            [*methods, "clue"] if probed else methods,
            changes,
            trial.seed,
            trial.attack_budget,
            known_category=trial.known_category,
            embed=bool(probed),
        )
        judged = run(asked, dataset, quiet=quiet)
        wanted = [name for name in asked.names if name.removesuffix(KNOWN) in methods]
        cases = {name: [each.cases[name] for each in judged] for name in wanted}
        cases |= _with_probes(probed, judged, judge.plan.constitution, everything=everything)
        origin |= _identity(judge, model, images)
        if changes or trial.attack_budget:
            changed = {"version": VERSION, "seed": trial.seed, "attack_budget": trial.attack_budget}
            origin["perturbations"] = changed
        return evaluation(
            cases,
            [row for each in judged for row in each.perturbed if row.method in methods],
            origin,
            [attack for each in judged for attack in each.attacks if attack.method in methods],
            trial.attack_budget,
            command=list(map(name_of, sys.argv)),
            engine=llama.describe(),
        )


def _askable(methods: list[str], judge: Judge, *, everything: bool) -> list[str]:
    """The methods that the model has words for. Those that were named must be among them."""
    from imagejudge.evaluate.methods import ALOUD, SEVERAL_RULES

    style, abilities = f"in the prompt style {judge.files.prompt_style.name}", judge.spec.abilities
    lacking: dict[str, tuple[str, str]] = {}
    if not abilities.thoughts:
        lacking |= dict.fromkeys(ALOUD, (f"{style}, a model does not think aloud", "does nothing else"))
    if not abilities.several_rules:
        why = f"{style}, a model is asked about one rule at a time"
        lacking |= dict.fromkeys(SEVERAL_RULES, (why, "asks about all at once"))
    for name in filter(lacking.__contains__, methods):
        why, what = lacking[name]
        if not everything:
            instead = "take `rule-text`, which asks about one rule after another, or another --prompt-style"
            raise UsageError(f"{why}, and {name} {what}", f"leave it out, {instead}")
        warn(f"{name} left out: {why}")
    return [name for name in methods if name not in lacking]


def _with_probes(
    methods: Sequence[str], judged: Sequence[TrialResult], constitution: Constitution, *, everything: bool
) -> dict[str, list[Case]]:
    """What these methods say. Those that were named must be possible."""
    from imagejudge.evaluate.probe_methods import Embedded, try_probes

    images = [Embedded(each.cases["clue"], each.vectors) for each in judged] if methods else []
    found = {}
    for name in methods:
        try:
            found[name] = try_probes(name, images, constitution)
        except UsageError as error:
            if not everything:
                raise UsageError(f"{name} cannot be tried: {error.message}", error.hint) from error
            warn(f"{name} left out: {error.message}")
    return found


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
            say("interrupted", f"{counted(left, 'image')} left; run the same command again to resume", "bold yellow")
            raise
    return judged


def _identity(judge: Judge, model: ModelOptions, images: ImageOptions) -> dict[str, Any]:
    constitution = judge.plan.constitution
    return {
        "model": judge.plan.model,
        "model_files": [
            {"name": file.path.name, "sha256": file.digest, "quantisation": quantisation(file.path)}
            for file in judge.hashed
        ],
        "prompt_style": judge.spec.settings["prompt_style"],
        "constitution": constitution.label,
        "constitution_digest": constitution.digest,
        "rules": [rule.id for rule in constitution.rules if rule.enabled],
        "model_options": dataclasses.asdict(model),
        "image_options": dataclasses.asdict(images),
    }


def _images(data: DataOptions, limits: Limits, names: Collection[str]) -> Mapping[str, ImageRef]:
    """Those of the labelled images with these names."""
    if data.dataset is None:
        return {ref.path: ref for ref in named(names, limits) if ref.path in names}
    return {item.label.name: item for item in reopened(data).items if item.label.name in names}
