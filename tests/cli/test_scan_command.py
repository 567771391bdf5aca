"""`imagejudge scan` as users run it: exit codes, streams, files, and what survives."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import random
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf_pairs
import jsonschema
import psutil
import pytest
from conftest_cli import PROGRAM, Run, make_images
from PIL import Image
from tars import write_tar

from imagejudge.verdict import json_schema

Options = Sequence[str]


def lines(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def plain(output: bytes) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key not in ("seconds", "file")} for line in lines(output)]


# --- exit codes ---------------------------------------------------------------------------------------------------


def test_nothing_found_is_0(run: Run, pair: Options, rules: Options, images: Path) -> None:
    done = run("scan", images, *pair, *rules)
    assert done.returncode == 0
    assert [line["verdict"] for line in lines(done.stdout)] == ["unsure"] * 3
    assert b"3 images: 3 unsure" in done.stderr


def test_something_found_is_1(run: Run, pair: Options, rules: Options, images: Path) -> None:
    assert run("scan", images, *pair, *rules, "--fail-on", "unsure").returncode == 1
    assert run("scan", images, *pair, *rules, "--fail-on", "unsure", "--exit-zero").returncode == 0


def test_an_image_too_large_for_the_context_says_what_to_set(run: Run, rules: Options, tmp_path: Path) -> None:
    made = gguf_pairs.mrope_pair(tmp_path)
    Image.new("RGB", (1200, 1200)).save(tmp_path / "a.png")
    model = ["--model", str(made.model), "--mmproj", str(made.mmproj)]
    (line,) = lines(run("scan", "a.png", *model, *rules, "--no-debias", "--ctx", "256").stdout)
    found = re.fullmatch(
        r"the image takes (1,024|9\d\d) tokens, too many for a context of 256; "
        r"set `--ctx (\d+)` or more, or `--image-max-tokens (\d+)` or less",
        line["error"]["message"],
    )
    assert found is not None, line
    assert (int(found[2]), int(found[3])) == (int(found[1].replace(",", "")) + 3072, 64)


_READY = ("images", "-c", "rules.toml", "--model", "builtin")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--no-such-option"], b"No such option"),
        ([], b"no images were named"),
        (["images"], b"no constitution was chosen"),
        (["images", "-c", "no-such-rules"], b"no constitution 'no-such-rules'"),
        (["images", "-c", "rules.toml"], b"no model was chosen"),
        (["images", "-c", "rules.toml", "--model", "gpt"], b"no model is called 'gpt'"),
        (["images", "-c", "rules.toml", "--model", "rules.toml"], b"cannot see"),
        (["images", "-c", "rules.toml", "--model", "rules.toml", "--mmproj", "none.gguf"], b"there is no file"),
        (["images", "-c", "rules.toml", "--model", "rules.toml", "--mmproj", "rules.toml"], b"rules.toml"),
        (["--files-from", "none.txt"], b"the list none.txt cannot be read"),
        (["images", "-0"], b"-0 is about how a list ends its paths, and there is no list"),
        ([*_READY, "--memory-limit", "inf"], b"Invalid value for '--memory-limit'"),
        ([*_READY, "--gpus", "0,-1"], b"--gpus 0,-1 is not a list of numbers"),
        ([*_READY, "--fail-on", "hihg"], b"Invalid value for '--fail-on': 'hihg' is not one of"),
        ([*_READY, "--threads", "513"], b"Invalid value for '--threads'"),
        (["images", "-c", "rules.toml", "--select", "firr"], b"fire"),
    ],
)
def test_what_cannot_be_done_is_2(run: Run, rules: Options, images: Path, arguments: list[str], words: bytes) -> None:
    done = run("scan", *arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    assert words in re.sub(rb"\s+", b" ", done.stderr)
    assert b"Traceback" not in done.stderr


def test_an_image_that_cannot_be_judged_is_2(run: Run, pair: Options, rules: Options, images: Path) -> None:
    (images / "0001.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = run("scan", images, *pair, *rules, "--fail-on", "unsure")
    assert done.returncode == 2
    assert [line["verdict"] for line in lines(done.stdout)] == ["unsure", "error", "unsure"]
    assert run("scan", images, *pair, *rules, "--on-error", "warn").returncode == 0
    assert run("scan", images, *pair, *rules, "--on-error", "warn", "--fail-on", "unsure").returncode == 1


def test_a_closed_pipe_is_2(pair: Options, rules: Options, tmp_path: Path) -> None:
    make_images(tmp_path / "many", 300)
    command = 'set -o pipefail; "$0" "$@" | head -n 1'
    done = subprocess.run(
        ["bash", "-c", command, PROGRAM, "scan", "many", *pair, *rules],
        cwd=tmp_path,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2
    assert len(lines(done.stdout)) == 1
    assert b"reader of standard output went away" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_a_bug_is_2_with_its_traceback_in_a_file(
    run: Run, pair: Options, rules: Options, images: Path, broken_program: dict[str, str]
) -> None:
    done = run("scan", images, *pair, *rules, env=broken_program)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    log = re.search(rb"\S+imagejudge-\S+\.log", done.stderr)
    assert log is not None
    assert "ZeroDivisionError: the bug" in Path(os.fsdecode(log[0])).read_text()
    Path(os.fsdecode(log[0])).unlink()


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [PROGRAM, "scan", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def wait_for_lines(file: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists() and file.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.002)


def test_ctrl_c_is_130_and_says_how_to_go_on(pair: Options, rules: Options, tmp_path: Path) -> None:
    make_images(tmp_path / "many", 300)
    out = tmp_path / "v.jsonl"
    process = start(tmp_path, "many", *pair, *rules, "-o", "v.jsonl")
    wait_for_lines(out, 3, process)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"resume v.jsonl" in errors
    assert b"Traceback" not in errors
    assert out.read_bytes().endswith(b"\n")
    assert 3 <= len(lines(out.read_bytes())) < 300
    assert psutil.wait_procs(children, timeout=10)[1] == []


# --- what survives ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kills", "count"), [(6, 90), pytest.param(20, 260, marks=pytest.mark.slow)])
def test_kill_9_loses_nothing(run: Run, pair: Options, rules: Options, tmp_path: Path, kills: int, count: int) -> None:
    folder = make_images(tmp_path / "many", count)
    whole = run("scan", folder, *pair, *rules, "--no-cache", "-q")
    out = tmp_path / "v.jsonl"
    moments = random.Random(20)
    for _ in range(kills):
        before = out.read_bytes().count(b"\n") if out.exists() else 0
        process = start(tmp_path, str(folder), *pair, *rules, "-q", "-o", str(out))
        if moments.random() < 0.8:
            wait_for_lines(out, before + moments.randint(1, 10), process)
        time.sleep(moments.random() * 0.05)
        process.kill()
        process.communicate()
    done = run("scan", folder, *pair, *rules, "-o", out)
    assert done.returncode == 0
    assert b"have their line in" in done.stderr
    assert plain(out.read_bytes()) == plain(whole.stdout)


def test_two_scans_share_a_cache(pair: Options, rules: Options, tmp_path: Path) -> None:
    make_images(tmp_path / "many", 40)
    scans = [start(tmp_path, "many", *pair, *rules) for _ in range(2)]
    outputs = [scan.communicate(timeout=300) for scan in scans]
    assert [scan.returncode for scan in scans] == [0, 0]
    assert plain(outputs[0][0]) == plain(outputs[1][0])
    assert all(b"warning" not in errors for _, errors in outputs)


def test_a_file_of_other_rules_is_refused(
    run: Run, pair: Options, rules: Options, images: Path, tmp_path: Path
) -> None:
    assert run("scan", images, *pair, *rules, "-o", "v.jsonl").returncode == 0
    before = (tmp_path / "v.jsonl").read_bytes()
    refused = run("scan", images, *pair, *rules, "--select", "knife", "-o", "v.jsonl")
    assert refused.returncode == 2
    assert b"--overwrite" in refused.stderr
    assert (tmp_path / "v.jsonl").read_bytes() == before
    assert run("scan", images, *pair, *rules, "--select", "knife", "-o", "v.jsonl", "--overwrite").returncode == 0
    assert len(lines((tmp_path / "v.jsonl").read_bytes())) == 3


def test_a_cached_scan_never_loads_llama_cpp(
    run: Run, pair: Options, rules: Options, images: Path, tmp_path: Path
) -> None:
    first = run("scan", images, *pair, *rules)
    # A llama_cpp that cannot be imported stands before the real one.
    (tmp_path / "poison" / "llama_cpp").mkdir(parents=True)
    (tmp_path / "poison" / "llama_cpp" / "__init__.py").write_text("raise SystemExit('llama_cpp was imported')")
    poisoned = {**os.environ, "PYTHONPATH": str(tmp_path / "poison")}
    again = run("scan", images, *pair, *rules, env=poisoned)
    assert again.returncode == 0
    assert plain(again.stdout) == plain(first.stdout)
    assert run("scan", images, *pair, *rules, "--no-cache", env=poisoned).returncode == 2
    assert run("--help", env=poisoned).returncode == 0


def test_answers_in_other_words_are_other_answers(
    run: Run, pair: Options, rules: Options, images: Path, tmp_path: Path
) -> None:
    guard = (*pair, "--prompt-style", "shieldstral")

    def gaps(verdicts: list[dict[str, Any]]) -> list[float]:
        return [step["gap"] for line in verdicts for rule in line["rules"] for step in rule["steps"]]

    (tmp_path / "house.jsonl").write_bytes(run("scan", images, *pair, *rules).stdout)
    house = lines((tmp_path / "house.jsonl").read_bytes())
    own = lines(run("scan", images, *guard, *rules).stdout)
    assert [line["model"] for line in own] == [f"{line['model']}+shieldstral" for line in house]
    assert all(one != other for one, other in zip(gaps(house), gaps(own), strict=True))
    again = run("scan", images, *pair, *rules)
    assert plain(again.stdout) == plain((tmp_path / "house.jsonl").read_bytes()), "each style has answers of its own"
    mixed = run("scan", images, *guard, *rules, "-o", "house.jsonl")
    assert mixed.returncode == 2
    assert b"verdicts of another model" in mixed.stderr
    asked = run("rejudge", "house.jsonl", "-c", "stickers", *guard)
    assert asked.returncode == 2
    assert b"+shieldstral" in asked.stderr
    assert b"+shieldstral, demo@" in run("explain", next(images.iterdir()), *guard, *rules).stdout
    assert re.search(rb"asked in the style +shieldstral\b", run("doctor", *guard).stdout)


def test_answers_are_kept_apart_by_styles(run: Run, pair: Options, rules: Options, images: Path) -> None:
    """A model that was not asked where things are must not seem to have found nothing."""
    kept = []
    for styles in ([], ["--box-style", "bbox-xyxy-1000"], ["--prompt-style", "shieldstral"], []):
        assert run("scan", images, *pair, *rules, *styles, "--cache-dir", "answers").returncode == 0
        info = run("cache", "info", "--cache-dir", "answers").stdout.decode()
        kept.append(re.findall(r"^models +(\d+)$", info, re.MULTILINE))
    assert kept == [["1"], ["2"], ["3"], ["3"]]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--prompt-style", "polite"], b"--prompt-style polite is not known"),
        (["--box-style", "round"], b"--box-style round is not known"),
        (["--model", "builtin", "--prompt-style", "direct"], b"does not go with the built-in model"),
    ],
)
def test_styles_that_cannot_be(
    run: Run, pair: Options, rules: Options, images: Path, options: list[str], words: bytes
) -> None:
    chosen = () if "builtin" in options else pair
    refused = run("scan", images, *chosen, *options, *rules)
    assert refused.returncode == 2
    assert words in refused.stderr
    assert b"hint: " in refused.stderr


# --- streams ------------------------------------------------------------------------------------------------------


def test_every_line_follows_the_schema(run: Run, pair: Options, rules: Options, images: Path) -> None:
    (images / "empty.png").write_bytes(b"")
    (images / "note.txt").write_text("not an image")
    done = run("scan", images, images / "note.txt", "no-such.png", *pair, *rules)
    verdicts = lines(done.stdout)
    assert len(verdicts) == 6
    validator = jsonschema.Draft202012Validator(json_schema())
    for verdict in verdicts:
        validator.validate(verdict)
    kinds = [verdict["error"]["kind"] for verdict in verdicts if verdict["error"]]
    assert kinds == ["empty", "not-an-image", "missing"]


def test_streams_are_plain_and_apart(run: Run, pair: Options, rules: Options, images: Path) -> None:
    done = run("scan", images, *pair, *rules)
    assert b"\x1b" not in done.stdout + done.stderr
    assert b"%|" not in done.stderr
    quiet = run("scan", images, *pair, *rules, "--quiet")
    assert plain(quiet.stdout) == plain(done.stdout)
    assert quiet.stderr == b""


def test_a_terminal_gets_readable_lines(pair: Options, rules: Options, images: Path, tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [PROGRAM, "scan", "images", *pair, *rules], cwd=tmp_path, stdout=follower, stderr=follower, close_fds=True
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # Linux says so when the last writer is gone
            break
        if not part:
            break
        shown += part
    os.close(leader)
    assert process.wait() == 0
    assert b"\x1b[" in shown
    assert b"3/3" in shown
    text = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown)
    assert b"images/0000.png: unsure: fire: not sure that" in text
    assert b'{"schema"' not in text


def test_hostile_names_do_not_reach_the_terminal(run: Run, pair: Options, rules: Options, images: Path) -> None:
    (images / "0000.png").rename(images / "\x1b[2J\n.png")
    done = run("scan", images, *pair, *rules, "--format", "text")
    assert b"\x1b" not in done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert rb"\x1b[2J\n.png: unsure" in done.stdout


def test_paths_from_lists(run: Run, pair: Options, rules: Options, images: Path, tmp_path: Path) -> None:
    odd = os.fsencode(images) + b"/-odd \xff\n.png"
    (images / "0000.png").rename(os.fsdecode(odd))
    names = b"\0".join([odd, os.fsencode(images / "0001.png")])
    (tmp_path / "list").write_bytes(names)
    from_file = run("scan", "--files-from", "list", "-0", *pair, *rules)
    from_stdin = run("scan", "-", "-0", *pair, *rules, stdin=names)
    assert [os.fsencode(line["path"]) for line in lines(from_file.stdout)] == names.split(b"\0")
    assert plain(from_stdin.stdout) == plain(from_file.stdout)
    as_others_say_it = run("scan", "--files-from", "-", "-0", *pair, *rules, stdin=names)
    assert plain(as_others_say_it.stdout) == plain(from_file.stdout)


def test_finding_nothing_is_a_failure_unless_that_is_allowed(
    run: Run, pair: Options, rules: Options, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for named in (["empty"], ["-"], ["x.png", "--force-exclude", "--exclude", "*"]):
        done = run("scan", *named, *pair, *rules, "-o", "v.jsonl")
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"error: no images were found\nhint: " in done.stderr
        assert not (tmp_path / "v.jsonl").exists()
        done = run("scan", *named, *pair, *rules, "--allow-empty")
        assert (done.returncode, done.stdout) == (0, b"")
        assert b"warning: no images were found" in done.stderr


def test_what_may_hold_images_and_is_not_read_is_counted(
    run: Run, pair: Options, rules: Options, images: Path, tmp_path: Path
) -> None:
    (images / "sub").mkdir()
    for name in ("a.tar", "sub/B.TAR.GZ", ".hidden.tar"):
        write_tar(images / name, {"x.txt": b"", "y.json": b"{}", "in.tar": b""})
    for name in ("tar", "c.tar.xz", "sub/d.TBZ2"):
        (images / name).write_bytes(b"")
    done = run("scan", images, *pair, *rules)
    assert b"passed over: 4 other members of shards; members are known as images by how their names" in done.stderr
    assert b"passed over: 2 shards in other shards; to judge what is in them, unpack them first" in done.stderr
    assert b"passed over: 2 tars that are neither plain nor packed by gzip or zstd; to judge" in done.stderr
    assert b"passed over: 2 shards without an image; members are known as images by how" in done.stderr
    assert b"passed over" not in run("scan", images, *pair, *rules, "--quiet").stderr
    alone = run("scan", images / "sub", *pair, *rules)
    assert alone.returncode == 2
    assert b"passed over: 1 shard without an image; " in alone.stderr
    assert b"no images were found" in alone.stderr


def test_an_address_is_told_from_a_name_with_a_mistake(run: Run, pair: Options, rules: Options) -> None:
    done = run("scan", "s3://bucket/a.png", *pair, *rules, "--format", "text")
    assert done.returncode == 2
    assert b"s3://bucket/a.png: error: is an address" in done.stdout


def test_several_workers_give_the_same_lines(run: Run, pair: Options, rules: Options, tmp_path: Path) -> None:
    folder = make_images(tmp_path / "many", 12)
    alone = run("scan", folder, *pair, *rules, "--no-cache", "--threads", "1")
    together = run("scan", folder, *pair, *rules, "--no-cache", "--workers", "2", "--threads", "1")
    assert plain(together.stdout) == plain(alone.stdout)
