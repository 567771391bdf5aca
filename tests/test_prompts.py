"""The words that are sent: what can be shared stands first, what comes back can be read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from imagejudge.prompts import (
    BOX_STYLES,
    DIRECT,
    PROMPT_STYLES,
    PROMPT_VERSION,
    RATING,
    RATIONALE,
    BoxStyle,
    Kind,
    PromptStyle,
    Question,
    rules_subject,
    visible,
)


@pytest.mark.parametrize("kind", list(Kind))
def test_questions_of_a_kind_share_all_but_their_subject(kind: Kind) -> None:
    first, second = Question(kind, "A dog."), Question(kind, "No cats.")
    shared = first.direct.removesuffix("A dog.")
    assert second.direct == f"{shared}No cats."
    assert shared.endswith("Answer Yes or No.\n")
    assert first.deliberate.endswith("\nA dog.")
    assert "Yes or No" not in first.deliberate


def test_the_house_wording_is_what_models_and_caches_know() -> None:
    """A change of these words needs another `PROMPT_VERSION`, and weights that were trained on them."""
    assert PROMPT_STYLES[DIRECT].digest.startswith("23351b8cd536")
    assert PROMPT_VERSION == 2


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("style", PROMPT_STYLES.values())
def test_every_style_asks_every_kind_of_question(style: PromptStyle, kind: Kind) -> None:
    words = style.words(Question(kind, "A {dog}."))
    assert words.count("A {dog}.") == 1
    assert style.ask[kind] in words
    assert len({style.words(Question(each, "A dog.")) for each in Kind}) == len(Kind)


def test_styles_are_told_apart_to_the_last_word() -> None:
    assert len({style.digest for style in PROMPT_STYLES.values()}) == len(PROMPT_STYLES)
    guard = PROMPT_STYLES["shieldstral"]
    assert replace(guard, system=guard.system + " ").digest != guard.digest
    assert replace(guard, switches={"thinking_type": "slow"}).digest != guard.digest


def test_no_subject_leaves_no_empty_line() -> None:
    assert not Question(Kind.PUBLIC, "").direct.endswith("\n")


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
