"""Prompt styles as TOML files: reads one, or says everything that is wrong with it at once, line by line.

A style holds words and places for others in them, and nothing that is ever run. Knows the file's keys and limits; where
styles lie is not its business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imagejudge.common.suggest import did_you_mean
from imagejudge.common.text import printable
from imagejudge.common.text_file import read_text, reading
from imagejudge.common.toml_lines import Path as Place
from imagejudge.common.toml_read import parse as read_toml
from imagejudge.common.toml_table import MAX_WORD, Report, Table, is_id, kind_of, of_another_schema, quote
from imagejudge.errors import ModelError
from imagejudge.prompts.question import Kind
from imagejudge.prompts.style import IMAGE, QUESTION, TEXT, PromptStyle

SCHEMA = 1

# All of it is sent to a model with every question, so more than this is a mistake or worse.
MAX_BYTES = 64 * 1024
MAX_TEXT = 16_000
"""Characters of `system`, `user` or a variable."""
MAX_ASK = 2_000
MAX_REPLY = 200
MAX_WORDS = 8
"""Words that mean Yes, or No."""
MAX_VARIABLES = 16

_TOP = ("schema", "description", "system", "user", "reply", "yes", "no", "reasoning", "ask", "variables")
_EXAMPLES = {
    "schema": f"schema = {SCHEMA}",
    "description": 'description = "Whose style this is"',
    "system": 'system = "You judge images."',
    "user": 'user = "{image}{question}"',
    "reply": """reply = '{"rating": "'""",
    "yes": 'yes = ["Yes"]',
    "no": 'no = ["No"]',
    "reasoning": "reasoning = true or reasoning = false",
    "ask": "[ask] with its keys on the lines below",
    "variables": "[variables] with its keys on the lines below",
    "visible": r'visible = "Is this visible in the image?\n{text}"',
    "rule": r'rule = "Does the image violate this rule?\n{text}"',
    "rules": r'rules = "Does the image violate any of these rules?\n{text}"',
    "public": r'public = "Is the image inappropriate for public viewing?\n{text}"',
}
_PLACE = re.compile(r"\{\w+\}")
_VARIABLE = re.compile(rf"[A-Za-z_]\w{{0,{MAX_WORD - 1}}}", re.ASCII)
_TAKEN = frozenset({"messages", "add_generation_prompt", "bos_token", "eos_token"})
"""Variables that every chat template gets."""


def load_prompt_style(path: Path) -> PromptStyle:
    """Read a style, whose name is that of its file without `.toml`.

    Raises `ModelError` with every mistake in the file, one a line: `file:line: what is wrong; what to write`.
    """
    name = printable(path)
    if not is_id(path.stem):
        raise ModelError(
            f"{name}: a file of this name cannot be a prompt style, as verdicts name it",
            f"call it 1 to {MAX_WORD} of a-z, A-Z, 0-9, '-' and '_', and `.toml`",
        )
    wrong = "`prompt_style` is a TOML file, or the name of a shipped style"
    with reading(name, ModelError, "check `prompt_style`", wrong):
        return parse_prompt_style(read_text(path, MAX_BYTES), name, path.stem)


def parse_prompt_style(text: str, file: str, name: str) -> PromptStyle:
    """Read the style called `name` from the text of a file, which complaints call `file`. Raises as loading does."""
    document, lines = read_toml(text)
    report = Report(lines, _EXAMPLES)
    style = _style(document, name, report)
    if mistakes := report.message(file):
        raise ModelError(mistakes, "docs/models.md explains every key of a prompt style")
    return style


def _style(document: Mapping[str, Any], name: str, report: Report) -> PromptStyle:
    if of_another_schema(document, SCHEMA, report):
        return PromptStyle(name, {}, (), ())
    top = Table(document, (), "the file", _TOP, report)
    top.get("schema", int, required=True)
    top.prose("description", MAX_TEXT)
    variables = _variables(top, report)
    asking = any(QUESTION in str(value) for value in variables.values())
    style = PromptStyle(
        name=name,
        ask=_ask(top, report),
        yes=_words(top, "yes", report),
        no=_words(top, "no", report),
        system=top.text("system", MAX_TEXT),
        user=top.text("user", MAX_TEXT) or (IMAGE if asking else IMAGE + QUESTION),
        reply=top.text("reply", MAX_REPLY),
        variables=variables,
        reasoning=top.get("reasoning", bool) is True,
    )
    _check(style, top, report)
    return style


def _ask(top: Table, report: Report) -> dict[Kind, str]:
    values = top.get("ask", dict, required=True)
    if values is None:
        return {}
    table = Table(values, top.path("ask"), "[ask]", [kind.value for kind in Kind], report)
    asked = {kind: table.text(kind.value, MAX_ASK, required=kind is not Kind.RULES) for kind in Kind}
    found = {kind: words for kind, words in asked.items() if words}
    for kind, words in found.items():
        _check_places(report, table.path(kind), repr(kind.value), words, (TEXT,))
    return found


def _words(top: Table, key: str, report: Report) -> tuple[str, ...]:
    items = enumerate(top.items(key, MAX_WORDS, required=True), 1)
    return tuple(report.wording(word, at, f"word {number} of {key!r}", MAX_WORD) for number, (at, word) in items)


def _variables(top: Table, report: Report) -> dict[str, str | bool]:
    values = top.get("variables", dict) or {}
    if len(values) > MAX_VARIABLES:
        top.complain("variables", f"{len(values):,} variables", f"write at most {MAX_VARIABLES}")
        return {}
    table = Table(values, top.path("variables"), "[variables]", list(values), report)
    found: dict[str, str | bool] = {}
    for key, value in values.items():
        what = f"the variable {quote(key)}"
        if not _VARIABLE.fullmatch(key) or key in _TAKEN:
            report.add(table.path(key), f"{what} cannot be set", "write a name that the chat template asks for")
        elif isinstance(value, bool):
            found[key] = value
        elif isinstance(value, str):
            found[key] = table.text(key, MAX_TEXT)
        else:
            problem = f"{what} must be a string, true or false, not {kind_of(value)}"
            report.add(table.path(key), problem, 'write "...", true or false')
    return found


def _check(style: PromptStyle, top: Table, report: Report) -> None:
    """Complain of what does not go together."""
    texts = {key: value for key, value in style.variables.items() if isinstance(value, str)}
    taking = [key for key, value in texts.items() if QUESTION in value]
    for key, value in texts.items():
        places = (QUESTION,) if key in taking else ()
        _check_places(report, (*top.path("variables"), key), f"the variable {key!r}", value, places)
    for key, value in (("system", style.system), ("reply", style.reply)):
        _check_places(report, top.path(key), repr(key), value, ())
    _check_places(report, top.path("user"), "'user'", style.user, (IMAGE,) if taking else (IMAGE, QUESTION))
    if len(taking) > 1:
        top.complain("variables", f"{QUESTION} stands in {len(taking)} variables", "leave it in one of them")
    if taking and style.user.replace(IMAGE, "").replace(QUESTION, ""):
        top.complain("user", f"words beside the image, while a variable has {QUESTION}", f'write user = "{IMAGE}"')
    if style.reasoning and not style.image_first:
        instead = f"write reasoning = false, or let 'user' begin with {IMAGE}"
        top.complain("reasoning", "a model can only reason where the image stands before the question", instead)
    if both := {word.casefold() for word in style.yes} & {word.casefold() for word in style.no}:
        top.complain("no", f"{quote(min(both))} means both Yes and No", "let each word mean one of them")


def _check_places(report: Report, at: Place, what: str, words: str, places: Sequence[str]) -> None:
    """Complain unless each of `places` stands in the words once, and nothing else that looks like one."""
    for place in places:
        if (count := words.count(place)) != 1:
            report.add(at, f"{place} stands in {what} {count} times", "write it once, where it belongs")
    for other in sorted({*_PLACE.findall(words)} - {*places}):
        otherwise = f"{what} may hold {' and '.join(places)}" if places else "leave it out"
        report.add(at, f"{quote(other)} has no place in {what}", did_you_mean(other, places, otherwise))
