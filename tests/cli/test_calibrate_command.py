"""`imagejudge calibrate` as users run it: on verdicts that were made before, and with a real, meaningless model."""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from conftest_cli import Run, make_images

from imagejudge.constitution import Thresholds, load_constitution

Options = Sequence[str]
RULES = """\
schema = 1
name = "demo"
version = "1.0"

# ours
[[rules]]
id = "knife"
text = "Should not depict knives."
preconditions = ["A knife is visible."]  # one is enough
"""
COMMAND = ("calibrate", "--verdicts", "v.jsonl", "--labels", "labels.csv", "-c", "rules.toml", "--no-reasoning")


def write_lines(folder: Path, answers: Iterable[tuple[float, bool]], **changes: object) -> None:
    """Verdicts on images about which a model answers so, and labels."""
    labels = ["path,label"]
    with (folder / "v.jsonl").open("a") as lines:
        for number, (p_yes, unsafe) in enumerate(answers):
            step = {"ask": "A knife is visible.", "item": 1, "status": "unsure", "by": None, "p_yes": p_yes}
            step |= {"gap": math.log(p_yes / (1 - p_yes)), "prior": 0.5, "off_mass": 0.0}
            step |= {"centric": None, "rationale": None}
            row = {"schema": 1, "path": f"{number}.png", "sha256": f"{number}", "verdict": "unsure", "rationale": ""}
            row |= {"rules": [{"rule": "knife", "status": "unsure", "steps": [step]}], "model": "m@1"}
            row |= {"constitution": "demo@1", "method": "clue-no-reasoning", "imagejudge": "0", **changes}
            lines.write(json.dumps(row) + "\n")
            labels.append(f"{number}.png,{'unsafe' if unsafe else 'safe'}")
    (folder / "labels.csv").write_text("\n".join(labels) + "\n")


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """Thresholds of 0.8 find none of the knives, and those of 0.4 all of them."""
    (tmp_path / "rules.toml").write_text(RULES)
    write_lines(tmp_path, [(0.75, True)] * 44 + [(0.6, False)] * 20 + [(0.1, False)] * 20)
    return tmp_path


def test_thresholds_are_chosen_and_shown(run: Run, judged: Path) -> None:
    done = run(*COMMAND, "--target-recall", "0.95")
    assert done.returncode == 0
    assert done.stderr == b"rules: no label of an unsafe image names one, so that one set is chosen for all\n"
    shown = done.stdout.decode()
    assert re.search(r"^now +0\.3 +0\.8 +0\.6$", shown, re.MULTILINE)
    assert re.search(r"^chosen +0\.3 +0\.4 +0\.6$", shown, re.MULTILINE)
    assert shown.count("42 images, 22 of them unsafe") == 2
    assert len(re.findall(r"^recall +0\.000 \S+ +1\.000 \S+$", shown, re.MULTILINE)) == 2
    assert (
        "+[thresholds]\n+satisfied = 0.4 # imagejudge calibrate labels.csv --target-recall 0.95 --by sweep: by "
        in shown
    )
    assert max(map(len, shown.partition("---")[0].splitlines())) <= 80
    assert (judged / "rules.toml").read_text() == RULES


def test_thresholds_are_written(run: Run, judged: Path) -> None:
    (judged / "rules.toml").chmod(0o640)
    (judged / "link.toml").symlink_to("rules.toml")
    done = run(*COMMAND, "--target-recall", "0.95", "--write", "-q", "-c", "link.toml")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"wrote the thresholds into link.toml" in done.stderr
    file = judged / "rules.toml"
    assert load_constitution(file).thresholds == Thresholds(satisfied=0.4)
    text = file.read_text()
    assert re.search(r": by 42 images, 22 unsafe; 1\.000 on 42 others; m@1\n\n# ours\n\[\[rules\]\]", text)
    assert text.endswith(RULES.partition("# ours")[2])
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert (judged / "link.toml").is_symlink()
    assert not list(judged.glob(".*"))
    again = run(*COMMAND, "--target-recall", "0.95", "--write", "-q")
    assert (again.returncode, again.stdout) == (0, b"")
    assert b"nothing changes" in again.stderr
    assert file.read_text() == text


FORK = """
[[rules]]
id = "fork"  # not a spoon
text = "Should not depict forks."
preconditions = ["A fork is visible."]
"""


@pytest.fixture
def judged_by_rule(judged: Path) -> Path:
    """All knives are about a rule; of forks there are a few, which only laxer thresholds find."""
    (judged / "rules.toml").write_text(RULES + FORK)
    with (judged / "v.jsonl").open() as file:
        rows = [json.loads(line) for line in file]
    labels = ["path,label,rule"]
    for number, row in enumerate(rows):
        (knife,) = row["rules"]
        (step,) = knife["steps"]
        about = "fork" if number % 11 == 0 else "knife"
        no = {**step, "p_yes": 0.05, "gap": math.log(0.05 / 0.95), "status": "not_satisfied", "by": "prior"}
        p_yes = step["p_yes"] - 0.07
        lower = {**step, "p_yes": p_yes, "gap": math.log(p_yes / (1 - p_yes))}
        of_fork, of_knife = (lower, no) if about == "fork" else (no, step)
        row["rules"] = [
            {"rule": "knife", "status": "unsure", "steps": [of_knife]},
            {"rule": "fork", "status": "unsure", "steps": [{**of_fork, "ask": "A fork is visible."}]},
        ]
        labels.append(f"{row['path']},{'unsafe' if number < 44 else 'safe'},{about}")
    (judged / "v.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (judged / "labels.csv").write_text("\n".join(labels) + "\n")
    return judged


def test_a_rule_with_enough_labels_gets_its_own(run: Run, judged_by_rule: Path) -> None:
    file = judged_by_rule / "rules.toml"
    done = run(*COMMAND, "--target-recall", "0.95", "--write")
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode()
    assert re.search(r"^knife +40 +36 +0\.3 0\.4 0\.6 +1\.000 +0\.000$", shown, re.MULTILINE)
    assert re.search(r"^fork +4 +4 +too few labels +- +-$", shown, re.MULTILINE)
    assert "at least 40 unsafe and 20 safe images name the rule\n" in shown
    assert max(map(len, shown.splitlines())) <= 80
    text = file.read_text()
    remark = (
        "# imagejudge calibrate labels.csv --target-recall 0.95 --by sweep: by 38 images, 20 unsafe; 1.000 on 38 others"
    )
    own = f'id = "knife"\nthresholds = {{ unsatisfied = 0.3, satisfied = 0.4, centric = 0.6 }} {remark}; m@1\ntext'
    assert own in text
    assert text.endswith(FORK), "it has those of all, above the rules"
    rules = load_constitution(file)
    assert rules.thresholds.satisfied < 0.8, "by which the forks are found"
    assert run(*COMMAND, "--target-recall", "0.95", "--write", "-q").returncode == 0
    assert file.read_text() == text


@pytest.mark.parametrize("options", [("--select", "knife"), ("--ignore", "fork")])
def test_rules_that_were_not_selected_stay_as_they_are(run: Run, judged: Path, options: Options) -> None:
    file = judged / "rules.toml"
    file.write_text(RULES + FORK)
    command = (*COMMAND, "--target-recall", "0.95", *options)
    assert b"+thresholds = { unsatisfied = 0.3, satisfied = 0.4" in run(*command).stdout
    done = run(*command, "--write", "-q")
    assert done.returncode == 0, done.stderr
    knife, fork = load_constitution(file).rules
    assert knife.thresholds == Thresholds(satisfied=0.4)
    assert fork.thresholds is None
    assert load_constitution(file).thresholds == Thresholds()
    text = file.read_text()
    aim = f"labels.csv --target-recall 0.95 --by sweep {' '.join(options)}"
    assert f"# imagejudge calibrate {aim}: by 42 images, 22 unsafe; 1.000 on 42 others; m@1\n" in text
    assert b"nothing changes" in run(*command, "--write", "-q").stderr
    assert file.read_text() == text


def test_a_promise_is_kept_for_every_rule(run: Run, judged_by_rule: Path) -> None:
    done = run(*COMMAND, "--target-recall", "0.95", "--by", "conformal", "--write", "-q")
    assert done.returncode == 0, done.stderr
    rules = load_constitution(judged_by_rule / "rules.toml")
    assert rules.rules[0].thresholds == Thresholds(satisfied=0.48), "a knife at 0.75 is found below 0.5"
    assert rules.thresholds == Thresholds(satisfied=0.34), "a fork at 0.68 below 0.36"
    assert "--by conformal: by 42 images" in (judged_by_rule / "rules.toml").read_text()


def test_a_table_that_is_left_out_in_part_keeps_what_it_had(run: Run, judged_by_rule: Path) -> None:
    file = judged_by_rule / "rules.toml"
    file.write_text(file.read_text().rstrip() + "\nthresholds = { satisfied = 0.45 }\n")
    assert run(*COMMAND, "--target-precision", "0.9", "--write", "-q").returncode == 0
    before = load_constitution(file).rules[1].thresholds
    assert before == Thresholds(satisfied=0.45)


def test_choosing_that_does_not_hold_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULES)
    write_lines(tmp_path, ((0.5 + number / 200, number % 3 > 0) for number in range(90)))
    done = run(*COMMAND, "--target-precision", "0.8")
    assert done.returncode == 0
    assert b"choosing made it look better than it is" in done.stderr


def test_halves_are_drawn_anew(run: Run, judged: Path) -> None:
    plain = run(*COMMAND, "--target-recall", "0.95").stdout.decode()
    done = run(*COMMAND, "--target-recall", "0.95", "--repeats", "3", "--seed", "7")
    assert done.returncode == 0, done.stderr
    shown, before = done.stdout.decode().splitlines(), plain.splitlines()
    added = [line for line in shown if line not in before]
    assert "held out, in 3 draws of the halves" in added
    assert "a recall of 0.95 was reached in 3 of 3" in added
    assert any(re.match(r"recall +1\.000 +1\.000 +1\.000-1\.000$", line) for line in added)
    assert max(map(len, "\n".join(shown).partition("---")[0].splitlines())) <= 80
    assert any(line.endswith("; m@1; reached in 3 of 3 draws") for line in added), "also behind the thresholds"
    thresholds = [line.partition(" #")[0] for line in shown if line.startswith("+")]
    assert thresholds == [line.partition(" #")[0] for line in before if line.startswith("+")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "say what to aim at"),
        (["--target-recall", "0.9", "--target-precision", "0.9"], "say what to aim at"),
        (["--target-recall", "0.99"], "44 unsafe and 40 safe images are too few"),
        (["--target-precision", "0.9", "--method", "threshold"], "has no thresholds to choose"),
        (["--target-precision", "0.9", "--by", "conformal"], "--by conformal can promise a recall only"),
        (["--target-recall", "0.9", "-c", "stickers", "--write"], "comes with imagejudge and is not changed"),
        (["--target-recall", "0.9", "-c", "other.toml"], "0 unsafe and 0 safe images are too few"),
        (["--target-recall", "0.9", "--verdicts", "none"], "none cannot be read"),
        (["--target-recall", "0.9", "--verdicts", "vcd.jsonl"], "no verdict is by clue"),
        (["--target-recall", "0.9", "--verdicts", "two.jsonl"], "of different models (m@1, m@2)"),
        (["--target-recall", "0.9", "-c", "high.toml"], "no thresholds reach a recall of 0.9"),
    ],
)
def test_what_cannot_be_done_is_2(run: Run, judged: Path, arguments: list[str], words: str) -> None:
    (judged / "other.toml").write_text(RULES.replace("A knife is", "A fork is"))
    (judged / "high.toml").write_text(RULES + 'unless = ["A knife is visible."]\n')
    lines = (judged / "v.jsonl").read_text()
    (judged / "vcd.jsonl").write_text(lines.replace("clue-no-reasoning", "vcd"))
    (judged / "two.jsonl").write_text(lines + lines.replace("m@1", "m@2"))
    done = run(*COMMAND, *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert words in re.sub(r"\s+", " ", done.stderr.decode())
    assert b"Traceback" not in done.stderr


def test_images_that_could_not_be_judged_are_counted(run: Run, judged: Path) -> None:
    lines = [json.loads(line) for line in (judged / "v.jsonl").read_text().splitlines()]
    for line in lines[75:]:
        line |= {"verdict": "error", "rules": [], "error": {"kind": "unreadable", "message": "is cut off"}}
    (judged / "v.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = run(*COMMAND, "--target-recall", "0.95")
    assert done.returncode == 0, done.stderr
    said = b" ".join(done.stderr.split())
    assert b"9 images are left out: they could not be judged (the first: unreadable)" in said
    assert b"too little is recorded" not in said


@pytest.mark.parametrize("piped", ["labels.csv", "rules.toml"])
def test_a_pipe_is_refused_at_once(run: Run, tmp_path: Path, piped: str) -> None:
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / piped).unlink(missing_ok=True)
    os.mkfifo(tmp_path / piped)
    command = ("calibrate", "labels.csv", "--adapter", "csv", "--model", "none", "-c", "rules.toml")
    done = run(*command, "--target-recall", "0.95")
    assert (done.returncode, done.stdout) == (2, b"")
    said = b" ".join(done.stderr.split())
    assert f"{piped} is no file, and is read more than once".encode() in said
    assert b"save what it holds to a file" in said


def test_a_data_set_is_judged_twice(run: Run, pair: Options, tmp_path: Path) -> None:
    """The model's answers mean nothing, so that either nothing is reached or anything is."""
    (tmp_path / "rules.toml").write_text(RULES)
    folder = make_images(tmp_path / "many", 44)
    rows = "".join(f"{number:04}.png,{('safe', 'unsafe')[number % 2]}\n" for number in range(44))
    (folder / "labels.csv").write_text("path,label\n" + rows)
    command = ("calibrate", folder / "labels.csv", "--adapter", "csv", *pair, "-c", "rules.toml", "--no-reasoning")
    done = run(*command, "--target-recall", "0.5")
    assert (done.returncode, b"no thresholds reach" in done.stderr) in ((0, False), (2, True)), done.stderr
    assert b"Traceback" not in done.stderr


def test_too_few_labels_are_told_before_anything_is_judged(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULES)
    folder = make_images(tmp_path / "few", 3)
    (folder / "labels.csv").write_text("path,label\n0000.png,unsafe\n0001.png,safe\n")
    command = ("calibrate", folder / "labels.csv", "--adapter", "csv", "--model", "none", "-c", "rules.toml")
    done = run(*command, "--target-recall", "0.95")
    assert done.returncode == 2
    assert b"1 unsafe and 1 safe images are too few" in done.stderr
    (folder / "labels.csv").write_text("path,label\n" + "0000.png,unsafe\n0001.png,safe\n" * 40)
    assert b"1 unsafe and 1 safe images are too few" in run(*command, "--target-recall", "0.95").stderr


def test_images_of_which_a_rule_was_left_to_its_probe_are_left_out(run: Run, judged: Path) -> None:
    lines = [json.loads(line) for line in (judged / "v.jsonl").read_text().splitlines()]
    for line in lines[44::4]:  # taken for clear, they would be safe images that are judged rightly by all thresholds
        rule = line["rules"][0] | {"status": "clear", "by": "probe"}
        line |= {"verdict": "safe", "rules": [rule], "settings": {"probe": "ab", "skip_below": "0.95", "steps": "all"}}
    (judged / "v.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = run(*COMMAND, "--target-recall", "0.95")
    assert done.returncode == 0, done.stderr
    assert b"10 verdicts left out: rules were left to probes, of which nothing is known" in b" ".join(
        done.stderr.split()
    )
    assert "37 images" in done.stdout.decode()
