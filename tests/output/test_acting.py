"""Two runs that meet at one place: whichever comes second leaves its image where it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from imagejudge.common import placing
from imagejudge.output.acting import TAKEN, Acting, Row, State
from imagejudge.output.taking_back import take_back
from imagejudge.output.undo_file import Action, Record, UndoFile, read_backwards
from imagejudge.verdict import Verdict

FACTS = {"rationale": "", "model": "m@1", "constitution": "c@1", "method": "clue", "imagejudge": "0"}


def verdict_on(file: Path) -> Verdict:
    row = {"path": str(file), "sha256": placing.digest_of(file), "verdict": "unsafe", "violations": [], "rules": []}
    return Verdict.model_validate(FACTS | row)


class Run:
    """One run about the images of a folder, which looks first and does later."""

    def __init__(self, action: Action, here: Path, name: str, content: bytes) -> None:
        self.image = here / name / "x.png"
        self.image.parent.mkdir()
        self.image.write_bytes(content)
        self.record = UndoFile(here / f"{name}.jsonl")
        self._acting = Acting(action, here / "q", here / name)
        self._verdict = verdict_on(self.image)

    def look(self) -> Row:
        return self._acting.look(self._verdict)

    def do(self, row: Row) -> Row:
        return self._acting.do(row, self._verdict, self.record)


@pytest.mark.parametrize("content", [b"another", b"one"], ids=["other content", "same content"])
@pytest.mark.parametrize("action", [Action.MOVE, Action.COPY, Action.LINK])
def test_what_came_there_meanwhile_stays_and_so_does_the_image(tmp_path: Path, action: Action, content: bytes) -> None:
    first, second = Run(action, tmp_path, "a", b"one"), Run(action, tmp_path, "b", content)
    seen = [first.look(), second.look()]
    assert [row.state for row in seen] == [State.READY] * 2
    assert second.do(seen[1]).state is State.DONE
    done = first.do(seen[0])
    assert (done.state, done.why) == (State.REFUSED, TAKEN)
    assert first.image.read_bytes() == b"one"
    assert (tmp_path / "q" / "x.png").read_bytes() == content
    assert (action is Action.MOVE) != second.image.exists()
    # what was never done is not recorded, so that it asks for nothing when it is taken back
    assert not first.record.begun
    first.record.close()
    second.record.close()


@pytest.mark.parametrize("change", ["other content", "hard link", "gone"])
def test_an_interrupted_move_goes_on_only_while_the_new_place_holds_the_image(tmp_path: Path, change: str) -> None:
    run, target = Run(Action.MOVE, tmp_path, "a", b"one"), tmp_path / "q" / "x.png"
    target.parent.mkdir()
    target.write_bytes(b"one")
    row = run.look()
    assert row.state is State.READY
    target.unlink()
    if change == "other content":
        target.write_bytes(b"another")
    elif change == "hard link":
        target.hardlink_to(run.image)
    done = run.do(row)
    assert (done.state, done.why) == (State.REFUSED, TAKEN)
    assert run.image.read_bytes() == b"one"
    target.unlink(missing_ok=True)
    target.write_bytes(b"one")
    assert run.do(row).state is State.DONE
    assert (run.image.exists(), target.read_bytes()) == (False, b"one")
    run.record.close()
    (record,) = read_backwards(run.record.path)
    assert take_back(record, really=True) == Row(str(target), State.READY, "", target, run.image)
    assert run.image.read_bytes() == b"one"


def test_no_file_has_a_nul_byte_in_its_name(tmp_path: Path) -> None:
    target = tmp_path / "x.png"
    target.write_bytes(b"one")
    digest = hashlib.sha256(b"one").hexdigest()
    record = Record(action=Action.MOVE, source=f"{tmp_path}/a\0b", target=str(target), sha256=digest)
    row = take_back(record, really=True)
    assert row is not None
    assert row.state is State.REFUSED
    assert list(tmp_path.iterdir()) == [target]
