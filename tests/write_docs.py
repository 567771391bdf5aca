"""Write anew what the documents quote from the program: `python tests/write_docs.py`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from test_docs import DOCS, shown
from text_model import smollm2

from imagejudge.constitution import Constitution, Rule, Statement, load_constitution, shipped_constitutions
from imagejudge.judge.claims import chain_of, questions_of
from imagejudge.verdict import json_schema

COMMANDS = ("", " scan", " embed", " distill", " explain", " evaluate", " compare", " calibrate", " check", " doctor")
COMMANDS += (
    " cache",
    " cache info",
    " cache clear",
    " merge",
    " rejudge",
    " show",
    " report",
    " review",
    " apply",
    " filter",
    " convert",
    " stats",
)
COMMANDS += (" config",)
COMMANDS += tuple(f" baseline{command}" for command in ("", " add", " unused"))
COMMANDS += tuple(f" constitution{command}" for command in ("", " list", " show", " new", " test", " diff"))
COMMANDS += (" constitution objectify", " constitution decompose")
COMMANDS += tuple(f" models{command}" for command in ("", " list", " pull", " add", " verify", " rm", " default"))

_TABLE = re.compile(r"(?<=^<!-- table )(\S+) -->\n.*?^<!-- end -->$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(
    r"^```(?:console\n\$ (?P<command>.+)|toml\n# (?P<file>\S+\.toml))\n(?P<rest>(?:.*\n)*?)```$", re.MULTILINE
)


def constitution_tables(page: str) -> str:
    """The page of shipped constitutions with its tables made anew: one of totals, and one for each constitution."""
    constitutions = {path.stem: load_constitution(path) for path in shipped_constitutions()}

    def table(match: re.Match[str]) -> str:
        name = match.group(1)
        lines = _totals(constitutions.values()) if name == "totals" else _rules(constitutions[name])
        return "\n".join([f"{name} -->", *lines, "<!-- end -->"])

    return _TABLE.sub(table, page)


def console_blocks(page: str) -> str:
    """The page with the output of its commands made anew, all run in one new folder, from top to bottom.

    A block of TOML is written there under the name in its first line, as a reader would. The folder has `docs`, as a
    clone has, and the small text model as `smollm2.gguf` if the page names it.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "docs").symlink_to(DOCS)
        if "smollm2.gguf" in page:
            (Path(folder) / "smollm2.gguf").symlink_to(smollm2())
        return _BLOCK.sub(lambda block: _done(block, Path(folder)), page)


def _done(block: re.Match[str], folder: Path) -> str:
    """A block after the reader did what it says."""
    if block["file"]:
        (folder / block["file"]).write_text(f"# {block['file']}\n{block['rest']}", "utf-8")
        return block[0]
    return f"```console\n$ {block['command']}\n{_output(block['command'], folder)}```"


def _output(command: str, folder: Path) -> str:
    programs = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "COLUMNS": "80", "TERM": "dumb", "PATH": programs, "IMAGEJUDGE_NO_CACHE": "1"}
    done = subprocess.run(["sh", "-c", f"{command} 2>&1"], cwd=folder, env=env, stdout=subprocess.PIPE, check=False)
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.decode().splitlines())


def _totals(constitutions: Iterable[Constitution]) -> list[str]:
    lines = [
        "| constitution | rules | statements | distinct questions | first wave |",
        "| --- | --: | --: | --: | --: |",
    ]
    for one in constitutions:
        statements = sum(len(rule.statements) for rule in one.rules)
        first = {claim.question for rule in one.rules for claim in chain_of(rule)[0]}
        name = f"[{one.name}](#{one.name})"
        lines.append(f"| {name} | {len(one.rules)} | {statements} | {len(questions_of(one))} | {len(first)} |")
    return lines


def _rules(constitution: Constitution) -> list[str]:
    source, licence = (" ".join(words.split()) for words in (constitution.source, constitution.licence))
    lines = [f"Source: {source}", "", f"Licence: {licence}", "", "| rule | text | violated if |", "| --- | --- | --- |"]
    return lines + [
        f"| `{rule.id}`<br>{rule.category}, {rule.severity} | {rule.text} | {'<br>'.join(_chain(rule))} |"
        for rule in constitution.rules
    ]


def _chain(rule: Rule) -> list[str]:
    items = [_either(item.any) for item in rule.preconditions]
    return ["<br>**and** ".join(items), *([f"**unless** {_either(rule.unless)}"] if rule.unless else [])]


def _either(statements: Iterable[Statement]) -> str:
    return " *or* ".join(statement.ask for statement in statements)


def _rewrite(name: str, *changes: Callable[[str], str]) -> None:
    page = (DOCS / name).read_text("utf-8")
    for change in changes:
        page = change(page)
    (DOCS / name).write_text(page, "utf-8")


def main() -> None:
    blocks = [f"    $ imagejudge{command} --help\n{shown(f'imagejudge{command} --help')}\n" for command in COMMANDS]
    page = "# Commands\n\nWhat `--help` says, on a terminal of 80 columns.\n\n" + "\n<!-- -->\n\n".join(blocks)
    (DOCS / "commands.md").write_text(page, "utf-8")
    _rewrite("constitutions.md", constitution_tables, console_blocks)
    _rewrite("authoring.md", console_blocks)
    (DOCS / "verdict.schema.json").write_text(json.dumps(json_schema(), indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
