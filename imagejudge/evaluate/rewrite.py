"""New thresholds in the text of a constitution, all else in it left as it is.

Knows how constitutions are spelled; where they lie is not its business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagejudge.constitution import Constitution, Thresholds, parse
from imagejudge.errors import ConstitutionError, OutputError

if TYPE_CHECKING:
    from tomlkit.items import Item

_MARK = "imagejudge calibrate"
_NAMES = ("unsatisfied", "satisfied", "centric")


def with_thresholds(text: str, thresholds: Thresholds, remark: str) -> str:
    """The text with these thresholds, each that is new with a comment that ends in `remark`.

    Raises `OutputError` for a text whose spelling does not allow for it.
    """
    import tomlkit
    from tomlkit.items import InlineTable

    old = parse(text, "the constitution")
    changed = {name: value for name in _NAMES if (value := getattr(thresholds, name)) != getattr(old.thresholds, name)}
    if not changed:
        return text
    document: Any = tomlkit.parse(text)
    table = document.get("thresholds")
    below_header = old.thresholds.line is not None and _line(text, old.thresholds.line).startswith("[")
    missing = {} if table is None else {name: changed.pop(name) for name in list(changed) if name not in table}
    if table is None:
        new = _with_table(text, old, _lines(changed, remark))
    elif isinstance(table, InlineTable):
        table.update(changed | missing)
        _note(table, remark)
        new = tomlkit.dumps(document)
    else:
        # tomlkit would put a new key below the comments that belong to what comes next.
        for name, value in (changed if below_header else changed | missing).items():
            table[name] = value
            _note(table.item(name), remark)
        new = tomlkit.dumps(document)
        if below_header and missing:
            new = _inserted(new, old.thresholds.line or 0, _lines(missing, remark))
    if 0 < text.count("\n") == text.count("\r\n"):
        new = re.sub("(?<!\r)\n", "\r\n", new)
    if _digest(new) != replace(old, thresholds=thresholds).digest:
        raise OutputError("the constitution is written in a way that cannot be changed here", "edit it by hand")
    return new


def _note(item: Item, remark: str) -> None:
    """Add to the comment behind a value; what an earlier calibration said there goes."""
    before = re.sub(rf"(; )?{_MARK}.*", "", item.trivia.comment.lstrip("# "))
    item.comment(f"{before}; {_MARK}{remark}" if before else f"{_MARK}{remark}")


def _lines(values: Mapping[str, float], remark: str) -> str:
    return "".join(f"{name} = {value} # {_MARK}{remark}\n" for name, value in values.items())


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


def _digest(text: str) -> str:
    try:
        return parse(text, "").digest
    except ConstitutionError:
        return ""
