"""The page's text: what `page/` holds, joined, with the records and thumbnails of verdicts as data in it.

The page forbids itself whatever it does not need: it loads nothing, sends nothing, and runs only its own script. What
others wrote is data to it, which it shows as text alone.
"""

from __future__ import annotations

import html
import json
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import Any, Final, TypeVar

from imagejudge import __version__
from imagejudge.common.text import printable
from imagejudge.output.figures import figures, summary
from imagejudge.output.report.files import digest_of, head_of, text_of
from imagejudge.output.report.records import OUTCOMES, STATUSES, STEP_STATUSES, WAYS, Records
from imagejudge.output.report.statistics import STYLES, tables_html

T = TypeVar("T")

_SCRIPTS: Final = ("data", "outbox", "decisions", "filters", "grid", "detail", "main")
"""In this order: each uses what stands in those before it."""
# A script element is one string to a browser, and the first are shown while the others are still being read.
_ROWS: Final = 2_000
_THUMBNAILS: Final = 500
_TOP: Final = 20
"""Rows of each table of statistics."""


class Pictures(StrEnum):
    """Where the page has its pictures from."""

    INLINE = "inline"
    LINKED = "linked"
    SERVED = "served"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Origin:
    """What the page is about, and where it will lie."""

    name: str
    """Of the file of verdicts, for readers."""
    digest: str
    """SHA-256 of that file."""
    root: str = ""
    """The address from the page to the folder from which the verdicts' paths count; ends in a slash, or is empty."""
    folder: str = ""
    """The address from the page to its thumbnails, likewise."""
    served: bool = False
    """Whether a program serves the page, and keeps the decisions."""


def page(records: Records, origin: Origin, pictures: Pictures, thumbnails: Iterable[str] = ()) -> Iterator[str]:
    """The page, part by part. A thumbnail is a line of text: base64, a file's name, or `!` and why there is none.

    They are asked for as the page is written, in the order of the records. There may be fewer of them than records.
    """
    style, script = _style(), _script()
    before, _, rest = text_of("page.html").partition("<!-- data -->\n")
    between, _, after = rest.partition("<!-- thumbnails -->\n")
    yield head_of(origin.name, "review", policy=policy(origin, pictures), style=style)
    yield string.Template(before).substitute(
        counted=html.escape(printable(summary(records.overview))),
        statistics=tables_html(figures(records.overview, _TOP)),
    )
    yield _data(json.dumps(_about(records, origin, pictures)), 'id="meta"')
    for rows in _batched(records.rows, _ROWS):
        yield _data(f"[{','.join(rows)}]", 'class="records"')
    yield string.Template(between).substitute(script=script)
    for number, lines in enumerate(_batched(thumbnails, _THUMBNAILS)):
        text = "\n".join(map(_plain, lines))
        yield f'<script type="text/plain" id="thumbnails-{number}">{text}</script>\n'
    yield after


def policy(origin: Origin, pictures: Pictures) -> str:
    """The content security policy of a page."""
    style, script = _style(), _script()
    images = {Pictures.NONE: "'none'", Pictures.INLINE: "data: file: blob:"}.get(pictures, "'self' data: file: blob:")
    connect = "; connect-src 'self'" if origin.served else ""
    return (
        f"default-src 'none'; img-src {images}; script-src '{digest_of(script)}'; style-src '{digest_of(style)}'"
        f"{connect}; base-uri 'none'; form-action 'none'"
    )


def _about(records: Records, origin: Origin, pictures: Pictures) -> dict[str, Any]:
    return {
        "name": printable(origin.name),
        "digest": origin.digest,
        "root": origin.root,
        "folder": origin.folder,
        "served": origin.served,
        "pictures": pictures,
        "made": datetime.now(UTC).strftime("%Y-%m-%d"),
        "version": __version__,
        "outcomes": OUTCOMES,
        "statuses": STATUSES,
        "stepStatuses": STEP_STATUSES,
        "ways": WAYS,
        "counts": records.overview.outcomes,
        "leftOut": records.left_out,
        "sources": records.sources,
        "rules": records.rules,
    }


def _style() -> str:
    return "".join(text_of(f"{name}.css") for name in (*STYLES, "page"))


def _script() -> str:
    return "".join(text_of(f"{name}.js") for name in _SCRIPTS)


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def _data(value: str, attribute: str) -> str:
    """JSON in which what is not ASCII, lone surrogates too, stands as escapes, so that it cannot end its element."""
    text = value.replace("<", "\\u003c")
    return f'<script type="application/json" {attribute}>{text}</script>\n'


def _plain(line: str) -> str:
    """A line that cannot end the element it stands in, or the line."""
    return printable(line).replace("<", "(")
