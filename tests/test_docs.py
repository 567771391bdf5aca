"""What the documents say about the program is what the program does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import jsonschema
import pytest

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
    page = (DOCS / "commands.md").read_text("utf-8")
    assert f"    $ {command}\n{shown(command)}\n" in page


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
