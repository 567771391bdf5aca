"""`imagejudge constitution test`: hold rules to images that break them, and to images that nearly do."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text
from tqdm import tqdm

from imagejudge import constitution as rules
from imagejudge.cli.config_options import Config, Isolated
from imagejudge.cli.console import console, table
from imagejudge.cli.factory import prepared
from imagejudge.cli.image_options import ImageOptions
from imagejudge.cli.option_names import shown
from imagejudge.cli.options import (
    CacheOptions,
    MethodChoice,
    MethodName,
    ModelOptions,
    NoDebias,
    NoReasoning,
    RuleOptions,
    grouped,
)
from imagejudge.common.text import printable
from imagejudge.evaluate import rule_tests
from imagejudge.evaluate.rule_tests import Example
from imagejudge.images.ref import ImageRef
from imagejudge.verdict import Outcome, Verdict

_WANTED = {True: "should violate it", False: "should not violate it"}


@grouped
def hold_to_examples(
    file: Annotated[str, typer.Argument(metavar="FILE|NAME", help="The constitution to test.")],
    *,
    folder: Annotated[
        Path,
        typer.Option(
            "--examples",
            metavar="DIR",
            help="Holds a folder for each rule: <id>/violating and <id>/borderline.",
            rich_help_panel="Images",
        ),
    ],
    images: ImageOptions,
    method: MethodChoice = MethodName.CLUE,
    no_reasoning: NoReasoning = False,
    no_debias: NoDebias = False,
    model: ModelOptions,
    cache: CacheOptions,
    isolated: Isolated = False,
    config: Config = None,
) -> None:
    """Test rules on images that break them and images that nearly do.

    Each image is judged by its own rule alone. Exits with 1 when a rule is wrong or unsure about any of them.
    """
    del isolated, config  # they have had their effect
    constitution = rules.load_constitution(rules.find_constitution(file))
    found = rule_tests.find_examples(folder, constitution)
    tested = sorted({example.rule for example in found.values()})
    chosen = RuleOptions(file, tested, [], method, no_reasoning, no_debias)
    others = partial(rule_tests.others, found, constitution)
    with prepared(chosen, model, images, cache, ignored=others) as judge:
        verdicts = judge.judge_all(map(ImageRef, found))
        bar = tqdm(verdicts, total=len(found), unit="image", disable=not sys.stderr.isatty(), leave=False)
        judged = [shown(verdict) for verdict in bar]
    wrong = [verdict for verdict in judged if not found[verdict.path].is_met_by(verdict)]
    _show(found, wrong)
    if any(verdict.verdict is Outcome.ERROR for verdict in wrong):
        raise typer.Exit(2)
    if wrong:
        raise typer.Exit(1)


def _show(found: Mapping[str, Example], wrong: list[Verdict]) -> None:
    out = console(sys.stdout, wrap=True)
    failed = {verdict.path for verdict in wrong}
    results = table()
    for title in ("rule", rule_tests.VIOLATING, rule_tests.BORDERLINE):
        results.add_column(title, justify="left" if title == "rule" else "right")
    for rule in dict.fromkeys(example.rule for example in found.values()):
        results.add_row(rule, *(_right(found, failed, rule, violating) for violating in (True, False)))
    out.print(results)
    lines = console(sys.stdout)
    for verdict in wrong:
        example = found[verdict.path]
        said = f"{verdict.verdict}: {verdict.rationale}" if verdict.rationale else verdict.verdict
        lines.print(f"{printable(verdict.path)}: {_WANTED[example.violating]}, but: {printable(said)}")


def _right(found: Mapping[str, Example], failed: set[str], rule: str, violating: bool) -> Text:
    """How many examples of one kind are right, of how many."""
    paths = [example.path for example in found.values() if (example.rule, example.violating) == (rule, violating)]
    right = sum(path not in failed for path in paths)
    return Text(f"{right} of {len(paths)}" if paths else "none", "" if right == len(paths) else "bold red")
