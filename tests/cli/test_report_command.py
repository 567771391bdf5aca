"""`report` as users run it: what is in the page, what is left out, and what is refused."""

from __future__ import annotations

import base64
import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from conftest_cli import Run, make_images
from page_verdicts import failed, verdict, write


@pytest.fixture
def verdicts(tmp_path: Path) -> Path:
    """Of three images: one as it was judged, one changed since, one that is gone."""
    make_images(tmp_path / "images", 2)
    images = [
        verdict("images/0000.png", 0.99, data=(tmp_path / "images" / "0000.png").read_bytes()),
        verdict("images/0001.png", 0.5, data=b"before"),
        verdict("images/gone.png", 0.1),
    ]
    return write(tmp_path / "verdicts.jsonl", *images, failed("images/broken.png"))


def data(page: Path) -> tuple[dict[str, Any], list[list[Any]], list[str]]:
    """What the page is about, its rows and its lines of thumbnails."""
    text = page.read_text("utf-8")
    about = json.loads(re.search(r'id="meta">(.*?)</script>', text)[1])  # type: ignore[index]
    rows = [row for part in re.findall(r'class="records">(.*?)</script>', text) for row in json.loads(part)]
    parts = re.findall(r'id="thumbnails-\d+">(.*?)</script>', text, re.DOTALL)
    return about, rows, [line for part in parts for line in part.split("\n")]


def test_the_page_holds_what_was_judged(run: Run, verdicts: Path, tmp_path: Path) -> None:
    done = run("report", verdicts, "-o", "page.html")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"written: 4 images in page.html" in done.stderr
    assert b"3 images without a thumbnail: the page says why" in done.stderr
    about, rows, lines = data(tmp_path / "page.html")
    assert [row[0] for row in rows] == ["images/0000.png", "images/0001.png", "images/broken.png", "images/gone.png"]
    assert base64.b64decode(lines[0]).startswith(b"RIFF")
    assert lines[1:] == ["!the file was changed since it was judged", "!no such file", "!no such file"]
    assert about["digest"] == sha256(verdicts.read_bytes()).hexdigest()
    assert (about["name"], about["root"], about["pictures"]) == ("verdicts.jsonl", "", "inline")


def test_standard_input_makes_the_same_page(run: Run, verdicts: Path, tmp_path: Path) -> None:
    assert run("report", "-", "-o", "page.html", stdin=verdicts.read_bytes()).returncode == 0
    about, rows, _ = data(tmp_path / "page.html")
    assert (about["digest"], len(rows)) == (sha256(verdicts.read_bytes()).hexdigest(), 4)


def test_thumbnails_can_lie_beside_the_page(run: Run, verdicts: Path, tmp_path: Path) -> None:
    (tmp_path / "sub dir").mkdir()
    done = run("report", verdicts, "-o", "sub dir/page.html", "--thumbnails", "small #1")
    assert done.returncode == 0, done.stderr
    about, _, lines = data(tmp_path / "sub dir" / "page.html")
    assert about["root"] == "../"
    assert (tmp_path / "sub dir" / unquote(about["folder"]) / lines[0]).read_bytes().startswith(b"RIFF")
    assert len(list((tmp_path / "small #1").iterdir())) == 1


def test_no_image_is_opened_where_none_is_wanted(run: Run, verdicts: Path, tmp_path: Path) -> None:
    done = run("report", verdicts, "-o", "page.html", "--no-images")
    assert b"thumbnail" not in done.stderr
    about, rows, lines = data(tmp_path / "page.html")
    assert (about["pictures"], len(rows), lines) == ("none", 4, [])


@pytest.mark.parametrize("only", [["--only", "unsafe,unsure"], ["--only", "unsafe", "--only", "unsure"]])
def test_only_some_verdicts(run: Run, verdicts: Path, tmp_path: Path, only: list[str]) -> None:
    run("report", verdicts, "-o", "page.html", *only)
    assert [row[0] for row in data(tmp_path / "page.html")[1]] == ["images/0000.png", "images/0001.png"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["verdicts.jsonl"], "Missing option '--output' / '-o'"),
        (["verdicts.jsonl", "-o", "verdicts.jsonl"], "-o names a file that is read"),
        (["gone.jsonl", "-o", "page.html"], "the verdicts gone.jsonl cannot be read"),
        (["verdicts.jsonl", "-o", "page.html", "--only", "bad"], "--only 'bad' is no verdict"),
        (["verdicts.jsonl", "-o", "no/page.html"], "no/page.html cannot be written"),
        (["verdicts.jsonl", "-o", "page.html", "--no-images", "--thumbnails", "x"], "contradict each other"),
        (
            ["verdicts.jsonl", "-o", "page.html", "--thumbnails", "verdicts.jsonl"],
            "--thumbnails names a file that is read",
        ),
    ],
)
def test_what_cannot_be_done_is_refused(run: Run, verdicts: Path, arguments: list[str], complaint: str) -> None:
    before = verdicts.read_bytes()
    done = run("report", *arguments)
    assert done.returncode == 2
    assert complaint in re.sub(r"[\s│]+", " ", done.stderr.decode())
    assert verdicts.read_bytes() == before
    assert not (verdicts.parent / "page.html").exists()


def test_another_constitution_explains_nothing(run: Run, verdicts: Path) -> None:
    assert b"the verdicts are not by stickers" in run("report", verdicts, "-o", "page.html", "-c", "stickers").stderr
