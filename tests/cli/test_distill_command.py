"""`imagejudge distill`, as users run it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest_cli import Run
from PIL import Image

from imagejudge.cli.named_files import DISTILLED
from imagejudge.judge.probe_file import read_probes

Options = Sequence[str]
PAGE = Path(__file__).parent.parent.parent / "docs" / "distill.md"
COMMANDS = re.findall(r"^    (imagejudge .+)$", PAGE.read_text("utf-8"), re.MULTILINE)


@pytest.fixture
def scanned(run: Run, pair: Options, rules: Options, brightness: None, tmp_path: Path) -> Path:
    """A folder of 60 images, of which every other one is bright and violates a rule, and what a scan said of them."""
    (tmp_path / "photos").mkdir()
    for number in range(60):
        shade = 250 if number % 2 else 10
        Image.new("RGB", (8, 8), (shade, shade, number)).save(tmp_path / "photos" / f"{number:02}.png")
    (tmp_path / "photos" / "copy.png").write_bytes((tmp_path / "photos" / "59.png").read_bytes())
    assert COMMANDS[0] == "imagejudge scan photos -c rules.toml -o verdicts.jsonl"
    assert run(*COMMANDS[0].split()[1:], *pair).returncode == 1
    return tmp_path / "verdicts.jsonl"


@pytest.mark.slow
def test_probes_are_made_of_verdicts_and_vectors(
    run: Run, pair: Options, rules: Options, scanned: Path, tmp_path: Path
) -> None:
    rules = rules[:2]
    assert COMMANDS[1] == "imagejudge distill verdicts.jsonl -c rules.toml -o probe.toml"
    made = run(*COMMANDS[1].split()[1:], *pair, "--json", "figures.json")
    assert made.returncode == 0, made.stderr
    assert b"distilled: " in made.stderr
    assert b"from 60 images, in probe.toml" in made.stderr
    assert max(map(len, made.stdout.decode().splitlines())) <= 80
    assert b"not asked: share of all rules of all images; still found: share of violations" in made.stdout
    told = b"too few images violate a rule to promise 0.99 or 0.95: at most 0.904 can be"
    assert told in b" ".join(made.stdout.split())
    assert re.search(rb"^ *0\.99 +- +- +- +-$", made.stdout, re.MULTILINE)
    probes = read_probes(tmp_path / "probe.toml")
    assert DISTILLED.match((tmp_path / "figures.json").read_bytes()), "the same command may write it again"
    figures = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    fire, knife = figures["rules"]
    assert figures["highest_recall"] == 0.904
    assert fire["left_out"] == "0 images violate it, fewer than 10", "what is bright also has a helmet"
    assert (knife["rule"], knife["positives"], knife["negatives"]) == ("knife", 30, 30)
    assert knife["figures"]["auroc"]["value"] > 0.95
    assert probes.origin.images == figures["origin"]["images"] == 60
    line = json.loads(scanned.read_text("utf-8").splitlines()[0])
    assert (probes.origin.model, probes.origin.constitution) == (line["model"], line["constitution"])
    assert probes.origin.settings.items() <= line["settings"].items()
    assert (probes.origin.method, probes.origin.arithmetic) == (line["method"], line["settings"]["arithmetic"])
    by_probe = ["--probe", "probe.toml", "--skip-below", "0.9"]
    other = run("scan", "photos", *rules, *pair, *by_probe, "--method", "threshold")
    assert (other.returncode, other.stdout) == (2, b"")
    assert b"from verdicts by `clue`, and this scan judges by `threshold`" in b" ".join(other.stderr.split())

    for name in ("x.parquet", "x.jsonl"):
        assert run("embed", "photos", *pair, "-o", name).returncode == 0
        again = run("distill", scanned, "--embeddings", name, *rules, "-o", f"{name}.toml", "-q")
        assert (again.returncode, again.stdout) == (0, b""), again.stderr
        assert (tmp_path / f"{name}.toml").read_bytes() == (tmp_path / "probe.toml").read_bytes()

    text = (tmp_path / "x.jsonl").read_text("utf-8")
    (tmp_path / "other.jsonl").write_text(text.replace(line["model"], "other@1"), "utf-8")
    rows = [json.loads(row) for row in text.splitlines()]
    flat = (json.dumps(row | {"vector": rows[0]["vector"]}) for row in rows)
    (tmp_path / "flat.jsonl").write_text("".join(f"{row}\n" for row in flat), "utf-8")
    (tmp_path / "wide.jsonl").write_text(text.replace(r"max_tokens\": 1024", r"max_tokens\": 512"), "utf-8")
    for arguments, complaint in (
        (["--embeddings", "other.jsonl"], "and the vectors of other@1"),
        (["--embeddings", "wide.jsonl"], "--image-max-tokens 1024, now 512"),
        (["--embeddings", "x.jsonl", "-o", "probe.toml"], "--overwrite"),
        (["--embeddings", "x.jsonl", "--select", "knife"], "and the rules are demo@"),
        (["--embeddings", "flat.jsonl"], "the vectors tell nothing of any rule"),
    ):
        done = run("distill", "verdicts.jsonl", *rules, *arguments)
        assert (done.returncode, complaint in done.stderr.decode()) == (2, True), (arguments, done.stderr)


@pytest.mark.slow
def test_labels_take_the_place_of_what_was_found(
    run: Run, pair: Options, rules: Options, scanned: Path, tmp_path: Path
) -> None:
    rows = [f"photos/{number:02}.png,{'unsafe,knife' if number % 2 else 'safe,'}" for number in range(60)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label,rule", *rows, ""]), "utf-8")
    made = run("distill", scanned, "--labels", "labels.csv", *pair, *rules[:2], "-o", "probe.toml")
    assert made.returncode == 0, made.stderr
    probes = read_probes(tmp_path / "probe.toml")
    assert [(probe.rule, probe.positives, probe.negatives) for probe in probes.probes] == [("knife", 30, 30)]
    assert (probes.origin.labels, probes.origin.method, probes.origin.arithmetic) == ("labels", None, None)
    for method in ("clue", "threshold"):
        by_probe = ["--probe", "probe.toml", "--skip-below", "0.9", "--method", method]
        done = run("scan", "photos", *pair, *rules[:2], *by_probe, "-o", f"{method}.jsonl")
        assert done.returncode == 1, done.stderr
    assert b"no probe: fire, 0 images violate it, fewer than 10" in made.stdout


@pytest.mark.slow
def test_what_cannot_be_distilled_is_refused(
    run: Run, pair: Options, rules: Options, scanned: Path, tmp_path: Path
) -> None:
    rules = rules[:2]
    lines = scanned.read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "few.jsonl").write_text("".join(lines[:12]), "utf-8")
    (tmp_path / "none.jsonl").write_text("", "utf-8")
    other = lines[0].replace(json.loads(lines[0])["model"], "other@1").replace("00.png", "x.png")
    (tmp_path / "two.jsonl").write_text("".join([*lines, other]), "utf-8")
    settings = json.loads(lines[0])["settings"]
    earlier = lines[0].replace(f'"arithmetic":{settings["arithmetic"]}', '"arithmetic":1')
    assert earlier != lines[0]
    (tmp_path / "earlier.jsonl").write_text("".join([*lines[1:], earlier]), "utf-8")
    for name, complaint in {
        "earlier.jsonl": f"these verdicts were made with arithmetic=1, not {settings['arithmetic']}",
        "few.jsonl": "no rule has 10 images that violate it and 10 that do not",
        "none.jsonl": "there are no verdicts to distil",
        "two.jsonl": "these verdicts are of different models",
    }.items():
        done = run("distill", name, *pair, *rules)
        assert (done.returncode, complaint in done.stderr.decode()) == (2, True), (name, done.stderr)
    for image in (tmp_path / "photos").iterdir():
        image.unlink()
    gone = run("distill", "verdicts.jsonl", *pair, *rules)
    assert gone.returncode == 2
    assert b"no image of these verdicts has a vector" in gone.stderr


def test_without_scikit_learn_the_extra_is_named(
    run: Run, rules: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import sys\nsys.modules['sklearn'] = None\n")
    monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path / "site"))
    done = run("distill", "verdicts.jsonl", *rules[:2])
    assert done.returncode == 2
    assert b"without scikit-learn" in done.stderr
    assert b"pip install '.[evaluate]' in a clone" in done.stderr
