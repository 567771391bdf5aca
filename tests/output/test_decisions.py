"""What people decided: lines that are read back, and what follows from them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from imagejudge.constitution import Severity
from imagejudge.errors import UsageError
from imagejudge.output.decisions import Decision, Decisions, decision_line, decision_of, read_decisions
from imagejudge.verdict import Failure, Outcome, RuleResult, RuleStatus, Verdict, Violation

DIGEST = "ab" * 32
LINE: dict[str, Any] = {"schema": 1, "sha256": DIGEST, "path": "a.png", "rule": None, "decision": "agree"}
LINE |= {"truth": "violated", "note": "", "by": "", "at": "2026-11-25T22:00:00Z", "verdicts": "cd" * 32}
LINE |= {"model": "builtin@1", "constitution": "stickers@1"}


def decision(rule: str | None, truth: str) -> Decision:
    return Decision.model_validate(LINE | {"rule": rule, "truth": truth})


def verdict(statuses: Mapping[str, str], error: Failure | None = None) -> Verdict:
    rules = tuple(RuleResult(rule=rule, status=RuleStatus(status), steps=()) for rule, status in statuses.items())
    violated = [rule for rule, status in statuses.items() if status == "violated"]
    row = {"category": "violence", "severity": Severity.HIGH, "rationale": "seen."}
    outcome = Outcome.ERROR if error else Outcome.UNSAFE if violated else Outcome.SAFE
    if outcome is Outcome.SAFE and "unsure" in statuses.values():
        outcome = Outcome.UNSURE
    return Verdict(
        path="b.png", sha256=DIGEST, verdict=outcome, rationale="", rules=rules, error=error,
        violations=tuple(Violation(rule=rule, **row) for rule in violated),
        model="m@1", constitution="c@1", method="clue", imagejudge="0",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["a b.png", "new\nline.png", "\udcff.png", "ü.png", "\x1b[2J\u202e\x7f.png", "\ud800"])
def test_any_decision_is_read_back(name: str) -> None:
    one = Decision.model_validate(LINE | {"path": name, "note": name.encode("utf-8", "replace").decode()})
    line = decision_line(one)
    assert line.count(b"\n") == 1
    assert not set("\x1b\u202e\x7f") & set(line.decode())
    assert decision_of(line) == one
    assert list(json.loads(line)) == list(LINE)


def test_a_browser_s_line_is_one() -> None:
    line = json.dumps(LINE | {"path": "\udcff"}, separators=(",", ":")).encode()  # as JSON.stringify writes it
    assert decision_of(line).path == "\udcff"
    assert decision_of(json.dumps({key: LINE[key] for key in reversed(LINE)}).encode()).sha256 == DIGEST


@pytest.mark.parametrize(
    "change",
    [{"sha256": "AB" * 32}, {"sha256": None}, {"sha256": f"{DIGEST}\n"}, {"truth": "maybe"}, {"schema": 2}, {"x": 1},
     {"decision": None}, {"rule": 3}, {"verdicts": "0"}],
)  # fmt: skip
def test_what_is_no_decision_is_refused_with_its_line(change: dict[str, Any]) -> None:
    stream = io.BytesIO(json.dumps(LINE).encode() + b"\n" + json.dumps(LINE | change).encode() + b"\n")
    with pytest.raises(UsageError, match=r"^d:2: this is not a decision"):
        list(read_decisions(stream, "d"))


def test_a_decision_over_several_lines_is_told_from_one_of_another_version() -> None:
    stream = io.BytesIO(json.dumps(LINE, indent=1).encode())
    with pytest.raises(UsageError, match=r"^d:1: this line is no JSON$"):
        list(read_decisions(stream, "d"))


@pytest.mark.parametrize("line", [b"[" * 100_000, b"\xff", b"{}", b"null", b'"x"', b"x" * 2_000_000])
def test_hostile_lines_are_refused(line: bytes) -> None:
    with pytest.raises(UsageError, match=r"^d:1: "):
        list(read_decisions(io.BytesIO(line), "d"))


def test_a_last_line_that_was_cut_off_is_none() -> None:
    whole = decision_line(decision("knife", "clear"))
    for end in range(1, len(whole) - 1):
        assert len(list(read_decisions(io.BytesIO(whole + whole[:end]), "d"))) == 1
        assert len(list(read_decisions(io.BytesIO(whole[:end]), "d"))) == 0
    assert len(list(read_decisions(io.BytesIO(whole + b"\r\n\n" + whole[:-1]), "d"))) == 2


JUDGED = {"fire": "violated", "knife": "unsure", "dice": "clear", "suit": "excepted"}


def test_a_line_that_was_cut_off_is_said() -> None:
    whole = decision_line(decision("knife", "clear"))
    said: list[str] = []
    assert len(list(read_decisions(io.BytesIO(whole + whole[:-20]), "d", said.append))) == 1
    assert said == ["the last line of d was cut off when its writer was stopped, and is left out"]
    assert len(list(read_decisions(io.BytesIO(whole + whole[:-1]), "d", said.append))) == 2
    assert len(said) == 1, "it lacks its end alone"


@pytest.mark.parametrize(
    ("decided", "outcome", "violated"),
    [
        ([], "unsafe", ["fire"]),
        ([("fire", "clear")], "unsure", []),
        ([("fire", "clear"), ("knife", "clear")], "safe", []),
        ([("fire", "clear"), ("fire", "violated")], "unsafe", ["fire"]),
        ([("dice", "violated")], "unsafe", ["fire", "dice"]),
        ([(None, "clear")], "safe", []),
        ([("knife", "violated"), (None, "clear")], "safe", []),
        ([(None, "clear"), ("knife", "violated")], "unsafe", ["knife"]),
        ([("fire", "clear"), (None, "violated")], "unsafe", []),
        ([(None, "unsure")], "unsure", ["fire"]),
        ([(None, "violated")], "unsafe", ["fire"]),
        ([("other", "violated"), ("fire", "clear")], "unsafe", ["other"]),
    ],
)
def test_what_people_see_overrides_the_verdict(
    decided: Iterable[tuple[str | None, str]], outcome: str, violated: list[str]
) -> None:
    seen = Decisions(decision(rule, truth) for rule, truth in decided).applied(verdict(JUDGED))
    assert (seen.verdict, [violation.rule for violation in seen.violations]) == (outcome, violated)
    assert [result.rule for result in seen.rules if result.status is RuleStatus.VIOLATED] == violated


def test_what_was_not_judged_is_not_safe_because_of_one_rule() -> None:
    failed = verdict({}, Failure(kind="damaged", message="cut off"))
    assert Decisions(iter([decision("fire", "clear")])).applied(failed).verdict == "error"
    assert Decisions(iter([decision("fire", "violated")])).applied(failed).verdict == "unsafe"
    assert Decisions(iter([decision(None, "clear")])).applied(failed).verdict == "safe"


def test_a_decision_goes_with_the_bytes() -> None:
    decisions = Decisions(iter([decision(None, "clear")]))
    other = verdict(JUDGED).model_copy(update={"sha256": "cd" * 32})
    assert decisions.applied(other) is other
    assert (decisions.about(verdict(JUDGED)), decisions.about(other)) == (True, False)


def test_what_a_baseline_accepts_is_clear_unless_somebody_says_otherwise() -> None:
    judged = verdict({"fire": "violated", "dice": "clear"})
    marked = judged.model_copy(update={"rules": tuple(r.model_copy(update={"accepted": True}) for r in judged.rules)})
    assert Decisions().applied(marked).verdict == "safe"
    assert Decisions([decision("fire", "violated")]).applied(marked).verdict == "unsafe"
    assert Decisions().applied(judged) is judged
