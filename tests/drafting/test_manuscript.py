from __future__ import annotations

import dataclasses
import stat
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from imagejudge.constitution import Precondition, Rule, Statement, load_constitution
from imagejudge.constitution.file import MAX_ITEMS, MAX_STATEMENT, MAX_TEXT
from imagejudge.drafting import Document, DraftRejected
from imagejudge.errors import ConstitutionError, OutputError

TEXT = """\
# Our rules.
schema = 1
name = "house"   # the shop's
version = "1.0"

[[rules]]        # the first
text = 'No scary pictures.'  # as the boss put it
severity = "low"
id = "scary"
# What follows is about knives.

[[rules]]
id = "knife"
text = "Should not show a knife."
unless = ["A fork is visible."]  # at table
preconditions = [
  "A blade is visible.",  # old
]
enabled = true

[thresholds]
satisfied = 0.75 # measured
"""
CHAIN = (
    Precondition((Statement('The word "boo" can be read.', ("word",)), Statement("A skull is visible."))),
    Precondition((Statement("A sheet is visible.", ("sheet", "eyes")),)),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "house.toml"
    path.write_text(TEXT, "utf-8")
    return path


def rule(manuscript: Document, name: str, **changes: object) -> Rule:
    found = next(rule for rule in manuscript.constitution.rules if rule.id == name)
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]


def test_a_new_text_changes_its_line_alone(file: Path) -> None:
    manuscript = Document.open(file)
    revised = manuscript.revised(rule(manuscript, "scary", text='Should not show a skull that says "boo".'))
    assert revised.text == TEXT.replace("'No scary pictures.'", r'"Should not show a skull that says \"boo\"."')
    assert file.read_text("utf-8") == TEXT, "nothing is written yet"
    revised.replace(manuscript)
    assert file.read_text("utf-8") == revised.text
    assert load_constitution(file) == revised.constitution


def test_a_new_chain_stands_below_the_text(file: Path) -> None:
    manuscript = Document.open(file)
    revised = manuscript.revised(rule(manuscript, "scary", preconditions=CHAIN))
    assert revised.text == TEXT.replace(
        "# as the boss put it\n",
        "# as the boss put it\n"
        "preconditions = [\n"
        "  { any = [\n"
        r'    { ask = "The word \"boo\" can be read.", objects = ["word"] },'
        "\n"
        '    "A skull is visible.",\n'
        "  ] },\n"
        '  { ask = "A sheet is visible.", objects = ["sheet", "eyes"] },\n'
        "]\n",
    )


def test_a_chain_takes_the_old_one_s_place(file: Path) -> None:
    manuscript = Document.open(file)
    revised = manuscript.revised(rule(manuscript, "knife", preconditions=CHAIN[1:]))
    assert revised.text == TEXT.replace(
        '  "A blade is visible.",  # old\n', '  { ask = "A sheet is visible.", objects = ["sheet", "eyes"] },\n'
    )


def test_several_revisions_add_up(file: Path) -> None:
    manuscript = Document.open(file)
    first = manuscript.revised(rule(manuscript, "scary", preconditions=CHAIN))
    second = first.revised(rule(first, "scary", text="Should not show a skull.", preconditions=CHAIN[:1]))
    third = second.revised(rule(second, "knife", preconditions=CHAIN))
    third.replace(manuscript)
    found = load_constitution(file)
    assert [one.preconditions for one in found.rules] == [CHAIN[:1], CHAIN]
    assert found.rules[0].text == "Should not show a skull."
    assert [line for line in TEXT.splitlines() if "#" in line and "old" not in line] == [
        line.replace('"Should not show a skull."', "'No scary pictures.'")
        for line in third.text.splitlines()
        if "#" in line
    ]


def test_what_is_the_same_is_left_as_it_is(file: Path) -> None:
    manuscript = Document.open(file)
    assert manuscript.revised(rule(manuscript, "scary")) == manuscript


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks_stay(file: Path, end: str, mark: bytes) -> None:
    file.write_bytes(mark + TEXT.replace("\n", end).encode())
    manuscript = Document.open(file)
    manuscript.revised(rule(manuscript, "scary", preconditions=CHAIN)).replace(manuscript)
    written = file.read_bytes()
    assert written.startswith(mark + b"# Our rules.")
    assert written.count(b"\n") == TEXT.count("\n") + 7
    assert written.count(b"\r") == (written.count(b"\n") if end == "\r\n" else 0)
    assert load_constitution(file).rules[0].preconditions == CHAIN


def test_other_ways_to_write_rules(file: Path) -> None:
    file.write_text(
        'schema = 1\nname = "i"\nversion = "1"\nrules = [ # all\n  { id = "a", text = "No a." }, # one\n'
        '  { text = """\\\n  No b.""", id = "b" },\n]\n'
    )
    manuscript = Document.open(file)
    revised = manuscript.revised(rule(manuscript, "b", text="No bees.", preconditions=CHAIN))
    assert [one.preconditions for one in revised.constitution.rules] == [(), CHAIN]
    assert "# all" in revised.text
    assert "# one" in revised.text


WRITTEN = 'preconditions = [\n  { ask = "A sheet is visible.", objects = ["sheet", "eyes"] },\n]\n'
INSTEAD = "text = 'No a.'\n"
CHAINS = {
    "tables": (
        """\
[[rules]]
id = "a"
text = 'No a.'

# in steps
[[rules.preconditions]]
ask = "A bed is visible."  # old

[[rules.preconditions]]
# either
any = [
  "B.",
]

# ---- Alcohol: agreed with legal, do not change ----

[[rules]]
id = "b"
text = 'No b.'
""",
        f"""\
[[rules]]
id = "a"
{INSTEAD}{WRITTEN}
# in steps

# ---- Alcohol: agreed with legal, do not change ----

[[rules]]
id = "b"
text = 'No b.'
""",
    ),
    "tables in tables, and others between": (
        """\
[[rules]]
text = 'No a.'
id = "a"
  [[rules.preconditions]]
    [[ rules . "preconditions" . any ]]
    ask = "B."
    [[rules.preconditions.any]]
    ask = "C."
  # how sure
  [rules.thresholds]
  satisfied = 0.7
  [[rules.preconditions]]
  ask = "D."
[thresholds]
centric = 0.5
""",
        f"""\
[[rules]]
{INSTEAD}{WRITTEN}id = "a"
  # how sure
  [rules.thresholds]
  satisfied = 0.7
[thresholds]
centric = 0.5
""",
    ),
    "other tables between rules": (
        """\
# rule a
[["rules"]]
"id" = "a"
'text' = 'No a.'  # so be it

# limits
[thresholds]
satisfied=0.8

# rule b: legal
[[rules]]
id="b"
text="No b."
""",
        f"""\
# rule a
[["rules"]]
"id" = "a"
'text' = 'No a.'  # so be it
{WRITTEN}
# limits
[thresholds]
satisfied=0.8

# rule b: legal
[[rules]]
id="b"
text="No b."
""",
    ),
    "a comment behind a list": (
        """\
[[rules]]
id = "a"
text = 'No a.'
preconditions = ["B."]  # measured
# [[rules]]
# id = "b"
""",
        f"""\
[[rules]]
id = "a"
text = 'No a.'
{WRITTEN.rstrip()}  # measured
# [[rules]]
# id = "b"
""",
    ),
    "the last table, without a line end": (
        '[[rules]]\nid = "a"\ntext = \'No a.\'\n\n[[rules.preconditions]]\nask = "B."',
        f'[[rules]]\nid = "a"\n{INSTEAD}{WRITTEN}',
    ),
    "a rule in one line": (
        "rules = [ { text = 'No a.', id = \"a\" }, {id='b',text='No b.'} ] # all\n",
        f"rules = [ {{ text = 'No a.', {WRITTEN.rstrip()}, id = \"a\" }}, {{id='b',text='No b.'}} ] # all\n",
    ),
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(("before", "after"), CHAINS.values(), ids=CHAINS)
def test_all_around_a_chain_stays_however_it_is_written(file: Path, before: str, after: str, end: str) -> None:
    head = 'schema = 1\nname = "i"\nversion = "1"\n'
    file.write_bytes((head + before).replace("\n", end).encode())
    manuscript = Document.open(file)
    revised = manuscript.revised(rule(manuscript, "a", preconditions=CHAIN[1:]))
    assert revised.text.splitlines(keepends=True) == (head + after).replace("\n", end).splitlines(keepends=True)
    reworded = manuscript.revised(rule(manuscript, "a", text="No bees."))
    assert reworded.text == manuscript.text.replace("'No a.'", '"No bees."')


def test_the_end_of_the_file_without_a_line_end(file: Path) -> None:
    file.write_text('schema = 1\nname = "i"\nversion = "1"\n[[rules]]\nid = "a"\ntext = "No a."')
    manuscript = Document.open(file)
    assert manuscript.revised(rule(manuscript, "a", preconditions=CHAIN)).constitution.rules[0].preconditions == CHAIN


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"text": "x" * (MAX_TEXT + 1)}, "would not load: .*2,001 characters"),
        ({"text": "No\x07skulls."}, "would not load: .*control character"),
        ({"text": " No skulls. "}, "cannot be edited here"),
        ({"severity": "high"}, "cannot be edited here"),
        ({"preconditions": CHAIN[1:] * (MAX_ITEMS + 1)}, "would not load: .*33 items"),
        ({"preconditions": (Precondition((Statement("x" * (MAX_STATEMENT + 1)),)),)}, "301 characters"),
        ({"preconditions": (Precondition((Statement("A.", ("",)),)),)}, "object 1 .* is empty"),
    ],
)
def test_what_would_break_the_file_is_refused(file: Path, changes: dict[str, object], words: str) -> None:
    manuscript = Document.open(file)
    with pytest.raises(DraftRejected, match=words):
        manuscript.revised(rule(manuscript, "scary", **changes))
    assert file.read_text("utf-8") == TEXT


def test_a_file_too_large_to_be_read_again(file: Path) -> None:
    file.write_text(f"{TEXT}#{'x' * (999_990 - len(TEXT))}\n")
    manuscript = Document.open(file)
    with pytest.raises(DraftRejected, match="larger than 1,000,000 bytes"):
        manuscript.revised(rule(manuscript, "scary", preconditions=CHAIN))


def test_a_broken_file_is_complained_of_as_ever(file: Path) -> None:
    file.write_text(TEXT.replace("severity", "sevirity"))
    with pytest.raises(ConstitutionError, match="did you mean 'severity'"):
        Document.open(file)


class TestReplace:
    def test_a_change_meanwhile_is_not_overwritten(self, file: Path) -> None:
        manuscript = Document.open(file)
        revised = manuscript.revised(rule(manuscript, "scary", text="No skulls."))
        file.write_text(f"{TEXT}# Mine.\n")
        with pytest.raises(OutputError, match="was changed meanwhile"):
            revised.replace(manuscript)
        assert file.read_text() == f"{TEXT}# Mine.\n"

    def test_mode_and_link_stay(self, file: Path, tmp_path: Path) -> None:
        file.chmod(0o640)
        link = tmp_path / "link.toml"
        link.symlink_to(file)
        manuscript = Document.open(link)
        manuscript.revised(rule(manuscript, "scary", text="No skulls.")).replace(manuscript)
        assert link.is_symlink()
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
        assert load_constitution(file).rules[0].text == "No skulls."
        assert sorted(path.name for path in tmp_path.iterdir()) == ["house.toml", "link.toml"], (
            "no temporary file is left"
        )

    def test_a_failure_leaves_all_as_it_was(self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(self: Path, target: Path) -> None:
            raise OSError(28, "No space left on device")

        manuscript = Document.open(file)
        monkeypatch.setattr(Path, "replace", full)
        with pytest.raises(OutputError, match="No space left"):
            manuscript.revised(rule(manuscript, "scary", text="No skulls.")).replace(manuscript)
        assert [path.name for path in tmp_path.iterdir()] == ["house.toml"]
        assert file.read_text() == TEXT


words = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=30).filter(
    lambda text: text == text.strip() and text.isprintable()
)
statements = st.builds(Statement, words, st.lists(words, max_size=3).map(tuple))
chains = st.lists(
    st.builds(Precondition, st.lists(statements, min_size=1, max_size=3).map(tuple)), min_size=1, max_size=4
)
comments = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=20)


@settings(max_examples=80, deadline=None)
@given(text=words, chain=chains.map(tuple), comment=comments, name=st.sampled_from(["scary", "knife"]))
def test_any_words_reach_the_file_and_nothing_else_changes(
    tmp_path_factory: pytest.TempPathFactory, text: str, chain: tuple[Precondition, ...], comment: str, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(TEXT.replace("# the first", f"# {comment}"), "utf-8", newline="")
    manuscript = Document.open(path)
    wanted = rule(manuscript, name, text=text, preconditions=chain)
    revised = manuscript.revised(wanted)
    revised.replace(manuscript)
    found = load_constitution(path)
    assert found == revised.constitution
    assert rule(revised, name) == wanted
    other = ({"scary", "knife"} - {name}).pop()
    assert rule(revised, other) == rule(manuscript, other)
    assert f"# {comment}\n" in revised.text
    assert tomlkit.dumps(tomlkit.parse(revised.text)) == revised.text
