"""Files that people write, mutated: whatever stands in them is read or complained of, quickly, and is never a bug."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import io
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mutations
import pytest
import test_replay
import tomli
import typer.main

from imagejudge.cli import settings_file
from imagejudge.cli.config_options import options_of
from imagejudge.cli.main import app
from imagejudge.constitution import file, lint_constitution
from imagejudge.errors import ImageJudgeError
from imagejudge.evaluate import datasets
from imagejudge.evaluate.datasets import table
from imagejudge.evaluate.labels import Reading
from imagejudge.images.read import Limits
from imagejudge.judge.clue import Method
from imagejudge.judge.plan import Plan
from imagejudge.judge.replay import Rejudge, Unrecorded
from imagejudge.models import lock, registry
from imagejudge.output import baseline, jsonl
from imagejudge.output.acting import Acting, State
from imagejudge.output.censoring import regions_of
from imagejudge.output.comparison import compare
from imagejudge.output.csv import Csv
from imagejudge.output.decisions import Decisions, read_decisions
from imagejudge.output.overview import Overview
from imagejudge.output.recalled import recalled
from imagejudge.output.sarif import Sarif
from imagejudge.output.stats import Stats
from imagejudge.output.taking_back import take_back
from imagejudge.output.undo_file import Action, read_backwards
from imagejudge.prompts import PromptStyle, Question, find_prompt_style
from imagejudge.verdict import line_of, verdict_of

FEW, MANY = 200, 5000
SLOW = {"parquet": 5}
"""For each of these files a process is started, so that so many times fewer are a few."""
LONGEST = 5.0
"""Seconds that one small file may take; the slowest takes a tenth of it on two busy cores."""
CONSTITUTION = tomli.loads("""
schema = 1
name = "mine"
version = "1"
description = "For tests"
thresholds = { satisfied = 0.8, centric = 0.6 }
[[rules]]
id = "fire"
category = "danger"
severity = "high"
text = "Should not depict a person on fire."
preconditions = ["A person is visible.", { any = ["Flames are visible.", { ask = "Smoke.", objects = ["smoke"] }] }]
unless = ["A statue is visible."]
enabled = true
thresholds = { unsatisfied = 0.3 }
[[rules]]
id = "gun"
text = "Should not depict a gun."
""")
SETTINGS = tomli.loads("""
constitution = "stickers"
timeout = 4.5
threads = 2
no-cache = true
exclude = ["a/**"]
fail-on = "unsure"
per-path-ignores = { "icons/**" = ["fire"], "*.png" = ["gun"] }
""")
BASELINE = tomli.loads(f"""
schema = 1
[[accepted]]
sha256 = "{"a" * 64}"
rule = "fire"
reason = "A drawing"
path = "a.png"
[[accepted]]
sha256 = "{"b" * 64}"
rule = "gun"
""")
REGISTRY = tomli.loads("""
schema = 1
[[models]]
name = "mine"
repository = "me/mine"
model = "mine.gguf"
mmproj = "mmproj.gguf"
model_bytes = 5
mmproj_bytes = 6
licence = "MIT"
box_style = "bbox-xyxy-1000"
image_tokens = 64
memory = 9
unverified = ["memory"]
""")
STYLE = tomli.loads("""
schema = 1
description = "For tests"
system = "Be kind."
user = "<Query>: {question} <Document>: {image}"
reply = "It is"
yes = ["yes", "unsafe"]
no = ["no"]
reasoning = false
[ask]
visible = "Is this visible?\\n{text}"
rule = "Does it break this?\\n{text}"
rules = "Does it break any of these?\\n{text}"
public = "Is it unfit?\\n{text}"
[variables]
thinking_type = "fast"
enable_thinking = false
""")
LOCK = {
    "schema": 1,
    "default": "mine",
    "models": {
        "mine": {
            "repository": "me/mine",
            "commit": "c0ffee",
            "folder": "/nowhere",
            "files": {name: {"sha256": "a" * 64, "bytes": 5} for name in ("mine.gguf", "mmproj.gguf")},
        }
    },
}
LABELS = [
    {"path": "a.png", "label": "unsafe", "rule": ["fire"], "category": "c", "sentence": "S.", "exception": True},
    {"path": "b.png", "label": 0, "rule": "gun, fire", "category": None, "sentence": None, "exception": False},
]

Make = Callable[[random.Random], bytes]
Load = Callable[[Path], object]


def toml(document: dict[str, Any]) -> Make:
    def make(luck: random.Random) -> bytes:
        text = mutations.toml_document(mutations.mutated(document, mutations.TOML, luck))
        return mutations.bent(text, luck) if luck.random() < 0.3 else text.encode()

    return make


def in_project(luck: random.Random) -> bytes:
    return toml({"project": {"name": "x"}, "tool": {"imagejudge": SETTINGS, "other": {"a": 1}}})(luck)


def as_written(luck: random.Random) -> bytes:
    """A constitution in the form that people write, with a line of it bent."""
    return mutations.bent(SHIPPED.read_text("utf-8"), luck)


SHIPPED = Path(__file__).parents[2] / "constitutions" / "stickers.toml"


def json_lines(documents: list[Any]) -> Make:
    def make(luck: random.Random) -> bytes:
        at = luck.randrange(len(documents))
        lines = [
            mutations.as_json(mutations.mutated(each, mutations.JSON, luck) if number == at else mutations.opened(each))
            for number, each in enumerate(documents)
        ]
        text = "".join(f"{line}\n" for line in lines)
        return mutations.bent(text, luck) if luck.random() < 0.2 else text.encode()

    return make


def csv_table(luck: random.Random) -> bytes:
    cells = [["path", "label", "rule", "sentence"], ["a.png", "unsafe", "fire gun", "S."], ["b.png", "0", "", "T."]]
    row = luck.choice(cells)
    row[luck.randrange(len(row))] = luck.choice([*mutations.WORDS, "'", '"', '"a""b"', "x" * 200_000, "1e999", "NULL"])
    if luck.random() < 0.2:
        luck.choice(cells).append("more")
    mark = luck.choice([",", ";", "\t", ",", "|"])
    text = "".join(mark.join(row) + "\n" for row in cells)
    return mutations.bent(text, luck) if luck.random() < 0.5 else text.encode()


def parquet_table(luck: random.Random) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    kinds: list[Any] = [
        [1, None], [None, None], ["unsafe", "safe"], [1.5, float("nan")], [b"GIF89a", b""], [True, None], [[1], []],
        [{"bytes": b"GIF89a", "path": None}, None],
        [{"bytes": None, "path": "a.png"}, {"bytes": None, "path": "x" * 999}],
        [base64.b64encode(b"GIF89a").decode(), "\0"], [10**18, -1], ["é" * 100_000, ""],
    ]  # fmt: skip
    columns: dict[str, Any] = {
        "image": [{"bytes": b"GIF89a", "path": None}] * 2,
        "label": [1, 0],
        "rule": ["fire", None],
        "sentence": ["S.", None],
    }
    columns[luck.choice(list(columns))] = luck.choice(kinds)
    if luck.random() < 0.2:
        del columns[luck.choice(list(columns))]
    held = pyarrow.table(columns)
    if luck.random() < 0.4:
        features = {"info": {"features": {"label": {"names": ["safe", "unsafe"]}}}}
        kept = mutations.as_json(mutations.mutated(features, mutations.JSON, luck))
        held = held.replace_schema_metadata({"huggingface": kept})
    written = io.BytesIO()
    parquet.write_table(held, written)
    data = written.getvalue()
    if luck.random() < 0.1:
        return data[: luck.randrange(len(data))]
    if luck.random() < 0.2:  # within, where it shows only when rows are read
        at = luck.randrange(len(data) // 2)
        return data[:at] + luck.randbytes(4) + data[at + 4 :]
    return data


def read_constitution(path: Path) -> None:
    found = file.load_constitution(path)
    lint_constitution(found)
    assert found.digest


def read_settings(path: Path) -> None:
    found = settings_file.load_settings(path, options_of(typer.main.get_command(app).commands["scan"]))  # type: ignore[attr-defined]
    found.ignored(str(path.parent / "icons" / "a.png"))
    settings_file.find_settings(path.parent)


def read_registry(path: Path) -> None:
    own = registry.user_file()
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_bytes(path.read_bytes())
    registry.load_registry()


def read_style(path: Path) -> None:
    """And ask in it what it has words for, as it is told to the engine's process."""
    found = find_prompt_style(str(path))
    told = json.loads(json.dumps(dataclasses.asdict(found)))
    for kind in found.ask:
        for subject in ("", "A {image} of a {question}."):
            words = "".join(PromptStyle(**told).around_image(Question(kind, subject)))
            assert words.count(subject or words) == 1
    assert found.label == f"style@{PromptStyle(**told).digest[:12]}"


def read_lock(path: Path) -> None:
    lock.path().parent.mkdir(parents=True, exist_ok=True)
    lock.path().write_bytes(path.read_bytes())
    for pin in lock.read_lock().pins.values():
        assert pin.whole in (True, False)


def read_verdicts(path: Path) -> None:
    """And count and judge again by what they say, as commands do."""
    rules = file.load_constitution(SHIPPED)
    rejudge = Rejudge(Plan(rules, Method(), "model", "answers", Limits()))
    stats = Stats()
    with path.open("rb") as stream:
        for verdict in jsonl.read_verdicts(stream, str(path)):
            stats.add(verdict)
            assert line_of(verdict).endswith(b"}\n")
            with contextlib.suppress(Unrecorded):
                rejudge.judge(verdict)


def read_finished(path: Path) -> None:
    """And write, count and look up on the disk what they say, as commands on finished verdicts do; nothing is done."""
    with path.open("rb") as stream:
        lines = jsonl.Latest(stream, str(path))
        rules = recalled(lines)
        found, sinks = Overview(), [Csv(io.BytesIO(), rules), Sarif(io.BytesIO(), rules)]
        acting = [Acting(action, path.parent / "q", path.parent / "d") for action in (Action.MOVE, Action.CENSOR)]
        for verdict in lines:
            found.add(verdict)
            assert all(each.look(verdict).state is not State.READY for each in acting)
            assert len(regions_of(verdict)) < 1000
            for sink in sinks:
                sink.write(verdict)
        assert json.dumps(found.document())
        assert compare(lines, lines).changed == 0


def read_decided(path: Path) -> None:
    with path.open("rb") as stream:
        decided = Decisions(read_decisions(stream, str(path)))
    for row in verdicts():
        decided.applied(verdict_of(json.dumps(row | {"sha256": DECISION["sha256"]}).encode()))


def read_undo(path: Path) -> None:
    for record in read_backwards(path):
        take_back(record, really=False)


DECISION = {"schema": 1, "sha256": "ab" * 32, "path": "a\udcff.png", "rule": "rule-1", "decision": "agree"}
DECISION |= {"truth": "violated", "note": "", "by": "", "at": "", "verdicts": "", "model": "", "constitution": ""}
UNDO = {"schema": 1, "action": "move", "source": "/nowhere/a\udcff", "target": "/nowhere/b", "at": ""}
UNDO |= {"sha256": "ab" * 32, "result": "ab" * 32}


def read_labels(adapter: str) -> Load:
    def load(path: Path) -> None:
        for name in ("a.png", "b.png"):
            (path.parent / name).touch()
        list(datasets.load_dataset(path, adapter, Reading()).items)
        if adapter != "huggingface":
            table.labels_in(path, Reading())

    return load


def verdicts() -> list[Any]:
    """Two whole lines, with everything in them that a scan writes."""
    rules = file.load_constitution(SHIPPED)
    return [json.loads(line_of(test_replay.judged(seed, rules, Method()))) for seed in (1, 2)]


KINDS: dict[str, tuple[str, Make, Load]] = {
    "constitution": ("c.toml", toml(CONSTITUTION), read_constitution),
    "constitution-as-written": ("c.toml", as_written, read_constitution),
    "settings": ("imagejudge.toml", toml(SETTINGS), read_settings),
    "project": ("pyproject.toml", in_project, read_settings),
    "baseline": ("b.toml", toml(BASELINE), baseline.load_baseline),
    "registry": ("models.toml", toml(REGISTRY), read_registry),
    "style": ("style.toml", toml(STYLE), read_style),
    "lock": ("models.lock", toml(LOCK), read_lock),
    "csv": ("labels.csv", csv_table, read_labels("csv")),
    "jsonl": ("labels.jsonl", json_lines(LABELS), read_labels("jsonl")),
    "parquet": ("labels.parquet", parquet_table, read_labels("huggingface")),
    "verdicts": ("verdicts.jsonl", json_lines(verdicts()), read_verdicts),
    "finished": ("verdicts.jsonl", json_lines(verdicts()), read_finished),
    "decisions": ("decisions.jsonl", json_lines([DECISION, DECISION | {"rule": None}]), read_decided),
    "undo": ("undo.jsonl", json_lines([UNDO, UNDO | {"action": "folder"}]), read_undo),
}


def mutate(kind: str, folder: Path, count: int) -> None:
    """Read that many files of a kind; each seed is a file of its own."""
    name, make, load = KINDS[kind]
    path = folder / name
    refused = 0
    for seed in range(count):
        path.write_bytes(make(random.Random(seed)))
        start = time.process_time()
        try:
            load(path)
        except ImageJudgeError as error:
            refused += 1
            said = f"{error.message}\n{error.hint}"
            assert name in said, f"{kind} {seed}: {said[:300]}"
            assert len(said) < 100_000, f"{kind} {seed}: {len(said):,} characters"
        except Exception as error:
            raise AssertionError(f"{kind} {seed}: {type(error).__name__}: {error}"[:1000]) from error
        assert time.process_time() - start < LONGEST, f"{kind} {seed}"
    assert count / 20 < refused < count, "the mutations do not try anything"


@pytest.mark.parametrize("kind", KINDS)
def test_a_few(kind: str, tmp_path: Path) -> None:
    mutate(kind, tmp_path, FEW // SLOW.get(kind, 1))


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS)
def test_many(kind: str, tmp_path: Path) -> None:
    mutate(kind, tmp_path, MANY)
