from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from imagejudge.constitution import Rule
from imagejudge.drafting import ENOUGH, DraftRejected, Rating, objectify
from imagejudge.drafting.objectify import REWRITES
from imagejudge.engine.scripted import Scripted

VAGUE, PLAIN = "No scary pictures.", "Should not show a skull."


def writer(*replies: object) -> Scripted:
    """Gives these replies in turn, as JSON unless they are text; asked for more, it fails."""
    left = iter(replies)

    def write(prompt: str) -> str:
        reply = next(left)
        return reply if isinstance(reply, str) else json.dumps(reply)

    return Scripted(lambda picture, question: 0.5, write_text=write)


def rated(score: object, explanation: object = "So it seems.") -> dict[str, object]:
    return {"explanation": explanation, "rating": score}


def remembered(engine: Scripted) -> list[str]:
    """All prompts that the engine will get."""
    prompts: list[str] = []
    write = engine.write_text

    def listen(prompt: str) -> str:
        prompts.append(prompt)
        return write(prompt)

    engine.write_text = listen
    return prompts


def test_a_good_rule_is_rated_and_left_alone() -> None:
    engine = writer(rated(9, "A skull is a skull."))
    revision = objectify(engine, Rule("r", PLAIN))
    assert (revision.rule, revision.before, revision.after) == (
        Rule("r", PLAIN),
        Rating(9, "A skull is a skull."),
        None,
    )


def test_a_rule_below_the_mark_is_rewritten_and_rated_again() -> None:
    engine = writer(rated(4, "Tastes differ."), {"rule": f" {PLAIN} "}, rated(10))
    prompts = remembered(engine)
    revision = objectify(engine, Rule("r", "Should not show ugly things.", category="c"))
    assert revision.rule == Rule("r", PLAIN, category="c")
    assert (revision.before, revision.after) == (Rating(4, "Tastes differ."), Rating(10, "So it seems."))
    assert prompts[0].endswith("Rule: Should not show ugly things.")
    assert "Tastes differ." in prompts[1].rpartition("\n")[2], "the rewriting is told what was wrong"
    assert prompts[2].endswith(f"Rule: {PLAIN}")


def test_a_vague_word_counts_whatever_the_model_says() -> None:
    engine = writer(rated(10), {"rule": PLAIN}, rated(10))
    prompts = remembered(engine)
    assert objectify(engine, Rule("r", VAGUE)).rule.text == PLAIN
    assert "'scary' is a matter of opinion" in prompts[1]


def test_it_goes_on_until_the_mark() -> None:
    engine = writer(rated(2), {"rule": "A b."}, rated(ENOUGH - 1), {"rule": "A c."}, rated(ENOUGH))
    revision = objectify(engine, Rule("r", "A."))
    assert (revision.rule.text, revision.after) == ("A c.", Rating(ENOUGH, "So it seems."))


def test_it_gives_up_in_the_end() -> None:
    def replies() -> Iterator[object]:
        for number in range(100):
            yield rated(3)
            yield {"rule": f"Version {number}."}

    engine = writer(*replies())
    prompts = remembered(engine)
    with pytest.raises(DraftRejected, match=rf"after {REWRITES} rewritings: 'Version {REWRITES - 1}.' \(rated 3 of 10"):
        objectify(engine, Rule("r", "A."))
    assert len(prompts) == 1 + 2 * REWRITES


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("", "nothing"),
        ("I think it is fine.", "Invalid JSON"),
        ('{"explanation": "It is a person and a person and a', "EOF while parsing"),
        (rated(0), "rating: .*greater than or equal to 1"),
        (rated(11), "rating: .*less than or equal to 10"),
        (rated("9"), "rating: .*integer"),
        (rated(True), "rating: .*integer"),
        (rated(9, ""), "explanation: .*at least 1"),
        (rated(9, "   "), "explanation: .*at least 1"),
        (rated(9, "a\u202eb"), "explanation: .*RIGHT-TO-LEFT OVERRIDE"),
        ({"rating": 9}, "explanation: Field required"),
        ({**rated(9), "more": 1}, "more: Extra inputs"),
        ([9], "object"),
        ("[" * 10_000, "recursion"),
        ('{"explanation": "People differ in what they call untidy.", "rating": 3}', "an example of its prompt"),
    ],
)
def test_ratings_that_cannot_be_read(reply: object, words: str) -> None:
    with pytest.raises(DraftRejected, match=words) as error:
        objectify(writer(reply), Rule("r", PLAIN))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ({"rule": ""}, "at least 1"),
        ({"rule": "No\nskulls."}, "control character '.n'"),
        ({"rule": "No sku\u00adlls."}, "SOFT HYPHEN"),
        ({"rule": VAGUE}, "no better words than 'No scary pictures.'"),
        ({"rule": "Should not show a room with clothes or dirty dishes on its floor."}, "an example of its prompt"),
        ('{"rule": "Should not show', "EOF"),
    ],
)
def test_rewritings_that_cannot_be_used(reply: object, words: str) -> None:
    with pytest.raises(DraftRejected, match=words):
        objectify(writer(rated(3), reply, rated(10)), Rule("r", VAGUE))
