"""New thresholds in the text of a constitution, all else in it left as it is.

Knows how constitutions are spelled; where they lie is not its business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagejudge.common.toml_lines import locate
from imagejudge.constitution import THRESHOLD_NAMES, Constitution, Thresholds, parse_constitution
from imagejudge.errors import ConstitutionError, OutputError

if TYPE_CHECKING:
    from tomlkit.items import Item

_MARK = "imagejudge calibrate"
_BY_HAND = ("the constitution is written in a way that cannot be changed here", "edit it by hand")


def with_thresholds(text: str, thresholds: Thresholds, remark: str, rule: str = "") -> str:
    """The text with these thresholds for a rule, or for all rules, with comments that end in `remark`.

    For all, those are left alone that stay what they are; a rule's are all spelled out, so that they do not change
    with those of all. Raises `OutputError` for a text whose spelling does not allow for it.
    """
    import tomlkit

    old = parse_constitution(text, "the constitution")
    document: Any = tomlkit.parse(text)
    if rule:
        number = [each.id for each in old.rules].index(rule)
        before, around = old.rules[number].thresholds or old.thresholds, document["rules"][number]
        rules = (*old.rules[:number], replace(old.rules[number], thresholds=thresholds), *old.rules[number + 1 :])
        wanted = replace(old, rules=rules)
    else:
        before, around = old.thresholds, document
        wanted = replace(old, thresholds=thresholds)
    spelled = around.get("thresholds")
    stays = {name for name in THRESHOLD_NAMES if getattr(before, name) == getattr(thresholds, name)}
    if rule:
        stays &= set(spelled or ())
    values = {name: getattr(thresholds, name) for name in THRESHOLD_NAMES if name not in stays}
    if not values:
        return text
    if spelled is not None and tomlkit.dumps(document) != text:
        raise OutputError(*_BY_HAND)  # tables between rules would be moved, and quoted headers respelt
    if spelled is not None:
        new = _changed(text, document, spelled, before.line or 0, values, remark)
    elif rule:
        new = _with_line(text, number, values, remark)
    else:
        new = _with_table(text, old, _lines(values, remark))
    if 0 < text.count("\n") == text.count("\r\n"):
        new = re.sub("(?<!\r)\n", "\r\n", new)
    if _read(new) != wanted:
        raise OutputError(*_BY_HAND)
    return new


def _changed(text: str, document: Any, table: Any, line: int, values: Mapping[str, float], remark: str) -> str:
    """With new values in a table that is there, at that line."""
    import tomlkit
    from tomlkit.items import InlineTable

    if isinstance(table, InlineTable):
        table.update(values)
        _note(table, remark)
        return tomlkit.dumps(document)
    below_header = _line(text, line).startswith("[")
    # tomlkit would put a new key below the comments that belong to what comes next.
    missing = {name: value for name, value in values.items() if below_header and name not in table}
    for name, value in values.items():
        if name not in missing:
            table[name] = value
            _note(table.item(name), remark)
    new = tomlkit.dumps(document)
    return _inserted(new, line, _lines(missing, remark)) if missing else new


def _note(item: Item, remark: str) -> None:
    """Add to the comment behind a value; what an earlier calibration said there goes."""
    before = re.sub(rf"(; )?{_MARK}.*", "", item.trivia.comment.lstrip("# "))
    item.comment(f"{before}; {_MARK}{remark}" if before else f"{_MARK}{remark}")


def _lines(values: Mapping[str, float], remark: str) -> str:
    return "".join(f"{name} = {value} # {_MARK}{remark}\n" for name, value in values.items())


def _with_line(text: str, number: int, values: Mapping[str, float], remark: str) -> str:
    """With a rule's table in one line, below its id."""
    if not _line(text, parse_constitution(text, "").rules[number].line or 0).startswith("[["):
        raise OutputError("a rule that is not below [[rules]] has no room for a comment", "edit it by hand")
    pairs = ", ".join(f"{name} = {value}" for name, value in values.items())
    at = locate(text)["rules", number, "id"]
    return _inserted(text, at, f"thresholds = {{ {pairs} }} # {_MARK}{remark}\n")


def _with_table(text: str, old: Constitution, lines: str) -> str:
    """With the table above the first rule and its comments; or at the end, where rules are no tables of their own."""
    at = old.rules[0].line or 0
    if not _line(text, at).startswith("[["):
        gap = "\n" if text.endswith("\n") else "\n\n"
        return f"{text}{gap}[thresholds]\n{lines}"
    at -= 1
    while at and _line(text, at).startswith("#"):
        at -= 1
    return _inserted(text, at, f"[thresholds]\n{lines}\n")


def _inserted(text: str, after: int, lines: str) -> str:
    """With lines below the one of that number, counted from 1."""
    whole = text.split("\n")
    return "\n".join([*whole[:after], lines.removesuffix("\n"), *whole[after:]])


def _line(text: str, number: int) -> str:
    return text.split("\n")[number - 1].strip()


def _read(text: str) -> Constitution | None:
    """What a text says; None when it could not be read."""
    try:
        return parse_constitution(text, "")
    except ConstitutionError:
        return None
