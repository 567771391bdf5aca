"""Tables of figures as a part of a page, and as a page of their own, which needs no script."""

from __future__ import annotations

import html
import string
from collections.abc import Iterable, Iterator
from typing import Final

from imagejudge.common.text import printable
from imagejudge.output.figures import Figures, Row
from imagejudge.output.report.files import digest_of, head_of, text_of
from imagejudge.verdict import Outcome

STYLES: Final = ("base", "statistics")


def statistics_page(title: str, about: Iterable[str], tables: Iterable[Figures]) -> str:
    """Tables as one page, with lines about what they count. It forbids itself all but its own style."""
    style = "".join(text_of(f"{name}.css") for name in STYLES)
    policy = f"default-src 'none'; style-src '{digest_of(style)}'; base-uri 'none'; form-action 'none'"
    body = string.Template(text_of("statistics.html")).substitute(
        title=_escaped(title),
        about="".join(f"<p class='soft'>{_escaped(line)}</p>" for line in about),
        tables=tables_html(tables),
    )
    return head_of(title, "statistics", policy=policy, style=style) + body


def tables_html(tables: Iterable[Figures]) -> str:
    """Tables as elements for a page with the style of `STYLES`."""
    return "\n".join("".join(_table(each)) for each in tables)


def _table(figures: Figures) -> Iterator[str]:
    kinds = [' class="number"' if figures.is_number(column) else "" for column in range(len(figures.heads))]
    yield f"<section><h2>{_escaped(figures.title)}</h2><table><thead><tr>"
    for kind, head in zip(kinds, figures.heads, strict=True):
        yield f"<th{kind}>{_escaped(head)}</th>"
    yield "</tr></thead><tbody>"
    for row in figures.rows:
        tone = f" {row.tone}" if row.tone else ""
        yield f'<tr><th scope="row"><span class="label{tone}">{_escaped(row.cells[0])}</span>{_bar(row)}</th>'
        for kind, cell in zip(kinds[1:], row.cells[1:], strict=True):
            yield f"<td{kind}>{_escaped(cell)}</td>"
        yield "</tr>"
    yield "</tbody></table>"
    for words in figures.more:
        yield f'<p class="soft">{_escaped(words)}</p>'
    yield "</section>"


def _bar(row: Row) -> str:
    """As an image, since the page allows no style in its elements."""
    if not row.parts:
        return ""
    parts, at = "", 0.0
    for tone, share in row.parts:
        parts += f'<rect class="{_class(tone)}" x="{100 * at:.2f}" width="{100 * share:.2f}" height="1"/>'
        at += share
    return f'<svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">{parts}</svg>'


def _class(tone: Outcome | None) -> str:
    return tone or "plain"


def _escaped(text: str) -> str:
    return html.escape(printable(text))
