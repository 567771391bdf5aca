"""Whether a file is still the one that was hashed."""

from __future__ import annotations

import dataclasses
import os
import threading
from pathlib import Path

import pytest

from imagejudge.common.hashed_file import HashedFile, hash_file


@pytest.fixture
def file(tmp_path: Path) -> HashedFile:
    (tmp_path / "file").write_bytes(b"one")
    return hash_file(tmp_path / "file")


def test_the_same_content_is_recognised_in_another_state(file: HashedFile, tmp_path: Path) -> None:
    assert file.recognised() is file
    (tmp_path / "link").hardlink_to(file.path)
    assert not file.untouched
    again = file.recognised()
    assert again is not None
    assert (again.untouched, again.digest, again.state != file.state) == (True, file.digest, True)


def test_another_content_is_not_recognised_by_size_and_date(file: HashedFile) -> None:
    status = file.path.stat()
    file.path.write_bytes(b"two")
    os.utime(file.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file.recognised() is None
    file.path.unlink()
    assert (file.untouched, file.recognised()) == (False, None)


def test_what_was_just_written_is_not_settled(file: HashedFile) -> None:
    assert not file.settled
    old = hash_file(Path(__file__))
    assert old == dataclasses.replace(old, settled=True)


def test_a_file_that_changes_while_it_is_read_has_no_digest(tmp_path: Path) -> None:
    path, done = tmp_path / "file", threading.Event()
    path.touch()
    os.truncate(path, 200_000_000)  # takes no room on the disk, and a while to hash

    def touch() -> None:
        while not done.wait(0.01):
            path.touch()

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        with pytest.raises(OSError, match="changed while it was read"):
            hash_file(path)
    finally:
        done.set()
        thread.join()
