"""`imagejudge scan --probe`, as users run it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest_cli import RULES, Run

from imagejudge.constitution import load_constitution, rule_digest
from imagejudge.engine.spec import engine_settings
from imagejudge.judge.clue import ARITHMETIC
from imagejudge.judge.probe import Origin, Probe, Probes
from imagejudge.judge.probe_file import write_probes


@pytest.fixture
def probe(run: Run, base: Sequence[str], images: Path, tmp_path: Path) -> Path:
    """A file by which `knife` is asked about the first image alone, and `fire` about none."""
    assert run("embed", "images", *base[:4], "-o", "x.jsonl").returncode == 0
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    first, *others = np.array([row["vector"] for row in rows])
    direction = tuple((first - np.mean(others, axis=0)).tolist())
    scores = [float(np.dot(direction, row["vector"])) for row in rows]
    middle = (scores[0] + max(scores[1:])) / 2
    assert scores[0] > middle
    constitution = load_constitution(tmp_path / "rules.toml")
    digests = {rule.id: rule_digest(constitution, rule) for rule in constitution.rules}
    about, settings = rows[0], json.loads(rows[0]["settings"])
    origin = Origin(
        about["model"],
        about["digest"],
        engine_settings(settings),
        constitution.label,
        "verdicts",
        "ab",
        60,
        "clue-no-reasoning",
        ARITHMETIC,
    )
    size = len(first)
    each = (
        Probe("fire", digests["fire"], (1e-9, 0.0), -9.0, 30, 30, (1.0,) * 30),
        Probe("knife", digests["knife"], (1.0, 0.0), 0.0, 30, 30, (middle,) * 30),
    )
    write_probes(Probes(origin, "mean,max", (0.0,) * size, (1.0,) * size, (direction,), each), tmp_path / "probe.toml")
    return tmp_path / "probe.toml"


def lines(file: Path) -> list[dict[str, Any]]:
    """Without the stamps of files, which a line has only where the file is older than two seconds."""
    return [json.loads(line) | {"file": None} for line in file.read_text().splitlines()]


def left(line: dict[str, Any]) -> list[str]:
    return [result["rule"] for result in line["rules"] if result["by"] == "probe"]


def test_a_scan_asks_only_what_probes_leave(run: Run, base: Sequence[str], probe: Path, tmp_path: Path) -> None:
    by_probe = [*base, "--probe", "probe.toml", "--skip-below", "0.9"]
    done = run("scan", "images", *by_probe, "-o", "v.jsonl", "--format", "text")
    assert done.returncode == 0, done.stderr
    found = lines(tmp_path / "v.jsonl")
    assert [left(line) for line in found] == [["fire"], ["fire", "knife"], ["fire", "knife"]]
    assert [line["probing"] for line in found] == [
        {"audited": False, "asked": asked, "spared": spared} for asked, spared in ((1, 2), (0, 3), (0, 3))
    ]
    assert [line["seconds"]["ask"] > 0 for line in found] == [True, False, False]
    assert found[1]["settings"]["skip_below"] == "0.9"
    assert b"images/0001.png: safe (2 rules left to their probes)" in done.stdout
    told = b" ".join(done.stderr.split())
    assert b"left to probes: 5 of 6 rules of 3 images; 1 question asked, 8 or more saved, about " in told
    assert b"promised: 90.0% of what the full judge would find is asked about" in told

    again = run("scan", "images", *by_probe, "-o", "v.jsonl")
    assert b"left to probes: 5 of 6 rules of 3 images" in again.stderr
    assert lines(tmp_path / "v.jsonl") == found

    for other, told in (
        (base, b"--probe " + found[0]["settings"]["probe"].encode() + b", now none"),
        ([*base, "--probe", "probe.toml", "--skip-below", "0.8"], b"--skip-below 0.9, now 0.8"),
        ([*by_probe, "--audit", "0.5"], b"--audit none, now 0.5"),
    ):
        refused = run("scan", "images", *other, "-o", "v.jsonl")
        assert refused.returncode == 2
        assert told in refused.stderr

    shown = run("show", "v.jsonl", "--format", "csv")
    assert shown.stdout.decode().splitlines()[2].endswith('"clear by probe","clear by probe"')
    assert b"left to probes: 5 of 6 rules" in run("stats", "v.jsonl").stdout
    told = json.loads(run("stats", "v.jsonl", "--json").stdout)["probes"]
    assert (told["left"], told["promised_recall"]) == ({"fire": 3, "knife": 2}, 0.9)

    again = run("rejudge", "v.jsonl", *base[4:], "-o", "w.jsonl")
    assert again.returncode == 0, again.stderr
    assert b"left to probes: 5 of 6 rules" in again.stderr
    assert [line["rules"] for line in lines(tmp_path / "w.jsonl")] == [line["rules"] for line in found]

    explained = run("explain", "images/0001.png", *by_probe)
    assert b"knife: clear, left to its probe (probe: " in explained.stdout


def test_an_audit_asks_in_full_and_says_what_was_missed(
    run: Run, base: Sequence[str], probe: Path, tmp_path: Path
) -> None:
    by_probe = [*base, "--probe", "probe.toml", "--skip-below", "0.9", "--audit", "1"]
    done = run("scan", "images", *by_probe, "-o", "v.jsonl", "--exit-zero")
    found = lines(tmp_path / "v.jsonl")
    assert [left(line) for line in found] == [[], [], []]
    assert all(line["probing"]["audited"] for line in found)
    assert all(result["probe"] is not None for line in found for result in line["rules"])
    assert b"audit: 3 images asked in full; " in done.stderr


def test_blocks_of_one_scan_have_the_same_probes(run: Run, base: Sequence[str], probe: Path) -> None:
    by_probe = [*base, "--probe", "probe.toml", "--skip-below", "0.9"]
    assert run("scan", "images", *by_probe, "--shard", "0/2", "--block-size", "1", "-o", "folder").returncode == 0
    refused = run("scan", "images", *base, "--shard", "1/2", "--block-size", "1", "-o", "folder")
    assert refused.returncode == 2
    assert b"--skip-below 0.9, now none" in refused.stderr
    assert run("scan", "images", *by_probe, "--shard", "1/2", "--block-size", "1", "-o", "folder").returncode == 0
    merged = run("merge", "folder", "-o", "v.jsonl")
    assert merged.returncode == 0, merged.stderr
    assert b"left to probes: 5 of 6 rules of 3 images" in merged.stderr


@pytest.mark.slow
def test_actors_on_ray_leave_out_what_a_scan_leaves_out(
    run: Run, base: Sequence[str], probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_probe = [*base, "--probe", "probe.toml", "--skip-below", "0.9", "--audit", "0.4", "--no-timing", "-n"]
    alone = run("scan", "images", *by_probe, "-o", "v.jsonl")
    assert alone.returncode == 0, alone.stderr
    told = alone.stderr.split(b"left to probes: ")[1].split(b";")[0]
    with tempfile.TemporaryDirectory(prefix="ijt-", dir="/tmp") as short:  # for Ray's sockets
        monkeypatch.setenv("TMPDIR", short)
        done = run("scan", "images", *by_probe, "--ray", "local", "--block-size", "1", "-o", "folder")
    assert done.returncode == 0, done.stderr
    merged = run("merge", "folder", "-o", "w.jsonl")
    assert b"left to probes: " + told in merged.stderr
    assert lines(tmp_path / "w.jsonl") == lines(tmp_path / "v.jsonl")
    assert sum(map(len, map(left, lines(tmp_path / "w.jsonl")))) in range(1, 6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--probe", "probe.toml"], b"say which recall must be kept, as in `--skip-below 0.95`"),
        (["--audit", "0.02"], b"name the file that `imagejudge distill` wrote with --probe"),
        (["--skip-below", "0.9"], b"name the file that `imagejudge distill` wrote with --probe"),
        (["--probe", "probe.toml", "--skip-below", "0.99"], b"distil from at least 299"),
        (["--probe", "probe.toml", "--skip-below", "1"], b"should be less than or equal to 0.9999"),
        (["--probe", "probe.toml", "--skip-below", "0"], b"should be greater than or equal to 0.01"),
        (["--probe", "no.toml", "--skip-below", "0.9"], b"`imagejudge distill` writes them"),
        (
            ["--probe", "probe.toml", "--skip-below", "0.9", "--image-max-tokens", "64"],
            b"image_max_tokens=1024, not",
        ),
        (
            ["--probe", "probe.toml", "--skip-below", "0.9", "--no-debias"],
            b"from verdicts by `clue-no-reasoning`, and this scan judges by `clue-no-debias-no-reasoning`",
        ),
    ],
)
def test_wrong_use_says_what_to_do(
    run: Run, base: Sequence[str], probe: Path, options: Sequence[str], message: bytes
) -> None:
    done = run("scan", "images", *base, *options)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in b" ".join(done.stderr.split())


def test_probes_of_changed_rules_are_not_used(run: Run, base: Sequence[str], probe: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULES.replace("A knife is visible.", "A sword is visible."))
    done = run("scan", "images", *base, "--probe", "probe.toml", "--skip-below", "0.9", "-o", "v.jsonl")
    assert b"rule knife is asked, not left to its probe" in b" ".join(done.stderr.split())
    assert [left(line) for line in lines(tmp_path / "v.jsonl")] == [["fire"]] * 3


def test_of_rules_that_were_not_chosen_nothing_is_said(
    run: Run, base: Sequence[str], probe: Path, tmp_path: Path
) -> None:
    by_probe = [*base, "--probe", "probe.toml", "--skip-below", "0.8"]
    for chosen in (["--select", "knife"], ["--ignore", "fire"]):
        done = run("scan", "images", *by_probe, *chosen, "-o", "v.jsonl")
        assert done.returncode == 0, done.stderr
        assert b"probe:" not in done.stderr
        assert b"the probe of" not in done.stderr
        assert [left(line) for line in lines(tmp_path / "v.jsonl")] == [[], ["knife"], ["knife"]]
    (tmp_path / "rules.toml").write_text(RULES.replace('id = "fire"', 'id = "flames"'))
    gone = run("scan", "images", *by_probe, "-o", "w.jsonl")
    assert b"the probe of fire is not used: the constitution has no such rule" in b" ".join(gone.stderr.split())
    assert b"is asked, not left" not in gone.stderr


def test_a_settings_file_may_name_the_probes(run: Run, base: Sequence[str], probe: Path, tmp_path: Path) -> None:
    (tmp_path / "imagejudge.toml").write_text('probe = "probe.toml"\nskip-below = 0.9\n')
    assert run("scan", "images", *base, "-o", "v.jsonl").returncode == 0
    assert [left(line) for line in lines(tmp_path / "v.jsonl")] == [["fire"], ["fire", "knife"], ["fire", "knife"]]
