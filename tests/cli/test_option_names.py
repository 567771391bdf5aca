"""The command line names settings by their options; the library, which may be called from elsewhere, does not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import imagejudge
from imagejudge.cli.commands import Commands
from imagejudge.cli.main import app
from imagejudge.cli.option_names import NAMES, option, shown, with_options
from imagejudge.verdict import Failure, Outcome, Verdict

PACKAGE = Path(imagejudge.__file__).parent


def options(command: Any) -> Iterator[str]:
    """Of a command and of those below it."""
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
    for below in getattr(command, "commands", {}).values():
        yield from options(below)


def test_every_name_is_an_option_and_occurs_in_a_message() -> None:
    real = {each for command in Commands().values() for each in options(command)}
    assert {option(name) for name in NAMES} <= real
    library = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in {"cli", "builtin"}]
    quoted = set(re.findall(r"`(\w+)[`=]", "".join(path.read_text("utf-8") for path in library)))
    assert quoted >= NAMES


def messages(source: str) -> str:
    """Strings of a module other than its docstrings."""
    tree = ast.parse(source)
    docs = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in docs)
    return "\n".join(node.value for node in strings if isinstance(node.value, str))


ADVICE = re.compile(r"\b(?:raise|lower|with|correct|leave(?: out)?|smaller|fewer|leave out `\w+`,) `([a-z0-9_]+)[`=]")


def test_what_the_library_advises_is_known_to_the_command_line() -> None:
    """Where advice names a setting that has an option, it is among the names that are turned into options."""
    settings = {
        name.removeprefix("--").replace("-", "_")
        for command in Commands().values()
        for name in options(command)
        if name.startswith("--")
    }
    missed = set()
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] not in {"cli", "builtin"}:
            for found in ADVICE.finditer(messages(path.read_text("utf-8"))):
                missed |= ({found[1]} & settings) - NAMES
    assert not missed


@pytest.mark.parametrize(
    ("message", "seen"),
    [
        ("raise the limit with `max_pixels`", "raise the limit with --max-pixels"),
        ("name another file with `output`", "name another file with -o"),
        ("as in `model=x.gguf mmproj=y.gguf`", "as in `--model x.gguf --mmproj y.gguf`"),
        ("with `column` label=NAME", "with --column label=NAME"),
        ("`imagejudge models list` shows `colour` and `colour=red`", None),
        ("`model=x.gguf colour=red`", None),
    ],
)
def test_names_become_options(message: str, seen: str | None) -> None:
    assert with_options(message) == (seen or message)


def test_only_errors_are_reworded() -> None:
    said = "asks for `max_pixels`"
    facts: dict[str, Any] = {
        "path": "a.png",
        "sha256": None,
        "rationale": said,
        "model": "m",
        "constitution": "c",
        "method": "clue",
        "imagejudge": "0",
    }
    error = Verdict(**facts, verdict=Outcome.ERROR, error=Failure(kind="too-large", message=said))
    assert (shown(error).rationale, shown(error).error) == (
        "asks for --max-pixels",
        Failure(kind="too-large", message="asks for --max-pixels"),
    )
    unsafe = Verdict(**facts, verdict=Outcome.UNSAFE)
    assert shown(unsafe) == unsafe


def numbers(command: Any) -> Iterator[tuple[Any, Any]]:
    """A command and each of its options that is a number, of it and of those below."""
    for parameter in command.params:
        if getattr(parameter, "type_descriptor", None) and parameter.type_descriptor.annotation in (int, float):
            yield command, parameter
    for below in getattr(command, "commands", {}).values():
        yield from numbers(below)


def test_every_number_has_bounds() -> None:
    found = [each for command in Commands().values() for each in numbers(command)]
    assert {"timeout", "load_timeout", "memory_limit", "target_recall", "ctx"} <= {option.name for _, option in found}
    program: Any = typer.main.get_command(app)
    parent = program.context_class(program)
    for command, parameter in found:
        endless = ["nan", "inf", "1e400"] if parameter.type_descriptor.annotation is float else ["1.5", "nan"]
        for text in ["-1", "-inf", "0x10", *endless]:
            with pytest.raises(typer.BadParameter):
                command.make_context("x", [f"{parameter.opts[0]}={text}"], parent=parent)
