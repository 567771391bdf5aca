"""What verdicts amount to, in tables and as JSON, and what differs between two files of them."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pty
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest_cli import PROGRAM, Run

from imagejudge.output.comparison import compare
from imagejudge.verdict import Failure, ProbeScore, Probing, Verdict, line_of

FACTS: dict[str, Any] = {"rationale": "", "method": "clue", "imagejudge": "0"}
ACTING = set("\x1b\x07\x9b\u202e\u2066\x7f")


def step(ask: str, status: str, p_yes: float = 0.5, **more: Any) -> dict[str, Any]:
    blank = dict.fromkeys(("prior", "centric", "rationale"))
    by = None if status == "unsure" else "prior"
    return (
        blank | {"ask": ask, "item": 1, "status": status, "by": by, "p_yes": p_yes, "gap": 0.0, "off_mass": 0.0} | more
    )


def verdict(path: str, shades: dict[str, str], sha256: str = "a" * 64, **more: Any) -> Verdict:
    """A verdict with a status for each rule; its one question is named after it."""
    held = {"violated": "satisfied", "clear": "not_satisfied", "unsure": "unsure"}
    chance = {"violated": 0.97, "clear": 0.03, "unsure": 0.55}
    steps = {rule: [step(f"A {rule} is seen.", held[status], chance[status])] for rule, status in shades.items()}
    violated = [rule for rule, status in shades.items() if status == "violated"]
    outcome = "unsafe" if violated else "unsure" if "unsure" in shades.values() else "safe"
    row = {
        "path": path,
        "sha256": sha256,
        "verdict": outcome,
        "rules": [{"rule": rule, "status": status, "steps": steps[rule]} for rule, status in shades.items()],
        "violations": [{"rule": rule, "category": "arms", "severity": "high", "rationale": "."} for rule in violated],
        "model": "m@1",
        "constitution": "c@1",
    }
    return Verdict.model_validate(FACTS | row | more)


BEFORE = [
    verdict("d/a/1.png", {"knife": "violated", "gun": "clear"}),
    verdict("d/a/2.png", {"knife": "violated", "gun": "violated"}),
    verdict("d/b/\udcff\n\x1b.png", {"knife": "unsure", "gun": "clear"}),
    verdict("d/b/c/4.png", {"knife": "clear", "gun": "clear"}),
    verdict("d/5.png", {}, verdict="error", error=Failure(kind="damaged", message="cut off")),
]
AFTER = [
    verdict("d/a/1.png", {"knife": "clear", "gun": "clear"}, model="other@2"),
    verdict("d/a/2.png", {"knife": "clear", "gun": "violated"}, model="other@2"),
    verdict("d/b/\udcff\n\x1b.png", {"knife": "violated", "gun": "clear"}, model="other@2"),
    verdict("d/b/c/4.png", {"knife": "violated", "gun": "clear"}, sha256="b" * 64, model="other@2"),
    verdict("d/6.png", {"knife": "clear"}, model="other@2"),
]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "v.jsonl").write_bytes(b"".join(map(line_of, BEFORE)))
    (tmp_path / "w.jsonl").write_bytes(b"".join(map(line_of, AFTER)))
    return tmp_path


def test_every_figure(run: Run, files: Path) -> None:
    done = run("stats", "v.jsonl", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    found = json.loads(done.stdout)
    assert found["images"] == 5
    assert found["verdicts"] == {"safe": 1, "unsure": 1, "unsafe": 2, "error": 1}
    assert found["models"] == {"m@1": 5}
    assert found["rules"]["knife"] == {"category": "arms", "severity": "high"} | {
        "violated": 2, "clear": 1, "excepted": 0, "unsure": 1}  # fmt: skip
    assert found["categories"] == {"arms": 2}
    assert found["severities"] == {"low": 0, "medium": 0, "high": 2}
    assert found["folders"]["d/a"] == {"safe": 0, "unsure": 0, "unsafe": 2, "error": 0}
    assert list(found["questions"]) == ["A knife is seen.", "A gun is seen."]
    assert found["questions"]["A knife is seen."] == {"violated": 2, "unsure": 1, "cleared": 1}
    assert found["decided_by"] == {"prior": 7, "centric": 0, "reasoning": 0, "threshold": 0}
    assert found["unsure"] == {"between the thresholds": 1}
    assert found["errors"] == {"damaged": 1}
    assert found["scores"]["unsafe"] == [0] * 9 + [2]
    assert found["scores"]["unsure"] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_two_files_side_by_side(run: Run, files: Path) -> None:
    done = run("stats", "v.jsonl", "w.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["before"]["models"], found["after"]["models"]) == ({"m@1": 5}, {"other@2": 5})
    changes = found["comparison"]
    assert {name: changes[name] for name in ("same", "changed", "only_before", "only_after", "other_bytes")} == {
        "same": 0, "changed": 3, "only_before": 1, "only_after": 1, "other_bytes": 1}  # fmt: skip
    assert changes["verdicts"]["unsafe"] == {"safe": 1, "unsure": 0, "unsafe": 1, "error": 0}
    assert changes["rules"] == {"knife": {"new": 1, "gone": 2}}
    assert changes["changes"][2]["path"] == "d/b/\udcff\n\x1b.png"
    shown = run("stats", "v.jsonl", "w.jsonl").stdout.decode()
    for words in ("before v.jsonl: 5 images by m@1, c@1", "after  w.jsonl: 5 images by other@2, c@1"):
        assert words in shown
    assert re.search(r"^d/a/1.png +unsafe +safe +-knife$", shown, re.MULTILINE)
    assert re.search(r"^unsafe +1 +- +1 +-", shown, re.MULTILINE)
    assert r"d/b/\udcff\n\x1b.png" in shown
    same = run("stats", "v.jsonl", "v.jsonl", "--json")
    assert json.loads(same.stdout)["comparison"]["same"] == 5


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("arguments", [["v.jsonl"], ["v.jsonl", "w.jsonl"]], ids=len)
def test_tables_fit_a_real_terminal(files: Path, width: int, arguments: list[str]) -> None:
    long = verdict(
        "d/" + "long " * 40 + "\u202e.png", {"a-rule-with-a-name-that-is-far-too-long-for-a-table": "violated"}
    )
    with (files / "v.jsonl").open("ab") as file:
        file.write(line_of(long))
    parent, child = pty.openpty()
    env = {**os.environ, "COLUMNS": str(width), "TERM": "xterm-256color"}
    program = subprocess.Popen([PROGRAM, "stats", *arguments], cwd=files, stdout=child, stderr=child, env=env)
    os.close(child)
    written = b""
    while True:
        try:
            block = os.read(parent, 65536)
        except OSError:  # the terminal was closed
            break
        if not block:
            break
        written += block
    os.close(parent)
    assert program.wait() == 0, written
    plain = re.sub(r"\x1b\[[0-9;]*m", "", written.decode())
    assert not ACTING & set(plain)
    assert max(len(each) for each in plain.splitlines()) <= width
    for words in ("unsafe", "knife", "verdicts"):
        assert words in plain
    assert "\x1b[" in written.decode()


def test_what_is_odd(run: Run, files: Path) -> None:
    nothing = run("stats", "-", stdin=b"")
    assert (nothing.returncode, nothing.stdout) == (0, b"")
    assert b"no verdicts" in nothing.stderr
    assert json.loads(run("stats", "-", "--json", stdin=b"").stdout)["images"] == 0
    assert run("stats", "-", "v.jsonl", stdin=b"").returncode == 0
    assert b"standard input can be read once" in run("stats", "-", "-").stderr
    wrong = run("stats", "v.jsonl", "-", stdin=b"no verdict\n")
    assert (wrong.returncode, wrong.stdout) == (2, b"")
    few = run("stats", "v.jsonl", "--top", "1").stdout.decode()
    assert "and 1 more" in few


class Cells(HTMLParser):
    """The text of each row of tables, and whatever could act."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.acting: list[str] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.acting += [tag] if tag in ("script", "img", "link", "b") else []
        self.acting += [name for name, _ in attrs if name.startswith("on") or name in ("style", "src", "href")]
        if tag == "tr":
            self.rows.append([])
        self._in_cell |= tag in ("th", "td")
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell &= tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


@pytest.mark.parametrize("arguments", [["v.jsonl"], ["v.jsonl", "w.jsonl"]], ids=len)
def test_the_page_says_what_the_tables_say(run: Run, files: Path, arguments: list[str]) -> None:
    hostile = verdict("d/<b onclick=x>/1.png", {"<img src=x onerror=x>": "violated", "\u202eknife": "unsure"})
    with (files / "v.jsonl").open("ab") as file:
        file.write(line_of(hostile))
    done = run("stats", *arguments, "--html", "page.html")
    assert (done.returncode, done.stdout) == (0, b"")
    text = (files / "page.html").read_text("utf-8")
    assert not ACTING & set(text)
    found = Cells(text)
    assert not found.acting
    shown = run("stats", *arguments).stdout.decode()
    for row in found.rows:
        # A terminal folds what is long, and draws bars behind.
        start = [re.escape(cell) for cell in row if len(cell) < 20]
        assert re.search(r"\s+".join(start), shown), row
    assert len(found.rows) > 15
    assert all(f">{each.rstrip()}" in text for each in shown.splitlines() if " images by " in each)


def test_a_page_of_statistics_runs_and_loads_nothing(run: Run, files: Path) -> None:
    run("stats", "v.jsonl", "--html", "page.html")
    text = (files / "page.html").read_text("utf-8")
    (style,) = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert f'content="{policy}"' in text


def test_a_page_is_not_written_over_its_verdicts(run: Run, files: Path) -> None:
    for arguments in (["v.jsonl"], ["w.jsonl", "v.jsonl"]):
        assert b"--html names a file that is read" in run("stats", *arguments, "--html", "v.jsonl").stderr
    assert b"contradict each other" in run("stats", "v.jsonl", "--json", "--html", "page.html").stderr
    assert run("stats", "-", "--html", "none.html", stdin=b"").returncode == 0
    assert "no verdicts" in (files / "none.html").read_text("utf-8")


def test_a_digest_that_is_none_is_compared_like_any_other() -> None:
    one = verdict("a.png", {"knife": "clear"}, sha256="no digest")
    assert compare([one], [one]).same == 1
    assert compare([one], [one.model_copy(update={"sha256": "another"})]).other_bytes == 1


def test_a_comparison_holds_little_of_each_image() -> None:
    """Of 20,000 images, whose paths and digests alone are 4 MB, not much more than 100 bytes each."""
    code = (
        "import sys, tracemalloc\n"
        "from test_stats_command import verdict\n"
        "from imagejudge.output.comparison import compare\n"
        "one = verdict('x', {'knife': 'clear'})\n"
        "lines = lambda: (one.model_copy(update={'path': f'{n:0200}'}) for n in range(20_000))\n"
        "tracemalloc.start()\n"
        "assert compare(lines(), lines()).same == 20_000\n"
        "print(tracemalloc.get_traced_memory()[1])\n"
    )
    folders = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
    )  # fmt: skip
    assert int(done.stdout) < 20_000 * 150
    assert compare([], []).document()["changes"] == []


def test_both_files_tell_what_was_left_to_probes(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    def probed(path: str, *, audited: bool, p: float) -> Verdict:
        status = "violated" if audited else "clear"
        line = verdict(path, {"gun": status}, settings={"skip_below": "0.95", "steps": "all"})
        probe = ProbeScore(p=p, log_odds=p, threshold=0.5)
        rule = line.rules[0].model_copy(update={"by": None if audited else "probe", "probe": probe})
        probing = Probing(audited=audited, asked=int(audited), spared=int(not audited))
        return line.model_copy(update={"rules": (rule,), "probing": probing})

    before = [verdict("1.png", {"gun": "clear"}), verdict("2.png", {"gun": "violated"})]
    after = [probed("1.png", audited=False, p=0.1), probed("2.png", audited=True, p=0.2)]
    (tmp_path / "v.jsonl").write_bytes(b"".join(map(line_of, before)))
    (tmp_path / "w.jsonl").write_bytes(b"".join(map(line_of, after)))
    for files, place in (("vw", 1), ("wv", 0)):
        done = run("stats", *(f"{name}.jsonl" for name in files))
        told, word = done.stdout.decode(), ("before", "after")[place]
        assert f"{word}, left to probes: 1 of 2 rules of 2 images; 1 question asked, 1 or more saved" in told
        assert f"{word}, audit: 1 image asked in full; 1 of 1 violation missed: 100.0% (95 %: 20.7% to 100.0%)" in told
        assert ("before", "after")[1 - place] + ", " not in told
        assert (b"the probes miss more than the 5.0%" in b" ".join(done.stderr.split())) == bool(place)
        row = next(line for line in told.partition("probes\n")[2].splitlines() if line.startswith("gun"))
        rate = ["100.0%", "(20.7", "to", "100.0)"]
        assert row.split()[1:] == (["-", "1", "-", *rate] if place else ["1", "-", *rate, "-"])
    assert "left out" not in run("stats", "v.jsonl", "v.jsonl").stdout.decode()
