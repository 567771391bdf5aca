"""Accepted findings: what the mark does, and a file that people and the program write together."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from imagejudge.constitution import Severity
from imagejudge.errors import OutputError, UsageError
from imagejudge.output.baseline import Baseline, Entry, accept, add, load_baseline
from imagejudge.verdict import Failure, Outcome, RuleResult, RuleStatus, Verdict, Violation

TODAY = datetime.date(2026, 11, 21)
A, B, C = "a" * 64, "b" * 64, "c" * 64


def verdict(sha256: str | None, path: str = "x.png", **statuses: RuleStatus) -> Verdict:
    violated = [rule for rule, status in statuses.items() if status is RuleStatus.VIOLATED]
    return Verdict(
        path=path,
        sha256=sha256,
        verdict=Outcome.UNSAFE if violated else Outcome.SAFE,
        rationale="",
        violations=tuple(Violation(rule=rule, category="", severity=Severity.LOW, rationale="") for rule in violated),
        rules=tuple(RuleResult(rule=rule, status=status, steps=()) for rule, status in statuses.items()),
        model="m",
        constitution="c",
        method="clue",
        imagejudge="0",
    )


VIOLATED, UNSURE, CLEAR = RuleStatus.VIOLATED, RuleStatus.UNSURE, RuleStatus.CLEAR


# --- the mark -------------------------------------------------------------------------------------------------------


def test_a_mark_is_for_one_rule_in_one_image() -> None:
    baseline = Baseline([Entry(A, "fire"), Entry(A, "mug"), Entry(A, "spoon")])
    marked = baseline.mark(verdict(A, fire=VIOLATED, knife=VIOLATED, mug=UNSURE, spoon=CLEAR))
    assert [(each.rule, each.accepted) for each in marked.violations] == [("fire", True), ("knife", False)]
    assert [each.rule for each in marked.rules if each.accepted] == ["fire", "mug"]
    assert marked.verdict is Outcome.UNSAFE
    assert baseline.mark(marked) is marked
    other = verdict(B, fire=VIOLATED)
    assert baseline.mark(other) is other


def test_marks_of_another_baseline_go() -> None:
    line = verdict(A, fire=VIOLATED, mug=UNSURE)
    assert Baseline().mark(Baseline([Entry(A, "fire"), Entry(A, "mug")]).mark(line)) == line


def test_what_can_be_accepted() -> None:
    lines = [
        verdict(A, "a\udcff\n.png", fire=VIOLATED, knife=VIOLATED, mug=UNSURE, spoon=CLEAR),
        verdict(B, knife=VIOLATED),
    ]
    lines += [verdict(A, "copy.png", fire=VIOLATED), verdict(None, fire=VIOLATED)]
    known = Baseline([Entry(B, "knife")])
    new = accept(lines, known, reason="drawn", today=TODAY)
    assert new == [Entry(A, rule, "drawn", TODAY, "a\\udcff\\n.png") for rule in ("fire", "knife")]
    assert [entry.rule for entry in accept(lines, known, reason="", today=TODAY, unsure=True)] == [
        "fire",
        "knife",
        "mug",
    ]
    assert [entry.rule for entry in accept(lines, known, reason="", today=TODAY, rules=["knife"])] == ["knife"]


def test_what_nothing_needs() -> None:
    baseline = Baseline([Entry(A, "fire"), Entry(A, "knife"), Entry(B, "fire"), Entry(C, "fire"), Entry(A, "mug")])
    error = verdict(C).model_copy(update={"verdict": Outcome.ERROR, "error": Failure(kind="x", message="")})
    idle = baseline.unused([verdict(A, fire=VIOLATED, knife=CLEAR, mug=UNSURE), error])
    assert [(each.entry.key, each.why.split()[0]) for each in idle] == [
        ((A, "knife"), "the"),
        ((B, "fire"), "no"),
        ((C, "fire"), "no"),
    ]


# --- the file -------------------------------------------------------------------------------------------------------

HOSTILE = [
    '"quoted" \\ back',
    "[[accepted]]",
    "# no comment",
    "'''",
    '"""',
    "= 1",
    "ü ✓",
    " spaces ",
    "a\\n[[x]]",
    "-rf",
]


def test_a_file_is_sorted_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "baseline.toml"
    entries = [Entry(A, "fire", f"reason: {path}", TODAY, path) for path in HOSTILE[::-1]]
    entries = [
        Entry(f"{number:064x}", *each.key[1:], each.reason, TODAY, each.path) for number, each in enumerate(entries)
    ]
    add(file, entries)
    text = file.read_text("utf-8")
    assert text.startswith("# Findings of imagejudge")
    held = load_baseline(file)
    assert [entry.path for entry in held.entries] == [path.strip() for path in sorted(HOSTILE)]
    assert {entry.key for entry in held.entries} == {entry.key for entry in entries}
    assert all(entry.date == TODAY for entry in held.entries)
    assert [text.splitlines()[entry.line - 1] for entry in held.entries] == ["[[accepted]]"] * len(HOSTILE)
    assert [path.name for path in tmp_path.iterdir()] == ["baseline.toml"]


WRITTEN = f"""# Ours.
schema = 1  # yes

# About b,
# in two lines.
[[accepted]]
sha256 = "{B}"   # by hand
rule = 'fire'
path = "b.png"
reason = '''
It is
a drawing.'''

# The end.
"""


def test_what_a_person_wrote_stays(tmp_path: Path) -> None:
    file = tmp_path / "baseline.toml"
    file.write_text(WRITTEN, "utf-8")
    add(file, [Entry(C, "fire", "", TODAY, "c.png"), Entry(A, "fire", "", TODAY, "a.png")])
    text = file.read_text("utf-8")
    assert [entry.path for entry in load_baseline(file).entries] == ["a.png", "b.png", "c.png"]
    before, _, after = text.partition("# About b,")
    assert before.startswith("# Ours.\nschema = 1  # yes\n\n[[accepted]]\n")
    assert before.endswith('path = "a.png"\n\n')
    assert ("# About b," + after).startswith(WRITTEN[WRITTEN.index("# About b,") :])
    assert "\n\n\n" not in text


def test_line_ends_stay(tmp_path: Path) -> None:
    file = tmp_path / "baseline.toml"
    file.write_bytes(WRITTEN.replace("\n", "\r\n").encode())
    add(file, [Entry(A, "fire", "", TODAY, "a.png")])
    assert file.read_bytes().count(b"\n") == file.read_bytes().count(b"\r\n")


@given(
    st.permutations(range(6)),
    st.sets(st.integers(0, 5)),
    st.sampled_from(["\n", "\n\n", "\n# note\n", "\n\n# note\n\n"]),
)
@settings(deadline=None, max_examples=60)
def test_whatever_the_order_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], new: set[int], between: str
) -> None:
    def written(number: int) -> str:
        return f'[[accepted]]\nsha256 = "{number:064x}"\nrule = "fire"\npath = "{number}.png"'

    file = tmp_path_factory.mktemp("file") / "baseline.toml"
    held = between.join(["schema = 1", *(written(number) for number in order if number not in new)])
    file.write_text(held, "utf-8")
    add(file, [Entry(f"{number:064x}", "fire", "", TODAY, f"{number}.png") for number in new])
    text = file.read_text("utf-8")
    assert len(load_baseline(file).entries) == 6
    remaining = iter(text.splitlines())
    assert all(line in remaining for line in held.splitlines())


MISTAKES = f"""schema = 1
reasons = true

[[accepted]]
sha256 = "{A}"
rule = "fire"

[[accepted]]
sha256 = "{A}"
rule = "fire"
reson = "why"

[[accepted]]
sha256 = "abc"
date = 2026-11-21T10:00:00
rule = "a b"
"""


def test_every_mistake_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "baseline.toml"
    file.write_text(MISTAKES, "utf-8")
    with pytest.raises(UsageError) as caught:
        load_baseline(file)
    assert [line.removeprefix(f"{file}:").split(";")[0] for line in caught.value.message.splitlines()] == [
        "2: unknown key 'reasons' in the file",
        "10: entry 2 says what line 4 says",
        "11: unknown key 'reson' in entry 2",
        "14: 'sha256' in entry 3 is 'abc'",
        "15: 'date' in entry 3 must be a date, not a date or time",
        "16: 'rule' in entry 3 is 'a b'",
    ]
    before = file.read_bytes()
    with pytest.raises(UsageError):
        add(file, [Entry(B, "fire")])
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no 'schema'"),
        (b"schema = 2\nanything = 1", "schema 2 is not one"),
        (b"schema = 1\naccepted = 3", "must be a list"),
        (b"schema = 1\naccepted = [3]", "must be a table"),
        (b"schema = \n", ":1: not TOML at column"),
        (b"schema = 1\n# \xff", ":2: byte 0xff is not UTF-8"),
        (b"a = " + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "baseline.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        load_baseline(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_baseline(tmp_path / "none.toml")
    with pytest.raises(OutputError, match="cannot be written"):
        add(tmp_path / "no folder" / "b.toml", [Entry(A, "fire")])


def test_an_empty_list_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "baseline.toml"
    file.write_text("schema = 1\naccepted = []\n", "utf-8")
    assert load_baseline(file).entries == ()
    with pytest.raises(OutputError, match="cannot be added to"):
        add(file, [Entry(A, "fire")])
    assert tomli.loads(file.read_text("utf-8"))["accepted"] == []


def test_the_example_of_the_documents_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "baseline.md").read_text("utf-8")
    (tmp_path / "b.toml").write_text(page.partition("```toml\n")[2].partition("```")[0], "utf-8")
    (entry,) = load_baseline(tmp_path / "b.toml").entries
    assert (entry.rule, entry.date, entry.path) == ("rude-gesture", TODAY, "stickers/one.png")
