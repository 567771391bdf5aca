"""Formats, baselines and rejudging as users run them, with a model whose answers mean something: bright is Yes."""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import signal
import subprocess
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conftest_cli import PROGRAM, RULES, Run
from PIL import Image

from imagejudge.verdict import json_schema

pytestmark = pytest.mark.usefixtures("brightness")

Options = Sequence[str]
FORMATS = ["jsonl", "text", "csv", "github", "paths", "sarif"]
BRIGHT, DIM, DARK = 250, 150, 0
"""An image of the first violates the rule on knives, the second leaves it open, the third is safe."""


def paint(file: str | Path, shade: int, mark: int = 0) -> None:
    image = Image.new("RGB", (8, 6), (shade, shade, shade))
    image.putpixel((7, 5), (mark, 0, 0))
    image.save(file, "PNG")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "d"
    made.mkdir()
    for number, (name, shade) in enumerate(
        {"bad": BRIGHT, "=bad \udcff\n,:%": BRIGHT, "good": DARK, "good \udcfe\n": DARK}.items()
    ):
        paint(made / f"{name}.png", shade, number)
    return made


def lines(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


# --- formats --------------------------------------------------------------------------------------------------------


def test_the_exit_code_does_not_depend_on_the_format(run: Run, base: Options, folder: Path) -> None:
    for form in FORMATS:
        done = run("scan", folder, *base, "--format", form)
        assert (form, done.returncode) == (form, 1)
        assert b"4 images: 2 safe, 2 unsafe" in done.stderr
        assert run("scan", folder / "good.png", *base, "--format", form).returncode == 0
        assert run("scan", folder / "none.png", *base, "--format", form).returncode == 2


def test_paths_go_through_a_pipe_byte_for_byte(folder: Path, base: Options, tmp_path: Path) -> None:
    command = 'mkdir out; "$0" scan d --format paths --only safe --print0 "$@" | xargs -0 cp -t out'
    subprocess.run(["bash", "-c", command, PROGRAM, *base], cwd=tmp_path, check=True, capture_output=True, timeout=300)
    assert sorted(os.listdir(os.fsencode(tmp_path / "out"))) == [b"good \xfe\n.png", b"good.png"]  # noqa: PTH208


def test_paths_of_several_verdicts(run: Run, base: Options, folder: Path) -> None:
    paint(folder / "dim.png", DIM)
    (folder / "empty.png").write_bytes(b"")
    options = (folder, *base, "--format", "paths", "--no-reasoning")
    found = run("scan", *options, "--only", "unsure", "--only", "error").stdout.splitlines()
    assert run("scan", *options, "--only", "unsure,error").stdout.splitlines() == found
    misspelt = run("scan", *options, "--only", "unsure,eror")
    assert (misspelt.returncode, misspelt.stdout) == (2, b"")
    assert b"error: --only 'eror' is no verdict\nhint: did you mean 'error'?\n" in misspelt.stderr
    assert [Path(os.fsdecode(path)).name for path in found] == ["dim.png", "empty.png"]
    unsafe = run("scan", *options)
    assert b"--print0 tells them apart" in unsafe.stderr
    assert unsafe.stdout.count(b".png\n") == 2
    wrong = run("scan", folder, *base, "--only", "safe")
    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert b"--format paths" in wrong.stderr


def test_sarif_is_one_document(run: Run, base: Options, folder: Path) -> None:
    document = json.loads(run("scan", "d", *base, "--format", "sarif").stdout)
    results = document["runs"][0]["results"]
    assert {result["ruleId"] for result in results} == {"knife"}
    uris = [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in results]
    assert uris == ["d/%3Dbad%20%FF%0A%2C%3A%25.png", "d/bad.png"]


def test_an_interrupted_run_writes_no_document(base: Options, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(200):
        paint(tmp_path / "many" / f"{number}.png", BRIGHT, number)
    process = subprocess.Popen(
        [PROGRAM, "scan", "many", *base, "-o", "v.jsonl", "--format", "sarif"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    record = tmp_path / "v.jsonl"
    while process.poll() is None and not (record.exists() and record.stat().st_size):
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGINT)
    shown, errors = process.communicate(timeout=60)
    assert (process.returncode, shown) == (130, b"")
    assert b"resume v.jsonl" in errors


def test_sarif_of_no_images_is_a_document_too(run: Run, base: Options, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("scan", "--allow-empty", "empty", *base, "--format", "sarif")
    assert done.returncode == 0
    assert json.loads(done.stdout)["runs"][0]["results"] == []


def test_github_annotates_each_finding(run: Run, base: Options, folder: Path) -> None:
    found = run("scan", "d", *base, "--format", "github").stdout.splitlines()
    assert found == [
        b"::warning file=d/=bad \\udcff%0A%2C%3A%25.png,title=imagejudge%3A knife::a knife is visible (0.96).",
        b"::warning file=d/bad.png,title=imagejudge%3A knife::a knife is visible (0.96).",
    ]


def test_csv_has_a_row_an_image(run: Run, base: Options, folder: Path) -> None:
    text = run("scan", "d", *base, "--format", "csv").stdout.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["path"] for row in rows] == [
        "d/=bad \\udcff\\n,:%.png",
        "d/bad.png",
        "d/good \\udcfe\\n.png",
        "d/good.png",
    ]
    assert [row["rule knife"] for row in rows] == ["violated", "violated", "clear", "clear"]


def test_a_record_and_another_format_at_once(run: Run, base: Options, folder: Path, tmp_path: Path) -> None:
    done = run("scan", "d", *base, "-o", "v.jsonl", "--format", "paths")
    assert done.returncode == 1
    assert done.stdout.count(b".png\n") == 2
    assert len(lines((tmp_path / "v.jsonl").read_bytes())) == 4
    assert run("scan", "d", *base, "-o", "v.jsonl", "--overwrite").stdout == b""
    both = run("scan", "d", *base, "-o", "-", "--format", "csv")
    assert (both.returncode, both.stdout) == (2, b"")
    assert len(lines(run("scan", "d", *base, "-o", "-", "--format", "jsonl").stdout)) == 4


@pytest.mark.parametrize("form", ["jsonl", "paths", "sarif"])
def test_going_on_leaves_nothing_out(run: Run, base: Options, folder: Path, form: str) -> None:
    """What stands in the file already is shown and counted as if it were judged now."""
    whole = run("scan", "d", *base, "--format", form)
    assert run("scan", "d/bad.png", *base, "-o", "v.jsonl").returncode == 1
    again = run("scan", "d", *base, "-o", "v.jsonl", "--format", form)
    assert again.returncode == 1
    assert b"1 of these images has its line" in again.stderr
    assert b"4 images: 2 safe, 2 unsafe" in again.stderr
    if form == "sarif":
        assert len(json.loads(again.stdout)["runs"][0]["results"]) == 2
    elif form != "jsonl":
        assert sorted(again.stdout.splitlines()) == sorted(whole.stdout.splitlines())


def test_one_image_is_not_several(run: Run, base: Options, folder: Path) -> None:
    assert b"1 image: 1 safe" in run("scan", "d/good.png", *base).stderr


# --- files that are not to be written -------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"my precious notes", b'{"key": "value"}', b"RIFF\x06\0\0\0WEBPxx"])
def test_a_file_of_the_user_is_left_alone(
    run: Run, base: Options, folder: Path, tmp_path: Path, content: bytes
) -> None:
    """A glob in place of one name (`-o *.webp`) must not cost a photo."""
    (tmp_path / "mine").write_bytes(content)
    done = run("scan", "-o", "mine", folder / "good.png", *base, "-q")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"mine:1: this is not a verdict, so nothing was added" in done.stderr
    assert (tmp_path / "mine").read_bytes() == content


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("/dev/null", b"it is not a file hint: leave -o away"),
        ("/dev/zero", b"it is not a file hint: leave -o away"),
        ("/dev/stdout", b"it is not a file hint: leave -o away"),  # a pipe here
        ("pipe", b"it is not a file hint: leave -o away"),
        ("d", b"it is a folder hint: name a file in it"),
    ],
)
def test_only_files_can_be_gone_on_with(
    run: Run, base: Options, folder: Path, tmp_path: Path, output: str, words: bytes
) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = run("scan", "d", *base, "-o", output)
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"{output} cannot be written: ".encode() + words in b" ".join(done.stderr.split())
    assert b"bug" not in done.stderr


def test_a_full_disk_costs_nothing_that_is_written(run: Run, base: Options, folder: Path, tmp_path: Path) -> None:
    scan = ("scan", "d", *base, "--no-cache")
    whole = run(*scan).stdout
    size = len(whole) * 5 // 8

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    full = run(*scan, "-o", "v.jsonl", preexec_fn=limit)
    assert full.returncode == 2
    assert (
        b"error: v.jsonl cannot be written: File too large hint: allow larger files, then run the same command again: "
        b"it resumes where it stopped" in b" ".join(full.stderr.split())
    )
    assert b"bug" not in full.stderr
    torn = (tmp_path / "v.jsonl").read_bytes()
    assert torn.count(b"\n") == 2
    assert len(torn) == size
    again = run(*scan, "-o", "v.jsonl")
    assert again.returncode == 1
    assert b"2 of these images have their line" in again.stderr
    assert without_seconds((tmp_path / "v.jsonl").read_bytes()) == without_seconds(whole)
    kept, written = lines((tmp_path / "v.jsonl").read_bytes())[:2], lines(torn[: torn.rindex(b"\n") + 1])
    for line in (*kept, *written):
        del line["file"]  # says nothing yet of a file that is younger than two seconds
    assert kept == written


def test_errors_are_tried_again_behind_a_link(run: Run, base: Options, folder: Path, tmp_path: Path) -> None:
    (folder / "late.png").write_bytes(b"")
    run("scan", "d", *base, "-o", "real.jsonl")
    (tmp_path / "real.jsonl").chmod(0o600)
    (tmp_path / "v.jsonl").symlink_to("real.jsonl")
    paint(folder / "late.png", DARK)
    assert run("scan", "d", *base, "-o", "v.jsonl", "--retry-errors").returncode == 1
    assert (tmp_path / "v.jsonl").is_symlink()
    assert (tmp_path / "real.jsonl").stat().st_mode & 0o777 == 0o600
    assert {line["verdict"] for line in lines((tmp_path / "real.jsonl").read_bytes())} == {"safe", "unsafe"}


# --- baseline -------------------------------------------------------------------------------------------------------


def test_accepted_findings_are_recorded_and_do_not_count(run: Run, base: Options, folder: Path, tmp_path: Path) -> None:
    assert run("scan", "d", *base, "-o", "v.jsonl").returncode == 1
    added = run("baseline", "add", "v.jsonl", "--reason", 'Drawn "knife"\n[[accepted]]')
    assert (added.returncode, added.stdout) == (0, b"")
    assert b"accepted: 2 more, 2 in .imagejudge-baseline.toml" in added.stderr
    file = tmp_path / ".imagejudge-baseline.toml"
    entries = tomllib.loads(file.read_text("utf-8"))["accepted"]
    assert [entry["path"] for entry in entries] == ["d/=bad \\udcff\\n,:%.png", "d/bad.png"]
    assert {entry["rule"] for entry in entries} == {"knife"}
    assert {entry["reason"] for entry in entries} == {'Drawn "knife"\\n[[accepted]]'}
    done = run("scan", "d", *base, "--baseline", file)
    assert done.returncode == 0
    assert b"4 images: 2 safe, 2 unsafe (2 accepted)" in done.stderr
    verdicts = lines(done.stdout)
    for line in verdicts:
        jsonschema.Draft202012Validator(json_schema()).validate(line)
    assert [[each["accepted"] for each in line["violations"]] for line in verdicts] == [[True], [True], [], []]
    # Renamed, it is still the same image; changed, it is another.
    (folder / "bad.png").rename(folder / "moved.png")
    assert run("scan", "d", *base, "-b", file).returncode == 0
    paint(folder / "moved.png", BRIGHT, 99)
    assert run("scan", "d", *base, "-b", file).returncode == 1


def test_accepted_findings_in_every_format(run: Run, base: Options, folder: Path) -> None:
    run("scan", "d", *base, "-o", "v.jsonl")
    run("baseline", "add", "v.jsonl")
    shown = {}
    for form in FORMATS:
        done = run("scan", "d", *base, "-b", ".imagejudge-baseline.toml", "--format", form)
        assert (form, done.returncode) == (form, 0)
        shown[form] = done.stdout
    assert shown["text"].count(b": unsafe (accepted): ") == 2
    assert shown["github"] == b""
    assert shown["paths"].count(b".png\n") == 2
    assert all(result["suppressions"] for result in json.loads(shown["sarif"])["runs"][0]["results"])
    quiet = run("scan", "d", *base, "-b", ".imagejudge-baseline.toml", "--format", "text", "-q")
    assert (quiet.stdout, quiet.stderr) == (b"", b"")


def test_a_person_can_decide_what_the_model_cannot(run: Run, base: Options, folder: Path) -> None:
    paint(folder / "dim.png", DIM)
    gate = ("scan", "d/dim.png", *base, "--no-reasoning", "--fail-on", "unsure")
    first = run(*gate)
    assert first.returncode == 1
    run("baseline", "add", "-", stdin=first.stdout)
    assert run(*gate).returncode == 1
    run("baseline", "add", "-", "--unsure", "-b", "b.toml", stdin=first.stdout)
    assert run(*gate, "-b", "b.toml").returncode == 0


def test_adding_again_changes_nothing(run: Run, base: Options, folder: Path, tmp_path: Path) -> None:
    run("scan", "d", *base, "-o", "v.jsonl")
    nothing = run("baseline", "add", "v.jsonl", "--rule", "fire", "-b", "b.toml")
    assert nothing.stderr == b"accepted: 0 more, so no file was made\n"
    assert not (tmp_path / "b.toml").exists()
    run("baseline", "add", "v.jsonl", "-b", "b.toml")
    before = (tmp_path / "b.toml").read_bytes()
    assert b"0 more, 2 in b.toml" in run("baseline", "add", "v.jsonl", "-b", "b.toml").stderr
    assert (tmp_path / "b.toml").read_bytes() == before


def test_unused_entries_are_listed(run: Run, base: Options, folder: Path) -> None:
    run("scan", "d", *base, "-o", "v.jsonl")
    run("baseline", "add", "v.jsonl")
    none = run("baseline", "unused", "v.jsonl")
    assert (none.returncode, none.stdout, none.stderr) == (0, b"", b"")
    (folder / "bad.png").unlink()
    now = run("scan", "d", *base)
    idle = run("baseline", "unused", "-", stdin=now.stdout)
    assert idle.returncode == 1
    assert idle.stdout.startswith(b".imagejudge-baseline.toml:")
    assert idle.stdout.endswith(b": knife: d/bad.png: no image with these bytes was judged\n")
    assert idle.stdout.count(b"\n") == 1


def test_the_baseline_that_settings_name_is_written_and_read_from_its_beginning(
    run: Run, base: Options, folder: Path, tmp_path: Path
) -> None:
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "imagejudge.toml").write_text('baseline = "base.toml"\n')
    configured = ("--config", "conf/imagejudge.toml")
    scan = ("scan", "d", *base, *configured)
    first = run(*scan)
    said = b" ".join(first.stderr.split())
    assert first.returncode == 2
    assert b"the baseline conf/base.toml cannot be read: No such file" in said
    assert b"begin it with the line `schema = 1`" in said
    (conf / "base.toml").write_text("schema = 1\n")
    assert run(*scan, "-o", "v.jsonl").returncode == 1
    assert b"accepted: 2 more, 2 in conf/base.toml" in run("baseline", "add", "v.jsonl", *configured).stderr
    assert not (tmp_path / ".imagejudge-baseline.toml").exists()
    assert run(*scan).returncode == 0
    (conf / "base.toml").write_text((conf / "base.toml").read_text().replace("knife", "fire"))
    idle = run("baseline", "unused", "v.jsonl", *configured)
    assert (idle.returncode, idle.stdout.count(b"conf/base.toml:")) == (1, 2)
    (conf / "base.toml").unlink()
    assert b"accepted: 2 more, 2 in conf/base.toml" in run("baseline", "add", "v.jsonl", *configured).stderr
    assert b"2 in other.toml" in run("baseline", "add", "v.jsonl", *configured, "-b", "other.toml").stderr
    (conf / "imagejudge.toml").rename(tmp_path / "imagejudge.toml")
    assert b"2 more, 2 in .imagejudge-baseline.toml" in run("baseline", "add", "v.jsonl", "--isolated").stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scan", "d", "-b", "none.toml"], b"the baseline none.toml cannot be read"),
        (["scan", "d", "-b", "bad.toml"], b"bad.toml:1: 'schema' in the file must be a whole number"),
        (["baseline", "add", "v.jsonl", "-b", "bad.toml/b.toml"], b"b.toml cannot be written: Not a directory"),
        (["baseline", "add", "none.jsonl"], b"the verdicts none.jsonl cannot be read"),
        (["baseline", "add", "bad.toml"], b"bad.toml:1: this is not a verdict"),
        (["baseline", "add", "v.jsonl", "-b", "bad.toml"], b"bad.toml:2: unknown key 'acepted' in the file"),
        (["baseline", "unused", "v.jsonl"], b"the baseline .imagejudge-baseline.toml cannot be read"),
        (["baseline", "add", "v.jsonl", "--rule", "knive"], b"no rule or category in these verdicts is called 'knive'"),
        (["baseline", "add", "v.jsonl", "--reason", "x" * 2000], b"the reason is 2,000 characters long"),
        (["rejudge", "bad.toml"], b"bad.toml:1: this is not a verdict"),
        (["rejudge", "v.jsonl", "-o", "./v.jsonl"], b"-o names a file that is read"),
        (["rejudge", "v.jsonl", "--missing", "v.jsonl"], b"--missing names a file that is read"),
        (["rejudge", "v.jsonl", "-o", "other.jsonl"], b"another constitution"),
    ],
)
def test_what_cannot_be_done_is_2(
    run: Run, base: Options, folder: Path, tmp_path: Path, arguments: list[str], words: bytes
) -> None:
    run("scan", "d", *base, "-o", "v.jsonl")
    (tmp_path / "bad.toml").write_text('schema = "1"\nacepted = []\n')
    (tmp_path / "other.jsonl").write_text((tmp_path / "v.jsonl").read_text().replace('"demo@', '"other@'))
    done = run(*arguments, *(base if arguments[0] != "baseline" else ()))
    assert (done.returncode, done.stdout) == (2, b"")
    assert words in b" ".join(done.stderr.split())
    assert b"Traceback" not in done.stderr


# --- rejudge --------------------------------------------------------------------------------------------------------


def no_model(tmp_path: Path) -> dict[str, str]:
    """An environment in which the model's library cannot be imported."""
    (tmp_path / "poison" / "llama_cpp").mkdir(parents=True)
    (tmp_path / "poison" / "llama_cpp" / "__init__.py").write_text("raise SystemExit('llama_cpp was imported')")
    return {**os.environ, "PYTHONPATH": str(tmp_path / "poison"), "IMAGEJUDGE_CACHE_DIR": str(tmp_path / "no cache")}


def without_seconds(output: bytes) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key not in ("seconds", "file")} for line in lines(output)]


def test_the_same_rules_give_the_same_lines(
    run: Run, base: Options, rules: Options, folder: Path, tmp_path: Path
) -> None:
    paint(folder / "dim.png", DIM)
    (folder / "empty.png").write_bytes(b"")
    first = run("scan", "d", *base, "-o", "v.jsonl", "--format", "jsonl")
    again = run("rejudge", "v.jsonl", *rules, env=no_model(tmp_path))
    assert without_seconds(again.stdout) == without_seconds(first.stdout)
    assert again.returncode == first.returncode == 2
    assert again.stderr == first.stderr
    piped = run("rejudge", "-", *rules, "--on-error", "warn", stdin=first.stdout)
    assert (piped.returncode, piped.stdout) == (1, again.stdout)


def test_rejudged_lines_keep_the_stamps_of_the_files_they_are_about(
    run: Run, base: Options, rules: Options, folder: Path, tmp_path: Path
) -> None:
    """So a scan that resumes them judges again what has changed since it was looked at, and nothing else."""
    run("scan", "d", *base, "-o", "v.jsonl")
    old = lines((tmp_path / "v.jsonl").read_bytes())
    for line in old:
        status = (tmp_path / line["path"]).stat()  # as a scan says of files that are not as young
        line["file"] = {"size": status.st_size, "modified": status.st_mtime_ns, "changed": status.st_ctime_ns}
    (tmp_path / "v.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    paint(folder / "good.png", BRIGHT)
    (folder / "bad.png").unlink()
    assert run("rejudge", "v.jsonl", *rules, "-o", "new.jsonl").returncode == 1
    new = lines((tmp_path / "new.jsonl").read_bytes())
    assert [(line["path"], line["file"]) for line in new] == [(line["path"], line["file"]) for line in old]
    on = run("scan", "d", *base, "-o", "new.jsonl")
    assert b"changed: 1 image since" in on.stderr
    after = {line["path"]: line["verdict"] for line in lines((tmp_path / "new.jsonl").read_bytes())}
    assert after["d/good.png"] == "unsafe"
    assert len(after) == 4


def test_a_changed_threshold_needs_no_model(run: Run, base: Options, folder: Path, tmp_path: Path) -> None:
    paint(folder / "dim.png", DIM)
    run("scan", "d/dim.png", *base, "--no-reasoning", "-o", "v.jsonl")
    (tmp_path / "strict.toml").write_text(
        RULES.replace("[[rules]]", "[thresholds]\nsatisfied = 0.1\nunsatisfied = 0.05\n\n[[rules]]", 1)
    )
    strict = ("rejudge", "v.jsonl", "-c", "strict.toml", "--no-reasoning", "--ignore", "fire")
    done = run(*strict, "-o", "new.jsonl", "--format", "paths", env=no_model(tmp_path))
    assert (done.returncode, done.stdout) == (1, b"d/dim.png\n")
    (new,) = lines((tmp_path / "new.jsonl").read_bytes())
    (old,) = lines((tmp_path / "v.jsonl").read_bytes())
    assert (old["verdict"], new["verdict"]) == ("unsure", "unsafe")
    assert new["constitution"].startswith("demo@")
    assert new["constitution"] != old["constitution"]
    assert run(*strict, "--fail-on", "high").returncode == 0
    run("baseline", "add", "new.jsonl")
    assert run(*strict, "-b", ".imagejudge-baseline.toml").returncode == 0


OTHER = """
schema = 1
name = "other"
version = "1.0"

[[rules]]
id = "spoon"
text = "Should not depict spoons beside knives."
preconditions = ["A knife is visible.", "A spoon is visible."]
"""


def test_missing_answers_are_listed_and_only_they_are_asked(
    run: Run, base: Options, pair: Options, folder: Path, tmp_path: Path
) -> None:
    whole = run("scan", "d", *base, "-o", "v.jsonl", "--format", "jsonl")
    (tmp_path / "other.toml").write_text(OTHER)
    other = ("rejudge", "v.jsonl", "-c", "other.toml")
    listed = run(*other, "--missing", "missing", "--print0", "-o", "new.jsonl", env=no_model(tmp_path))
    assert listed.returncode == 2
    assert b"2 images need new answers: A spoon is visible. (2)" in listed.stderr
    assert b"2 images: 2 safe" in listed.stderr
    missing = (tmp_path / "missing").read_bytes()
    assert missing == b"d/=bad \xff\n,:%.png\0d/bad.png\0"
    warned = run(*other, "--on-error", "warn")
    assert (warned.returncode, len(lines(warned.stdout))) == (0, 2)
    # With the model the file is completed: nothing that stands in it is judged again.
    done = run(*other, *pair, "-o", "new.jsonl")
    assert done.returncode == 1
    assert b"2 of these images have their line" in done.stderr
    fresh = run("scan", "d", "-c", "other.toml", *pair, "--no-cache")
    new = without_seconds((tmp_path / "new.jsonl").read_bytes())
    assert sorted(new, key=lambda line: line["path"]) == without_seconds(fresh.stdout)
    assert len(new) == len(lines(whole.stdout))
    # The list is one that `scan` takes.
    again = run("scan", "--files-from", "missing", "-0", "-c", "other.toml", *pair)
    assert [line["verdict"] for line in lines(again.stdout)] == ["unsafe", "unsafe"]


def test_images_that_changed_are_not_asked_about(
    run: Run, base: Options, pair: Options, folder: Path, tmp_path: Path
) -> None:
    run("scan", "d", *base, "-o", "v.jsonl")
    (tmp_path / "other.toml").write_text(OTHER)
    paint(folder / "bad.png", DARK)
    done = run("rejudge", "v.jsonl", "-c", "other.toml", *pair, "--missing", "missing")
    assert done.returncode == 2
    assert b"1 image of these cannot be asked about: gone, or changed since" in done.stderr
    assert len(lines(done.stdout)) == 3
    assert (tmp_path / "missing").read_bytes() == b"d/bad.png\n"


def test_answers_of_two_models_are_not_mixed(
    run: Run, base: Options, pair: Options, folder: Path, tmp_path: Path
) -> None:
    run("scan", "d", *base, "-o", "v.jsonl")
    text = (tmp_path / "v.jsonl").read_text()
    model = lines(text.encode())[0]["model"]
    (tmp_path / "other.toml").write_text(OTHER)
    (tmp_path / "foreign.jsonl").write_text(text.replace(model, "else@123456789abc"))
    foreign = run("rejudge", "foreign.jsonl", "-c", "other.toml", *pair)
    assert foreign.returncode == 2
    assert b"the recorded answers are by else@123456789abc" in foreign.stderr
    (tmp_path / "mixed.jsonl").write_text(text.replace(model, "else@123456789abc", 1))
    mixed = ("rejudge", "mixed.jsonl", *base[-3:])
    assert b"different models" in run(*mixed).stderr
    assert {line["model"] for line in lines(run(*mixed, "--mix").stdout)} == {model, "else@123456789abc"}


def test_no_verdicts_is_a_warning(run: Run, rules: Options) -> None:
    done = run("rejudge", "-", *rules)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"there are no verdicts in -" in done.stderr


@pytest.mark.parametrize("command", [["baseline"], ["baseline", "add"], ["baseline", "unused"], ["rejudge"]])
def test_help_explains_itself(run: Run, command: list[str]) -> None:
    done = run(*command, "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert max(len(line) for line in done.stdout.decode().splitlines()) <= 80


def test_a_settings_file_can_name_the_baseline(run: Run, base: Options, folder: Path, tmp_path: Path) -> None:
    run("scan", "d", *base, "-o", "v.jsonl")
    run("baseline", "add", "v.jsonl")
    (tmp_path / "imagejudge.toml").write_text('baseline = ".imagejudge-baseline.toml"\nformat = "github"\n')
    done = run("scan", "d", *base)
    assert (done.returncode, done.stdout) == (0, b"")
    assert run("rejudge", "v.jsonl", *base[-3:]).returncode == 0
    assert run("scan", "d", *base, "--isolated").returncode == 1
