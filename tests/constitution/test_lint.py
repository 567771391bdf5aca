from __future__ import annotations

import time
from dataclasses import replace

import pytest

from imagejudge.constitution import Constitution, Precondition, Rule, Statement, Thresholds
from imagejudge.constitution.file import parse_constitution
from imagejudge.constitution.lint import MAX_WORDS, PAIRS, VAGUE, Remark, lint_constitution

HEAD = 'schema = 1\nname = "n"\nversion = "1"\n'


def remarks(*preconditions: str | Precondition, unless: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Codes and messages about a rule of these statements."""
    chain = tuple(Precondition((Statement(one),)) if isinstance(one, str) else one for one in preconditions)
    rule = Rule("r", "T.", preconditions=chain, unless=tuple(map(Statement, unless)))
    return [(remark.code, remark.message) for remark in lint_constitution(Constitution("n", "1", (rule,)))]


def codes(*preconditions: str | Precondition, unless: tuple[str, ...] = ()) -> list[str]:
    return [code for code, _ in remarks(*preconditions, unless=unless)]


def any_of(*asks: str) -> Precondition:
    return Precondition(tuple(map(Statement, asks)))


def about(ask: str, *objects: str, other: str = "A body is visible.") -> list[str]:
    """What is said of the objects of one statement of two."""
    chain = (Precondition((Statement(ask, objects),)), Precondition((Statement(other),)))
    found = lint_constitution(Constitution("n", "1", (Rule("r", "T.", preconditions=chain),)))
    return [remark.message for remark in found if remark.code == "unknown-object"]


@pytest.mark.parametrize(
    "ask",
    [
        "A person is visible.",
        "Flames touch a body.",
        'The words "no entry and exit, or not?" can be read.',
        "The words \u201cnever again\u201d can be read.",
        "A no-entry sign is visible.",
        "A knot is visible.",
        "A black and white photo is visible.",
        "A cord hangs between a lamp and a table.",
        "A man and a woman touch each other.",
        "A hand and a knife are close together.",
        "Two or more people are visible.",
        "An orange is visible.",
        'A sign says "stop."',
        " ".join(["A", *["very"] * (MAX_WORDS - 3), "long", "snake."]),
        *(f"A {pair} is visible." for pair in PAIRS),
    ],
)
def test_good_statements_pass(ask: str) -> None:
    assert remarks(ask) == []
    assert remarks("A person is visible.", unless=(ask.replace("person", "statue"),)) == []


@pytest.mark.parametrize(
    ("ask", "code", "message"),
    [
        *((f"A {word} thing is visible.", "vague-word", f"'{word}' is a matter of opinion") for word in sorted(VAGUE)),
        ("A person poses Suggestively.", "vague-word", "'suggestively' is a matter of opinion; write what can be seen"),
        ("No person is visible.", "negation", "'no' denies something, which models overlook; write what is there"),
        ("A person is not dressed.", "negation", "'not' denies something"),
        ("A person without a hat is visible.", "negation", "'without' denies something"),
        ("A hat isn't visible.", "negation", '"isn\'t" denies something'),
        ("A hat isn\u2019t visible.", "negation", '"isn\'t" denies something'),
        ("A dog lacks a leash.", "negation", "'lacks' denies something"),
        ("A dog and a cat are visible.", "two-claims", "'and' joins two claims; write two preconditions"),
        ("A black and white cat and a dog are visible.", "two-claims", "'and' joins two claims"),
        ("A dog or a cat is visible.", "alternatives", "'or' joins two claims; write { any = ["),
        ("One or more dogs or cats are visible.", "alternatives", "'or' joins two claims; write { any = ["),
        ("A dog is visible?", "question", "a question; write a statement"),
        ("Is a dog visible.", "question", "a question; write a statement"),
        ("A dog is visible", "no-full-stop", "no full stop at the end; write one"),
        ("A dog is visible!", "no-full-stop", "no full stop at the end; write one"),
        (" ".join(["A", *["very"] * (MAX_WORDS - 2), "long", "snake."]), "too-long", "21 words; write at most 20"),
    ],
)
def test_each_weakness_is_remarked_on_once(ask: str, code: str, message: str) -> None:
    ((found, words),) = remarks(ask)
    assert found == code
    assert words.startswith(message)
    assert "; " in words


def test_what_to_write_depends_on_where_it_stands() -> None:
    two = "A dog and a cat are visible."
    either = "A dog or a cat is visible."
    assert "as a precondition" in remarks(any_of(two, "A cow is visible."))[0][1]
    assert "clears the rule by itself" in remarks("A cow is visible.", unless=(two,))[0][1]
    assert "write two alternatives" in remarks(any_of(either, "A cow is visible."))[0][1]
    assert "write two exceptions" in remarks("A cow is visible.", unless=(either,))[0][1]


def test_a_rule_without_preconditions_is_asked_whole_and_read_for_vague_words() -> None:
    whole = Rule("r", "No offensive or inappropriate pictures?", line=7)
    found = lint_constitution(Constitution("n", "1", (whole,)))
    assert [(remark.line, remark.rule, remark.code) for remark in found] == [
        (7, "r", "no-preconditions"),
        (7, "r", "vague-word"),
        (7, "r", "vague-word"),
    ]
    assert remarks("A person is visible.") == [], "the text of a rule with a chain is not asked"


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        ("Flames touch a body.", "flames"),
        ("A flaming torch is visible.", "flame"),
        ("People are visible.", "person"),
        ("A man is visible.", "men"),
        ("Knives are visible.", "knife"),
        ("A bus is visible.", "buses"),
        ("A fire-fighter's suit is visible.", "fire-fighter"),
        ("A fire-fighter's suit is visible.", "suit"),
        ("A red traffic light is visible.", "traffic lights"),
        ("It burns.", "bodies"),  # from the other statement
    ],
)
def test_objects_are_found_whatever_their_endings(ask: str, name: str) -> None:
    assert about(ask, name) == []


def test_unknown_objects() -> None:
    assert about("Flames are visible.", "flames", "fmales") == [
        "object 'fmales' is in no statement of the rule; did you mean 'flames'?"
    ]
    assert about("Flames are visible.", "zzz") == [
        "object 'zzz' is in no statement of the rule; write a word of the statement"
    ]
    assert len(about("A red light is visible.", "traffic light")) == 1
    assert len(about("A carpet is visible.", "car")) == 1, "too short to be its stem"
    assert len(about("A car is visible.", "carpet")) == 1
    assert len(about("A flamethrower is visible.", "flame")) == 1, "more than an ending is between them"
    assert len(about("A flame is visible.", "flamethrower")) == 1


def test_only_the_words_of_the_statement_itself_are_offered() -> None:
    (remark,) = about("A dog is visible.", "flaems", other="Flames touch a body.")
    assert remark.endswith("; write a word of the statement")


def test_a_rule_as_large_as_one_may_be_is_read_at_once() -> None:
    """1,024 statements of 150 words, each with eight objects of which nothing is known: a file of 600 kB."""
    words = " ".join(chr(ord("a") + number % 26) for number in range(150))
    objects = tuple(" ".join(f"{start}{end}" for end in "0123456789" * 2) for start in "pqrstuvw")
    chain = tuple(Precondition((Statement(f"{words}.", objects),) * 32) for _ in range(32))
    started = time.process_time()
    found = lint_constitution(Constitution("n", "1", (Rule("r", "T.", preconditions=chain),)))
    assert time.process_time() - started < 10
    assert sum(remark.code == "unknown-object" for remark in found) == 8 * 1024


@pytest.mark.parametrize(
    ("chain", "unless", "message"),
    [
        (("A dog.", "A dog."), (), "the rule says this already; leave it out"),
        (("A dog.", "the DOG."), (), "the rule says this already; leave it out"),
        ((any_of("A dog.", "A dog."),), (), "the rule says this already; leave it out"),
        (("A dog.", any_of("A dog.", "A cat.")), (), "the rule says this already; leave it out"),
        (("A cat.",), ("A dog.", "A dog."), "the rule says this already; leave it out"),
        (("A dog.",), ("A dog.",), "also a precondition, so the rule can never be violated"),
        (
            (any_of("A heart.", "A dog."), "A cat."),
            ("The DOG.", "A cow.", "A heart."),
            "with the other exceptions it clears every alternative of a precondition, so the rule can never",
        ),
    ],
)
def test_repeated_statements(chain: tuple[str | Precondition, ...], unless: tuple[str, ...], message: str) -> None:
    ((code, words),) = remarks(*chain, unless=unless)
    assert code == "duplicate-statement"
    assert words.startswith(message)


def test_an_or_of_ands_may_repeat_an_alternative() -> None:
    assert codes(any_of("A dog.", "A cat."), any_of("A dog.", "A cow.")) == []
    assert codes(any_of("A dog.", "A cat."), unless=("A dog.",)) == []
    assert codes(any_of("A dog.", "A cat."), any_of("A dog.", "A cow."), unless=("A dog.", "A horse.")) == []


def test_the_same_statement_should_be_spelt_the_same_in_all_rules() -> None:
    def rule(name: str, ask: str) -> Rule:
        return Rule(name, "T.", preconditions=(Precondition((Statement(ask),)),))

    house = Constitution("n", "1", (rule("a", "A dog is visible."), rule("b", "A dog is visible.")))
    assert lint_constitution(house) == []
    ((remark),) = lint_constitution(replace(house, rules=(*house.rules, rule("c", "The dog is, visible."))))
    assert (remark.rule, remark.code) == ("c", "near-duplicate")
    assert remark.message == "nearly the words of rule 'a'; write 'A dog is visible.', and both are asked at once"


def test_thresholds_far_off() -> None:
    chain = (Precondition((Statement("A dog."),)),)
    house = Constitution("n", "1", (Rule("a", "T.", preconditions=chain),), thresholds=Thresholds(0.2, 0.7, 0.7))
    assert lint_constitution(house) == []
    (remark,) = lint_constitution(replace(house, thresholds=Thresholds(satisfied=0.99, line=4)))
    assert remark == Remark(
        4,
        "",
        "odd-threshold",
        "'satisfied' is 0.99, far from the usual 0.8; leave it out unless you measured that this helps",
    )


def test_thresholds_of_a_rule_far_off() -> None:
    chain = (Precondition((Statement("A dog."),)),)
    own = Rule("a", "T.", preconditions=chain, thresholds=Thresholds(satisfied=0.5, centric=0.9, line=7))
    found = lint_constitution(Constitution("n", "1", (own,), thresholds=Thresholds(centric=0.9, line=2)))
    assert [(remark.line, remark.rule, remark.message.split()[0]) for remark in found] == [
        (2, "", "'centric'"),
        (7, "a", "'satisfied'"),
    ], "what is left to the table of all is told there"


def test_nothing_enabled() -> None:
    chain = (Precondition((Statement("A dog."),)),)
    (remark,) = lint_constitution(
        Constitution("n", "1", (Rule("a", "T.", preconditions=chain, enabled=False, line=3),))
    )
    assert (remark.line, remark.code) == (3, "all-disabled")


def test_remarks_carry_their_lines_in_order() -> None:
    text = (
        f"{HEAD}[thresholds]\ncentric = 0.9\n"
        '[[rules]]\nid = "a"\ntext = "T."\n'
        'preconditions = [\n  { any = ["A dog.",\n    "Not a dog."] },\n]\nunless = ["A cat"]\n'
        '[[rules]]\nid = "b"\ntext = "T."\n'
    )
    found = lint_constitution(parse_constitution(text, "c.toml"))
    assert [(remark.line, remark.rule, remark.code) for remark in found] == [
        (4, "", "odd-threshold"),
        (11, "a", "negation"),
        (13, "a", "no-full-stop"),
        (14, "b", "no-preconditions"),
    ]
