"""The pages for those who change the program name what is there, and GitHub can read what stands in .github."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

import imagejudge
from imagejudge.cli.commands import SUMMARIES
from imagejudge.cli.output import Format
from imagejudge.prompts import DIRECT, PROMPT_STYLES

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "imagejudge"
PAGE = (ROOT / "docs" / "contributing.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", PAGE, re.MULTILINE))
HOW_TOS = {title: text for title, text in SECTIONS.items() if title.startswith("Add a")}
SUFFIXES = (".py", ".toml", ".md")


def steps(text: str) -> list[str]:
    """The numbered steps of a section, each in one line."""
    return [" ".join(step.split()) for step in re.findall(r"^\d+\. (.*\n(?:   .*\n)*)", text, re.MULTILINE)]


def files_of(step: str) -> Iterator[tuple[str, list[Path]]]:
    """Every file a step names, with those that are there: for one that is to be written, those beside it."""
    for name in re.findall(r"`([^` ]+)`", step):
        if name.endswith(SUFFIXES):
            folder, last = ROOT / Path(name).parent, Path(name).name
            yield name, sorted(folder.glob(last.replace("NAME", "*")))


def test_there_is_a_how_to_for_each_usual_change() -> None:
    usual = "command, format, adapter, model, style, rule, constitution"
    assert ", ".join(title.split()[-1] for title in HOW_TOS) == usual
    for text in HOW_TOS.values():
        numbers = [int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= 3


STEPS = [(title, step) for title, text in HOW_TOS.items() for step in steps(text)]


@pytest.mark.parametrize(("title", "step"), STEPS, ids=[f"{title}: {step[:30]}" for title, step in STEPS])
def test_every_step_begins_with_a_file_and_names_what_is_in_it(title: str, step: str) -> None:
    files = dict(files_of(step))
    assert re.match(r"`([^`]+)`", step)[1] in files  # type: ignore[index]
    assert [name for name, there in files.items() if not there] == []
    text = "\n".join(path.read_text("utf-8") for there in files.values() for path in there)
    for word in set(re.findall(r"`(\w+)`", step)) - {"NAME"}:
        assert re.search(rf"\b{word}\b", text), word


def test_the_table_has_all_that_the_package_holds() -> None:
    listed = re.findall(r"^\| `([^`]+)` \|", SECTIONS["Where things are"], re.MULTILINE)
    code = {path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*.py")}
    there = {name if name.endswith(".py") else f"{name}/" for name in code}
    assert sorted(listed) == sorted(there - {"__init__.py", "__main__.py"})


def test_the_words_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| ([a-z ]+) \| .+ \| `([\w.]+)` in `([\w/]+)\.py` \|$", SECTIONS["Words"], re.MULTILINE)
    assert len(rows) == len(re.findall(r"^\|", SECTIONS["Words"], re.MULTILINE)) - 2  # the title, and the line below it
    for word, name, file in rows:
        thing, _, field = name.partition(".")
        found = vars(import_module(f"imagejudge.{file.replace('/', '.')}"))[thing]
        assert found.__module__ == f"imagejudge.{file.replace('/', '.')}"
        assert (field or thing).lower() == word.replace(" ", "")
        assert not field or field in found.__annotations__


def test_the_picture_shows_modules_that_are_there() -> None:
    picture = re.findall(r"^    .*$", SECTIONS["How data flows"], re.MULTILINE)
    assert max(map(len, picture)) <= 80
    modules = {name for line in picture for name in re.findall(r"\b[a-z]+/[a-z_]+\b", line)}
    assert len(modules) >= 12
    assert [name for name in modules if not (PACKAGE / f"{name}.py").is_file()] == []


def test_pages_have_a_row_for_all_that_a_how_to_adds() -> None:
    def rows(page: str) -> set[str]:
        return set(re.findall(r"^\| `(?:imagejudge )?([\w-]+)", (ROOT / page).read_text("utf-8"), re.MULTILINE))

    assert set(Format) <= rows("docs/outputs.md")
    assert set(PROMPT_STYLES) - {DIRECT} <= rows("docs/models.md")
    assert set(SUMMARIES) <= rows("README.md")


def test_the_changelog_knows_the_version() -> None:
    page = (ROOT / "docs" / "changelog.md").read_text("utf-8")
    first, latest, *_ = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert first == "Unreleased"
    assert re.fullmatch(rf"{re.escape(imagejudge.__version__)} - \d{{4}}-\d\d-\d\d", latest)
    kinds = set(re.findall(r"^### (.+)$", page, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


# --- .github ------------------------------------------------------------------------------------------------------


def loaded(name: str) -> Any:
    return yaml.safe_load((ROOT / ".github" / name).read_text("utf-8"))


def test_ci_runs_what_has_to_hold_on_the_oldest_and_the_newest_python() -> None:
    workflow = loaded("workflows/ci.yml")
    job = workflow["jobs"]["test"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    known = [line.rpartition(" ")[2] for line in project["classifiers"] if "Python :: 3." in line]
    assert job["strategy"]["matrix"]["python"] == [known[0], known[-1]]
    assert project["requires-python"] == f">={known[0]}"
    assert set(workflow[True]) >= {"push", "pull_request"}  # YAML takes `on` for a truth value
    assert workflow["permissions"] == {"contents": "read"}


ATTRIBUTES = {
    "markdown": {"value"},
    "input": {"label", "description", "placeholder", "value"},
    "textarea": {"label", "description", "placeholder", "value", "render"},
    "dropdown": {"label", "description", "multiple", "options", "default"},
    "checkboxes": {"label", "description", "options"},
}


@pytest.mark.parametrize("name", ["bug.yml", "rule.yml"])
def test_issue_forms_follow_github_s_schema(name: str) -> None:
    form = loaded(f"ISSUE_TEMPLATE/{name}")
    assert {"name", "description", "body"} <= set(form) <= {"name", "description", "body", "labels", "title"}
    for element in form["body"]:
        attributes = element["attributes"]
        assert set(element) <= {"type", "id", "attributes", "validations"}
        assert set(attributes) <= ATTRIBUTES[element["type"]]
        assert set(element.get("validations", ())) <= {"required"}
        assert attributes["value" if element["type"] == "markdown" else "label"]
        assert all(isinstance(text, str) for text in attributes.values() if not isinstance(text, list))
        assert all(isinstance(option, str) for option in attributes.get("options", ()))
    asked = [element for element in form["body"] if element["type"] != "markdown"]
    for key in ([element["id"] for element in asked], [element["attributes"]["label"] for element in asked]):
        assert len(set(key)) == len(key) > 0
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", element["id"]) for element in asked)


def test_forms_are_configured() -> None:
    assert set(loaded("ISSUE_TEMPLATE/config.yml")) <= {"blank_issues_enabled", "contact_links"}
