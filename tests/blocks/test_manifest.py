"""What processes agree on: the first one's plan, whoever comes when."""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagejudge.blocks.manifest import NAME, Asked, agree, read_manifest
from imagejudge.blocks.plan import Block, cut
from imagejudge.errors import OutputError, UsageError
from imagejudge.output.resume import Identity

ASKED = Asked(Identity("m@1", "c@1", "clue", {"frames": 4}), "digest", "photos", "jsonl", None)
PATHS = ("a.png", "b\n.png", "c\udcff.png", "d.png", "e.png")


def blocks() -> Iterator[Block]:
    return cut(PATHS, 2)


def never() -> Iterator[Block]:
    raise AssertionError("the images are looked for once")


def test_the_first_one_plans_for_all(tmp_path: Path) -> None:
    made = agree(tmp_path / "out", ASKED, blocks)
    assert (made.blocks, made.images) == (3, 5)
    assert agree(tmp_path / "out", ASKED, never) == made == read_manifest(tmp_path / "out")
    assert list(made.plan_in(tmp_path / "out")) == list(blocks())
    assert len([*(tmp_path / "out").iterdir()]) == 2  # and nothing half-written


def test_the_same_images_make_the_same_plan(tmp_path: Path) -> None:
    for name in ("one", "two"):
        agree(tmp_path / name, ASKED, blocks)
    assert (tmp_path / "one" / NAME).read_bytes() == (tmp_path / "two" / NAME).read_bytes()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"identity": dataclasses.replace(ASKED.identity, model="m@2")}, r"another model \(m@1, now m@2\)"),
        ({"identity": dataclasses.replace(ASKED.identity, constitution="d@1")}, r"another constitution \(c@1, now d@1"),
        ({"identity": dataclasses.replace(ASKED.identity, method="threshold")}, r"another method \(clue, now thresh"),
        ({"identity": dataclasses.replace(ASKED.identity, settings={"frames": 2})}, "--frames 4, now 2"),
        ({"inputs": "others", "words": "pictures"}, r"other paths or options \(photos, now pictures\)"),
        ({"folder": "/data"}, "paths that begin in"),
    ],
    ids=["model", "constitution", "method", "settings", "images", "folder"],
)
def test_what_differs_is_refused_and_said(tmp_path: Path, other: dict[str, object], words: str) -> None:
    agree(tmp_path / "out", ASKED, blocks)
    before = (tmp_path / "out" / NAME).read_bytes()
    with pytest.raises(UsageError, match=words):
        agree(tmp_path / "out", dataclasses.replace(ASKED, **other), never)  # type: ignore[arg-type]
    assert (tmp_path / "out" / NAME).read_bytes() == before


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.png").touch()
    with pytest.raises(OutputError, match="holds other files"):
        agree(tmp_path, ASKED, never)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"schema": 1}', b"\xff", b"[" * 100_000])
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(UsageError, match="cannot be used"):
        agree(tmp_path, ASKED, never)


def test_a_changed_plan_is_noticed(tmp_path: Path) -> None:
    made = agree(tmp_path, ASKED, blocks)
    (plan,) = tmp_path.glob("blocks-*")
    plan.write_bytes(plan.read_bytes().replace(b"d.png", b"x.png"))
    with pytest.raises(UsageError, match="is not the one"):
        list(made.plan_in(tmp_path))
    plan.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        list(made.plan_in(tmp_path))


def begin(folder: Path, number: int, barrier: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    agree(folder, ASKED, lambda: cut([f"{number}/{path}" for path in PATHS], 2))


def test_of_many_that_begin_at_once_one_plans(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(8)
    processes = [context.Process(target=begin, args=(tmp_path / "out", number, barrier)) for number in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8
    inputs = [path for block in read_manifest(tmp_path / "out").plan_in(tmp_path / "out") for path in block.inputs]
    assert len({path.split("/")[0] for path in inputs}) == 1
    assert len(inputs) == len(PATHS)
