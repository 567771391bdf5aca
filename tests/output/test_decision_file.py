"""A file of decisions: what was kept is there after a kill, and what others wrote stays."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from imagejudge.errors import OutputError, UsageError
from imagejudge.output.decision_file import DecisionFile, Key
from imagejudge.output.decisions import Decision, Opinion, Truth, decision_line, decision_of, read_decisions


def decision(number: int, truth: Truth = Truth.CLEAR, rule: str | None = None) -> Decision:
    return Decision(sha256=f"{number:064}", path=f"{number}.png", rule=rule, decision=Opinion.AGREE, truth=truth)


def made(*decisions: Decision) -> dict[Key, Decision | None]:
    return {(each.sha256, each.rule): each for each in decisions}


def told(file: DecisionFile) -> list[Decision]:
    return [decision_of(line) for line in file]


def lines(file: Path) -> list[Decision]:
    with file.open("rb") as stream:
        return list(read_decisions(stream, "file"))


def test_each_is_appended_and_the_last_counts(tmp_path: Path) -> None:
    file = DecisionFile(tmp_path / "d")
    first, second, changed = decision(1), decision(2), decision(1, Truth.VIOLATED)
    file.change(made(first))
    file.change(made(second, changed))
    assert lines(tmp_path / "d") == [first, second, changed], "as it is, while the file is open"
    assert told(file) == [second, changed]
    file.close()
    again = DecisionFile(tmp_path / "d")
    assert told(again) == [second, changed]
    again.close()


def test_what_is_taken_back_leaves_the_file(tmp_path: Path) -> None:
    (tmp_path / "d").write_bytes(decision_line(decision(7)))
    file = DecisionFile(tmp_path / "d")
    file.change(made(decision(1), decision(2)))
    file.change({(decision(1).sha256, None): None, **made(decision(3))})
    assert lines(tmp_path / "d") == [decision(7), decision(2), decision(3)]
    (tmp_path / ".d.tmp").write_bytes(b"what a killed process left")
    file.change({(decision(7).sha256, None): None})
    assert [each.name for each in tmp_path.iterdir()] == ["d"]
    file.change(made(decision(4)))
    assert lines(tmp_path / "d")[-1] == decision(4), "the new file is the one that is added to"
    file.close()


def test_what_somebody_else_appends_meanwhile_stays(tmp_path: Path) -> None:
    mine, other = decision(1), decision(1, Truth.VIOLATED)
    (tmp_path / "d").write_bytes(decision_line(decision(7)))
    file = DecisionFile(tmp_path / "d")
    file.change(made(mine, decision(2)))
    with (tmp_path / "d").open("ab") as colleague:
        colleague.write(decision_line(decision(5)) + decision_line(other))
    file.change({(decision(2).sha256, None): None, (mine.sha256, None): None, **made(decision(3))})
    assert lines(tmp_path / "d") == [decision(7), decision(5), other, decision(3)], "only one's own is taken back"
    assert told(file) == lines(tmp_path / "d")
    file.change({(mine.sha256, None): None})
    assert other not in lines(tmp_path / "d"), "who was told of it can take it back too"
    with (tmp_path / "d").open("ab") as colleague:
        colleague.write(decision_line(decision(6))[:-1])
    file.change(made(decision(4)))
    assert lines(tmp_path / "d") == [decision(7), decision(5), decision(3), decision(6), decision(4)]
    assert len(file) == 5
    file.close()


def test_what_is_taken_back_leaves_the_other_lines_as_they_are(tmp_path: Path) -> None:
    odd = b'{ "path": "7.png", "sha256": "%064d", "truth": "clear", "decision": "agree" }\n' % 7
    (tmp_path / "d").write_bytes(odd + decision_line(decision(7)))
    file = DecisionFile(tmp_path / "d")
    file.change(made(decision(1)))
    file.change({(decision(1).sha256, None): None})
    assert (tmp_path / "d").read_bytes() == odd + decision_line(decision(7))
    file.close()


def test_a_file_that_somebody_put_in_its_place_is_the_one_that_goes_on(tmp_path: Path) -> None:
    file = DecisionFile(tmp_path / "d")
    file.change(made(decision(1), decision(2)))
    (tmp_path / "new").write_bytes(decision_line(decision(5)) + decision_line(decision(2)))
    (tmp_path / "new").replace(tmp_path / "d")  # as editors save
    file.change(made(decision(3)))
    assert lines(tmp_path / "d") == [decision(5), decision(2), decision(3)]
    with pytest.raises(OutputError, match="somebody else"):
        DecisionFile(tmp_path / "d")
    file.change({(decision(2).sha256, None): None})
    assert lines(tmp_path / "d") == [decision(5), decision(3)]
    (tmp_path / "d").unlink()
    file.change(made(decision(4)))
    assert lines(tmp_path / "d") == [decision(5), decision(3), decision(4)], "what was called kept is written anew"
    file.close()


@pytest.mark.parametrize("rest", [b"a letter\n", decision_line(decision(5))[:-9]])
def test_what_somebody_else_made_of_it_is_not_written_over(tmp_path: Path, rest: bytes) -> None:
    file = DecisionFile(tmp_path / "d")
    file.change(made(decision(1)))
    before = (tmp_path / "d").read_bytes()
    (tmp_path / "d").write_bytes(before + rest)
    for change in (made(decision(2)), {(decision(1).sha256, None): None}):
        with pytest.raises(OutputError, match="somebody else"):
            file.change(change)
    assert (tmp_path / "d").read_bytes() == before + rest
    (tmp_path / "d").write_bytes(before)
    file.change(made(decision(3)))
    assert lines(tmp_path / "d") == [decision(1), decision(3)]
    file.close()


def test_what_somebody_writes_while_a_decision_leaves_the_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = DecisionFile(tmp_path / "d")
    file.change(made(decision(1), decision(2)))

    def meanwhile(number: int) -> None:
        with (tmp_path / "d").open("ab") as colleague:
            colleague.write(decision_line(decision(5)))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", meanwhile)
        with pytest.raises(OutputError, match="somebody else"):
            file.change({(decision(1).sha256, None): None})
    file.change({(decision(1).sha256, None): None})
    assert lines(tmp_path / "d") == [decision(2), decision(5)]
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", meanwhile)
        file.change(made(decision(3)))
    file.change({(decision(2).sha256, None): None})
    assert lines(tmp_path / "d") == [decision(5), decision(3), decision(5)]
    file.close()


def test_each_is_on_the_disk_before_it_is_called_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_size))
    file = DecisionFile(tmp_path / "d")
    file.change(made(decision(1)))
    assert synced == [(tmp_path / "d").stat().st_size]
    file.close()


def test_nothing_is_called_kept_where_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = DecisionFile(tmp_path / "d")
    file.change(made(decision(1)))

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left"):
            file.change(made(decision(2)))
    assert told(file) == [decision(1)]
    file.change(made(decision(3)))
    assert lines(tmp_path / "d") == [decision(1), decision(3)]
    file.close()


def test_what_had_no_room_is_not_written_later(tmp_path: Path) -> None:
    file = DecisionFile(tmp_path / "d")
    file.change(made(decision(1)))
    size = (tmp_path / "d").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size * 3 // 2, hard))  # room for one and a half
    try:
        with pytest.raises(OutputError, match="File too large"):
            file.change(made(decision(2), decision(3)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert lines(tmp_path / "d") == [decision(1)]
    assert (tmp_path / "d").stat().st_size == size, "no half of a line stays"
    file.change(made(decision(4)))
    assert lines(tmp_path / "d") == told(file) == [decision(1), decision(4)]
    file.close()


def test_a_torn_line_is_taken_out_and_one_without_an_end_is_ended(tmp_path: Path) -> None:
    whole = decision_line(decision(1))
    torn = decision_line(decision(2))
    for rest, kept in ((torn[:1], 1), (torn[:19], 1), (torn[:-9], 1), (torn[:-1], 2)):
        (tmp_path / "d").write_bytes(whole + rest)
        file = DecisionFile(tmp_path / "d")
        file.change(made(decision(3)))
        file.close()
        assert len(lines(tmp_path / "d")) == kept + 1


def test_what_is_no_file_of_decisions_is_refused_and_stays(tmp_path: Path) -> None:
    (tmp_path / "d").write_bytes(b"a letter\n")
    with pytest.raises(UsageError, match="this line is no JSON"):
        DecisionFile(tmp_path / "d")
    assert (tmp_path / "d").read_bytes() == b"a letter\n"
    with pytest.raises(OutputError, match="not a file"):
        DecisionFile(tmp_path)


def test_two_cannot_decide_in_one_file(tmp_path: Path) -> None:
    file = DecisionFile(tmp_path / "d")
    with pytest.raises(OutputError, match="somebody else"):
        DecisionFile(tmp_path / "d")
    file.close()
    DecisionFile(tmp_path / "d").close()
