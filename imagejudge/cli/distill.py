"""`imagejudge distill`: probes from verdicts."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from imagejudge.cli.config_options import Config, Isolated
from imagejudge.cli.console import say, warn
from imagejudge.cli.factory import load_rules, prepared_embedder
from imagejudge.cli.image_options import ImageOptions
from imagejudge.cli.labelled_data import DataOptions, labels_for
from imagejudge.cli.named_files import DISTILLED, refuse_existing, refuse_foreign, refuse_to_overwrite
from imagejudge.cli.options import CacheOptions, ChosenRules, ModelOptions, grouped
from imagejudge.cli.verdict_file import Verdicts, check_alike, opened
from imagejudge.common.atomic_write import write_atomically
from imagejudge.common.text import counted, printable
from imagejudge.constitution import Constitution
from imagejudge.engine.embedding import Embedding
from imagejudge.engine.spec import engine_settings
from imagejudge.errors import UsageError
from imagejudge.images.shards import named
from imagejudge.judge.clue import ARITHMETIC
from imagejudge.judge.embedder import VectorSource
from imagejudge.output.resume import difference
from imagejudge.verdict import Verdict

if TYPE_CHECKING:
    from imagejudge.evaluate.distill import Distilled
    from imagejudge.evaluate.distill_data import Examples, Truths
    from imagejudge.output.jsonl import Latest


@grouped
def distill(
    verdicts: Verdicts,
    *,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What is true, in the place of what the verdicts say: as for `evaluate`.",
            rich_help_panel="Data",
        ),
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Vectors of these images that `imagejudge embed` wrote; no model is needed.",
            rich_help_panel="Data",
        ),
    ] = None,
    judged_by: ChosenRules,
    model: ModelOptions,
    image_options: ImageOptions,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write the probes here, as TOML.", rich_help_panel="Output"
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of -o.", rich_help_panel="Output")
    ] = False,
    json_: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write every figure here.", rich_help_panel="Output"),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, no tables.", rich_help_panel="Output")
    ] = False,
    cache: CacheOptions,
    isolated: Isolated = False,
    config: Config = None,
) -> None:
    """Fit probes to verdicts of a full scan, by which later scans need not ask about every rule.

    A probe tells from an image's vector how likely a rule is violated. Shows how well, on images that a probe had not
    seen, and how much a scan saves at which promised recall.
    """
    del isolated, config  # they have had their effect
    from imagejudge.evaluate.distill import check_installed, distil
    from imagejudge.judge.probe import Origin
    from imagejudge.judge.probe_file import write_probes

    check_installed()
    refuse_to_overwrite([verdicts, labels, embeddings, judged_by.constitution, *model.files], output=output, json=json_)
    refuse_foreign(json_, DISTILLED, "json")
    if output is not None:
        refuse_existing(output, overwrite=overwrite)
    rules = load_rules(judged_by)
    with opened(verdicts) as lines:
        first, truths = _known(lines, rules, labels)
    if embeddings is not None:
        source, vectors = _read(embeddings)
        _check_source(first, source, "embed them with the model and the options that judged them")
    else:
        limits = image_options.limits()
        with prepared_embedder(model, limits, cache, quiet=quiet) as (embedder, source):
            _check_source(first, source, "name the model that judged, with the same options")
            images = embedder.run(named(truths.paths.values(), limits))
            with contextlib.closing(images):
                bar = tqdm(images, total=len(truths.paths), unit="image", disable=quiet or None, dynamic_ncols=True)
                vectors = {str(each.sha256): each.frames[0].vector for each in bar if each.frames}
    examples = _joined(truths, vectors)

    def watch(rules: Sequence[str]) -> Iterable[str]:
        return tqdm(rules, unit="rule", disable=quiet or None, dynamic_ncols=True, leave=False)

    origin = Origin(
        source.model,
        source.digest,
        engine_settings(source.settings),
        rules.label,
        "verdicts" if labels is None else "labels",
        examples.digest,
        len(examples.digests),
        first.method if labels is None else None,
        ARITHMETIC if labels is None else None,
    )
    found = distil(examples, rules, origin, watch)
    if not quiet:
        from imagejudge.cli.evaluation import show_distilled

        show_distilled(found, len(examples.digests))
    if json_ is not None:
        figures = json.dumps(_document(found, truths), indent=1, allow_nan=False)
        write_atomically(json_, f"{figures}\n", "name another file with --json")
    if not found.probes.probes:
        raise UsageError(
            "the vectors tell nothing of any rule, so there are no probes",
            "scan more images in full, or judge and embed them with another model",
        )
    made = f"{counted(len(found.probes.probes), 'probe')} from {counted(len(examples.digests), 'image')}"
    if output is not None:
        write_probes(found.probes, output)
        made += f", in {printable(output)}"
    say("distilled", made, "bold green")


def _known(lines: Latest, rules: Constitution, labels: Path | None) -> tuple[Verdict, Truths]:
    """What is known of each file, and one of the lines, which are all of one model, constitution and method."""
    from imagejudge.evaluate.distill_data import Truths
    from imagejudge.evaluate.match import match

    first = next(iter(lines), None)
    if first is None:
        raise UsageError("there are no verdicts to distil", "give what `imagejudge scan -o` wrote")
    hint = "distil from what one scan wrote"
    truths = Truths()
    ids = [rule.id for rule in rules.rules if rule.enabled]
    read = []
    for line in lines:
        check_alike(first, line, hint)
        if (line.constitution, line.method) != (first.constitution, first.method):
            raise UsageError("these verdicts are by different rules or methods", hint)
        if labels is None:
            _check_arithmetic(line)
            truths.add(line)
        else:
            read.append(line)
    if labels is None and first.constitution != rules.label:
        raise UsageError(
            f"these verdicts are by {first.constitution}, and the rules are {rules.label}",
            "give the rules that judged, or `imagejudge rejudge` the verdicts by these",
        )
    if labels is not None:
        known, labelled, _ = labels_for(DataOptions(labels=labels), read)
        for cases in match(known, labelled).cases.values():
            for case in cases:
                truths.add_label(case.verdict, case.label, ids)
    for why, count in truths.left_out.items():
        warn(f"{counted(count, 'line')} left out: {why}")
    return first, truths


def _check_arithmetic(line: Verdict) -> None:
    told = (line.settings or {}).get("arithmetic", "none")
    if told != ARITHMETIC:
        raise UsageError(
            f"these verdicts were made with arithmetic={told}, not {ARITHMETIC}",
            "`imagejudge rejudge` them by the same rules, or scan again: answers are kept",
        )


def _read(path: Path) -> tuple[VectorSource, dict[str, Embedding]]:
    from imagejudge.output.embeddings import read_embeddings

    source, vectors = read_embeddings(path)
    return source, {digest: vector for (digest, frame), vector in vectors.items() if frame == 0}


def _check_source(first: Verdict, source: VectorSource, hint: str) -> None:
    if source.model != first.model:
        raise UsageError(f"the verdicts are by {first.model}, and the vectors of {source.model}", hint)
    judged, embedded = (engine_settings(settings) for settings in (first.settings or {}, source.settings))
    if first.settings is not None and (words := difference(judged, embedded)):
        raise UsageError(f"the verdicts were made with other settings than the vectors: {words}", hint)


def _joined(truths: Truths, vectors: Mapping[str, Embedding]) -> Examples:
    examples = truths.beside(vectors)
    if lacking := len(truths.known) - len(examples.digests):
        warn(f"{counted(lacking, 'image has', 'images have')} no vector: left out")
    if not examples.digests:
        raise UsageError("no image of these verdicts has a vector", "run this where `scan` ran, on the same files")
    return examples


def _document(found: Distilled, truths: Truths) -> dict[str, object]:
    return {
        "origin": dataclasses.asdict(found.probes.origin),
        "left_out": dict(truths.left_out),
        "rules": [dataclasses.asdict(each) for each in found.rules],
        "promises": [dataclasses.asdict(each) for each in found.promises],
        "highest_recall": found.probes.highest_recall,
    }
