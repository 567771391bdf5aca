"""Scans by blocks: many processes write one folder, which survives what kills them, and `merge` puts it together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from blocks_engine import DEADLY, put_engine, quicken, rows
from conftest_cli import PROGRAM, Run
from PIL import Image

Options = Sequence[str]


@pytest.fixture(autouse=True)
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_engine(tmp_path / "site", monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten images, the last one unsafe, and a file that is none."""
    made = tmp_path / "d"
    made.mkdir()
    for number in range(10):
        Image.new("RGB", (8, 6), (250 if number == 9 else number, 0, number)).save(made / f"{number}.png")
    (made / "broken.png").write_bytes(b"\x89PNG\r\n")
    return made


def shard(which: str, *more: str) -> list[str]:
    return ["scan", "d", "-o", "out", "--block-size", "2", *which.split(), *more]


def parts(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "out" / "parts").iterdir())


@pytest.mark.usefixtures("folder")
def test_shards_put_together_are_what_one_scan_writes(run: Run, base: Options, tmp_path: Path) -> None:
    alone = run("scan", "d", *base, "-o", "alone.jsonl")
    codes = [run(*shard(f"--shard {index}/3"), *base).returncode for index in (2, 0, 1)]
    assert (alone.returncode, codes) == (2, [2, 0, 1])  # what is unsafe is in block 4, what is broken in block 5
    merged = run("merge", "out", "-o", "merged.jsonl")
    assert (merged.returncode, merged.stdout) == (2, b"")
    assert merged.stderr == b"11 images: 9 safe, 1 unsafe, 1 error\n"
    assert rows((tmp_path / "merged.jsonl").read_bytes()) == rows((tmp_path / "alone.jsonl").read_bytes())
    summary = json.loads((tmp_path / "out" / "summary.json").read_bytes())
    assert summary["verdicts"] == {"safe": 9, "unsure": 0, "unsafe": 1, "error": 1}
    assert (summary["blocks"], summary["inputs"], summary["given_up"]) == (6, 11, [])
    assert (tmp_path / "out" / "_SUCCESS").exists()
    assert run("merge", "out", "--check", "--on-error", "warn").returncode == 1
    assert run("merge", "out", "--check", "--on-error", "warn", "--exit-zero").returncode == 0


@pytest.mark.usefixtures("folder")
def test_parts_may_be_packed_and_scans_be_equal_to_the_byte(run: Run, base: Options, tmp_path: Path) -> None:
    time.sleep(2.1)  # by then a file that was written has a stamp
    assert run("scan", "d", *base, "--no-timing", "-o", "alone.jsonl").returncode == 2
    packed = ("--part-format", "jsonl.zst", "--no-timing")
    assert run(*shard("--shard 1/2", *packed), *base).returncode == 2
    assert b"--part-format jsonl.zst --no-timing" in run(*shard("--shard 0/2"), *base).stderr
    assert run(*shard("--shard 0/2", *packed), *base).returncode == 1
    assert parts(tmp_path)[0] == "part-00000.jsonl.zst"
    assert run("merge", "out", "-o", "merged.jsonl").returncode == 2
    assert (tmp_path / "merged.jsonl").read_bytes() == (tmp_path / "alone.jsonl").read_bytes()


def test_shards_of_tars_are_what_one_scan_writes(run: Run, base: Options, folder: Path, tmp_path: Path) -> None:
    for name in ("1.tar", "x.tar", "z.tar"):
        with tarfile.open(folder / name, "w") as tar:
            for image in [*sorted(folder.glob("*.png"))[:3], folder / "broken.png", tmp_path / "rules.toml"]:
                tar.add(image, image.name)
    with tarfile.open(folder / "empty.tar", "w"):
        pass
    (folder / "x.tar").write_bytes((folder / "x.tar").read_bytes()[:2100])
    alone = run("scan", "d", *base, "-o", "alone.jsonl")
    found = [run(*shard(f"--shard {index}/2"), *base) for index in range(2)]
    passed_over = [words for each in found for words in each.stderr.splitlines() if words.startswith(b"passed over")]
    assert sorted(passed_over) == sorted(words for words in alone.stderr.splitlines() if b"passed over" in words)
    assert len(passed_over) == 2  # both tars with a member that is no image are in one part
    assert run("merge", "out", "-o", "merged.jsonl").returncode == 2
    merged = rows((tmp_path / "merged.jsonl").read_bytes())
    assert merged == rows((tmp_path / "alone.jsonl").read_bytes())
    broken = [row["path"] for row in merged if row["error"] and row["error"]["kind"] == "shard"]
    assert [path.split("::")[0] for path in broken] == ["d/x.tar"]
    assert len(merged) == 11 + 4 + 4 + 2
    named = ["scan", "d/1.tar::0.png", "d/1.tar", "d/z.tar::1.png", "-o", "named", "--shard", "0/1"]
    assert run(*named, *base, "--on-error", "warn").returncode == 0
    assert b"5 images" in run("merge", "named").stderr  # a member whose shard is named as well is judged with it


def test_shards_without_any_image_do_not_pass(run: Run, base: Options, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with tarfile.open(tmp_path / "d" / "a.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("a.txt"))
    run(*shard("--shard 0/1"), *base)
    merged = run("merge", "out")
    assert merged.returncode == 2
    assert b"no images were found" in merged.stderr
    assert not (tmp_path / "out" / "_SUCCESS").exists()


@pytest.mark.usefixtures("folder")
def test_what_is_missing_is_listed_as_blocks_takes_it(run: Run, base: Options, tmp_path: Path) -> None:
    assert run(*shard("--shard 1/4"), *base).returncode == 2
    assert parts(tmp_path) == ["part-00001.jsonl", "part-00005.jsonl"]
    lacking = run("merge", "out", "-o", "merged.jsonl")
    assert (lacking.returncode, lacking.stdout) == (2, b"0,2-4\n")
    assert b"4 of 6 blocks" in lacking.stderr
    assert not (tmp_path / "merged.jsonl").exists()
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    assert run(*shard(f"--blocks {lacking.stdout.decode().strip()}"), *base).returncode == 1
    assert run("merge", "out", "--check", "--on-error", "warn").stdout == b""


@pytest.mark.usefixtures("folder")
def test_what_says_that_all_is_done_goes_with_the_first_block(run: Run, base: Options, tmp_path: Path) -> None:
    vouching = [tmp_path / "out" / name for name in ("_SUCCESS", "summary.json")]

    def merged(*more: str) -> tuple[int, int]:
        return run("merge", "out", *more).returncode, sum(file.exists() for file in vouching)

    assert run(*shard("--shard 0/1"), *base, "--on-error", "warn").returncode == 1
    assert merged("--on-error", "warn") == (1, 2)
    process = start(tmp_path, *shard("--blocks 1", "--overwrite"), *base, look=60)
    until(lambda: any((tmp_path / "out" / "tries").iterdir()), process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    psutil.wait_procs(children, timeout=20)
    assert not any(file.exists() for file in vouching)
    assert run(*shard("--blocks 1"), *base).returncode == 0
    assert merged("--on-error", "warn") == (1, 2)
    (tmp_path / "out" / "parts" / "part-00001.jsonl").unlink()
    assert merged("--check") == (2, 2)
    assert merged() == (2, 0)


@pytest.mark.usefixtures("folder")
def test_what_is_done_is_not_judged_again_but_counts(run: Run, base: Options, tmp_path: Path) -> None:
    assert run(*shard("--shard 0/2"), *base).returncode == 1
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "parts").iterdir()}
    again = run(*shard("--shard 0/2"), *base)
    assert again.returncode == 1
    assert b"3 of 3 blocks" in again.stderr
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "parts").iterdir()}
    assert run(*shard("--blocks 2", "--overwrite"), *base).returncode == 0
    changed = [path.name for path, time in before.items() if path.stat().st_mtime_ns != time]
    assert changed == ["part-00002.jsonl"]


@pytest.mark.usefixtures("folder")
def test_another_start_with_others_is_refused(run: Run, base: Options, tmp_path: Path) -> None:
    assert run(*shard("--shard 0/2"), *base).returncode == 1
    for more, words in [
        (["--frames", "2"], b"was begun with --frames 4, now 2"),
        (["--block-size", "3"], b"other paths or options (d --block-size 2, now d --block-size 3)"),
        (["--exclude", "x"], b"now d --exclude x --block-size 2)"),
        (["more"], b"now d more --block-size 2)"),
    ]:
        refused = run(*shard("--shard 1/2"), *base, *more)
        assert refused.returncode == 2
        assert words in b" ".join(refused.stderr.split())
    from_elsewhere = [PROGRAM, *shard("--shard 1/2"), *base, "-o", "../out"]
    (tmp_path / "e").mkdir()
    elsewhere = subprocess.run(from_elsewhere, cwd=tmp_path / "e", capture_output=True, timeout=60, check=False)
    assert (elsewhere.returncode, b"paths that begin in" in elsewhere.stderr) == (2, True)
    assert len(parts(tmp_path)) == 3


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--shard", "0/2"], b"name one with -o"),
        (["--shard", "0/2", "-o", "-"], b"name one with -o"),
        (["--shard", "0/2", "-o", "rules.toml"], b"-o names a file that is read"),
        (["--shard", "2/2", "-o", "out"], b"--shard 2/2 is no part of a whole"),
        (["--shard", "auto", "-o", "out"], b"there is no SLURM_ARRAY_TASK_ID"),
        (["--blocks", "x", "-o", "out"], b"--blocks x is no list of numbers"),
        (["--blocks", "6", "-o", "out"], b"there is no block 6: there are 1"),
        (["--shard", "0/2", "--blocks", "1", "-o", "out"], b"leave out one of them"),
        (["--shard", "0/2", "-o", "out", "--format", "csv"], b"--format is not for scans by blocks"),
        (["--shard", "0/2", "-o", "out", "--mix"], b"--mix is not for scans by blocks"),
        (["--shard", "0/2", "-o", "out", "--retry-errors"], b"--retry-errors is not for scans by blocks"),
        (["--shard", "0/2", "-o", "out", "--overwrite"], b"name the blocks with --blocks"),
        (["-o", "d"], b"it is a folder hint: name a file in it with -o; by blocks, with --shard or --ray,"),
        (["-o", "out", "--ray", "local", "--shard", "0/2"], b"leave out one of them"),
        (["-o", "out", "--ray", "local", "--gpus", "0,1"], b"use --gpus-per-actor"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_makes_no_sense_is_refused(run: Run, base: Options, more: list[str], words: bytes) -> None:
    refused = run("scan", "d", *base, *more)
    assert refused.returncode == 2
    assert words in b" ".join(refused.stderr.split())


def test_no_images_begin_nothing(run: Run, base: Options, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    assert run(*shard("--shard 0/2"), *base).returncode == 2
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert run(*shard("--shard 0/2"), *base, "--allow-empty").returncode == 0
    assert run("merge", "out").returncode == 0


@pytest.mark.usefixtures("folder")
def test_damaged_blocks_are_found(run: Run, base: Options, tmp_path: Path) -> None:
    assert run(*shard("--shard 0/1"), *base, "--on-error", "warn").returncode == 1
    files = [tmp_path / "out" / "parts" / f"part-{number:05}.jsonl" for number in range(6)]
    lines = files[0].read_bytes().splitlines(keepends=True)
    files[0].write_bytes(lines[1] + lines[0])
    files[1].write_bytes(files[1].read_bytes().splitlines(keepends=True)[0])
    files[2].write_bytes(files[3].read_bytes())
    files[4].write_bytes(files[4].read_bytes()[:-9])
    files[5].unlink()
    found = run("merge", "out")
    assert (found.returncode, found.stdout) == (2, b"0-2,4-5\n")
    assert found.stderr.count(b"wrong: block") == 4
    assert run(*shard("--blocks 0-2,4-5", "--overwrite"), *base, "--on-error", "warn").returncode == 1
    (tmp_path / "out" / "parts" / "part-00006.jsonl").touch()
    assert b"part-00006.jsonl is of no block" in run("merge", "out").stderr
    (tmp_path / "out" / "parts" / "part-00006.jsonl").unlink()
    assert run("merge", "out", "--on-error", "warn").returncode == 1


def start(tmp_path: Path, *arguments: str, look: float = 0) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "LOOK": str(look), "HOLD": str(tmp_path / "hold")}
    return subprocess.Popen([PROGRAM, *arguments], cwd=tmp_path, stderr=subprocess.PIPE, env=environment)


def until(holds: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.usefixtures("folder")
def test_a_killed_run_goes_on_where_it_was(run: Run, base: Options, tmp_path: Path) -> None:
    process = start(tmp_path, *shard("--shard 0/1"), *base, look=0.1)
    until((tmp_path / "out" / "parts" / "part-00001.jsonl").exists, process)
    until(lambda: any((tmp_path / "out" / "tries").iterdir()), process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    psutil.wait_procs(children, timeout=20)
    done = [name for name in parts(tmp_path) if not name.startswith(".")]
    assert 2 <= len(done) < 6
    (tmp_path / "out" / "parts" / ".part-00003.7.tmp").write_bytes(b'{"schema":1,')
    resumed = run(*shard("--shard 0/1"), *base, "--on-error", "warn")
    assert resumed.returncode == 1
    assert f"{len(done)} of 6 blocks".encode() in resumed.stderr
    assert parts(tmp_path) == [f"part-{number:05}.jsonl" for number in range(6)]
    assert not any((tmp_path / "out" / "tries").iterdir())
    run("scan", "d", *base, "-o", "alone.jsonl")
    run("merge", "out", "-o", "merged.jsonl")
    assert rows((tmp_path / "merged.jsonl").read_bytes()) == rows((tmp_path / "alone.jsonl").read_bytes())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.usefixtures("folder")
def test_preemption_is_no_death_and_has_its_code(run: Run, base: Options, tmp_path: Path, number: int) -> None:
    process = start(tmp_path, *shard("--shard 0/1"), *base, look=0.1)
    until((tmp_path / "out" / "parts" / "part-00001.jsonl").exists, process)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 75
    assert b"blocks of this process done; run the same command again" in stderr
    assert not any((tmp_path / "out" / "tries").iterdir())
    assert not any(name.startswith(".") for name in parts(tmp_path))
    assert run(*shard("--shard 0/1"), *base, "--on-error", "warn").returncode == 1


@pytest.mark.slow
def test_an_image_that_kills_the_program_stops_no_scan_for_ever(
    run: Run, base: Options, folder: Path, tmp_path: Path
) -> None:
    quicken(tmp_path / "site")
    Image.new("RGB", (8, 6), (0, DEADLY, 0)).save(folder / "2.png")
    codes = [run(*shard("--shard 0/1"), *base, "--on-error", "warn").returncode for _ in range(4)]
    assert codes == [-signal.SIGKILL] * 3 + [1]
    found = run("merge", "out", "-o", "merged.jsonl", "--on-error", "warn")
    assert (found.returncode, b"given up: blocks 1" in found.stderr) == (1, True)
    lines = rows((tmp_path / "merged.jsonl").read_bytes())
    failed = {row["path"]: row["error"] for row in lines if row["error"]}
    message = "block 1 was given up: 3 runs died in it; to try again, judge it with --blocks and --overwrite"
    assert failed.pop("d/broken.png")["kind"] != "block"
    assert failed == {f"d/{number}.png": {"kind": "block", "message": message} for number in (2, 3)}
    assert len(lines) == 11
    Image.new("RGB", (8, 6), (0, 0, 0)).save(folder / "2.png")
    assert run(*shard("--blocks 1", "--overwrite"), *base).returncode == 0
    assert b"given up" not in run("merge", "out").stderr


@pytest.fixture
def three(base: Options, folder: Path, tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that are all at the same block, for as long as there is a file `hold`."""
    quicken(tmp_path / "site")
    (folder / "broken.png").unlink()
    (tmp_path / "hold").touch()
    begun = [start(tmp_path, *shard("--shard 0/1 -n --block-size 10"), *base) for _ in range(3)]
    written = tmp_path / "out" / "parts"
    until(lambda: written.exists() and len(list(written.glob(".*.tmp"))) == 3, begun[0])
    yield begun
    for process in begun:
        process.kill()
        process.communicate()


def test_a_block_is_left_to_those_that_are_at_it(
    run: Run, base: Options, tmp_path: Path, three: Sequence[subprocess.Popen[bytes]]
) -> None:
    for more, code in ([], 2), (["--on-error", "warn"], 0):
        another = run(*shard("--shard 0/1 -n --block-size 10"), *base, *more)
        assert (another.returncode, b"left to other runs" in another.stderr) == (code, True), another.stderr
        assert b"blocks 0," in another.stderr
    assert len(parts(tmp_path)) == 3
    (tmp_path / "hold").unlink()
    told = [process.communicate(timeout=60)[1] for process in three]
    assert [process.returncode for process in three] == [1] * 3, told
    assert all(b"10 images: 9 safe, 1 unsafe" in each for each in told)
    assert parts(tmp_path) == ["part-00000.jsonl"]
    found = run("merge", "out")
    assert (found.returncode, found.stderr) == (1, b"10 images: 9 safe, 1 unsafe\n")


@pytest.mark.slow
def test_those_that_were_taken_for_dead_may_still_do_their_block(
    run: Run, base: Options, tmp_path: Path, three: Sequence[subprocess.Popen[bytes]]
) -> None:
    for process in three:
        process.send_signal(signal.SIGSTOP)  # as a scheduler does that gives the machine to others for a while
    assert run(*shard("--shard 0/1 -n --block-size 10"), *base).returncode == 2
    assert b"given up: blocks 0" in run("merge", "out").stderr
    (tmp_path / "hold").unlink()
    for process in three:
        process.send_signal(signal.SIGCONT)
    assert [(process.communicate(timeout=60), process.returncode)[1] for process in three] == [1] * 3
    assert run("merge", "out").stderr == b"10 images: 9 safe, 1 unsafe\n"


@pytest.mark.usefixtures("folder")
def test_without_ray_it_is_said_how_to_get_it(run: Run, base: Options, tmp_path: Path) -> None:
    site = tmp_path / "site" / "sitecustomize.py"
    site.write_text(site.read_text() + "import sys\nsys.modules['ray'] = None\n")
    refused = run("scan", "d", *base, "-o", "out", "--ray", "local")
    assert (refused.returncode, b"pip install '.[ray]'" in refused.stderr) == (2, True)
