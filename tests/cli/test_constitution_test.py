"""`imagejudge constitution test`: unit tests for a policy."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest_cli import Run, make_images
from test_docs import DOCS

from imagejudge.constitution import Constitution, Precondition, Rule, Statement
from imagejudge.errors import UsageError
from imagejudge.evaluate.rule_tests import Example, find_examples, others
from imagejudge.verdict import Outcome, RuleResult, RuleStatus, Verdict

Options = Sequence[str]
RULES = Constitution(
    "t", "1", tuple(Rule(name, f"No {name}.", preconditions=(Precondition((Statement("A."),)),)) for name in "ab")
)


def verdict(**statuses: RuleStatus) -> Verdict:
    return Verdict(
        path="x.png",
        sha256=None,
        verdict=Outcome.UNSURE,
        rationale="",
        rules=tuple(RuleResult(rule=rule, status=status, steps=()) for rule, status in statuses.items()),
        model="m",
        constitution="c",
        method="clue",
        imagejudge="0",
    )


@pytest.mark.parametrize(
    ("status", "violating", "borderline"),
    [
        (RuleStatus.VIOLATED, True, False),
        (RuleStatus.CLEAR, False, True),
        (RuleStatus.EXCEPTED, False, True),
        (RuleStatus.UNSURE, False, False),
    ],
)
def test_what_meets_an_example(status: RuleStatus, violating: bool, borderline: bool) -> None:
    assert Example("x.png", "a", True).is_met_by(verdict(a=status, b=RuleStatus.VIOLATED)) is violating
    assert Example("x.png", "a", False).is_met_by(verdict(a=status, b=RuleStatus.VIOLATED)) is borderline
    assert not Example("x.png", "a", True).is_met_by(verdict())


def test_a_rule_is_tested_also_where_another_is_called_like_its_category() -> None:
    one, other = RULES.rules
    rules = dataclasses.replace(RULES, rules=(dataclasses.replace(one, category="b"), other))
    assert set(others({"x.png": Example("x.png", "a", True)}, rules, "x.png")).isdisjoint({"a", "b"})


def test_examples_are_found_by_rule_and_kind(tmp_path: Path) -> None:
    for place in ("a/violating", "a/borderline", "b/violating"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        make_images(tmp_path / place, 2)
    found = find_examples(tmp_path, RULES)
    assert [(example.rule, example.violating) for example in found.values()] == (
        [("a", True)] * 2 + [("a", False)] * 2 + [("b", True)] * 2
    )
    assert others(found, RULES, next(iter(found))) == {"b"}


def test_wrong_folders_say_what_is_wanted(tmp_path: Path) -> None:
    for folder, words in ((tmp_path / "none", "no such folder"), (tmp_path, "no examples were found")):
        with pytest.raises(UsageError, match=words) as error:
            find_examples(folder, RULES)
        assert "violating" in error.value.hint
    (tmp_path / "c" / "violating").mkdir(parents=True)
    with pytest.raises(UsageError, match="no such rule"):
        find_examples(tmp_path, RULES)


def test_the_built_in_model_passes_the_example_stickers_and_fails_a_wrong_label(run: Run, tmp_path: Path) -> None:
    page = (DOCS / "authoring.md").read_text("utf-8")
    *_, rules = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "rules.toml").write_text(rules)
    examples = shutil.copytree(DOCS / "examples" / "scary", tmp_path / "examples")
    command = ("constitution", "test", "rules.toml", "--examples", "examples", "--model", "builtin")
    done = run(*command)
    assert done.returncode == 0, done.stdout
    (examples / "armed-person" / "borderline" / "person-with-key.png").rename(
        examples / "armed-person" / "violating" / "person-with-key.png"
    )
    done = run(*command)
    assert done.returncode == 1
    assert "armed-person 1 of 2 1 of 1" in " ".join(done.stdout.decode().split())
    assert b"person-with-key.png: should violate it, but: safe" in done.stdout


def test_unsure_fails_the_test_and_names_the_image(
    run: Run, pair: Options, rules: Options, images: Path, tmp_path: Path
) -> None:
    shutil.copytree(images, tmp_path / "examples" / "knife" / "violating")
    done = run("constitution", "test", "rules.toml", "--examples", "examples", *pair, "--no-reasoning")
    assert done.returncode == 1, done.stderr
    shown = done.stdout.decode()
    assert "knife  0 of 3" in " ".join(shown.split()).replace("knife 0", "knife  0")
    assert "examples/knife/violating/0000.png: should violate it, but: unsure" in shown
    assert "fire" not in shown
