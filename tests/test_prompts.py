"""The words that are sent: what can be shared stands first, what comes back can be read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from imagejudge.prompts import (
    BOX_STYLES,
    DIRECT,
    HOUSE,
    PROMPT_STYLES,
    PROMPT_VERSION,
    RATING,
    RATIONALE,
    BoxStyle,
    Kind,
    PromptStyle,
    Question,
    direct,
    find_prompt_style,
    rules_subject,
    visible,
)


@pytest.mark.parametrize("kind", list(Kind))
def test_questions_of_a_kind_share_all_but_their_subject(kind: Kind) -> None:
    first, second = Question(kind, "A dog."), Question(kind, "No cats.")
    shared = direct(first).removesuffix("A dog.")
    assert direct(second) == f"{shared}No cats."
    assert shared.endswith("Answer Yes or No.\n")
    assert first.deliberate.endswith("\nA dog.")
    assert "Yes or No" not in first.deliberate


def test_the_house_wording_is_what_models_and_caches_know() -> None:
    """A change of these words needs another `PROMPT_VERSION`, and weights that were trained on them."""
    assert HOUSE.label == "direct@e0d7e96e0647"
    assert find_prompt_style(DIRECT) == HOUSE
    assert PROMPT_VERSION == 3


STYLES = {name: find_prompt_style(name) for name in PROMPT_STYLES}


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_every_style_asks_every_kind_of_question(style: PromptStyle, kind: Kind) -> None:
    if kind not in style.ask:
        assert kind is Kind.RULES
        return
    hostile = "A {dog} on {image}, {question}, {text}."
    words = "".join(style.around_image(Question(kind, hostile)))
    assert words.count(hostile) == 1
    assert not re.search(r"\{\w+\}", words.replace(hostile, ""))
    assert len({style.asked(Question(each, "A dog.")) for each in style.ask}) == len(style.ask)
    assert not style.asked(Question(kind, "")).endswith("\n")


def test_what_the_shipped_styles_are() -> None:
    """As docs/models.md tells of them."""
    one_by_one = {name for name, style in STYLES.items() if Kind.RULES not in style.ask}
    assert one_by_one == {"shieldgemma-2", "shieldstral"}
    assert {name for name, style in STYLES.items() if style.image_first} == {"direct", "llavaguard", "shieldgemma-2"}
    assert {name for name, style in STYLES.items() if style.reasoning} == {DIRECT}
    assert {name for name, style in STYLES.items() if style.reply} == {"llavaguard"}
    assert {name for name, style in STYLES.items() if style.question_variable} == {"sing-guard"}


def test_styles_are_told_apart_to_the_last_word() -> None:
    assert len({style.digest for style in STYLES.values()}) == len(STYLES)
    guard = STYLES["llavaguard"]
    others = [
        replace(guard, system=" "),
        replace(guard, user=f"{guard.user} "),
        replace(guard, reply=""),
        replace(guard, yes=["Unsafe"]),
        replace(guard, no=["safe"]),
        replace(guard, variables={"a": True}),
        replace(guard, reasoning=True),
        replace(guard, ask={**guard.ask, Kind.RULE: "{text}"}),
    ]
    assert len({style.digest for style in (guard, *others)}) == 9
    assert replace(guard, name="other").digest == guard.digest


def test_no_subject_leaves_no_empty_line() -> None:
    assert not direct(Question(Kind.PUBLIC, "")).endswith("\n")


def test_statements_and_lists_of_rules() -> None:
    assert visible("A dog.") == Question(Kind.VISIBLE, "A dog.")
    assert rules_subject(["No dogs.", "No cats."]) == "1. No dogs.\n2. No cats."


@pytest.mark.parametrize("style", BOX_STYLES.values())
def test_a_written_box_is_read_back(style: BoxStyle) -> None:
    written = style.write(0.1, 0.25, 0.5, 1.0)
    assert style.read(written) == (0.1, 0.25, 0.5, 1.0)
    assert f'"{style.key}": [{style.order[0]}1, ' in style.locate(["dog"])


def test_the_two_conventions_differ_in_order() -> None:
    assert json.loads(BOX_STYLES["bbox-xyxy-1000"].write(0.1, 0.2, 0.3, 0.4)) == {"bbox_2d": [100, 200, 300, 400]}
    assert json.loads(BOX_STYLES["box-yxyx-1000"].write(0.1, 0.2, 0.3, 0.4)) == {"box_2d": [200, 100, 400, 300]}


@pytest.mark.parametrize("numbers", [None, [500, 0, 500, 9], [9, 0, 5, 9], [0, 0, 1001, 9], [0, 9, 5, 9]])
def test_a_box_that_makes_no_sense_is_none(numbers: Sequence[int] | None) -> None:
    assert BOX_STYLES["bbox-xyxy-1000"].read(json.dumps({"bbox_2d": numbers})) is None


def test_several_objects_are_asked_for_as_one() -> None:
    assert "this: flames and body?" in BOX_STYLES["bbox-xyxy-1000"].locate(["flames", "body"])


def test_what_is_put_into_the_model_s_mouth_makes_a_summary_with_its_own_words() -> None:
    summary = f'{RATING[0]} "Yes{RATIONALE[0]} "A cup."}}'
    assert json.loads(summary) == {"rating": "Yes", "rationale": "A cup."}
