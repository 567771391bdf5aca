"""What was found is moved, copied, linked, deleted or censored, and taken back: real files, and the real program."""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest_cli import PROGRAM, Run
from output.test_formats import HOSTILE
from PIL import Image

from imagejudge.verdict import Verdict, line_of

FACTS = {"rationale": "", "model": "m@1", "constitution": "c@1", "method": "clue", "imagejudge": "0"}
Tree = dict[str, bytes]


def line(path: str, content: bytes | None, found: Mapping[str, str] | None = None, **more: Any) -> bytes:
    """A verdict on a file; `found` has the status of each rule, `knife` being violated where nothing is said."""
    statuses = found or {"knife": "violated"}
    violated = [rule for rule, status in statuses.items() if status == "violated"]
    outcome = "unsafe" if violated else "unsure" if "unsure" in statuses.values() else "safe"
    row = {
        "path": path,
        "sha256": None if content is None else hashlib.sha256(content).hexdigest(),
        "verdict": outcome,
        "violations": [{"rule": rule, "category": "arms", "severity": "high", "rationale": "."} for rule in violated],
        "rules": [{"rule": rule, "status": status, "steps": []} for rule, status in statuses.items()],
    }
    return line_of(Verdict.model_validate(FACTS | row | more))


def plant(folder: Path, names: Iterable[str]) -> Tree:
    """Files with a content of their own, which is their name's."""
    tree = {}
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        tree[name] = os.fsencode(name) * 3
        file.write_bytes(tree[name])
    return tree


def tree_of(folder: Path) -> Tree:
    """Every file below, by its path; links by what they lead to."""
    found = {}
    for here, _, names in os.walk(folder):
        for file in (Path(here) / name for name in names):
            if file.is_symlink():
                found[str(file.relative_to(folder))] = os.fsencode(file.readlink())
            elif file.is_file():
                found[str(file.relative_to(folder))] = file.read_bytes()
    return found


NAMES = ["x.png", "a/x.png", "a/b/x.png", "b/x.png", "b/safe.png"]
BAD = {"new\nline.png", "\x1b[2J\u202e.png", "\udcff\udc80.png", "-rf", "a b/ü ✓.png", "=cmd.png", "y" * 250 + ".png"}


@pytest.fixture
def images(tmp_path: Path) -> Tree:
    """A folder of images, hostile names among them, and the verdicts on them: all but one are unsafe."""
    tree = plant(tmp_path / "d", [*NAMES, *sorted(BAD)])
    safe = {"knife": "clear"}
    lines = [line(f"d/{name}", content, safe if "safe" in name else None) for name, content in tree.items()]
    (tmp_path / "v.jsonl").write_bytes(b"".join(lines))
    return tree


def test_a_dry_run_touches_nothing(run: Run, tmp_path: Path, images: Tree) -> None:
    before = tree_of(tmp_path)
    for action in (["--move", "q"], ["--copy", "q"], ["--link", "q"], ["--delete"]):
        done = run("apply", "v.jsonl", *action)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(b"\n") == len(images) - 1
        assert f"{len(images) - 1}  to {action[0][2:]}" in done.stderr.decode()
        assert b"this is what --yes would do" in done.stderr
        assert not set("\x1b\u202e") & set(done.stdout.decode())
        assert tree_of(tmp_path) == before
    assert b"a/b/x.png -> q/a/b/x.png\n" in run("apply", "v.jsonl", "--move", "q").stdout


@pytest.mark.parametrize("action", ["move", "copy", "link"])
def test_there_and_back(run: Run, tmp_path: Path, images: Tree, action: str) -> None:
    before = tree_of(tmp_path)
    done = run("apply", "v.jsonl", f"--{action}", "q", "--yes", "--undo-file", "undo.jsonl")
    assert done.returncode == 0, done.stderr
    assert b"imagejudge apply --undo undo.jsonl --yes" in done.stderr
    unsafe = {name: content for name, content in images.items() if "safe" not in name}
    placed = {name: os.fsencode(tmp_path / "d" / name) for name in unsafe} if action == "link" else unsafe
    assert tree_of(tmp_path / "q") == placed
    assert set(tree_of(tmp_path / "d")) == {"b/safe.png"} if action == "move" else set(images)
    again = run("apply", "v.jsonl", f"--{action}", "q", "--yes")
    assert (again.returncode, b"nothing left to do" in again.stderr) == (0, True)
    shown = run("apply", "--undo", "undo.jsonl")
    assert (shown.returncode, b"this is what --yes would do" in shown.stderr) == (0, True)
    assert tree_of(tmp_path / "q") == placed
    back = run("apply", "--undo", "undo.jsonl", "--yes")
    assert back.returncode == 0, back.stderr
    assert not (tmp_path / "q").exists()
    assert {name: text for name, text in tree_of(tmp_path).items() if name != "undo.jsonl"} == before
    twice = run("apply", "--undo", "undo.jsonl", "--yes")
    assert (twice.returncode, b"nothing to take back" in twice.stderr) == (0, True)


def test_names_that_a_terminal_cannot_show_stop_nothing(run: Run, tmp_path: Path, images: Tree) -> None:
    done = run("apply", "v.jsonl", "--copy", "q", "--yes", env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 0, done.stderr
    assert "a b/ü \\u2713.png".encode("latin-1") in done.stdout
    assert tree_of(tmp_path / "q") == {name: content for name, content in images.items() if "safe" not in name}


def test_what_is_deleted_is_gone_and_recorded(run: Run, tmp_path: Path, images: Tree) -> None:
    done = run("apply", "v.jsonl", "--delete", "--yes", "--undo-file", "undo.jsonl")
    assert (done.returncode, b"nothing brings it back" in done.stderr) == (0, True)
    assert set(tree_of(tmp_path / "d")) == {"b/safe.png"}
    recorded = {json.loads(each)["source"] for each in (tmp_path / "undo.jsonl").read_bytes().splitlines()}
    assert recorded == {str(tmp_path / "d" / name) for name in images if "safe" not in name}
    back = run("apply", "--undo", "undo.jsonl", "--yes")
    assert (back.returncode, b"refused: deleted for good" in back.stderr) == (2, True)


def test_what_is_not_as_it_was_is_refused_and_counted(run: Run, tmp_path: Path) -> None:
    tree = plant(tmp_path / "d", ["ok", "changed", "gone", "taken", "same", "folder", "pipe", "out", "hard"])
    plant(tmp_path / "d", ["a.zip"])
    lines = [line(f"d/{name}", content) for name, content in tree.items()]
    lines += [
        line(f"d/{name}", b"x")
        for name in ("a.zip::3", "a.zip/x.png", "a.zip!b#c", "\0", "\ud800", "", "..", "z" * 999)
    ]
    lines += [line("d/unread", None), line("d/link", tree["ok"]), line("d/./ok", tree["ok"])]
    (tmp_path / "v.jsonl").write_bytes(b"".join(lines))
    (tmp_path / "d" / "changed").write_bytes(b"other")
    for name in ("gone", "folder", "pipe"):
        (tmp_path / "d" / name).unlink()
    (tmp_path / "d" / "folder").mkdir()
    os.mkfifo(tmp_path / "d" / "pipe")
    (tmp_path / "d" / "link").symlink_to("ok")
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "taken").write_bytes(b"mine")
    (tmp_path / "q" / "same").write_bytes(tree["same"])
    (tmp_path / "q" / "out").symlink_to(tmp_path / "d" / "out")
    done = run("apply", "v.jsonl", "--move", "q", "--root", "d", "--yes")
    said = done.stderr.decode()
    assert done.returncode == 2
    counted = {each.strip() for each in said.splitlines() if each.startswith(" ") or each[:1].isdigit()}
    assert counted == {
        "3  moved",
        "1  nothing left to do: named before",
        "1  refused: a link: name what it leads to",
        "1  refused: changed since it was judged",
        "1  refused: could not be read when it was judged",
        "1  refused: file name too long",
        "1  refused: gone",
        "3  refused: held in another file; unpack it first",
        "4  refused: no file",
        "2  refused: no file can have this name",
        "2  refused: something else is at its new place",
    }
    assert (tmp_path / "q" / "taken").read_bytes() == b"mine"
    assert {"ok", "same", "hard"} <= set(tree_of(tmp_path / "q"))
    assert {"changed", "taken", "out", "link", "a.zip"} == set(tree_of(tmp_path / "d"))


@pytest.mark.parametrize(
    "action", [["--copy", "q"], ["--move", "q"], ["--link", "q"], ["--censor", "q"], ["--delete", "--root", "."]]
)
def test_what_is_no_file_here_is_told_as_such(run: Run, tmp_path: Path, action: list[str]) -> None:
    members = ["there.tar::a.png", "gone.tar::d/a.png", "b.parquet::3"]
    remote = ["https://example.org/a.tar::a.png", "s3://bucket/a.png"]
    plant(tmp_path, ["there.tar", "d/there.tar::a.png"])
    lines = [line(path, b"x") for path in members + remote] + [line("unread.tar::a.png", None)]
    (tmp_path / "v.jsonl").write_bytes(b"".join(lines))
    done = run("apply", "v.jsonl", *action, "--yes")
    assert done.returncode == 2
    told = {each.strip() for each in done.stderr.decode().splitlines() if "refused" in each}
    assert told == {
        "4  refused: a member of a shard, not a file; use `imagejudge filter`",
        "2  refused: in a network, not a file here; download it, and scan it there",
    }
    named = "d/there.tar::a.png"  # a file of such a name is one
    (tmp_path / "v.jsonl").write_bytes(line(named, os.fsencode(named) * 3) + line(remote[0], b"x"))
    done = run("apply", "v.jsonl", *action)
    assert done.stderr.decode().count("refused") == 1


def test_nothing_climbs_out(run: Run, tmp_path: Path) -> None:
    """Lines that others wrote: what they name outside the root, or through links, stays where it is."""
    here = tmp_path / "work"
    tree = plant(here / "d", ["a/x.png", "b/x.png", "c/x.png"])
    outside = plant(tmp_path, ["secret", "elsewhere/x.png", "elsewhere2/keep"])
    (here / "d" / "way").symlink_to(tmp_path / "elsewhere")
    (here / "q").mkdir()
    (here / "q" / "b").symlink_to(tmp_path / "elsewhere2")
    (here / "q" / "c").write_bytes(b"a file")
    names = {"a/x.png": tree["a/x.png"], "b/x.png": tree["b/x.png"], "c/x.png": tree["c/x.png"]}
    lines = [line(f"work/d/{name}", content) for name, content in names.items()]
    lines += [line(f"work/d/{up}secret", outside["secret"]) for up in ("../../", "a/../../../")]
    lines += [line(str(tmp_path / "secret"), outside["secret"]), line("work/d/way/x.png", outside["elsewhere/x.png"])]
    (tmp_path / "v.jsonl").write_bytes(b"".join(lines))
    before = {name: (tmp_path / name).read_bytes() for name in outside}
    for action in (["--move", "work/q"], ["--copy", "work/q"], ["--link", "work/q"], ["--delete"]):
        done = run("apply", "v.jsonl", *action, "--root", "work/d", "--yes")
        assert done.returncode == 2
        assert b"4  refused: outside the root" in done.stderr
        assert {name: (tmp_path / name).read_bytes() for name in outside} == before
        assert set(tree_of(tmp_path / "elsewhere2")) == {"keep"}
    # Without a root, it is the deepest folder that holds them all: what lay beside it is put beside it.
    (tmp_path / "v.jsonl").write_bytes(
        line("secret", outside["secret"]) + line("work/../elsewhere/x.png", outside["elsewhere/x.png"])
    )
    done = run("apply", "v.jsonl", "--copy", "q2", "--yes")
    assert (done.returncode, tree_of(tmp_path / "q2")) == (
        0,
        {"secret": outside["secret"], "elsewhere/x.png": outside["elsewhere/x.png"]},
    )


def test_to_another_file_system_and_back(run: Run, tmp_path: Path, images: Tree, other_system: Path) -> None:
    before = tree_of(tmp_path)
    mode, when = 0o640, 1_600_000_000
    (tmp_path / "d" / "x.png").chmod(mode)
    os.utime(tmp_path / "d" / "x.png", (when, when))
    done = run("apply", "v.jsonl", "--move", other_system / "q", "--yes", "--undo-file", "undo.jsonl")
    assert done.returncode == 0, done.stderr
    assert tree_of(other_system / "q") == {name: text for name, text in images.items() if "safe" not in name}
    status = (other_system / "q" / "x.png").stat()
    assert (status.st_mode & 0o777, status.st_mtime) == (mode, when)
    assert run("apply", "--undo", "undo.jsonl", "--yes").returncode == 0
    assert {name: text for name, text in tree_of(tmp_path).items() if name != "undo.jsonl"} == before
    assert list(other_system.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may write to any file")
@pytest.mark.parametrize("action", ["move", "copy"])
def test_images_that_may_only_be_read(tmp_path: Path, images: Tree, other_system: Path, action: str) -> None:
    bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    for name in images:
        (tmp_path / "d" / name).chmod(0o444)

    def call(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*bound, PROGRAM, "apply", *arguments], cwd=tmp_path, capture_output=True, check=False)

    done = call("v.jsonl", f"--{action}", str(other_system / "q"), "--yes", "--undo-file", "u")
    assert done.returncode == 0, done.stderr
    placed = other_system / "q"
    assert tree_of(placed) == {name: text for name, text in images.items() if "safe" not in name}
    assert {(placed / name).stat().st_mode & 0o777 for name in tree_of(placed)} == {0o444}
    assert call("--undo", "u", "--yes").returncode == 0
    assert tree_of(tmp_path / "d") == images
    assert {(tmp_path / "d" / name).stat().st_mode & 0o777 for name in images} == {0o444}
    assert list(other_system.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("where", ["here", "other"])
def test_two_runs_into_one_folder_lose_nothing(tmp_path: Path, where: str, request: pytest.FixtureRequest) -> None:
    target = tmp_path / "q" if where == "here" else request.getfixturevalue("other_system") / "q"
    programs, content = [], set()
    for name in ("a", "b"):
        tree = {f"{number}.png": f"{name}{number}".encode() for number in range(250)}
        (tmp_path / name).mkdir()
        for file, text in tree.items():
            (tmp_path / name / file).write_bytes(text)
        content.update(tree.values())
        (tmp_path / f"{name}.jsonl").write_bytes(b"".join(line(f"{name}/{file}", tree[file]) for file in tree))
        command = [PROGRAM, "apply", f"{name}.jsonl", "--move", str(target), "--yes", "--undo-file", f"{name}.undo"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        programs.append(subprocess.Popen(command, cwd=tmp_path, **pipes))  # type: ignore[call-overload]
    shown = [program.communicate(timeout=120)[0] for program in programs]
    assert sum(each.count(b"moved ") for each in shown) == 250
    assert sum(each.count(b": something else is at its new place\n") for each in shown) == 250
    left = [tree_of(folder) for folder in (tmp_path / "a", tmp_path / "b", target)]
    assert [len(tree) for tree in left[:2]] == [each.count(b"refused ") for each in shown]
    assert {text for tree in left for text in tree.values()} == content
    for undo in tmp_path.glob("*.undo"):  # one that came too late for all has none
        subprocess.run([PROGRAM, "apply", "--undo", undo, "--yes"], cwd=tmp_path, capture_output=True, check=True)
    assert [len(tree_of(tmp_path / name)) for name in ("a", "b")] == [250, 250]


def kill_and_mend(folder: Path, target: Path, count: int, kills: int, seed: int, action: str = "move") -> None:
    """Kill the program at random moments; each time every file is whole somewhere. Then finish, and take all back."""
    tree = plant(folder / "d", [f"{number % 7}/{number}.png" for number in range(count)])
    (folder / "v.jsonl").write_bytes(b"".join(line(f"d/{name}", content) for name, content in tree.items()))
    chance, undos = random.Random(seed), []
    for number in range(kills):
        undos.append(f"undo{number}.jsonl")
        command = [PROGRAM, "apply", "v.jsonl", f"--{action}", str(target), "--yes", "--undo-file", undos[-1]]
        program = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        undo, until = folder / undos[-1], chance.randrange(1, 30_000)
        while program.poll() is None and not (undo.exists() and undo.stat().st_size > until):
            time.sleep(0.0005)
        program.send_signal(signal.SIGKILL)
        program.wait()
        old, new = tree_of(folder / "d"), tree_of(target) if target.exists() else {}
        new = {name: text for name, text in new.items() if not name.endswith(".tmp")}
        assert new.items() <= tree.items(), "a part was taken for a file"
        if action == "move":
            assert {**old, **new} == tree
            twice = old.keys() & new.keys()
            assert len(twice) <= (folder.stat().st_dev != target.parent.stat().st_dev)
        else:
            assert old == tree
    done = subprocess.run(
        [PROGRAM, "apply", "v.jsonl", f"--{action}", str(target), "--yes", "--undo-file", "last.jsonl"],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    assert tree_of(target) == tree, done.stderr
    for name in ["last.jsonl", *reversed(undos)]:
        if (folder / name).exists():
            subprocess.run([PROGRAM, "apply", "--undo", name, "--yes"], cwd=folder, capture_output=True, check=True)
    assert tree_of(folder / "d") == tree
    assert not target.exists()


@pytest.mark.slow
@pytest.mark.parametrize("action", ["move", "copy"])
def test_killed_at_any_point(tmp_path: Path, action: str) -> None:
    kill_and_mend(tmp_path, tmp_path / "q", 100, 2, 1, action)


@pytest.mark.slow
def test_killed_between_two_file_systems(tmp_path: Path, other_system: Path) -> None:
    kill_and_mend(tmp_path, other_system / "q", 100, 2, 1)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("where", ["here", "other"])
def test_killed_many_times(tmp_path: Path, seed: int, where: str, request: pytest.FixtureRequest) -> None:
    target = tmp_path if where == "here" else request.getfixturevalue("other_system")
    kill_and_mend(tmp_path, target / "q", 300, 8, seed)


def test_undo_leaves_alone_what_changed(run: Run, tmp_path: Path) -> None:
    tree = plant(tmp_path / "d", ["changed", "gone", "returned", "ok"])
    (tmp_path / "v.jsonl").write_bytes(b"".join(line(f"d/{name}", content) for name, content in tree.items()))
    assert run("apply", "v.jsonl", "--move", "q", "--yes", "--undo-file", "u").returncode == 0
    (tmp_path / "q" / "changed").write_bytes(b"edited")
    (tmp_path / "q" / "gone").unlink()
    (tmp_path / "d" / "returned").write_bytes(b"a new one")
    with (tmp_path / "u").open("ab") as undo:
        undo.write(b'{"schema":1,"action":"move","sou')  # as a killed writer leaves it
    done = run("apply", "--undo", "u", "--yes")
    said = done.stderr.decode()
    assert done.returncode == 2
    for words in (
        "1  taken back",
        "1  refused: changed since",
        "1  refused: gone",
        "1  refused: something else is at its old",
    ):
        assert words in said, said
    assert tree_of(tmp_path / "d") == {"ok": tree["ok"], "returned": b"a new one"}
    assert tree_of(tmp_path / "q") == {"changed": b"edited", "returned": tree["returned"]}


def test_the_last_copy_is_never_taken_away(run: Run, tmp_path: Path) -> None:
    tree = plant(tmp_path / "d", ["copied.png", "linked.png"])
    (tmp_path / "v.jsonl").write_bytes(line("d/copied.png", tree["copied.png"]))
    assert run("apply", "v.jsonl", "--copy", "q", "--root", "d", "--yes", "--undo-file", "c").returncode == 0
    assert run("apply", "v.jsonl", "--move", "q", "--root", "d", "--yes", "--undo-file", "m").returncode == 0
    assert "copied.png" not in tree_of(tmp_path / "d")
    done = run("apply", "--undo", "c", "--yes")
    assert (done.returncode, b"this is all that is left of it" in done.stderr) == (2, True)
    assert tree_of(tmp_path / "q") == {"copied.png": tree["copied.png"]}
    assert run("apply", "--undo", "m", "--yes").returncode == 0
    assert tree_of(tmp_path / "d") == tree
    # One file under two names, as all files are that differ by case on some systems.
    (tmp_path / "v.jsonl").write_bytes(line("d/linked.png", tree["linked.png"]))
    (tmp_path / "q").mkdir(exist_ok=True)
    (tmp_path / "q" / "linked.png").hardlink_to(tmp_path / "d" / "linked.png")
    done = run("apply", "v.jsonl", "--move", "q", "--yes")
    assert (done.returncode, b"something else is at its new place" in done.stderr) == (2, True)
    assert tree_of(tmp_path / "d") == tree


@pytest.mark.parametrize("action", [["--move", "q"], ["--copy", "q"], ["--link", "q"], ["--censor", "q"], ["--delete"]])
def test_from_another_folder_it_says_what_paths_count_from(run: Run, tmp_path: Path, action: list[str]) -> None:
    (tmp_path / "v.jsonl").write_bytes(line("d/a/x.png", b"x") + line("d/b/x.png", b"x"))
    there = b"there is no " + os.fsencode(tmp_path / "d")
    for really in ([], ["--yes"]):
        done = run("apply", "v.jsonl", *action, *really)
        assert (done.returncode, done.stdout) == (2, b"")
        said = b" ".join(done.stderr.split())
        assert there + b", which held the images hint: paths count from the folder that the scan ran in" in said
    (tmp_path / "d").mkdir()  # another one of this name
    for really in ([], ["--yes"]):
        done = run("apply", "v.jsonl", *action, *really)
        assert (done.returncode, done.stdout.count(b": gone\n")) == (2, 2)
        assert b"paths count from the folder that the scan ran in" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "v.jsonl"]


def test_what_was_deleted_before_is_no_failure(run: Run, tmp_path: Path, images: Tree) -> None:
    for words in (f"{len(images) - 1}  deleted", f"{len(images) - 1}  nothing left to do: not there"):
        done = run("apply", "v.jsonl", "--delete", "--yes")
        assert (done.returncode, words in done.stderr.decode()) == (0, True)


@pytest.mark.parametrize(
    "content",
    [
        b"no record\n", b"{}\n", b"[" * 50_000 + b"\n", b"\xff\n",
        b'{"schema":1,"action":"move","source":"a","target":"/b","sha256":"%s"}\n' % (b"a" * 64),
        b'{"schema":1,"action":"move","source":"/a"}\n',
    ],
)  # fmt: skip
def test_what_is_no_undo_file_is_refused_before_anything_is_done(run: Run, tmp_path: Path, content: bytes) -> None:
    tree = plant(tmp_path / "d", ["a"])
    (tmp_path / "v.jsonl").write_bytes(line("d/a", tree["a"]))
    assert run("apply", "v.jsonl", "--copy", "q", "--yes", "--undo-file", "u").returncode == 0
    (tmp_path / "u").write_bytes(content + (tmp_path / "u").read_bytes())
    done = run("apply", "--undo", "u", "--yes")
    assert done.returncode == 2
    assert b"u:1: this is not a record" in done.stderr
    assert tree_of(tmp_path / "q") == tree


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "say what to do, and one thing only"),
        (["--move", "q", "--delete"], "say what to do, and one thing only"),
        (["--undo", "u"], "--undo needs no verdicts"),
        (["--move", "d"], "is the folder that the images are in"),
        (["--move", "v.jsonl"], "is no folder"),
        (["--move", "q", "--root", "none"], "--root none is no folder"),
        (["--move", "q", "--root", "v.jsonl"], "--root v.jsonl is no folder"),
        (["--move", "q", "--undo-file", "v.jsonl"], "is there already"),
        (["--move", "q", "--reviewed"], "name its file with --decisions"),
        (["--move", "q", "--decisions", "none"], "none cannot be read"),
        (["--move", "q", "--decisions", "v.jsonl"], "v.jsonl:1: this is not a decision"),
        (["--move", "q", "--rule", "knive"], "did you mean 'knife'?"),
        (["--move", "q", "--yes", "--undo-file", "no/where"], "cannot be recorded"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, tmp_path: Path, images: Tree, options: list[str], words: str) -> None:
    before = tree_of(tmp_path)
    done = run("apply", "v.jsonl", *options)
    assert (done.returncode, tree_of(tmp_path)) == (2, before)
    assert words in done.stderr.decode()


def test_which_images(run: Run, tmp_path: Path) -> None:
    tree = plant(tmp_path / "d", ["arms", "fire", "unsure", "safe", "accepted"])
    found = {"arms": {"knife": "violated", "fire": "clear"}, "fire": {"knife": "clear", "fire": "violated"}}
    found |= {"unsure": {"knife": "unsure", "fire": "clear"}, "safe": {"knife": "clear", "fire": "clear"}}
    lines = [line(f"d/{name}", tree[name], statuses) for name, statuses in found.items()]
    accepted = json.loads(line("d/accepted", tree["accepted"], found["arms"]))
    accepted["rules"][0]["accepted"] = True
    (tmp_path / "v.jsonl").write_bytes(b"".join([*lines, json.dumps(accepted).encode() + b"\n"]))

    def decide(name: str, truth: str, rule: str | None = None) -> str:
        row = {"schema": 1, "sha256": hashlib.sha256(tree[name]).hexdigest(), "path": name, "rule": rule}
        return json.dumps(row | {"decision": "agree", "truth": truth}) + "\n"

    (tmp_path / "decided").write_text(
        decide("arms", "clear") + decide("safe", "violated", "fire") + decide("fire", "violated")
    )

    def chosen(*options: str) -> set[str]:
        done = run("apply", "v.jsonl", "--copy", "q", *options)
        assert done.returncode == 0, done.stderr
        return {each.split(b" -> q/")[1].decode() for each in done.stdout.splitlines()}

    assert chosen() == {"arms", "fire"}
    assert chosen("--only", "unsafe,unsure", "--rule", "knife") == {"arms", "unsure"}
    assert chosen("--rule", "arms") == {"arms", "fire"}  # the category of both
    assert chosen("--decisions", "decided") == {"fire", "safe"}
    assert chosen("--decisions", "decided", "--only", "safe") == {"arms", "accepted"}
    assert chosen("--decisions", "decided", "--only", "safe", "--reviewed") == {"arms"}


def test_an_interrupted_run_says_how_to_take_it_back(tmp_path: Path) -> None:
    tree = plant(tmp_path / "d", [f"{number}.png" for number in range(400)])
    (tmp_path / "v.jsonl").write_bytes(b"".join(line(f"d/{name}", content) for name, content in tree.items()))
    command = [PROGRAM, "apply", "v.jsonl", "--move", "q", "--yes", "--undo-file", "u"]
    program = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while program.poll() is None and not (tmp_path / "u").exists():
        time.sleep(0.001)
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 130
    assert b"imagejudge apply --undo u --yes takes it back" in errors
    subprocess.run([PROGRAM, "apply", "--undo", "u", "--yes"], cwd=tmp_path, check=True, capture_output=True)
    assert tree_of(tmp_path / "d") == tree


def test_no_room_for_the_record_says_so_and_how_to_take_the_rest_back(run: Run, tmp_path: Path, images: Tree) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))

    full = run("apply", "v.jsonl", "--move", "q", "--yes", "--undo-file", "u", preexec_fn=limit)
    assert full.returncode == 2
    assert b"cannot be recorded in u: File too large" in full.stderr
    assert b"imagejudge apply --undo u --yes takes it back" in b" ".join(full.stderr.split())
    assert (tmp_path / "u").read_bytes().endswith(b"\n"), "no half of a record stays"
    assert set(tree_of(tmp_path / "q")), "some had room"
    assert run("apply", "--undo", "u", "--yes").returncode == 0
    assert tree_of(tmp_path / "d") == images


# --- censoring ------------------------------------------------------------------------------------------------------


def paint(file: Path, make: Callable[[], Image.Image] | None = None, **save: Any) -> bytes:
    """An image of noise, 120 x 80, or another; gives its bytes."""
    noise = np.random.default_rng(1).integers(0, 256, (80, 120, 3), np.uint8)
    (make() if make else Image.fromarray(noise)).save(file, **save)
    return file.read_bytes()


def located(rule: str = "knife", *boxes: tuple[float, float, float, float], held: bool = True) -> dict[str, Any]:
    step = {"ask": "A knife.", "item": 1, "status": "satisfied" if held else "unsure", "by": "centric", "p_yes": 0.9}
    step |= {"gap": 2.0, "prior": 0.5, "centric": 0.1, "off_mass": 0.1, "rationale": None}
    regions = [dict(zip(("left", "top", "right", "bottom"), box, strict=True)) | {"ask": "A knife."} for box in boxes]
    return {"rule": rule, "status": "violated", "steps": [step], "regions": regions}


def test_regions_are_blurred_and_nothing_else(run: Run, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    exif = Image.Exif()
    exif[0x010E], exif[0x8298] = "made at home", "somebody"
    one, whole = paint(tmp_path / "d" / "one.png", exif=exif), paint(tmp_path / "d" / "whole.jpg", exif=exif)
    partly = paint(tmp_path / "d" / "partly.bmp")
    film = [Image.new("RGB", (20, 20), shade) for shade in ("red", "blue", "green")]
    moving = paint(tmp_path / "d" / "film.gif", lambda: film[0], save_all=True, append_images=film[1:])
    box = (0.25, 0.25, 0.5, 0.75)
    rows = {
        "one.png": (one, [located("knife", box)]),
        "whole.jpg": (whole, [located("knife")]),
        "partly.bmp": (partly, [located("knife", box), located("fire", box, held=False)]),
        "film.gif": (moving, [located("knife", box)]),
    }
    lines = [line(f"d/{name}", content, rules=rules) for name, (content, rules) in rows.items()]
    (tmp_path / "v.jsonl").write_bytes(b"".join(lines) + line("d/broken.png", b"no image"))
    (tmp_path / "d" / "broken.png").write_bytes(b"no image")
    before = tree_of(tmp_path / "d")
    done = run("apply", "v.jsonl", "--censor", "q", "--yes", "--undo-file", "u")
    assert (done.returncode, b"4  censored" in done.stderr) == (2, True), done.stderr
    assert tree_of(tmp_path / "d") == before
    made = tree_of(tmp_path / "q")
    assert set(made) == {"one.png", "whole.jpg", "partly.bmp.png", "film.gif.png"}
    assert not any(b"made at home" in content or b"somebody" in content for content in made.values())
    old, new = (np.asarray(Image.open(tmp_path / at / "one.png").convert("RGB"), float) for at in ("d", "q"))
    inside = np.zeros((80, 120), bool)
    inside[16:64, 27:63] = True  # a tenth of its sides beyond the box
    assert (old == new)[~inside].all()
    for name in ("one.png", "partly.bmp.png", "whole.jpg"):
        picture = np.asarray(Image.open(tmp_path / "q" / name).convert("RGB"), float)
        part = picture[20:60, 30:60]
        assert part.std() < 30 < old[20:60, 30:60].std()
    assert np.asarray(Image.open(tmp_path / "q" / "partly.bmp.png"), float)[:, 100:].std() < 30
    again = run("apply", "v.jsonl", "--censor", "q", "--yes")
    assert b"4  nothing left to do: there already" in again.stderr
    assert run("apply", "--undo", "u", "--yes").returncode == 0
    assert not (tmp_path / "q").exists()


@pytest.mark.slow
def test_what_was_judged_with_higher_limits_is_censored(run: Run, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    large = paint(tmp_path / "d" / "large.png", lambda: Image.new("1", (10_100, 10_000)))
    long = paint(tmp_path / "d" / "long.png") + bytes(100_000_000)
    (tmp_path / "d" / "long.png").write_bytes(long)
    (tmp_path / "d" / "bomb.png").write_bytes(bomb := large + b"\0")
    facts = {"format": "PNG", "frames": 1}
    failed = {"verdict": "error", "error": {"kind": "too-many-pixels", "message": "."}}
    lines = [
        line("d/large.png", large, image=facts | {"width": 10_100, "height": 10_000}),
        line("d/long.png", long, image=facts | {"width": 120, "height": 80}),
        line("d/bomb.png", bomb, **failed),
    ]
    (tmp_path / "v.jsonl").write_bytes(b"".join(lines))
    done = run("apply", "v.jsonl", "--only", "unsafe,error", "--censor", "q", "--yes")
    assert (done.returncode, b"2  censored" in done.stderr) == (2, True), done.stderr
    assert set(tree_of(tmp_path / "q")) == {"large.png", "long.png"}
    assert b"d/bomb.png: 10100 x 10000 is more than 100,000,000 pixels\n" in done.stdout
    assert b"max_pixels" not in done.stdout + done.stderr


def test_no_name_is_too_hostile(run: Run, tmp_path: Path) -> None:
    """Whatever lines say, there is a row for each and no traceback."""
    (tmp_path / "d").mkdir()
    (tmp_path / "v.jsonl").write_bytes(b"".join(line(name, b"x") for name in HOSTILE))
    done = run("apply", "v.jsonl", "--move", "q", "--yes")
    assert done.returncode == 2
    assert done.stdout.count(b"\n") == len(HOSTILE)
    assert not set("\x1b\x07\x9b\u202e\u2066\x7f") & set(done.stdout.decode())
    assert b"bug" not in done.stderr


def test_a_video_is_not_censored_and_it_is_said_what_to_do(run: Run, tmp_path: Path) -> None:
    tree = plant(tmp_path / "d", ["film.mp4"])
    sampled = {"method": "every", "seconds": 1.0, "frames": 3}
    (tmp_path / "v.jsonl").write_bytes(line("d/film.mp4", tree["film.mp4"], sampled=sampled))
    for really in ([], ["--yes"]):
        done = run("apply", "v.jsonl", "--censor", "q", *really)
        assert done.returncode == 2
        assert b"refused    d/film.mp4: videos are not censored: move or delete it" in done.stdout
    assert not (tmp_path / "q").exists()
    assert run("apply", "v.jsonl", "--move", "q", "--yes").returncode == 0
