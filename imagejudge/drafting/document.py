"""A constitution's file while its rules are revised: everything but the revised words stays as the user wrote it.

Knows files and TOML, nothing of models.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import tomlkit
from tomlkit.exceptions import TOMLKitError

from imagejudge.common.atomic_write import write_atomically
from imagejudge.common.text import printable
from imagejudge.constitution import Constitution, Precondition, Rule, Statement
from imagejudge.constitution.file import MAX_BYTES, parse_constitution, read_constitution
from imagejudge.drafting.revision import DraftRejected
from imagejudge.errors import ConstitutionError, OutputError

_BOM = "\ufeff"


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
        text = read_constitution(path)
        return cls(path, text, parse_constitution(text.removeprefix(_BOM), printable(path)))

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
            found = parse_constitution(text.removeprefix(_BOM), printable(self.path))
        except ConstitutionError as error:
            raise DraftRejected(f"the file would not load: {error.message}") from None
        if found != wanted:
            raise DraftRejected("the file is written in a way that cannot be edited here; write this rule as [[rules]]")
        return dataclasses.replace(self, text=text, constitution=found)

    def replace(self, old: Document) -> None:
        """Write the file in the place of `old`, all of it or nothing.

        Raises `OutputError` when it cannot be written, and when someone else has changed the file meanwhile.
        """
        if read_constitution(self.path) != old.text:
            raise OutputError(
                f"{printable(self.path)} was changed meanwhile", "nothing of it was overwritten; try again"
            )
        write_atomically(self.path, self.text)

    def _edited(self, rule: Rule) -> str:
        old = next(old for old in self.constitution.rules if old.id == rule.id)
        mark = _BOM * self.text.startswith(_BOM)
        try:
            document: Any = tomlkit.parse(self.text.removeprefix(_BOM))
            table = next(table for table in document["rules"] if table["id"] == rule.id)
            if rule.text != old.text:
                table["text"] = rule.text
            if rule.preconditions != old.preconditions:
                _set_chain(table, "\r\n" if "\r\n" in self.text else "\n", rule.preconditions)
            return mark + tomlkit.dumps(document)
        except TOMLKitError as error:
            raise DraftRejected(f"the file cannot be edited: {error}") from error


def _set_chain(table: Any, end: str, chain: tuple[Precondition, ...]) -> None:
    written = end.join(["[", *(f"  {line}" for item in chain for line in _lines(item)), "]"])
    if "preconditions" in table or isinstance(table, tomlkit.items.InlineTable):
        table["preconditions"] = tomlkit.value(written)
        return
    # Appended, the key would stand behind comments that belong to the next rule: hang it to the line of the text.
    trivia = table["text"].trivia
    trivia.trail = f"{end}preconditions = {written}{trivia.trail}"


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
