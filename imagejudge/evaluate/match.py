"""Verdicts of earlier runs beside labels, by path."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from imagejudge.errors import UsageError
from imagejudge.evaluate.labels import Label
from imagejudge.evaluate.metrics import Case, cost_of
from imagejudge.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Matched:
    """Cases by the method that judged them, and what was left over."""

    cases: Mapping[str, Sequence[Case]]
    unlabelled: int
    """Verdicts on images without a label."""
    unjudged: int
    """Images with a label that no method has a verdict on."""


def match(labels: Iterable[Label], verdicts: Iterable[Verdict]) -> Matched:
    """Bring together what is about the same file; a method's last verdict on it is measured by every label it has.

    Methods are told apart by model and constitution too, where a file holds several. Raises `UsageError` when nothing
    matches.
    """
    known: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        known[_key(label.name)].append(label)
    composed = _composed(known)
    found: dict[tuple[str, str, str], dict[str, Verdict]] = defaultdict(dict)
    stray: dict[str, None] = {}
    for verdict in verdicts:
        key = _key(verdict.path)
        if key not in known:  # macOS decomposes accents in names, and tables are written elsewhere
            key = composed.get(unicodedata.normalize("NFC", key), key)
        if key in known:
            found[verdict.method, verdict.model, verdict.constitution][key] = verdict
        else:
            stray[verdict.path] = None
    if not found:
        raise UsageError(
            "no verdict is about a labelled image: "
            f"verdicts say {next(iter(stray), 'nothing')!r}, labels say {next(iter(known), 'nothing')!r}",
            "run this where `scan` ran, and give paths in labels as counted from the labels' folder",
        )
    judged = {key for rows in found.values() for key in rows}
    cases = {
        name: [Case(label, verdict, cost_of(verdict)) for key, verdict in rows.items() for label in known[key]]
        for name, rows in zip(_names(list(found)), found.values(), strict=True)
    }
    return Matched(cases, len(stray), len(known) - len(judged))


def _key(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - Path keeps `a/../b`


def _composed(keys: Iterable[str]) -> dict[str, str]:
    """Keys by their composed form, without those of which several have the same."""
    forms: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        forms[unicodedata.normalize("NFC", key)].append(key)
    return {form: same[0] for form, same in forms.items() if len(same) == 1}


def _names(identities: Sequence[tuple[str, str, str]]) -> list[str]:
    """Method alone where that tells them apart, else all of it."""
    methods = [method for method, _, _ in identities]
    return methods if len(set(methods)) == len(methods) else [" ".join(identity) for identity in identities]
