"""The page's text: whole, with nothing in it that others wrote but data, and allowed to do nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from page_verdicts import HOSTILE, verdict

from imagejudge.output.report.page import Origin, Pictures, page
from imagejudge.output.report.records import records


class Parts(HTMLParser):
    """What a browser makes of scripts, styles and the policy."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.style = self.policy = self.title = ""
        self.handlers: list[str] = []
        self._tag = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self._tag = tag
        self.handlers += [name for name in named if name.startswith("on") or name in ("style", "src")]
        if tag == "script":
            self.scripts.append((named, ""))
        if named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self._tag == "style":
            self.style += data
        elif self._tag == "title":
            self.title += data


def written(
    *names: str, pictures: Pictures = Pictures.INLINE, thumbnails: tuple[str, ...] = (), name: str = "v"
) -> Parts:
    found = records(verdict(each, 0.9) for each in names)
    served = pictures is Pictures.SERVED
    return Parts("".join(page(found, Origin(name, "0" * 64, served=served), pictures, thumbnails)))


def test_names_are_data_and_come_out_as_they_went_in() -> None:
    found = written(*HOSTILE)
    rows = [json.loads(text) for named, text in found.scripts if named.get("class") == "records"]
    assert {row[0] for part in rows for row in part} == set(HOSTILE)
    assert not found.handlers


def test_the_name_of_the_file_is_shown_as_text() -> None:
    found = written("a", name="</title><script>alert(1)</script>\u202e.jsonl")
    assert found.title == "</title><script>alert(1)</script>\\u202e.jsonl · review"


def test_reasons_cannot_end_the_lines_they_stand_in() -> None:
    found = written("a", "b", thumbnails=("!</script>\nx", "QUJD"))
    text = next(text for named, text in found.scripts if named.get("id") == "thumbnails-0")
    assert text.split("\n")[1:] == ["QUJD"]
    assert "</script" not in text


@pytest.mark.parametrize("pictures", Pictures)
def test_only_its_own_script_and_style_may_run(pictures: Pictures) -> None:
    found = written("a", pictures=pictures)
    rules = dict(rule.split(" ", 1) for rule in found.policy.split("; "))
    (script,) = [text for named, text in found.scripts if "type" not in named]
    for kind, text in (("script-src", script), ("style-src", found.style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[kind] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"
    assert ("connect-src" in rules) == (pictures is Pictures.SERVED)
    images = {"inline": "data: file: blob:", "none": "'none'"}
    assert rules["img-src"] == images.get(pictures, "'self' data: file: blob:")


def test_nothing_is_loaded_evaluated_or_parsed_as_html() -> None:
    (script,) = [text for named, text in written("a").scripts if "type" not in named]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(|https?://", script
    )


def test_thumbnails_are_written_in_parts() -> None:
    found = written("a", thumbnails=tuple(str(number) for number in range(1_001)))
    parts = {named["id"]: text for named, text in found.scripts if str(named.get("id")).startswith("thumbnails")}
    assert [len(text.split("\n")) for text in parts.values()] == [500, 500, 1]
