"""Lines that survive being cut off, and files that are not mixed up."""

from __future__ import annotations

import io
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagejudge.errors import OutputError, UsageError
from imagejudge.output.jsonl import START, JsonLines, Latest, keep, read_verdicts
from imagejudge.output.resume import Identity, ResumableFile
from imagejudge.verdict import Failure, Outcome, Verdict, line_of

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


ACTING = "\x07\x1b\x7f\x85\x9b\u061c\u200e\u2028\u2029\u202e\u2066"


@pytest.mark.parametrize(
    "name", ["a b.png", "new\nline.png", "\udcff.png", "ü.png", '"quoted".png', "-rf", ACTING, f"\\{ACTING}\udcff"]
)
def test_any_path_is_read_back(name: str, tmp_path: Path) -> None:
    stream = io.BytesIO()
    JsonLines(stream).write(verdict(name))
    assert stream.getvalue().count(b"\n") == 1
    assert json.loads(stream.getvalue())["path"] == name
    assert not set(ACTING) & set(stream.getvalue().decode())
    assert [each.path for each in read_verdicts(io.BytesIO(stream.getvalue()), "x")] == [name]
    assert Latest(io.BytesIO(stream.getvalue()), "x").digests() == {name: None}
    file = tmp_path / "v.jsonl"
    write(file, verdict(name))
    again = ResumableFile(file, HERE)
    assert again.done == {name}
    again.close()


@pytest.mark.parametrize("name", ["b.png", "ü \udcff.png"])
@pytest.mark.parametrize("before", [[], ["a.png"]])
def test_every_way_to_cut_the_last_line_is_mended(tmp_path: Path, name: str, before: list[str]) -> None:
    file = tmp_path / "v.jsonl"
    head, last = b"".join(line_of(verdict(path)) for path in before), line_of(verdict(name))
    assert last.startswith(START)
    for length in range(len(last)):
        file.write_bytes(head + last[:length])
        resumed = ResumableFile(file, HERE)
        assert resumed.done == set(before)
        resumed.write(verdict(name))
        resumed.close()
        assert file.read_bytes() == head + last


@pytest.mark.parametrize(
    "tail",
    [
        b"my precious notes",
        b"\x89PNG\r",
        b"RIFF\x0e\x07\0\0WEBP",
        b" ",
        b"\0" * 4096,
        b"[]",
        b'{"key": "value"}',
        b'{"schema": 1, "path": "a.png"}',
        b'{"schema":2,"path":',
        line_of(verdict("b.png")).replace(b'"schema":1,', b"").rstrip(b"\n"),
    ],
)
def test_an_end_that_is_no_torn_line_is_left_alone(tmp_path: Path, tail: bytes) -> None:
    file = tmp_path / "v.jsonl"
    for number, head in enumerate((b"", line_of(verdict("a.png"))), 1):
        file.write_bytes(head + tail)
        with pytest.raises(OutputError, match=f":{number}: this is not a verdict"):
            ResumableFile(file, HERE)
        assert file.read_bytes() == head + tail
    fresh = ResumableFile(file, HERE, overwrite=True)
    fresh.write(verdict("a.png"))
    fresh.close()
    assert paths(file) == ["a.png"]


def test_a_torn_line_stays_in_a_file_that_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "v.jsonl"
    before = line_of(verdict("a.png")) + line_of(verdict("b.png"))[:40]
    file.write_bytes(before)
    with pytest.raises(OutputError, match="another model"):
        ResumableFile(file, Identity("other", "c@1", "clue"))
    assert file.read_bytes() == before


def test_a_file_whose_writer_was_killed_is_read_without_its_last_line() -> None:
    head, last = line_of(verdict("a.png")), line_of(verdict("ü \udcff.png"))
    for length in range(1, len(last) - 1):
        latest = Latest(io.BytesIO(head + last[:length]), "v")
        assert ([each.path for each in latest], latest.torn, latest.digests()) == (["a.png"], True, {"a.png": None})
        kept = io.BytesIO()
        keep(io.BytesIO(head + last[:length]), kept, "v")
        assert kept.getvalue() == head + last[:length]
    whole = Latest(io.BytesIO(head + last.rstrip(b"\n")), "v")
    assert ([each.path for each in whole], whole.torn) == (["a.png", "ü \udcff.png"], False)
    assert list(Latest(io.BytesIO(b""), "v")) == []
    with pytest.raises(UsageError, match="v:2: this is not a verdict"):
        list(Latest(io.BytesIO(head + b"my notes"), "v"))
    with pytest.raises(UsageError, match="v:2: this is not a verdict"):
        list(Latest(io.BytesIO(head + last[:40] + b"\n" + last), "v"))


def test_of_several_lines_the_last_counts() -> None:
    order = ["a", "b", "a", "c", "b", "a"]
    sums = [f"{number:064}" for number in range(len(order))]
    lines = [
        line_of(verdict(path).model_copy(update={"sha256": digest})) for path, digest in zip(order, sums, strict=True)
    ]
    latest = Latest(io.BytesIO(b"".join(lines)), "v")
    assert [(each.path, each.sha256) for each in latest] == [("c", sums[3]), ("b", sums[4]), ("a", sums[5])]
    assert latest.digests() == {"a": sums[5], "b": sums[4], "c": sums[3]}


def test_of_several_outcomes_the_last_counts() -> None:
    bad = {name: line_of(verdict(name, Outcome.ERROR)) for name in ("a", "b", "ü \udcff")}
    spaced = json.dumps(json.loads(bad["ü \udcff"])).encode() + b"\n"  # as another program may write it
    lines = [bad["a"], line_of(verdict("b")), b'{"path": "c"}\n', bad["b"], line_of(verdict("a")), spaced]
    assert Latest(io.BytesIO(b"".join(lines)), "v").failed() == {"b", "ü \udcff"}


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


def odd(**fields: object) -> bytes:
    return json.dumps({**json.loads(line_of(verdict("b.png"))), **fields}).encode() + b"\n"


@pytest.mark.parametrize(
    "content",
    [
        b"not json\n",
        b"[1]\n",
        b'{"path": "a"}\n',
        b"\xff\xfe\n",
        b"\n",
        odd(path=[1]),
        odd(path=None),
        odd(verdict={}),
        odd(model=1),
        odd(constitution=["c@1"]),
        odd(method=None),
        b"[" * 100_000 + b"\n",
        b'{"path":' * 100_000 + b"\n",
    ],
    ids=lambda content: repr(content[:40]),
)
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "v.jsonl"
    file.write_bytes(line_of(verdict("a.png")) + content)
    for mix in (False, True):
        with pytest.raises(OutputError, match=":2: this is not a verdict"):
            ResumableFile(file, HERE, mix=mix)
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


def test_trying_again_keeps_link_and_mode(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    file, link = tmp_path / "kept" / "v.jsonl", tmp_path / "link.jsonl"
    write(file, verdict("a.png"), verdict("b.png", Outcome.ERROR))
    file.chmod(0o600)
    link.symlink_to("kept/v.jsonl")
    again = ResumableFile(link, HERE, retry_errors=True)
    assert again.done == {"a.png"}
    again.write(verdict("b.png"))
    again.close()
    assert link.readlink() == Path("kept/v.jsonl")
    assert paths(file) == ["a.png", "b.png"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["kept", "link.jsonl", "v.jsonl"]


def test_without_errors_nothing_is_written_anew(tmp_path: Path) -> None:
    file = tmp_path / "v.jsonl"
    write(file, verdict("a.png"))
    before = file.stat()
    write(file, retry_errors=True)
    after = file.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_a_killed_retry_left_is_not_taken_in(tmp_path: Path) -> None:
    """Where process numbers are few, as in containers, the next retry has the same temporary name."""
    file = tmp_path / "v.jsonl"
    write(file, verdict("a.png"), verdict("b.png", Outcome.ERROR))
    (tmp_path / f".v.jsonl.{os.getpid()}.tmp").write_bytes(line_of(verdict("a.png")) * 3)
    write(file, verdict("b.png"), retry_errors=True)
    assert paths(file) == ["a.png", "b.png"]


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file may grow beyond this: what a full disk does, for this process alone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_says_so_and_the_file_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "v.jsonl"
    line = line_of(verdict("a.png"))
    file = ResumableFile(path, HERE)
    file.write(verdict("a.png"))
    with room(len(line) * 2 - 9):
        with pytest.raises(OutputError, match=r"v\.jsonl cannot be written: File too large") as caught:
            file.write(verdict("b.png"))
        with pytest.raises(OutputError, match="cannot be written"):
            file.close()
    assert caught.value.hint.startswith("allow larger files, then run the same command again: ")
    assert path.read_bytes() == line + line_of(verdict("b.png"))[:-9]
    write(path, verdict("b.png"))
    assert paths(path) == ["a.png", "b.png"]


def test_a_retry_on_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "v.jsonl"
    write(path, verdict("a.png"), verdict("b.png", Outcome.ERROR))
    before = path.read_bytes()
    with room(20), pytest.raises(OutputError, match="cannot be written: File too large"):
        ResumableFile(path, HERE, retry_errors=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("overwrite", [False, True])
def test_only_files_are_written(tmp_path: Path, overwrite: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in map(Path, ("/dev/null", "/dev/zero", tmp_path / "pipe")):
        with pytest.raises(OutputError, match=f"{path} cannot be written: it is not a file") as caught:
            ResumableFile(path, HERE, overwrite=overwrite)
        assert "leave `output` away" in caught.value.hint
    with pytest.raises(OutputError, match="it is a folder") as caught:
        ResumableFile(tmp_path, HERE, overwrite=overwrite)
    assert "name a file in it" in caught.value.hint


def test_two_scans_do_not_write_to_one_file(tmp_path: Path) -> None:
    first = ResumableFile(tmp_path / "v.jsonl", HERE)
    with pytest.raises(OutputError, match="another scan"):
        ResumableFile(tmp_path / "v.jsonl", HERE)
    first.close()


def test_a_file_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        ResumableFile(tmp_path / "missing" / "v.jsonl", HERE)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_is_no_verdict(number: str) -> None:
    """No scan writes one, and arithmetic on it would fail where the line is long forgotten."""
    step: dict[str, object] = dict.fromkeys(("by", "p_yes", "prior", "centric", "rationale"))
    step |= {"ask": "A knife is visible.", "item": 1, "status": "unsure", "gap": 1.5, "off_mass": 0.1}
    row = json.loads(line_of(verdict("a.png"))) | {"rules": [{"rule": "knife", "status": "unsure", "steps": [step]}]}
    line = json.dumps(row).encode()
    assert len(list(read_verdicts(io.BytesIO(line), "v"))) == 1
    with pytest.raises(UsageError, match="v:1: this is not a verdict"):
        list(read_verdicts(io.BytesIO(line.replace(b"1.5", number.encode())), "v"))


def test_a_file_of_a_version_that_escaped_less_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "v.jsonl"
    escaped = line_of(verdict("a\u202e.png"))
    file.write_bytes(escaped.replace(rb"\u202e", "\u202e".encode()))
    write(file, verdict("b.png"))
    again = ResumableFile(file, HERE)
    assert again.done == {"a\u202e.png", "b.png"}
    again.close()
