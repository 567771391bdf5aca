"""Lines that survive being cut off, and files that are not mixed up."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from imagejudge.errors import OutputError
from imagejudge.sinks.jsonl import Identity, JsonLines, ResumableFile, line_of
from imagejudge.verdict import Failure, Outcome, Verdict

HERE = Identity("m@1", "c@1", "clue")


def verdict(path: str, outcome: Outcome = Outcome.SAFE) -> Verdict:
    error = Failure(kind="empty", message="nothing in it") if outcome is Outcome.ERROR else None
    return Verdict(
        path=path,
        sha256=None,
        verdict=outcome,
        rationale="",
        model="m@1",
        constitution="c@1",
        method="clue",
        imagejudge="0",
        error=error,
    )


def write(path: Path, *verdicts: Verdict, **how: bool) -> None:
    file = ResumableFile(path, HERE, **how)
    for one in verdicts:
        file.write(one)
    file.close()


def paths(file: Path) -> list[str]:
    return [json.loads(line)["path"] for line in file.read_bytes().splitlines()]


def test_a_line_is_there_as_soon_as_it_is_written(tmp_path: Path) -> None:
    file = ResumableFile(tmp_path / "v.jsonl", HERE)
    file.write(verdict("a.png"))
    assert paths(tmp_path / "v.jsonl") == ["a.png"]
    file.close()


@pytest.mark.parametrize("name", ["a b.png", "new\nline.png", "\udcff.png", "ü.png", '"quoted".png', "-rf"])
def test_any_path_is_read_back(name: str, tmp_path: Path) -> None:
    stream = io.BytesIO()
    JsonLines(stream).write(verdict(name))
    assert stream.getvalue().count(b"\n") == 1
    assert json.loads(stream.getvalue())["path"] == name
    file = tmp_path / "v.jsonl"
    write(file, verdict(name))
    again = ResumableFile(file, HERE)
    assert again.done == {name}
    again.close()


def test_every_way_to_cut_the_last_line_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "v.jsonl"
    first, second = line_of(verdict("a.png")), line_of(verdict("b.png"))
    for length in range(len(second)):
        file.write_bytes(first + second[:length])
        resumed = ResumableFile(file, HERE)
        assert resumed.done == {"a.png"}
        resumed.write(verdict("b.png"))
        resumed.close()
        assert file.read_bytes() == first + second


@pytest.mark.parametrize("field", ["model", "constitution", "method"])
def test_files_are_not_mixed_up(tmp_path: Path, field: str) -> None:
    file = tmp_path / "v.jsonl"
    write(file, verdict("a.png"))
    before = file.read_bytes()
    other = Identity(**{"model": "m@1", "constitution": "c@1", "method": "clue", field: "other"})
    with pytest.raises(OutputError, match=field):
        ResumableFile(file, other)
    assert file.read_bytes() == before
    mixed = ResumableFile(file, other, mix=True)
    assert mixed.done == {"a.png"}
    mixed.close()
    fresh = ResumableFile(file, other, overwrite=True)
    assert fresh.done == set()
    fresh.close()


@pytest.mark.parametrize("content", [b"not json\n", b"[1]\n", b'{"path": "a"}\n', b"\xff\xfe\n", b"\n"])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "v.jsonl"
    file.write_bytes(line_of(verdict("a.png")) + content)
    with pytest.raises(OutputError, match=":2: this is not a verdict"):
        ResumableFile(file, HERE)
    assert file.read_bytes() == line_of(verdict("a.png")) + content


def test_errors_can_be_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "v.jsonl"
    write(file, verdict("a.png"), verdict("b.png", Outcome.ERROR), verdict("c.png"))
    again = ResumableFile(file, HERE, retry_errors=True)
    assert again.done == {"a.png", "c.png"}
    again.write(verdict("b.png"))
    again.close()
    assert paths(file) == ["a.png", "c.png", "b.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["v.jsonl"]


def test_two_scans_do_not_write_to_one_file(tmp_path: Path) -> None:
    first = ResumableFile(tmp_path / "v.jsonl", HERE)
    with pytest.raises(OutputError, match="another scan"):
        ResumableFile(tmp_path / "v.jsonl", HERE)
    first.close()


def test_a_file_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        ResumableFile(tmp_path / "missing" / "v.jsonl", HERE)
