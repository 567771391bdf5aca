"""A real Ray on this machine: the same verdicts as a scan without it, whatever is killed, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import psutil
import pytest
from blocks_engine import DEADLY, put_engine, quicken, rows
from conftest_cli import PROGRAM, Run
from PIL import Image

pytestmark = pytest.mark.slow

Options = Sequence[str]
TARS, IMAGES = 6, 50
OPTIONS = ["--ray", "local", "--on-error", "warn"]


@pytest.fixture(autouse=True)
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_engine(tmp_path / "site", monkeypatch)


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files whose name is short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="ijt-", dir="/tmp") as made:
        monkeypatch.setenv("TMPDIR", made)
        yield Path(made)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six tars of fifty images; in each one image is cut off, and one is unsafe."""
    made = tmp_path / "d"
    made.mkdir()
    for number in range(TARS):
        write_tar(made / f"{number}.tar", number)
    return made


def write_tar(file: Path, number: int, deadly: int | None = None) -> None:
    with tarfile.open(file, "w") as tar:
        for index in range(IMAGES):
            stream = BytesIO()
            green = DEADLY if index == deadly else 0
            Image.new("RGB", (8, 6), (250 if index == 7 else index, green, number)).save(stream, "PNG")
            content = stream.getvalue()[: 40 if index == 20 else None]
            member = tarfile.TarInfo(f"{index:03}.png")
            member.size = len(content)
            tar.addfile(member, BytesIO(content))


@pytest.fixture
def alone(run: Run, base: Options, folder: Path, tmp_path: Path) -> list[dict[str, object]]:
    """What one scan without Ray says."""
    assert run("scan", "d", *base, "-o", "alone.jsonl", "-n").returncode == 2
    found = rows((tmp_path / "alone.jsonl").read_bytes())
    assert (len(found), sum(row["verdict"] == "error" for row in found)) == (TARS * IMAGES, TARS)
    return found


def merged(run: Run, tmp_path: Path) -> list[dict[str, object]]:
    """What all blocks say."""
    done = run("merge", "out", "-o", "merged.jsonl", "--overwrite", "--on-error", "warn")
    assert (done.returncode, done.stdout) == (1, b""), done.stderr
    return rows((tmp_path / "merged.jsonl").read_bytes())


class Driver:
    """A scan on Ray, and all processes that it starts."""

    def __init__(self, tmp_path: Path, *arguments: str, look: float) -> None:
        self.out = tmp_path / "out"
        self.process = subprocess.Popen(
            [PROGRAM, "scan", "d", *arguments, *OPTIONS, "-o", "out", "-n"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            env={**os.environ, "LOOK": str(look)},
        )
        self.below: set[psutil.Process] = set()

    def until(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 100
        while not holds():
            assert time.monotonic() < deadline
            assert self.process.poll() is None, self.process.communicate()
            self.below.update(psutil.Process(self.process.pid).children(recursive=True))
            time.sleep(0.05)

    def parts(self) -> int:
        return len(list((self.out / "parts").glob("part-*")))

    def tries(self) -> list[str]:
        return sorted(path.name for path in (self.out / "tries").glob("*"))

    def actors(self) -> list[psutil.Process]:
        """Those that have a block in hand."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                found += [process] if process.cmdline()[:1] == ["ray::Worker.do"] else []
            except psutil.NoSuchProcess:
                continue
        return found

    def end(self) -> tuple[int, bytes]:
        """The exit code and what was said; all that was started must be gone soon."""
        _, stderr = self.process.communicate(timeout=100)
        _, left = psutil.wait_procs([each for each in self.below if not is_agent(each)], timeout=30)
        assert [process for process in left if process.status() != psutil.STATUS_ZOMBIE] == []
        return self.process.returncode, stderr


def is_agent(process: psutil.Process) -> bool:
    """Whether it is a process of Ray's own that takes a minute or more to notice that Ray was killed."""
    try:
        return process.cmdline()[:1] in (["ray::DashboardAgent"], ["ray::RuntimeEnvAgent"])
    except psutil.NoSuchProcess:
        return False


def test_actors_say_what_a_scan_says(
    run: Run, base: Options, tmp_path: Path, temporary: Path, alone: list[dict[str, object]]
) -> None:
    driver = Driver(tmp_path, *base, look=0.01)
    driver.until(driver.parts)
    code, stderr = driver.end()
    assert code == 1
    assert stderr.decode().splitlines()[-1] == "300 images: 288 safe, 6 unsafe, 6 error"
    assert b"Ray" not in stderr
    assert b"INFO" not in stderr
    assert merged(run, tmp_path) == alone
    assert list(temporary.glob("ij-*")) == []
    again = run("scan", "d", *base, *OPTIONS, "-o", "out")
    assert (again.returncode, b"6 of 6 blocks" in again.stderr) == (1, True)


def test_a_killed_actor_costs_no_block(run: Run, base: Options, tmp_path: Path, alone: list[dict[str, object]]) -> None:
    driver = Driver(tmp_path, *base, look=0.05)
    driver.until(lambda: driver.parts() and driver.actors())
    driver.actors()[0].kill()
    assert driver.end()[0] == 1
    assert driver.tries() == []
    assert merged(run, tmp_path) == alone


def test_a_killed_driver_takes_all_with_it_and_is_resumed(
    run: Run, base: Options, tmp_path: Path, alone: list[dict[str, object]]
) -> None:
    driver = Driver(tmp_path, *base, look=0.05)
    driver.until(lambda: driver.parts() and driver.actors())
    driver.process.kill()
    driver.end()
    done = driver.parts()
    assert 1 <= done < TARS
    resumed = Driver(tmp_path, *base, look=0)
    code, stderr = resumed.end()
    assert (code, f"{done} of 6 blocks".encode() in stderr) == (1, True)
    assert resumed.tries() == []
    assert merged(run, tmp_path) == alone


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
@pytest.mark.usefixtures("folder")
def test_what_is_told_to_stop_leaves_nothing(
    base: Options, tmp_path: Path, temporary: Path, number: int, code: int
) -> None:
    driver = Driver(tmp_path, *base, look=0.05)
    driver.until(lambda: driver.parts() and driver.actors())
    driver.process.send_signal(number)
    found, stderr = driver.end()
    assert found == code
    assert b"run the same command again" in stderr
    assert driver.tries() == []
    assert list(temporary.glob("ij-*")) == []


def test_a_block_that_always_kills_is_given_up(run: Run, base: Options, folder: Path, tmp_path: Path) -> None:
    quicken(tmp_path / "site")
    write_tar(folder / "2.tar", 2, deadly=30)
    driver = Driver(tmp_path, *base, look=0)
    assert driver.end()[0] == 1
    found = merged(run, tmp_path)
    assert len(found) == (TARS - 1) * IMAGES + 1
    assert [row["path"] for row in found if (row["error"] or {}).get("kind") == "block"] == ["d/2.tar"]  # type: ignore[attr-defined]
    write_tar(folder / "2.tar", 2)
    again = run("scan", "d", *base, "-o", "out", "--blocks", "2", "--overwrite", "--on-error", "warn")
    assert again.returncode == 1
    assert len(merged(run, tmp_path)) == TARS * IMAGES
