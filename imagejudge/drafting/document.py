"""A constitution's file while its rules are revised: everything but the revised words stays as the user wrote it.

Knows files and TOML, nothing of models.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import tomlkit

from imagejudge.common.atomic_write import write_atomically
from imagejudge.common.text import printable
from imagejudge.common.text_file import MARK
from imagejudge.common.toml_lines import Layout, Span, lay_out
from imagejudge.common.toml_lines import Path as Place
from imagejudge.constitution import Constitution, Precondition, Rule, Statement
from imagejudge.constitution.file import MAX_BYTES, parse_constitution, read_constitution
from imagejudge.drafting.revision import DraftRejected
from imagejudge.errors import ConstitutionError, OutputError


@dataclass(frozen=True, slots=True)
class Document:
    """A file's text and what it says."""

    path: Path
    text: str
    """Byte order mark and line ends included."""
    constitution: Constitution

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read a constitution. Raises `ConstitutionError` as `constitution.load` does."""
        text = read_constitution(path, marked=True)
        return cls(path, text, parse_constitution(text.removeprefix(MARK), printable(path)))

    def revised(self, rule: Rule) -> Self:
        """With the text and the preconditions of the rule of this id, comments and order kept.

        Raises `DraftRejected` when the file would not load, or would say anything else than it does and the rule.
        """
        wanted = dataclasses.replace(
            self.constitution, rules=tuple(rule if old.id == rule.id else old for old in self.constitution.rules)
        )
        text = self._edited(rule)
        if len(text.encode()) > MAX_BYTES:
            raise DraftRejected(f"the file would be larger than {MAX_BYTES:,} bytes")
        try:
            found = parse_constitution(text.removeprefix(MARK), printable(self.path))
        except ConstitutionError as error:
            raise DraftRejected(f"the file would not load: {error.message}") from None
        if found != wanted:
            raise DraftRejected("the file is written in a way that cannot be edited here; write this rule as [[rules]]")
        return dataclasses.replace(self, text=text, constitution=found)

    def replace(self, old: Document) -> None:
        """Write the file in the place of `old`, all of it or nothing.

        Raises `OutputError` when it cannot be written, and when someone else has changed the file meanwhile.
        """
        if read_constitution(self.path, marked=True) != old.text:
            raise OutputError(
                f"{printable(self.path)} was changed meanwhile", "nothing of it was overwritten; try again"
            )
        write_atomically(self.path, self.text)

    def _edited(self, rule: Rule) -> str:
        number, old = next((at, old) for at, old in enumerate(self.constitution.rules) if old.id == rule.id)
        mark, text = MARK * self.text.startswith(MARK), self.text.removeprefix(MARK)
        layout, place = lay_out(text), ("rules", number)
        edits: list[tuple[Span, str]] = []
        if rule.text != old.text:
            edits.append((layout.values[*place, "text"], _quoted(rule.text)))
        if rule.preconditions != old.preconditions:
            edits += _new_chain(text, layout, place, rule.preconditions)
        for (start, end), new in sorted(edits, reverse=True):  # from the end, so that the offsets before stay right
            text = f"{text[:start]}{new}{text[end:]}"
        return mark + text


def _new_chain(text: str, layout: Layout, place: Place, chain: tuple[Precondition, ...]) -> Iterator[tuple[Span, str]]:
    """What to write instead of what, so that the rule at `place` has this chain."""
    end = "\r\n" if "\r\n" in text else "\n"
    written = end.join(["[", *(f"  {line}" for item in chain for line in _lines(item)), "]"])
    if (old := layout.values.get((*place, "preconditions"))) is not None:
        yield old, written
        return
    behind = layout.values[*place, "text"].end
    if place in layout.values:
        yield Span(behind, behind), f", preconditions = {written}"
        return
    # At the end of the rule, the key would stand behind comments that belong to the next one.
    below = _next_line(text, behind)
    line = f"preconditions = {written}"
    yield Span(below, below), f"{line}{end}" if text[:below].endswith("\n") else f"{end}{line}"
    for path, span in layout.sections:
        if path[:3] == (*place, "preconditions"):
            yield _whole_lines(text, span), ""


def _whole_lines(text: str, span: Span) -> Span:
    """With all else in its lines, and the empty ones above."""
    start = _line_start(text, span.start)
    while start and not text[_line_start(text, start - 1) : start].strip():
        start = _line_start(text, start - 1)
    return Span(start, _next_line(text, span.end))


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _next_line(text: str, at: int) -> int:
    return text.find("\n", at) + 1 or len(text)


def _lines(item: Precondition) -> Iterator[str]:
    if len(item.any) == 1:
        yield f"{_statement(item.any[0])},"
        return
    yield "{ any = ["
    for statement in item.any:
        yield f"  {_statement(statement)},"
    yield "] },"


def _statement(statement: Statement) -> str:
    ask = _quoted(statement.ask)
    if not statement.objects:
        return ask
    return f"{{ ask = {ask}, objects = [{', '.join(map(_quoted, statement.objects))}] }}"


def _quoted(text: str) -> str:
    return tomlkit.string(text).as_string()
