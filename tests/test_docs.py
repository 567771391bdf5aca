"""What the documents say about the program is what the program does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections import Counter
from pathlib import Path

import jsonschema
import pytest

from imagejudge.cli.commands import Commands
from imagejudge.cli.config_options import options_of
from imagejudge.constitution import parse_constitution
from imagejudge.verdict import Verdict, json_schema

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PROGRAM = str(Path(sysconfig.get_path("scripts")) / "imagejudge")
COMMANDS = re.findall(r"^    \$ (imagejudge.* --help)$", (DOCS / "commands.md").read_text("utf-8"), re.MULTILINE)


def shown(command: str) -> str:
    """What a command prints on a terminal of 80 columns, as a block of a page."""
    plain = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
    done = subprocess.run([PROGRAM, *command.split()[1:]], capture_output=True, text=True, check=True, env=plain)
    lines = [line.rstrip() for line in done.stdout.strip().splitlines()]
    return "\n".join(f"    {line}".rstrip() for line in lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_of_commands_shows_their_help(command: str) -> None:
    page, help_ = (DOCS / "commands.md").read_text("utf-8"), shown(command)
    assert f"    $ {command}\n{help_}\n" in page
    assert max(map(len, help_.splitlines())) <= 84, "80 columns, and four before a block"


def test_the_page_of_commands_has_all_of_them() -> None:
    listed = {command.split()[1] for command in COMMANDS if len(command.split()) > 2}
    commands = shown("imagejudge --help").partition("Commands:\n")[2].partition("\n\n")[0]
    assert listed == set(re.findall(r"^ {6}([a-z]+) ", commands, re.MULTILINE))


def test_the_published_schema_is_the_one_of_the_code() -> None:
    assert json.loads((DOCS / "verdict.schema.json").read_text("utf-8")) == json_schema()


def test_the_example_verdict_is_one() -> None:
    page = (DOCS / "verdict.md").read_text("utf-8")
    (example,) = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(example))
    Verdict.model_validate(json.loads(example))


def test_the_readme_s_rules_are_valid() -> None:
    (rules,) = re.findall(r"^```toml\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert parse_constitution(rules, "README.md").rules[0].id == "person-on-fire"


def test_ci_calls_the_readme_s_test_command() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    (command,) = re.findall(r"^    (.* && pytest)$", readme, re.MULTILINE)
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text("utf-8")


EXAMPLES = [
    example
    for page in ("api.md", "scale.md")
    for example in re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_of_the_api_run(example: str) -> None:
    done = subprocess.run([sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout or "print" not in example


PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#\s]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_extras_are_installed_from_a_clone() -> None:
    """The package is in no index, so that `imagejudge[video]` names nothing that pip finds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = set(project["project"]["optional-dependencies"])
    told: set[str] = set()
    for file in [*PAGES, *(ROOT / "imagejudge").rglob("*.py")]:
        text = file.read_text("utf-8")
        assert re.search(r"imagejudge\[[a-z]+\]", text) is None, file
        told.update(re.findall(r"install (?:-e )?'\.\[(\w+)\]'|how_to_install\(\"(\w+)\"\)", text))
    assert {one or other for one, other in told} <= extras
    table = (DOCS / "install.md").read_text("utf-8").partition("## Extras")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == extras - {"dev", "train"}


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in addresses, as GitHub makes them."""
    found: Counter[str] = Counter()
    names = set()
    for heading in re.findall(r"^#{1,6} (.*)$", without_blocks(page), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        names.add(f"{name}-{found[name]}" if found[name] else name)
        found[name] += 1
    return names


def without_blocks(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#\s]*)#([^)\s]+)\)", page.read_text("utf-8")):
        assert anchor in anchors(page.parent / target if target else page), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_of_the_repository_are_where_pages_say(page: Path) -> None:
    for name in re.findall(r"`((?:imagejudge|tests|docs|constitutions|\.ci|\.github)/[^`\s]*)`", without_blocks(page)):
        if re.search("[A-Z]{4}", name) is None:  # else it is a placeholder, such as NAME
            assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_table_has_a_head(page: Path) -> None:
    """A row behind an empty line is no row, but a paragraph with bars in it."""
    for first, second in re.findall(r"(?:^|\n)\n(\|.*)\n(.*)", without_blocks(page)):
        assert re.fullmatch(r"\|[ :-]*-[ :|-]*\|", second), first


def test_the_readme_names_every_command() -> None:
    table = (ROOT / "README.md").read_text("utf-8").partition("## Commands")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `imagejudge (\w+)([^|]*)\|", table, re.MULTILINE)
    named = {(name, word) for name, rest in rows for word in ["", *re.findall(r"[a-z]+", rest)]}
    for name, command in Commands().items():
        assert {(name, below) for below in ["", *getattr(command, "commands", {})]} <= named


def test_the_page_of_settings_names_every_path() -> None:
    """Those that start from the settings file's folder."""
    page = (DOCS / "settings.md").read_text("utf-8")
    (told,) = re.findall(r"Relative paths of (.*?) start", page.replace("\n", " "))
    options = options_of(Commands()["scan"])
    assert set(re.findall("`(.*?)`", told)) == {name for name, option in options.items() if option.is_there}
