from __future__ import annotations

import json
from typing import Any

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from imagejudge.common.toml_lines import Path, lay_out, locate, nearest
from imagejudge.common.toml_table import Report

TRICKY = [
    "",
    "plain",
    "]",
    "[[",
    "}",
    "a # b",
    'say "x"',
    "it's",
    "a = 1, b",
    "back\\slash",
    "two\nlines",
    'end"',
    "\u00e9\u4e00",
]
SCALARS = ["1", "-0.5", "1e3", "true", "1979-05-27 07:32:00Z", "0x1F", "inf"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1", {("a",): 1}),
        ("\n\n# x\na = 1 # b = 2\nb = 2", {("a",): 4, ("b",): 5}),
        ("a.b.c = 1\na . 'd' = 2", {("a",): 1, ("a", "b"): 1, ("a", "b", "c"): 1, ("a", "d"): 2}),
        ("[a]\nb = 1\n[c.d]\ne = 1", {("a",): 1, ("a", "b"): 2, ("c",): 3, ("c", "d"): 3, ("c", "d", "e"): 4}),
        ('["a b"."c.d"]\n"e\\u0041" = 1', {("a b",): 1, ("a b", "c.d"): 1, ("a b", "c.d", "eA"): 2}),
        ("[[r]]\na=1\n\n[[ r ]]\na=1", {("r",): 1, ("r", 0): 1, ("r", 0, "a"): 2, ("r", 1): 4, ("r", 1, "a"): 5}),
        (
            "[[r]]\n[[r.p]]\n[[r.p]]\na=1\n[r.q]\nb=1\n[[r]]\n[[r.p]]",
            {
                ("r",): 1,
                ("r", 0): 1,
                ("r", 0, "p"): 2,
                ("r", 0, "p", 0): 2,
                ("r", 0, "p", 1): 3,
                ("r", 0, "p", 1, "a"): 4,
                ("r", 0, "q"): 5,
                ("r", 0, "q", "b"): 6,
                ("r", 1): 7,
                ("r", 1, "p"): 8,
                ("r", 1, "p", 0): 8,
            },
        ),
        (
            "r = [ # ]\n  1,\n\n  [2, 3\n], {a = 4, b.c = [\n5]}\n]\nz = 1",
            {
                ("r",): 1,
                ("r", 0): 2,
                ("r", 1): 4,
                ("r", 1, 0): 4,
                ("r", 1, 1): 4,
                ("r", 2): 5,
                ("r", 2, "a"): 5,
                ("r", 2, "b"): 5,
                ("r", 2, "b", "c"): 5,
                ("r", 2, "b", "c", 0): 6,
                ("z",): 8,
            },
        ),
        (
            'a = """\n] # "quoted" \\""" ="""""\nb = \'\'\'\n"""\n\'\'\'\'\'\nc = ""\nd = 1',
            {("a",): 1, ("b",): 3, ("c",): 6, ("d",): 7},
        ),
        ("a = 1\r\nb = [\r\n  2,\r\n]\r\n", {("a",): 1, ("b",): 2, ("b", 0): 3}),
        ("", {}),
    ],
)
def test_lines_of_each_kind_of_toml(text: str, expected: dict[Path, int]) -> None:
    tomli.loads(text)
    assert locate(text) == expected


def test_a_missing_value_is_where_its_table_is() -> None:
    lines = locate("\n[[r]]\n\n[r.a]\nb = 1")
    assert nearest(lines, ("r", 0, "a", "b")) == 5
    assert nearest(lines, ("r", 0, "a", "c")) == 4
    assert nearest(lines, ("r", 0, "c", 3, "d")) == 2
    assert nearest(lines, ("c",)) == 1


class Writer:
    """Writes values in any of the ways TOML allows, and notes where each lands."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[Path, int] = {}

    def here(self, path: Path) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)

    def blank(self, *, lines: bool = False) -> None:
        choices = ["", " ", "\t "] + (["\n", "\r\n  ", " # a ] comment, = {\n", "\n\n"] if lines else [])
        self.text += self.draw(st.sampled_from(choices))

    def end(self) -> None:
        self.text += self.draw(st.sampled_from(["\n", "  # x = [\n", "\n\n", "\r\n", "\n#\n"]))

    def key(self, name: str) -> None:
        bare = name.isascii() and name.isalnum()
        forms = [json.dumps(name)] + [name] * bare + [f"'{name}'"] * ("'" not in name and "\n" not in name)
        self.text += self.draw(st.sampled_from(forms))

    def string(self, value: str) -> None:
        forms = [json.dumps(value)]
        escaped = value.replace("\\", "\\\\")
        forms.append('"""' + escaped[:-1] + escaped[-1:].replace('"', '\\"') + '"""')
        if "'" not in value:
            forms.append(f"'''{value}'''")
            if "\n" not in value:
                forms.append(f"'{value}'")
        self.text += self.draw(st.sampled_from(forms))

    def value(self, value: object, path: Path) -> None:
        if isinstance(value, dict):
            self.text += "{"
            for number, (name, inner) in enumerate(value.items()):
                self.text += "," * (number > 0)
                self.blank()
                self.pair(name, inner, path)
            self.blank()
            self.text += "}"
        elif isinstance(value, list):
            self.text += "["
            for index, inner in enumerate(value):
                self.blank(lines=True)
                self.here((*path, index))
                self.value(inner, (*path, index))
                self.blank(lines=True)
                self.text += ","
            self.blank(lines=True)
            self.text += "]"
        elif value in SCALARS:
            self.text += str(value)
        else:
            self.string(str(value))

    def pair(self, name: str, value: object, path: Path) -> None:
        self.here((*path, name))
        self.key(name)
        self.blank()
        if isinstance(value, dict) and len(value) == 1 and self.draw(st.booleans()):
            self.text += "."
            self.blank()
            ((inner_name, inner),) = value.items()
            self.pair(inner_name, inner, (*path, name))
            return
        self.text += "="
        self.blank()
        self.value(value, (*path, name))

    def table(self, values: dict[str, object], path: Path) -> None:
        """Pairs first, then sub-tables and arrays of tables below headers of their own."""
        later = []
        for name, value in values.items():
            nested = value if isinstance(value, list) and value else [value]
            if all(isinstance(item, dict) for item in nested) and self.draw(st.booleans()):
                later.append((name, value))
            else:
                self.pair(name, value, path)
                self.end()
        for name, value in later:
            inner = (*path, name)
            for index, item in enumerate(value if isinstance(value, list) else [value]):
                self.here(inner)
                at = (*inner, index) if isinstance(value, list) else inner
                self.here(at)
                self.header(inner, array=isinstance(value, list))
                self.table(item, at)

    def header(self, path: Path, *, array: bool) -> None:
        self.text += "[[" if array else "["
        for number, name in enumerate(name for name in path if isinstance(name, str)):
            self.text += "." * (number > 0)
            self.blank()
            self.key(name)
            self.blank()
        self.text += "]]" if array else "]"
        self.end()


names = st.sampled_from(["a", "b1", "rules", "a b", "x.y", "]", "\u00e9", 'q"q', "#"])
values = st.recursive(
    st.sampled_from(TRICKY + SCALARS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


def paths(value: object, path: Path = ()) -> list[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [below for key, inner in items for below in [(*path, key), *paths(inner, (*path, key))]]


@settings(deadline=None)
@given(st.data(), st.dictionaries(names, values, max_size=5))
def test_every_value_is_found_however_it_is_written(data: st.DataObject, document: dict[str, object]) -> None:
    writer = Writer(data.draw)
    writer.table(document, ())
    document_read = tomli.loads(writer.text)
    assert set(paths(document_read)) == set(writer.lines), "the test's own writer is right"
    assert locate(writer.text) == writer.lines
    for path, (start, end) in lay_out(writer.text).values.items():
        value: Any = document_read
        for step in path:
            value = value[step]
        assert tomli.loads(f"value = {writer.text[start:end]}") == {"value": value}


def test_what_stands_below_each_header() -> None:
    text = '[a] # x\nb = 1 # y\n# z\n\n[[c."d"]]\r\n[[c.d]]\ne = [\n1,\n]\n# end'
    assert [(path, text[start:end]) for path, (start, end) in lay_out(text).sections] == [
        (("a",), "[a] # x\nb = 1"),
        (("c", "d", 0), '[[c."d"]]'),
        (("c", "d", 1), "[[c.d]]\ne = [\n1,\n]"),
    ]


def test_of_very_many_mistakes_the_first_are_told() -> None:
    report = Report({("a",): 7}, {})
    assert report.message("f") == ""
    for number in range(1000):
        report.add(("a",), f"mistake {number}", "mend it")
    told = report.message("f").splitlines()
    assert (told[0], told[-1], len(told)) == ("f:7: mistake 0; mend it", "f: and 900 more mistakes", 101)
