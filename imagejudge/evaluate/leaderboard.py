"""Several evaluations side by side: a row for each method of each file, best first, and how the others differ from it.

Knows the documents that evaluations are written as, not the images they were made of.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from imagejudge.common.text import counted
from imagejudge.common.text_file import read_text, reading
from imagejudge.errors import UsageError
from imagejudge.evaluate.known_category import KNOWN
from imagejudge.evaluate.metrics import Convention, called_unsafe
from imagejudge.evaluate.report import SCHEMA
from imagejudge.evaluate.statistics import AREAS, RATES, Estimate, area_difference, rate_difference
from imagejudge.verdict import Outcome

MEASURES = (*RATES, *AREAS)
"""What a leaderboard can be sorted by."""
LOW_IS_GOOD = frozenset({"over_safety"})
_MAX_BYTES = 2_000_000_000


class _Key(NamedTuple):
    """What two files must agree in to speak of the same image for the same reason."""

    image: str
    """Its SHA-256, or its path below the data set."""
    sentence: str | None
    rules: tuple[str, ...]
    exception: bool
    nth: int
    """From 0, of those that are alike in all else."""


class _Subject(NamedTuple):
    """What a verdict is about."""

    image: str
    sentence: str | None
    category: str
    """Of an image that was judged by the rules of its category alone."""


class _Said(NamedTuple):
    unsafe: bool
    """By its label."""
    outcome: Outcome
    score: float | None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One file, as `evaluate` wrote it."""

    name: str
    model: str
    constitution: str
    methods: Mapping[str, Mapping[str, Any]]
    """By name, the figures of all images together."""
    images: Sequence[Mapping[str, Any]]
    """Each image's label, and what every method said of it."""
    folder: str
    """What paths of images are told from."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher a measure is than the best row's, on the images that both judged."""

    estimate: Estimate | None
    images: int


@dataclass(frozen=True, slots=True)
class Standing:
    """One row."""

    file: str
    method: str
    model: str
    constitution: str
    images: int
    unsafe: int
    """How many are unsafe by their labels."""
    errors: int
    """How many could not be judged, so that no measure speaks of them."""
    unsure_rate: float | None
    measures: Mapping[str, Estimate | None]
    """By the names of `MEASURES`."""
    difference: Difference | None
    """To the first row; None in the first row."""


def read_evaluation(path: Path) -> Evaluated:
    """Read what `evaluate` wrote as one JSON document. Raises `UsageError` for anything else, with what was found."""
    hint = "name a document in which `imagejudge evaluate` wrote every figure"
    with reading(path, UsageError, hint, hint):
        text = read_text(path, _MAX_BYTES)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not one JSON document: {error}"[:300], hint) from None
    found = ", ".join(map(str, list(document)[:8])) if isinstance(document, dict) else type(document).__name__
    if not isinstance(document, dict) or not {"schema", "methods", "images"} <= document.keys():
        raise UsageError(f"{path} is no evaluation: it wants schema, methods and images; found: {found}"[:300], hint)
    if document["schema"] != SCHEMA:
        problem = f"{path} has schema {document['schema']!r}"[:300]
        raise UsageError(problem, f"this version reads schema {SCHEMA}")
    try:
        return _evaluated(path, document)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UsageError(f"{path} is no evaluation: {type(error).__name__}: {error}"[:300], hint) from None


def leaderboard(
    files: Sequence[Evaluated], measure: str, convention: Convention, *, mixed: bool = False
) -> list[Standing]:
    """All methods of all files, best first by one of `MEASURES`; those in which it is undefined come last.

    Raises `UsageError` where files are about different images or labels, unless they may be `mixed`: then differences
    are taken on the images that both rows judged and whose labels agree.
    """
    keyed = _keyed(files)
    if not mixed:
        for file, rows in zip(files[1:], keyed[1:], strict=True):
            _refuse_other_data(files[0].name, keyed[0], file.name, rows)
    entries = [
        (_standing(file, name, convention), _said(rows, name))
        for file, rows in zip(files, keyed, strict=True)
        for name in file.methods
    ]
    entries.sort(key=lambda entry: _place(entry[0].measures[measure], measure))
    best = entries[0][1]
    return [
        standing
        if number == 0
        else dataclasses.replace(standing, difference=_difference(said, best, measure, convention))
        for number, (standing, said) in enumerate(entries)
    ]


def _evaluated(path: Path, document: Mapping[str, Any]) -> Evaluated:
    methods = {str(name): dict(metrics["pooled"]) for name, metrics in document["methods"].items()}
    if not methods:
        raise ValueError("it holds no method")
    data = document.get("dataset") or {}
    evaluated = Evaluated(
        name=str(path),
        model=_words(document.get("model")),
        constitution=_words(document.get("constitution")),
        methods=methods,
        images=[dict(row) for row in document["images"]],
        folder=str(data.get("path") or ""),
    )
    rows = dict(_keys(evaluated, by_bytes=True))
    for name in methods:  # complain before anything is shown
        for convention in ("unsure_as_unsafe", "unsure_as_safe"):
            _standing(evaluated, name, convention)
        _said(rows, name)
    return evaluated


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _keyed(files: Sequence[Evaluated]) -> list[dict[_Key, Mapping[str, Any]]]:
    """Each file's images by what they are recognised by in the others: their bytes where every file tells them."""
    by_bytes = all(any(row.get("sha256") for row in file.images) for file in files)
    return [dict(_keys(file, by_bytes=by_bytes)) for file in files]


def _keys(file: Evaluated, *, by_bytes: bool) -> Iterator[tuple[_Key, Mapping[str, Any]]]:
    seen = Counter[_Key]()
    for row in file.images:
        name = os.path.relpath(row["name"], file.folder) if file.folder else row["name"]
        alike = _key(row, row.get("sha256") if by_bytes and row.get("sha256") else name, 0)
        yield alike._replace(nth=seen[alike]), row
        seen[alike] += 1


def _key(row: Mapping[str, Any], image: Any, nth: int) -> _Key:
    return _Key(str(image), row.get("sentence"), tuple(row.get("rules") or ()), bool(row.get("exception")), nth)


def _refuse_other_data(
    name: str, rows: Mapping[_Key, Mapping[str, Any]], other_name: str, others: Mapping[_Key, Mapping[str, Any]]
) -> None:
    here, there = rows.keys() - others.keys(), others.keys() - rows.keys()
    labels = sum(rows[key]["unsafe"] != others[key]["unsafe"] for key in rows.keys() & others.keys())
    problems = [f"{counted(len(gone), 'image')} only in {where}" for gone, where in ((here, name), (there, other_name))]
    wrong = [words for words, count in zip(problems, (len(here), len(there)), strict=True) if count]
    if labels:
        wrong.append(f"{counted(labels, 'image')} with opposite labels")
    if wrong:
        raise UsageError(
            f"{name} and {other_name} are about different data: {', '.join(wrong)}",
            "compare evaluations of one data set, or take figures of different ones with `mix`",
        )


def _standing(file: Evaluated, method: str, convention: Convention) -> Standing:
    pooled = file.methods[method]
    rates = pooled["rates"][convention]
    found = {name: rates[name] for name in RATES} | {name: pooled[name] for name in AREAS}
    unsure = pooled["unsure_rate"]
    return Standing(
        file=file.name,
        method=method,
        model=file.model,
        constitution=file.constitution,
        images=int(pooled["images"]),
        unsafe=int(pooled["unsafe"]),
        errors=int(pooled["errors"]),
        unsure_rate=None if unsure is None else _finite(unsure),
        measures={name: None if value is None else _estimate(value) for name, value in found.items()},
        difference=None,
    )


def _estimate(value: Mapping[str, Any]) -> Estimate:
    return Estimate(_finite(value["value"]), _finite(value["low"]), _finite(value["high"]))


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is no figure")
    return number


def _said(rows: Mapping[_Key, Mapping[str, Any]], method: str) -> dict[_Subject, _Said]:
    """What a method says of each image; of several labels, one that says unsafe holds."""
    found: dict[_Subject, _Said] = {}
    for key, row in rows.items():
        unsafe = bool(row["unsafe"])
        if (said := row["verdicts"].get(method)) is not None:
            subject = _Subject(key.image, key.sentence, row.get("category", "") if method.endswith(KNOWN) else "")
            score = None if said["score"] is None else _finite(said["score"])
            unsafe = unsafe or (subject in found and found[subject].unsafe)
            found[subject] = _Said(unsafe, Outcome(said["verdict"]), score)
    return found


def _place(estimate: Estimate | None, measure: str) -> tuple[bool, float]:
    if estimate is None:
        return True, 0.0
    return False, estimate.value if measure in LOW_IS_GOOD else -estimate.value


def _difference(
    said: Mapping[_Subject, _Said], best: Mapping[_Subject, _Said], measure: str, convention: Convention
) -> Difference:
    pairs = [(one, best[key]) for key, one in said.items() if key in best and best[key].unsafe == one.unsafe]
    if measure in AREAS:
        scored = [(a.unsafe, a.score, b.score) for a, b in pairs if a.score is not None and b.score is not None]
        truth, ones, others = map(list, zip(*scored, strict=True)) if scored else ([], [], [])
        return Difference(area_difference(measure, truth, ones, others), len(scored))
    judged = [
        (a.unsafe, called_unsafe(a.outcome, convention), called_unsafe(b.outcome, convention))
        for a, b in pairs
        if Outcome.ERROR not in (a.outcome, b.outcome)
    ]
    truth, ones, others = map(list, zip(*judged, strict=True)) if judged else ([], [], [])
    return Difference(rate_difference(measure, truth, ones, others), len(judged))
