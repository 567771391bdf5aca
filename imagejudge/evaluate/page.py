"""An evaluation as one HTML page that needs nothing beside itself: no scripts, no fonts, no network.

All it shows was written by others, so the template escapes everything, and the page forbids itself whatever it does not
need. What the figures mean is decided elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagejudge.common.text import counted, printable
from imagejudge.evaluate.curves import Column, Point, histogram, precision_recall
from imagejudge.evaluate.metrics import CONVENTIONS, Case, Finding, Group, Metrics, about, by_image, whole
from imagejudge.evaluate.mistakes import Mistake, Mistakes, false_alarms, missed
from imagejudge.evaluate.report import Evaluation
from imagejudge.evaluate.thumbnails import Thumbnail, thumbnail
from imagejudge.images.read import Limits, Unreadable
from imagejudge.images.ref import ImageRef

Images = Callable[[Collection[str]], Mapping[str, ImageRef]]
"""Finds images by the names of their labels; those that are gone are left out."""

_HERE = Path(__file__).parent
_ELSEWHERE = ("schema", "methods", "robustness", "attacks", "images")
"""What of metrics.json is no fact about the run."""


@dataclass(frozen=True, slots=True)
class _Panel:
    """The scores of all images, or of one rule's."""

    group: Group
    columns: tuple[Column, ...]
    curve: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of mistakes."""

    title: str
    count: int
    shown: tuple[tuple[Mistake, Thumbnail | Unreadable], ...]


@dataclass(frozen=True, slots=True)
class _Section:
    """One method."""

    name: str
    metrics: Metrics
    whole: _Panel
    rules: tuple[_Panel, ...]
    mistakes: tuple[_Kind, ...]


def page(found: Evaluation, images: Images, limits: Limits) -> str:
    """The page's text."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Text that would turn around what stands beside it, or is no Unicode, is written as escapes.
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    style = (_HERE / "page.css").read_text("utf-8")
    document = found.document()
    return environment.get_template("page.html.jinja").render(
        style=Markup(style),  # noqa: S704 - ours
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        conventions=CONVENTIONS,
        counted=counted,
        sections=_sections(found, images, limits),
        robustness=found.robustness,
        attacks=found.attack_results,
        document=document,
        facts=list(_facts(document)),
    )


def _sections(found: Evaluation, opened: Images, limits: Limits) -> list[_Section]:
    images = {name: by_image(cases) for name, cases in found.cases.items()}
    wrong = {name: {"Missed": missed(images[name]), "False alarms": false_alarms(images[name])} for name in images}
    names = {each.case.label.name for kinds in wrong.values() for mistakes in kinds.values() for each in mistakes.worst}
    refs = opened(names) if names else {}
    return [
        _Section(
            name=name,
            metrics=metrics,
            whole=_panel(metrics.pooled, [whole(case) for case in images[name]]),
            rules=tuple(_panel(rule, about(rule.name, found.cases[name])) for rule in metrics.rules),
            mistakes=tuple(_shown(title, kind, refs, limits) for title, kind in wrong[name].items()),
        )
        for name, metrics in found.metrics.items()
    ]


def _panel(group: Group, findings: Sequence[Finding]) -> _Panel:
    scored = [(finding.unsafe, finding.score) for finding in findings if finding.score is not None]
    truth, scores = [unsafe for unsafe, _ in scored], [score for _, score in scored]
    return _Panel(group, histogram(truth, scores), precision_recall(truth, scores))


def _shown(title: str, mistakes: Mistakes, refs: Mapping[str, ImageRef], limits: Limits) -> _Kind:
    def picture(case: Case) -> Thumbnail | Unreadable:
        return thumbnail(case, refs.get(case.label.name), limits)

    return _Kind(title, mistakes.count, tuple((each, picture(each.case)) for each in mistakes.worst))


def _facts(document: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[tuple[str, str]]]]:
    """What was measured with what: a heading and its lines, each with a name or without."""
    for name, value in document.items():
        if name in _ELSEWHERE or value in (None, "", [], {}):
            continue
        if name == "command":
            yield name, [("", shlex.join(value))]
        elif isinstance(value, Mapping):
            told = {part: each for part, each in value.items() if each not in (None, "", [], ())}
            yield name, [(part, _words(each)) for part, each in told.items()]
        else:
            yield name, [("", _words(value))]


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
