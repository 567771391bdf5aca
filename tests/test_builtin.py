"""The built-in model on the example stickers: what the README shows is what comes out, verdict by verdict."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from imagejudge import models
from imagejudge.constitution import Constitution, Precondition, Rule, Statement, find_constitution, load_constitution
from imagejudge.engine.process import EngineProcess
from imagejudge.engine.process import Limits as EngineLimits
from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.clue import Method
from imagejudge.judge.engines import ENGINE
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
    cache: Cache, method: Method, rules: Constitution | None = None, names: Collection[str] = ()
) -> dict[str, Verdict]:
    files = models.resolve_model(models.BUILTIN, None)
    options = {"model": str(files.model), "mmproj": str(files.mmproj), "box_style": files.box_style}
    plan = Plan(rules or load_constitution(find_constitution("stickers")), method, "builtin", "builtin", Limits())
    refs = [ImageRef(str(EXAMPLES / row["path"])) for row in LABELS if not names or row["path"] in names]
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
    found = judged(cache, Method(), Constitution("t", "1", (rule,)), names)
    assert [found[name].rules[0].status for name in names] == [RuleStatus.EXCEPTED, RuleStatus.VIOLATED]


def test_priors_are_real_numbers(verdicts: Mapping[str, Verdict]) -> None:
    priors = {step.ask: step.prior for v in verdicts.values() for rule in v.rules for step in rule.steps if step.prior}
    assert len(priors) > 10
    assert len({round(prior, 3) for prior in priors.values()}) > 5


def test_the_pair_is_small() -> None:
    files = models.resolve_model(models.BUILTIN, None)
    assert sum(path.stat().st_size for path in (files.model, files.mmproj)) <= 14_000_000
