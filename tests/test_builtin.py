"""The built-in model on the example stickers: what the README shows is what comes out, verdict by verdict."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from imagejudge import models
from imagejudge.constitution import Constitution, Precondition, Rule, Statement, find_constitution, load_constitution
from imagejudge.engine.process import EngineProcess
from imagejudge.engine.process import Limits as EngineLimits
from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.clue import Method
from imagejudge.judge.engines import ENGINE, hashed_files, world_of
from imagejudge.judge.plan import Plan
from imagejudge.judge.scanner import Scanner
from imagejudge.verdict import By, Outcome, RuleStatus, Verdict

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples" / "stickers"
with (EXAMPLES / "labels.csv").open(encoding="utf-8", newline="") as table:
    LABELS = list(csv.DictReader(table))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    answers = Cache(tmp_path_factory.mktemp("answers"))
    yield answers
    answers.close()


def judged(
    cache: Cache, method: Method, rules: Constitution | None = None, names: Collection[Path] = ()
) -> dict[str, Verdict]:
    files = models.resolve_model(models.BUILTIN, None)
    options = {"model": str(files.model), "mmproj": str(files.mmproj), "box_style": files.box_style}
    rules = rules or load_constitution(find_constitution("stickers"))
    plan = Plan(rules, method, "builtin", "builtin", Limits(), world=world_of(files, hashed_files(files, cache)))
    refs = [ImageRef(str(path)) for path in names or [EXAMPLES / row["path"] for row in LABELS]]
    with EngineProcess(ENGINE, options, EngineLimits()) as engine:
        return {Path(verdict.path).name: verdict for verdict in Scanner(plan, cache, [engine]).run(refs)}


@pytest.fixture(scope="module")
def verdicts(cache: Cache) -> Mapping[str, Verdict]:
    return judged(cache, Method())


def broken(verdict: Verdict) -> set[str]:
    return {violation.rule for violation in verdict.violations}


@pytest.mark.parametrize("row", LABELS, ids=lambda row: row["path"])
def test_each_example_gets_its_verdict(verdicts: Mapping[str, Verdict], row: Mapping[str, str]) -> None:
    verdict = verdicts[row["path"]]
    if row["label"] == "unsafe":
        assert verdict.verdict is Outcome.UNSAFE, verdict.rationale
        assert row["rule"] in broken(verdict)
    else:
        assert verdict.verdict is Outcome.SAFE, verdict.rationale


def test_the_readme_shows_what_comes_out(verdicts: Mapping[str, Verdict]) -> None:
    readme = (EXAMPLES.parents[2] / "README.md").read_text(encoding="utf-8").partition("## What a verdict says")[0]
    shown = re.findall(r"^    docs/examples/stickers/(\S+): (\w+)(?:: (.*))?$", readme, re.MULTILINE)
    assert len(shown) >= 5
    for name, outcome, rationale in shown:
        assert verdicts[name].verdict == outcome
        # Another processor rounds otherwise, so that a last digit may differ.
        words, numbers = parted(rationale)
        assert parted(verdicts[name].rationale) == (words, pytest.approx(numbers, abs=0.03))
    assert "10 safe, 14 unsafe" in readme
    assert Counter(verdict.verdict for verdict in verdicts.values()) == {Outcome.SAFE: 10, Outcome.UNSAFE: 14}


def parted(rationale: str) -> tuple[str, list[float]]:
    number = r"\d\.\d\d"
    return re.sub(number, "#", rationale), [float(found) for found in re.findall(number, rationale)]


def test_the_folder_has_all_kinds_and_most_rules() -> None:
    kinds = [row["label"] for row in LABELS]
    assert len(LABELS) >= 20
    assert {"unsafe", "borderline", "safe"} == set(kinds)
    assert len({row["rule"] for row in LABELS if row["label"] == "unsafe"}) >= 10


def test_real_images_reach_every_branch_of_the_method(cache: Cache, verdicts: Mapping[str, Verdict]) -> None:
    steps = [step for verdict in verdicts.values() for rule in verdict.rules for step in rule.steps]
    assert {By.PRIOR, By.CENTRIC, By.REASONING} <= {step.by for step in steps}
    assert all(step.rationale for step in steps if step.by is By.REASONING)
    statuses = {rule.status for verdict in verdicts.values() for rule in verdict.rules}
    assert {RuleStatus.VIOLATED, RuleStatus.CLEAR} <= statuses
    undecided = judged(cache, replace(Method(), reasoning=False))
    assert RuleStatus.UNSURE in {rule.status for verdict in undecided.values() for rule in verdict.rules}


def test_an_exception_clears_a_rule(cache: Cache) -> None:
    child, drink = Statement("A child is visible."), Statement("An alcoholic drink is visible.")
    rule = Rule("lonely-child", "No children without drinks.", preconditions=(Precondition((child,)),), unless=(drink,))
    names = ["alcohol-near-child.png", "smoking-near-child.png"]
    found = judged(cache, Method(), Constitution("t", "1", (rule,)), [EXAMPLES / name for name in names])
    assert [found[name].rules[0].status for name in names] == [RuleStatus.EXCEPTED, RuleStatus.VIOLATED]


def test_priors_are_real_numbers(verdicts: Mapping[str, Verdict]) -> None:
    priors = {step.ask: step.prior for v in verdicts.values() for rule in v.rules for step in rule.steps if step.prior}
    assert len(priors) > 10
    assert len({round(prior, 3) for prior in priors.values()}) > 5


def test_the_files_are_small() -> None:
    files = models.resolve_model(models.BUILTIN, None)
    assert files.world is not None
    assert sum(path.stat().st_size for path in (files.model, files.mmproj, files.world)) <= 14_000_000


def test_the_examples_lie_in_the_models_world(verdicts: Mapping[str, Verdict]) -> None:
    distances = [verdict.out_of_world for verdict in verdicts.values()]
    assert all(distance is not None and distance < 0.5 for distance in distances)


def test_noise_and_writing_are_unsure(cache: Cache, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    page = Image.new("RGB", (300, 300), "white")
    lines = "\n".join("the quick brown fox jumps over the lazy dog" for _ in range(20))
    ImageDraw.Draw(page).text((5, 5), lines, "black", ImageFont.load_default(14))
    page.save(tmp_path / "page.png")
    found = judged(cache, Method(), names=sorted(tmp_path.glob("*.png")))
    assert {name: verdict.verdict for name, verdict in found.items()} == {
        "noise.png": Outcome.UNSURE,
        "page.png": Outcome.UNSURE,
    }
    assert all(re.fullmatch(r"out of its world: [01]\.\d\d", verdict.rationale) for verdict in found.values())
