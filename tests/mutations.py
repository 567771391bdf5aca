"""Files that are nearly right: a value somewhere replaced by one of another kind, or the text itself bent."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

WORDS = ["", " ", "x", "x" * 300, "x" * 100_000, "\0", "a\nb", "\x1b[2J", "\u202e", "é", "e\u0301", "\U0001f600"]
WORDS += [
    "../../etc/passwd",
    "/",
    "a/" * 500,
    "~",
    "%s%n{0}",
    "[a-",
    "!",
    "**",
    "\\",
    "A person is visible.",
    "9" * 4300,
]
TOML = ["0", "-1", "1", "2", "9" * 20, "9" * 5000, "0x" + "f" * 5000, "0b" + "1" * 9000, "1e999", "-1e999", "1e-999"]
TOML += ["inf", "-inf", "nan", "0.5", "0." + "1" * 5000, "true", "[]", "{}", "[[]]", "[{}]", "['a', 1]", "'''a\nb'''"]
TOML += ["1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", "0000-00-00", "[" * 60 + "]" * 60, "[" * 5000 + "]" * 5000]
TOML += [
    "{a=" * 60 + "1" + "}" * 60,
    "{a=" * 2000 + "1" + "}" * 2000,
    "{ " + "a." * 90 + "a = 1 }",
    '"\\ud800"',
    '"\\q"',
]
TOML += [
    "{ " + "a." * 50_000 + "a = 1 }",
    '"',
    "'",
    '"""',
    "",
    "=",
    "[1,",
    "{ any = [] }",
    '{ ask = "A." }',
    "1_0",
    "+5",
]
TOML += [f"[{', '.join(['1'] * 6000)}]", "0o7", "1.", ".5", "{ a = 1, a = 2 }"]
JSON = ["0", "-1", "1", "1.0", "9" * 20, "9" * 5000, "1e999", "-1e999", "NaN", "Infinity", "0." + "1" * 5000, "true"]
JSON += ["false", "null", "[]", "{}", "[[]]", "[null]", '["a", 1]', "[" * 60 + "]" * 60, "[" * 5000 + "]" * 5000]
JSON += [
    '{"a":' * 5000 + "1" + "}" * 5000,
    '"\\ud800"',
    '"\\udc80.png"',
    '"\\u0000"',
    '"\\q"',
    '"',
    "",
    "[1,",
    "01",
    "'a'",
]
JSON += ['{"a": 1, "a": 2}', '"\t"', "-", "1979-05-27"]
MARKS = [
    "\0",
    "\ufeff",
    "\r",
    "\n",
    "\t",
    '"',
    "'",
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    "=",
    ".",
    "#",
    "\\",
    "\u2028",
    "\x1a",
    "-",
]


@dataclass(frozen=True)
class Raw:
    """What is written as it stands."""

    text: str


Writer = Callable[[Any], str]


def as_json(value: Any) -> str:
    """A value as JSON, raw parts as they are."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{as_json(key)}: {as_json(below)}" for key, below in value.pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_json, value)) + "]"
    return json.dumps(value)


def as_toml(value: Any) -> str:
    """A value as TOML in one line."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, Pairs):
        return "{ " + ", ".join(f"{as_json(key)} = {as_toml(below)}" for key, below in value.pairs) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return json.dumps(value) if isinstance(value, str | bool | int | float) else str(value)


def toml_document(value: Any) -> str:
    """A file, each of its top keys on a line of its own."""
    return "".join(f"{as_json(key)} = {as_toml(below)}\n" for key, below in value.pairs)


@dataclass
class Pairs:
    """A table, in which a key may come twice."""

    pairs: list[tuple[str, Any]]


def opened(value: Any) -> Any:
    """Tables as lists of pairs, down to the last."""
    if isinstance(value, dict):
        return Pairs([(key, opened(below)) for key, below in value.items()])
    return [opened(below) for below in value] if isinstance(value, list) else value


def mutated(value: Any, raw: list[str], luck: random.Random) -> Any:
    """A document with one thing changed, wherever in it."""
    copy = opened(value)
    holder, at = luck.choice(list(_places(copy)))
    items = holder.pairs if isinstance(holder, Pairs) else holder
    old = items[at]
    change = luck.random()
    if change < 0.6:
        new = Raw(luck.choice(raw)) if luck.random() < 0.7 else luck.choice(WORDS)
        items[at] = (old[0], new) if isinstance(holder, Pairs) else new
    elif change < 0.75:
        del items[at]
    elif change < 0.9:
        items.insert(luck.randrange(len(items) + 1), old)
    elif isinstance(holder, Pairs):
        items[at] = (luck.choice([*WORDS, *(key for key, _ in holder.pairs)]), old[1])
    else:
        items[at:] = [old] * luck.choice([2, 40, 600])
    return copy


def _places(value: Any) -> Iterator[tuple[Any, int]]:
    items = value.pairs if isinstance(value, Pairs) else value
    for number, item in enumerate(items):
        yield value, number
        below = item[1] if isinstance(value, Pairs) else item
        if isinstance(below, Pairs | list):
            yield from _places(below)


def bent(text: str, luck: random.Random) -> bytes:
    """A text with something put in, taken out or doubled, or in another encoding."""
    at, to = sorted((luck.randrange(len(text) + 1), luck.randrange(len(text) + 1)))
    change = luck.randrange(8)
    if change == 0:
        return text.encode(luck.choice(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp1252"]), "replace")
    if change == 1:
        return text.encode()[:at] + luck.choice([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\0" * 100]) + text.encode()[at:]
    if change == 2:
        return text[:at].encode()
    if change == 3:
        return (text[:at] + text[to:]).encode()
    if change == 4:
        return (text[:to] + text[at:]).encode()
    if change == 5:
        return (text[:at] + luck.choice(MARKS) * luck.choice([2, 3000]) + text[at:]).encode()
    if change == 6:
        return text.replace("\n", luck.choice(["\r\n", "\r", "\n\n", ""])).encode()
    return (text[:at] + luck.choice(MARKS) + text[at + luck.randrange(2) :]).encode()
