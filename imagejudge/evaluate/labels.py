"""What is known to be true of an image, and how tables say it.

Knows nothing of verdicts, nor of where tables are kept.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from imagejudge.errors import UsageError
from imagejudge.evaluate.place import Place
from imagejudge.images.picture import Box
from imagejudge.images.ref import ImageRef

_UNSAFE = frozenset(("unsafe", "violating", "1", "true"))
_SAFE = frozenset(("safe", "borderline", "0", "false"))
_SHOWN = 12
"""How many of the things that were found are shown in a complaint."""
_NAME = 100
"""Characters of each."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is true of one image."""

    name: str
    """Its path; or the table it is held in, `::`, and its row from 0."""
    unsafe: bool
    """Whether it violates any rule."""
    rules: tuple[str, ...] = ()
    """The rules the label is about: those an unsafe image violates, those a safe one is nearly a violation of."""
    category: str = ""
    source: str = ""
    sentence: str | None = None
    """Text that comes with the image and is judged together with it."""
    exception: bool = False
    """The label rests on an exception: by the rule alone it would be the other way round."""
    pair: str = ""
    """What it has in common with one other image, whose label is the opposite."""
    boxes: tuple[Box, ...] = ()
    """Regions that show what the label is about, in shares of the sides."""

    @property
    def subject(self) -> tuple[str, str | None]:
        """What is judged: the image, with the sentence that comes with it."""
        return self.name, self.sentence

    @classmethod
    def together(cls, labels: Sequence[Label]) -> Label:
        """What several labels of one subject say: it is unsafe if any of them says so, by the rules of these."""
        unsafe = any(label.unsafe for label in labels)
        telling = [label for label in labels if label.unsafe == unsafe]
        rules = dict.fromkeys(rule for label in telling for rule in label.rules)
        return replace(telling[0], rules=tuple(rules))


@dataclass(frozen=True, slots=True)
class Item(ImageRef):
    """An image to judge, and its label."""

    label: Label = field(kw_only=True)

    @classmethod
    def of(cls, label: Label, image: Place | bytes) -> Self:
        """A file, or the bytes of one under the label's name."""
        if isinstance(image, bytes):
            return cls(label.name, image, label=label)
        return cls(str(image), label=label)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled images, which can be gone through once."""

    items: Iterable[Item]
    count: int
    notes: tuple[str, ...] = ()
    """What the user should know of it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the user says about how a data set is to be read."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """The name of a column by the part it plays: one of `PARTS`."""
    unsafe: tuple[str, ...] = ()
    """Label values that mean unsafe, every other one meaning safe; empty: the usual words, and no others."""
    split: str = ""
    """Part of the data set; empty: all of it."""


PARTS = ("image", "label", "rule", "category", "source", "sentence", "exception", "pair", "box")
"""What a column can stand for."""


class Columns:
    """Which column of a table plays which part; `image` (where there is one) and `label` it must have."""

    def __init__(self, table: str, found: Collection[str], usual: Mapping[str, str], reading: Reading) -> None:
        self._table = table
        self._reading = reading
        unknown = [part for part in reading.columns if part not in PARTS]
        if unknown:
            raise UsageError(f"`column` {unknown[0]}=... names no part", f"there are: {', '.join(PARTS)}")
        # Many a table has boxes, in one of many ways to write them: they are read where the user names their column.
        wanted = {part: part for part in PARTS if part not in ("image", "box")} | dict(usual) | dict(reading.columns)
        for part, name in wanted.items():
            if name not in found and (part in ("image", "label") or part in reading.columns):
                raise missing(f"column {name!r}", table, found, f"name the right one with `column` {part}=NAME")
        self.names = {part: name for part, name in wanted.items() if name in found}

    def value(self, row: Mapping[str, Any], part: str) -> Any:
        """The cell that plays a part; None when there is none or it is empty."""
        value = row.get(self.names[part]) if part in self.names else None
        return None if value == "" else value

    def label(self, row: Mapping[str, Any], name: str, where: str = "") -> Label:
        """A row's label; complaints give its place as `where`, or else the table's."""
        sentence = self.value(row, "sentence")
        return Label(
            name=name,
            unsafe=self._unsafe(row, where or self._table),
            rules=rules_in(self.value(row, "rule")),
            category=self._text(row, "category"),
            source=self._text(row, "source"),
            sentence=None if sentence is None else str(sentence),
            exception=_word(self.value(row, "exception")) in ("1", "true", "yes"),
            pair=self._text(row, "pair"),
            boxes=self._boxes(row, where or self._table),
        )

    def refuse_unmet(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Raise `UsageError` where no row's label is said to mean unsafe."""
        refuse_unmet(self._reading, self._table, (self.value(row, "label") for row in rows))

    def _text(self, row: Mapping[str, Any], part: str) -> str:
        cell = self.value(row, part)
        return "" if cell is None else str(cell)

    def _boxes(self, row: Mapping[str, Any], where: str) -> tuple[Box, ...]:
        cell = self.value(row, "box")
        try:
            # Four numbers in text with spaces or commas between them, or in lists, within one another or not.
            sides = [float(side) for side in re.findall(r"[^\s,;\[\]()]+", str(cell or ""))]
            boxes = [Box(*sides[start : start + 4]) for start in range(0, len(sides), 4)]
            if all(0 <= box.left < box.right <= 1 and 0 <= box.top < box.bottom <= 1 for box in boxes):
                return tuple(boxes)
        except (ValueError, TypeError):
            pass
        raise UsageError(
            f"{where}: {self.names['box']!r} is {str(cell)[:80]!r}, which is no box",
            "write left, top, right and bottom as shares of the sides, such as `0.1 0.2 0.5 0.9`",
        )

    def _unsafe(self, row: Mapping[str, Any], where: str) -> bool:
        word = _word(self.value(row, "label"))
        unsafe = {_word(value) for value in self._reading.unsafe}
        if not word or not (unsafe or word in _UNSAFE | _SAFE):
            known = f"say which values mean unsafe with `unsafe`; known are {', '.join(sorted(_UNSAFE | _SAFE))}"
            raise UsageError(
                f"{where}: {self.names['label']!r} is {word[:80]!r}, which says neither safe nor unsafe",
                known if word else "write its label there, or leave it out",
            )
        return word in (unsafe or _UNSAFE)


def rules_in(cell: object) -> tuple[str, ...]:
    """Ids of rules in a list, or in text with commas, semicolons or spaces between them."""
    parts: Sequence[object] = cell if isinstance(cell, list | tuple) else re.split(r"[\s,;]+", str(cell or ""))
    return tuple(str(part) for part in parts if part)


def refuse_reading(name: str, reading: Reading) -> None:
    """Raise `UsageError` where the user says how to read what has one shape only."""
    if reading.columns or reading.unsafe or reading.split:
        raise UsageError(f"the shape and labels of {name} are known", "leave out `column`, `unsafe` and `split`")


def refuse_unmet(reading: Reading, where: str, labels: Iterable[object]) -> None:
    """Raise `UsageError` where none of a data set's labels is said to mean unsafe: the word may be misspelt."""
    found = {_word(label): str(label) for label in labels if label is not None}
    if reading.unsafe and found and found.keys().isdisjoint(map(_word, reading.unsafe)):
        raise missing(f"label {reading.unsafe[0]!r}", where, found.values(), "correct `unsafe`")


def missing(what: str, where: str, found: Iterable[str], hint: str) -> UsageError:
    """The complaint that a data set lacks something, with what it has instead."""
    return UsageError(f"{where} has no {what}; found: {listed(found)}", hint)


def listed(found: Iterable[str]) -> str:
    """As many of these as a complaint has room for."""
    names = sorted(name if len(name) <= _NAME else f"{name[:_NAME]}..." for name in map(str, found))
    shown = ", ".join(names[:_SHOWN]) + f" and {len(names) - _SHOWN} more" * (len(names) > _SHOWN)
    return shown or "nothing"


def _word(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str("" if value is None else value).strip().lower()
