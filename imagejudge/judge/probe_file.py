"""Probes as a TOML file of plain numbers: writes one, or reads one that somebody else may have made.

Nothing in it is run, and every number is checked before it is used.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from imagejudge.common.atomic_write import write_atomically
from imagejudge.common.text import counted, printable
from imagejudge.common.text_file import read_text, reading
from imagejudge.common.toml_lines import Path as Place
from imagejudge.common.toml_read import parse
from imagejudge.common.toml_table import Report, Table, kind_of
from imagejudge.engine.embedding import POOLING
from imagejudge.errors import UsageError
from imagejudge.judge.probe import LEAST_SCALE, Figure, Origin, Probe, Probes, terms_of

SCHEMA: Final = 3
MAX_BYTES: Final = 64_000_000
MAX_PROBES: Final = 500
MAX_DIMENSION: Final = 65_536
MAX_DIRECTIONS: Final = 512
MAX_HELD_OUT: Final = 1_000_000
_MOST: Final = 1e30
"""Of the size of a number, so that sums of products stay finite."""
_LONGEST: Final = 500
"""Characters of a name, a digest or a setting."""
_WIDTH: Final = 100
"""Columns of a line of numbers."""
_HEAD: Final = """\
# Probes for `imagejudge scan`, written by `imagejudge distill`; docs/distill.md says what the numbers mean.
"""
_FIGURES: Final = ("auroc", "auprc", "calibration_error")
_TOP: Final = ("schema", "model", "constitution", "data", "vectors", "probes")
_MODEL: Final = ("name", "digest", "settings")
_DATA: Final = ("labels", "method", "arithmetic", "digest", "images")
_VECTORS: Final = ("pooling", "dimension", "mean", "scale", "directions")
_PROBE: Final = (
    *("rule", "digest", "positives", "negatives", *_FIGURES),
    *("bias", "weights", "calibration", "held_out"),
)
_EXAMPLES: Final = dict.fromkeys((*_TOP, *_MODEL, *_DATA, *_VECTORS, *_PROBE), "it as `imagejudge distill` does")
_AGAIN: Final = "write the file again with `imagejudge distill`"


def digest_of(probes: Probes) -> str:
    """SHA-256 in hex of what is written of them."""
    return hashlib.sha256("\n".join(_lines(probes)).encode()).hexdigest()


def write_probes(probes: Probes, path: Path) -> None:
    """Write a file from which `read_probes` makes the same, to the bit. Raises `OutputError`."""
    write_atomically(
        path, "\n".join([_HEAD, *_lines(probes), ""]), "name a file in a folder that exists, with `output`"
    )


def _lines(probes: Probes) -> Iterator[str]:
    origin = probes.origin
    yield from (f"schema = {SCHEMA}", f"constitution = {_text(origin.constitution)}", "")
    yield from ("[model]", f"name = {_text(origin.model)}", f"digest = {_text(origin.digest)}", "", "[model.settings]")
    yield from (f"{_text(name)} = {_text(value)}" for name, value in origin.settings.items())
    yield from ("", "[data]", f"labels = {_text(origin.labels)}")
    judged = {"method": origin.method, "arithmetic": origin.arithmetic}
    yield from (f"{name} = {_text(value)}" for name, value in judged.items() if value is not None)
    yield from (f"digest = {_text(origin.data)}", f"images = {origin.images}", "")
    yield from ("[vectors]", f"pooling = {_text(probes.pooling)}", f"dimension = {probes.dimension}")
    yield from (*_numbers("mean", probes.mean), *_numbers("scale", probes.scale))
    yield from _numbers("directions", itertools.chain.from_iterable(probes.directions))
    for probe in probes.probes:
        yield from ("", "[[probes]]", f"rule = {_text(probe.rule)}", f"digest = {_text(probe.digest)}")
        yield from (f"positives = {probe.positives}", f"negatives = {probe.negatives}")
        yield from (f"{name} = {list(figure)}" for name, figure in probe.figures.items())
        yield from (f"bias = {float(probe.bias)!r}", *_numbers("weights", probe.weights))
        if probe.calibration:
            yield from ("calibration = [", *(f"  {list(point)}," for point in probe.calibration), "]")
        yield from _numbers("held_out", probe.held_out)


def _text(value: str | int) -> str:
    """As TOML; its basic strings are those of JSON, but for DEL, which no name holds."""
    return json.dumps(printable(value) if isinstance(value, str) else value, ensure_ascii=False)


def _numbers(name: str, values: Iterable[float]) -> Iterator[str]:
    """Several in a line: a reader of thousands need not scroll for ever, and a difference is still seen."""
    yield f"{name} = ["
    line = ""
    for value in values:
        word = f" {float(value)!r},"
        if len(line) + len(word) > _WIDTH:
            yield f" {line}"
            line = ""
        line += word
    if line:
        yield f" {line}"
    yield "]"


def read_probes(path: Path) -> Probes:
    """Read a file that `write_probes` wrote. Raises `UsageError` with every mistake in it."""
    name = printable(path)
    problem = f"the probes {name} cannot be read"
    with reading(name, UsageError, "`imagejudge distill` writes them", _AGAIN, problem=problem):
        document, lines = parse(read_text(path, MAX_BYTES))
    schema = document.get("schema")
    if schema != SCHEMA or type(schema) is not int:
        problem = f"schema {schema} is not one that" if type(schema) is int else "no file of probes, as far as"
        newer = type(schema) is int and schema > SCHEMA
        raise UsageError(f"{name}: {problem} this version reads", "use a newer imagejudge" if newer else _AGAIN)
    report = Report(lines, _EXAMPLES)
    probes = _Reader(report).probes(document)
    if mistakes := report.message(name):
        raise UsageError(mistakes, _AGAIN)
    return probes


class _Reader:
    """Values, checked; what is wrong goes into the report."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def probes(self, document: Mapping[str, Any]) -> Probes:
        top = Table(document, (), "the file", _TOP, self._report)
        model = self._table(top, "model", _MODEL)
        data = self._table(top, "data", _DATA)
        vectors = self._table(top, "vectors", _VECTORS)
        labels = data.sentence("labels", _LONGEST)
        judged = labels != "labels"
        origin = Origin(
            model=model.sentence("name", _LONGEST),
            digest=model.sentence("digest", _LONGEST),
            settings=self._settings(model),
            constitution=top.sentence("constitution", _LONGEST),
            labels=labels,
            data=data.sentence("digest", _LONGEST),
            images=self._count(data, "images"),
            method=data.sentence("method", _LONGEST, required=judged) or None,
            arithmetic=data.get("arithmetic", int, required=judged),
        )
        pooling = vectors.sentence("pooling", _LONGEST)
        if pooling and pooling != POOLING:
            vectors.complain("pooling", f"vectors are pooled by {pooling}, in this version by {POOLING}", _AGAIN)
        dimension = self._count(vectors, "dimension")
        if not 0 < dimension <= MAX_DIMENSION:
            vectors.complain("dimension", f"no vector has {dimension:,} numbers", f"write 1 to {MAX_DIMENSION:,}")
        scale = self._numbers(vectors, "scale", dimension)
        if any(value < LEAST_SCALE for value in scale):
            vectors.complain("scale", f"a scale is less than {LEAST_SCALE:g}", _AGAIN)
        mean = self._numbers(vectors, "mean", dimension)
        directions = self._directions(vectors, dimension)
        found = tuple(
            self._probe(place, value, terms_of(len(directions)))
            for place, value in top.items("probes", MAX_PROBES, required=True)
        )
        rules = [probe.rule for probe in found]
        for rule in sorted({rule for rule in rules if rules.count(rule) > 1}):
            top.complain("probes", f"two probes are of the rule {rule!r}", "leave one")
        return Probes(origin, pooling, mean, scale, directions, found)

    def _table(self, around: Table, key: str, keys: Sequence[str]) -> Table:
        values = around.get(key, dict, required=True)
        # Where there is none, that is said once, and not for each key as well.
        report = self._report if values is not None else Report({}, _EXAMPLES)
        return Table(values or {}, around.path(key), f"[{key}]", keys, report)

    def _settings(self, model: Table) -> dict[str, str | int]:
        found = model.get("settings", dict, required=True) or {}
        for name, value in found.items():
            if type(value) not in (str, int) or len(str(value)) > _LONGEST:
                model.complain("settings", f"the setting {name[:_LONGEST]!r} is no string or whole number", _AGAIN)
        return found

    def _directions(self, vectors: Table, dimension: int) -> tuple[tuple[float, ...], ...]:
        numbers = self._numbers(vectors, "directions")
        count, over = divmod(len(numbers), max(dimension, 1))
        if over or not 0 < count <= MAX_DIRECTIONS:
            told = f"{counted(len(numbers), 'number')} do not make 1 to {MAX_DIRECTIONS} directions of {dimension:,}"
            vectors.complain("directions", told, _AGAIN)
            return ()
        return tuple(zip(*[iter(numbers)] * dimension, strict=True))

    def _probe(self, place: Place, value: Any, terms: int) -> Probe:
        if not isinstance(value, dict):
            self._report.add(place, f"a probe must be a table, not {kind_of(value)}", _AGAIN)
            value = {}
        table = Table(value, place, "a probe", _PROBE, self._report)
        positives = self._count(table, "positives")
        held_out = self._numbers(table, "held_out")
        if len(held_out) > positives:
            table.complain("held_out", f"{len(held_out):,} scores of {counted(positives, 'positive')}", _AGAIN)
        if list(held_out) != sorted(held_out):
            table.complain("held_out", "scores are not in ascending order", _AGAIN)
        return Probe(
            rule=table.id("rule", required=True),
            digest=table.sentence("digest", _LONGEST),
            weights=self._numbers(table, "weights", terms),
            bias=self._number(table, "bias"),
            positives=positives,
            negatives=self._count(table, "negatives"),
            held_out=held_out,
            calibration=self._calibration(table),
            figures={name: figure for name in _FIGURES if (figure := self._figure(table, name)) is not None},
        )

    def _calibration(self, table: Table) -> tuple[tuple[float, float], ...]:
        if "calibration" not in table:
            return ()
        points = [self._row(value, 2) for _, value in table.items("calibration", MAX_HELD_OUT)]
        good = [(row[0], row[1]) for row in points if row is not None]
        if len(good) < len(points) or not all(0 <= probability <= 1 for _, probability in good):
            table.complain("calibration", "it must hold pairs of log odds and a probability", _AGAIN)
        elif any(left[0] >= right[0] or left[1] > right[1] for left, right in itertools.pairwise(good)):
            table.complain("calibration", "its pairs are not in ascending order", _AGAIN)
        return tuple(good)

    def _figure(self, table: Table, key: str) -> Figure | None:
        values = table.get(key, list)
        if values is None:
            return None
        row = self._row(values, 3)
        if row is None or not all(0 <= value <= 1 for value in row):
            table.complain(key, f"{key!r} must be a value and its interval, each from 0 to 1", _AGAIN)
            return None
        return Figure(*row)

    def _count(self, table: Table, key: str) -> int:
        found = table.get(key, int, required=True) or 0
        if found < 0:
            table.complain(key, f"{key!r} is negative", _AGAIN)
        return max(found, 0)

    def _number(self, table: Table, key: str) -> float:
        found = table.get(key, float, required=True)
        if found is not None and not _is_number(found):
            table.complain(key, f"{key!r} is {found}, not a number that can be reckoned with", _AGAIN)
        return float(found or 0)

    def _numbers(self, table: Table, key: str, count: int | None = None) -> tuple[float, ...]:
        values = table.get(key, list, required=True)
        if values is None:
            return ()
        if not all(map(_is_number, values)):
            table.complain(key, f"{key!r} holds what is no number that can be reckoned with", _AGAIN)
            return ()
        if count is not None and len(values) != count:
            table.complain(key, f"{key!r} has {len(values):,} numbers, not {count:,}", _AGAIN)
        return tuple(map(float, values))

    @staticmethod
    def _row(value: Any, count: int) -> list[float] | None:
        good = isinstance(value, list) and len(value) == count and all(map(_is_number, value))
        return cast("list[float]", value) if good else None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= _MOST
