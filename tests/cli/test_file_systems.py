"""File systems that are full, read-only or without locks: said at once, and nothing is lost or waited for."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from conftest_cli import Run

from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.cached_view import AnswerKey, ImageAnswers
from imagejudge.verdict import Verdict, line_of

Options = Sequence[str]

_NO_LOCKS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
int flock(int file, int what) { (void)file; (void)what; errno = ENOLCK; return -1; }
static int through(const char *name, int file, int what, void *argument) {
    if (what == F_SETLK || what == F_SETLKW) { errno = ENOLCK; return -1; }
    int (*real)(int, int, ...) = (int (*)(int, int, ...))dlsym(RTLD_NEXT, name);
    return real(file, what, argument);
}
int fcntl(int file, int what, ...) {
    va_list rest; va_start(rest, what); void *argument = va_arg(rest, void *); va_end(rest);
    return through("fcntl", file, what, argument);
}
int fcntl64(int file, int what, ...) {
    va_list rest; va_start(rest, what); void *argument = va_arg(rest, void *); va_end(rest);
    return through("fcntl64", file, what, argument);
}
"""


@pytest.fixture
def no_locks(tmp_path: Path) -> dict[str, str]:
    """An environment in which no file can be locked, as on some network file systems."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to make a library that takes locks away")
    source, library = tmp_path / "nolocks.c", tmp_path / "nolocks.so"
    source.write_text(_NO_LOCKS)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return {**os.environ, "LD_PRELOAD": str(library)}


@pytest.mark.slow
def test_without_locks_a_scan_says_so_and_goes_on(
    run: Run, pair: Options, rules: Options, images: Path, no_locks: dict[str, str]
) -> None:
    usual = run("scan", images, *pair, *rules, "--no-cache")
    assert usual.returncode == 0
    started = time.monotonic()
    done = run("scan", images, *pair, *rules, "-o", "v.jsonl", env=no_locks)
    took = time.monotonic() - started
    said = b" ".join(done.stderr.split())
    assert done.returncode == 0, said
    assert b"answers are not kept" in said
    assert b"its file system has no locks" in said
    assert b"no locks where v.jsonl lies: do not let two scans write to it at once" in said
    assert b"another scan is writing" not in said
    assert took < 30
    again = run("scan", images, *pair, *rules, "-o", "v.jsonl", env=no_locks)
    assert b"3 of these images have their line" in again.stderr


def test_a_cache_that_is_held_is_not_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / "answers.sqlite")) as other:
        other.execute("CREATE TABLE held (one INTEGER)")
        other.execute("BEGIN EXCLUSIVE")
        said: list[str] = []
        started = time.monotonic()
        cache = Cache(folder, said.append)
        assert 1.5 < time.monotonic() - started < 6
        assert len(said) == 1
        assert "another program holds it" in said[0]
        memory = ImageAnswers()
        memory.add(AnswerKey("0", b"p"), [0.5, 0.0])
        cache.save("m", "i", memory)
        cache.close()


def test_answers_wait_while_another_program_writes(tmp_path: Path) -> None:
    said: list[str] = []
    cache = Cache(tmp_path, said.append)
    with contextlib.closing(sqlite3.connect(cache.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        for number in range(20):
            memory = ImageAnswers()
            memory.add(AnswerKey("0", b"p"), [float(number), 0.0])
            cache.save("m", str(number), memory)
        assert 1.5 < time.monotonic() - started < 6, "it is waited for once, not twenty times"
        assert len(said) == 1
        assert "answers wait until it is free" in said[0]
        other.execute("COMMIT")
    cache.close()
    kept = Cache(tmp_path)
    assert all(kept.load("m", str(number)).known for number in range(20))
    assert len(said) == 1


def test_answers_that_could_never_be_kept_are_counted(tmp_path: Path) -> None:
    said: list[str] = []
    cache = Cache(tmp_path, said.append)
    with contextlib.closing(sqlite3.connect(cache.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        memory = ImageAnswers()
        memory.add(AnswerKey("0", b"p"), [1.0, 0.0])
        cache.save("m", "i", memory)
        cache.close()
    assert said[-1].startswith("1 answer could not be kept")


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount something on a folder, for as long as it is needed."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"may not mount: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(run: Run, pair: Options, rules: Options, images: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
        filler = tmp_path / "disk" / "filler"
        filler.write_bytes(bytes(60 * 1024))
        full = run("scan", images, *pair, *rules, "-o", "disk/v.jsonl")
        assert full.returncode == 2
        said = b" ".join(full.stderr.split())
        assert b"disk/v.jsonl cannot be written: No space left on device hint: free space, then run" in said
        assert b"bug" not in said
        filler.unlink()
        again = run("scan", images, *pair, *rules, "-o", "disk/v.jsonl")
        assert again.returncode == 0
        lines = (tmp_path / "disk" / "v.jsonl").read_bytes().splitlines()
        assert len({json.loads(line)["path"] for line in lines}) == len(lines) == 3


@pytest.mark.parametrize(
    ("options", "why", "hint"),
    [
        ("size=64k", "No space left on device", "free space, or "),
        ("size=64k,ro", "Read-only file system", "make it writable, or "),
        (None, "No such file or directory", "make its folder, or "),
    ],
    ids=["full", "read-only", "none"],
)
def test_the_hint_is_about_what_went_wrong(run: Run, tmp_path: Path, options: str | None, why: str, hint: str) -> None:
    line = {"verdict": "safe", "rationale": "", "model": "m", "constitution": "c", "method": "clue", "imagejudge": "0"}
    (tmp_path / "v.jsonl").write_bytes(line_of(Verdict.model_validate({"path": "a.png", "sha256": "a" * 64, **line})))
    disk = tmp_path / "disk"
    with mounted(disk, "-t", "tmpfs", "-o", options, "tmpfs") if options else contextlib.nullcontext():
        if options == "size=64k":
            with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
                while filler.write(bytes(4096)):
                    pass
        for command, option in (("show", "-o"), ("report", "-o"), ("stats", "--html")):
            done = run(command, "v.jsonl", option, "disk/page")
            said = done.stderr.decode()
            assert done.returncode == 2
            assert f"error: disk/page cannot be written: {why}\nhint: {hint}name another file with {option}\n" in said


def test_a_scan_into_a_place_that_may_only_be_read(
    run: Run, pair: Options, rules: Options, images: Path, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=64k,ro", "tmpfs"):
        for command in (("scan", images, *pair, *rules), ("embed", images, *pair)):
            done = run(*command, "-o", "disk/v.jsonl")
            assert done.returncode == 2
            assert b"Read-only file system\nhint: make it writable, or name another file with -o\n" in done.stderr


def test_a_cache_on_a_full_disk(run: Run, pair: Options, rules: Options, images: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
        (tmp_path / "disk" / "filler").write_bytes(bytes(60 * 1024))
        done = run("scan", images, *pair, *rules, "--cache-dir", "disk")
        assert (done.returncode, done.stdout.count(b"\n")) == (0, 3)
        assert b"answers are not kept" in done.stderr


def test_a_cache_that_may_only_be_read(run: Run, pair: Options, rules: Options, images: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first = run("scan", images, *pair, *rules, "--cache-dir", kept)
    before = {file.name: file.read_bytes() for file in kept.iterdir()}
    with mounted(tmp_path / "fixed", "--bind", str(kept)):
        remounted = subprocess.run(["mount", "-o", "remount,bind,ro", str(tmp_path / "fixed")], check=False)
        if remounted.returncode:
            pytest.skip("may not mount read-only")
        done = run("scan", images, *pair, *rules, "--cache-dir", "fixed")
        assert (done.returncode, done.stdout.count(b"\n")) == (0, 3)
        assert b"answers are not kept" in done.stderr
        assert b"bug" not in done.stderr
    assert {file.name: file.read_bytes() for file in kept.iterdir()} == before
    assert first.returncode == 0


def test_a_cache_folder_that_is_a_file(run: Run, pair: Options, rules: Options, images: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("not a folder")
    done = run("scan", images, *pair, *rules, "--cache-dir", "taken")
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 3)
    assert b"answers are not kept" in done.stderr
    assert (tmp_path / "taken").read_text() == "not a folder"


def test_many_threads_may_wait_for_one_file(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with contextlib.closing(sqlite3.connect(cache.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        readers = [threading.Thread(target=cache.load, args=("m", str(number))) for number in range(8)]
        started = time.monotonic()
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        assert time.monotonic() - started < 2, "what is written elsewhere keeps nobody from reading"
    cache.close()
