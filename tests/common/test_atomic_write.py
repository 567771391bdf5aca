"""A file is replaced as a whole, or stays as it was; processes are killed for it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import imagejudge
from imagejudge.common.atomic_write import replacing, write_atomically
from imagejudge.errors import OutputError

KILLED = """
import os, sys, signal
from pathlib import Path
from imagejudge.common.atomic_write import replacing
with replacing(Path(sys.argv[1]), locked=True) as fresh:
    fresh.write_text("half of wh")
    os.kill(os.getpid(), signal.SIGKILL)
"""

READ_ONLY = """
import sys
from pathlib import Path
from imagejudge.common.atomic_write import replacing
with replacing(Path(sys.argv[1])) as fresh:
    fresh.write_text("new")
    fresh.chmod(0o444)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_old_file_is_there_until_the_new_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("old")
    with replacing(file) as fresh:
        fresh.write_text("new")
        assert file.read_text() == "old"
        assert fresh.parent == tmp_path
    assert file.read_text() == "new"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_link_and_a_mode_stay_and_nobody_else_can_read_the_half_of_it(tmp_path: Path, mode: int) -> None:
    (tmp_path / "kept").mkdir()
    file, link = tmp_path / "kept" / "a", tmp_path / "link"
    file.write_text("old")
    file.chmod(mode)
    link.symlink_to("kept/a")
    with replacing(link) as fresh:
        fresh.write_text("new")
        assert fresh.stat().st_mode & 0o777 == 0o600
    assert link.readlink() == Path("kept/a")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("new", mode)
    assert names(file.parent) == ["a"]


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may write to any file")
def test_what_may_only_be_read_takes_its_place(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(imagejudge.__file__).parent.parent)}
    bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*bound, sys.executable, "-c", READ_ONLY, tmp_path / "a"]
    subprocess.run(command, env=environment, check=True, timeout=60)
    assert ((tmp_path / "a").read_text(), (tmp_path / "a").stat().st_mode & 0o777) == ("new", 0o444)
    assert names(tmp_path) == ["a"]


def test_a_new_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_atomically(tmp_path / "a", "new")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_what_fails_leaves_all_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")

    def fail() -> None:
        with replacing(tmp_path / "a") as fresh:
            fresh.write_text("half of wh")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_what_a_killed_process_left_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("old")
    environment = {**os.environ, "PYTHONPATH": str(Path(imagejudge.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", KILLED, file], env=environment, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert file.read_text() == "old"
    assert len(names(tmp_path)) == 2
    with replacing(file, locked=True) as fresh:
        assert not fresh.read_bytes()
        fresh.write_text("new")
    assert file.read_text() == "new"
    assert names(tmp_path) == ["a"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_a_pipe_is_written_into_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with replacing(pipe) as written:
            written.write_text("new")
        assert os.read(reader, 100) == b"new"
        write_atomically(pipe, "newer")
        assert os.read(reader, 100) == b"newer"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert names(tmp_path) == ["pipe"]


def test_a_folder_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Is a directory"):
        write_atomically(tmp_path, "new")
    assert names(tmp_path) == []


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: No such file") as caught:
        write_atomically(tmp_path / "none" / "a", "new", "name another")
    assert caught.value.hint == "make its folder, or name another"
