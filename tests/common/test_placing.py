"""A file takes a place that is free, whole, and never another's, also when another process comes at the same time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import imagejudge
from imagejudge.common import placing
from imagejudge.common.atomic_write import unfinished

MOVE = """
import hashlib, sys
from pathlib import Path
from imagejudge.common import placing
source, target = map(Path, sys.argv[1:3])
placing.move(source, target, sys.argv[3])
"""
_REFUSING = {
    "rename": """
int renameat2(int a, const char *b, int c, const char *d, unsigned e)
{ (void)a; (void)b; (void)c; (void)d; (void)e; errno = EINVAL; return -1; }
""",
    "link": """
int link(const char *a, const char *b) { (void)a; (void)b; errno = EPERM; return -1; }
""",
    "lock": """
int flock(int file, int what) { (void)file; (void)what; errno = ENOLCK; return -1; }
""",
}
"""What calls do on a file system that does not know them."""


def without(folder: Path, *calls: str) -> dict[str, str]:
    """An environment of which the system lacks these calls."""
    environment = {**os.environ, "PYTHONPATH": str(Path(imagejudge.__file__).parent.parent)}
    if not calls:
        return environment
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to make a library that takes calls away")
    source, library = folder / "refusing.c", folder / "refusing.so"
    source.write_text("#include <errno.h>\n" + "".join(_REFUSING[call] for call in calls))
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return environment | {"LD_PRELOAD": str(library)}


@pytest.fixture(params=[(), ("rename",), ("rename", "link")], ids=["rename", "link", "look"])
def system(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """An environment in which a rename can refuse a name that is taken, or only a hard link can, or neither."""
    return without(tmp_path, *request.param)


@pytest.mark.parametrize("where", ["here", "other"])
def test_nothing_that_is_there_is_moved_over(
    tmp_path: Path, system: dict[str, str], where: str, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "q" if where == "here" else request.getfixturevalue("other_system")
    folder.mkdir(exist_ok=True)
    names = ["file", "folder", "free", "link"]
    for name in names:
        (tmp_path / name).write_text(name)
    (folder / "file").write_bytes(b"another")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("nowhere")
    for name in names:
        command = [sys.executable, "-c", MOVE, tmp_path / name, folder / name, placing.digest_of(tmp_path / name)]
        done = subprocess.run(command, env=system, capture_output=True, check=False, timeout=60)
        assert (b"FileExistsError" in done.stderr) == (done.returncode != 0) == (name != "free")
        assert (tmp_path / name).exists() == (name != "free")
    assert (folder / "free").read_text() == "free"
    assert (folder / "file").read_bytes() == b"another"
    assert (folder / "link").readlink() == Path("nowhere")
    assert sorted(path.name for path in folder.iterdir()) == names


def test_a_rename_refuses_what_no_look_beforehand_can_see(tmp_path: Path) -> None:
    """Two processes move to the same names as fast as they can: of each two images, both are somewhere."""
    count, folder = 2000, tmp_path / "q"
    folder.mkdir()
    script = """
import sys
from pathlib import Path
from imagejudge.common import placing
source, target = map(Path, sys.argv[1:3])
sys.stdin.read()
for number in range(int(sys.argv[3])):
    try:
        placing.move(source / str(number), target / str(number), "")
    except FileExistsError:
        pass
"""
    runs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(count):
            (tmp_path / name / str(number)).write_text(f"{name}{number}")
        command = [sys.executable, "-c", script, tmp_path / name, folder, str(count)]
        environment = {**os.environ, "PYTHONPATH": str(Path(imagejudge.__file__).parent.parent)}
        runs.append(subprocess.Popen(command, env=environment, stdin=subprocess.PIPE))
    time.sleep(0.5)
    for run in runs:
        assert run.stdin is not None
        run.stdin.close()
    assert [run.wait(60) for run in runs] == [0, 0]
    left = {path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {f"{name}{number}" for name in "ab" for number in range(count)}


def number_of(path: Path) -> int | None:
    """Which file is there."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


@contextmanager
def stopped(source: Path, target: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that copies a large image, stopped in the middle."""
    source.touch()
    os.truncate(source, 100_000_000)
    with source.open("r+b") as file:
        file.write(os.fsencode(source.name))
    before = number_of(unfinished(target))
    command = [sys.executable, "-c", MOVE.replace("move", "copy"), source, target, placing.digest_of(source)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        try:
            while number_of(unfinished(target)) in (before, None):
                assert process.poll() is None
            process.send_signal(signal.SIGSTOP)
            yield process
        finally:
            process.kill()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the images are copied to."""
    (tmp_path / "q").mkdir()
    return tmp_path / "q" / "x.png"


@pytest.mark.slow
def test_two_that_copy_to_one_place_take_turns(tmp_path: Path, place: Path, system: dict[str, str]) -> None:
    other = tmp_path / "y.png"
    other.write_bytes(b"other")
    command = [sys.executable, "-c", MOVE.replace("move", "copy"), other, place, placing.digest_of(other)]
    with stopped(tmp_path / "x.png", place, system) as first:
        second = subprocess.Popen(command, env=system, stderr=subprocess.PIPE)
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(1.5)
        first.send_signal(signal.SIGCONT)
        assert b"FileExistsError" in second.communicate(timeout=60)[1]
        assert first.wait(60) == 0
    assert place.stat().st_size == 100_000_000
    assert list(place.parent.iterdir()) == [place]


@pytest.mark.slow
def test_without_locks_none_takes_the_copy_of_another_for_its_own(tmp_path: Path, place: Path) -> None:
    system = without(tmp_path, "lock")
    with stopped(tmp_path / "x.png", place, system) as first, stopped(tmp_path / "y.png", place, system) as second:
        for process in (first, second):
            process.send_signal(signal.SIGCONT)
            process.wait(60)
        assert b"FileExistsError" in first.communicate()[1]
        assert b"FileNotFoundError" in second.communicate()[1]
    assert placing.digest_of(place) == placing.digest_of(tmp_path / "y.png")


def test_what_a_killed_process_left_is_taken_away(tmp_path: Path, place: Path) -> None:
    other = tmp_path / "y.png"
    other.write_bytes(b"other")
    with stopped(tmp_path / "x.png", place, without(tmp_path)):
        pass
    assert [path.name for path in place.parent.iterdir()] == [unfinished(place).name]
    placing.copy(other, place, placing.digest_of(other))
    assert list(place.parent.iterdir()) == [place]
    assert place.read_bytes() == b"other"
