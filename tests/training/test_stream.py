"""Fresh training batches, and pictures that show no sticker."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from samples import BUILTIN, write_sprites

from imagejudge.builtin.training.benchmark.bench import plan_of
from imagejudge.builtin.training.language.thoughts import named
from imagejudge.builtin.training.language.words import STICKER
from imagejudge.builtin.training.scenes.painter import Painter, Plan, Sprites
from imagejudge.builtin.training.scenes.scene import SIZE
from imagejudge.builtin.training.scenes.unlike import KEPT_BACK, TAUGHT, unlike


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Painter:
    return Painter(Sprites(write_sprites(tmp_path_factory.mktemp("sprites") / "sprites.npz")))


@pytest.mark.parametrize("family", [*TAUGHT, *KEPT_BACK])
def test_pictures_of_no_sticker_are_pictures_and_differ(family) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(3)
    drawn = [unlike(random, (family,)) for _ in range(3)]
    assert all(pixels.shape == (SIZE, SIZE, 3) and pixels.dtype == np.uint8 for pixels in drawn)
    assert not np.array_equal(drawn[0], drawn[1])
    assert any(pixels.std() > 2 for pixels in drawn)


def test_meetings_show_touching_and_not_touching_and_no_held_out_pair(painter: Painter) -> None:
    from imagejudge.builtin.training.scenes.scene import held_out_pair

    random = np.random.default_rng(5)
    gaps = []
    for _ in range(60):
        scene = painter.meeting(random, Plan())
        names = [thing.name for thing in scene.things]
        assert not any(held_out_pair(a, b) for place, a in enumerate(names) for b in names[:place])
        if len(names) > 1:
            gaps.append(int(scene.gap[0, 1]))
    assert 0.3 < np.mean([gap == 0 for gap in gaps]) < 0.8
    assert np.mean([gap >= 6 for gap in gaps]) > 0.2


def test_training_sees_more_crowded_scenes_than_the_benchmark_has(painter: Painter) -> None:
    pytest.importorskip("tokenizers", reason="training needs the extra train")
    from imagejudge.builtin.training.language.stream import PLAN

    random = np.random.default_rng(6)
    measured, taught = (
        np.bincount([len(painter.choose(random, plan)) for _ in range(400)], minlength=5) / 400
        for plan in (plan_of("seen"), PLAN)
    )
    assert taught[3:].sum() > measured[3:].sum() + 0.1
    assert taught[:2].sum() > 0.15


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    pytest.importorskip("tokenizers", reason="training needs the extra train")
    from imagejudge.builtin.training.language.dialogue import Words
    from imagejudge.builtin.training.network.restore import read_pair, write_tokenizer

    path = tmp_path_factory.mktemp("words") / "tokenizer.json"
    write_tokenizer(read_pair(BUILTIN), path)
    return Words(path)


def test_of_a_picture_without_stickers_nothing_is_taught_to_be_there(words) -> None:  # type: ignore[no-untyped-def]
    from imagejudge.builtin.training.language.dialogue import Writer
    from imagejudge.builtin.training.scenes.scene import labelled

    random = np.random.default_rng(7)
    writer = Writer(words, random, 384)
    asked = 0
    for _ in range(20):
        row = writer.row(labelled(unlike(random), [], []))
        answers = {goal.kind: goal.p_yes for goal in row.goals if goal.token < 0}
        assert answers.get("visible", 0) == answers.get("class", 0) == answers.get("touch", 0) == 0
        if "sticker" in answers:
            asked += 1
            assert answers["sticker"] == 0
            assert STICKER in words.tokenizer.decode(row.tokens)
    assert asked > 15  # a long constitution leaves no room for more questions


def test_of_a_scene_a_sticker_is_taught_to_be_there(words, painter: Painter) -> None:  # type: ignore[no-untyped-def]
    from imagejudge.builtin.training.language.dialogue import Writer

    random = np.random.default_rng(8)
    writer = Writer(words, random, 384)
    asked = [
        goal.p_yes
        for _ in range(30)
        for goal in writer.row(painter.meeting(random, Plan())).goals
        if goal.kind == "sticker"
    ]
    assert len(asked) > 3
    assert set(asked) == {1.0}


def test_a_thought_that_errs_is_about_the_same_question(words, painter: Painter) -> None:  # type: ignore[no-untyped-def]
    from imagejudge.builtin.training.language.dialogue import Writer

    random = np.random.default_rng(9)
    writer = Writer(words, random, 384)
    spoken = "".join(
        words.tokenizer.decode(writer.row(painter.meeting(random, Plan())).tokens, skip_special_tokens=False)
        for _ in range(300)
    )
    pattern = (
        r"assistant\n([^<>]*?)So the answer is (Yes|No)\.<.*?\{\"rating\": \"(Yes|No)\", \"rationale\": \"(.*?)\"\}"
    )
    turns = re.findall(pattern, spoken, re.DOTALL)
    assert {True, False} == {thought == rating for _, thought, rating, _ in turns}
    assert any(reason.startswith("I do not know") for *_, reason in turns)
    asked = [(named(thought.split(". ")[0]), named(reason)) for thought, *_, reason in turns if ". " in thought]
    same = [bool(thought & reason) for thought, reason in asked if thought and reason]
    assert len(same) > 20
    assert np.mean(same) > 0.8  # of two things that are asked about, one may speak of either


def test_batches_come_in_order_and_the_same_from_a_seed(words, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from imagejudge.builtin.training.language.stream import Maker, Recipe, samples
    from imagejudge.builtin.training.network.restore import read_pair, write_tokenizer

    write_tokenizer(read_pair(BUILTIN), tmp_path / "tokenizer.json")
    recipe = Recipe(write_sprites(tmp_path / "sprites.npz"), tmp_path / "tokenizer.json", 6, 2, 384, 1)
    stream = samples(recipe, 3, workers=2)
    drawn = [next(stream) for _ in range(3)]
    stream.close()
    expected = Maker(recipe)
    for number, sample in enumerate(drawn, 3):
        assert np.array_equal(sample.arrays["pixels"], expected.sample(number).arrays["pixels"])
    assert not np.array_equal(drawn[0].arrays["pixels"], drawn[1].arrays["pixels"])


def test_the_nouns_of_a_question_look_at_their_things(words, painter: Painter) -> None:  # type: ignore[no-untyped-def]
    from imagejudge.builtin.training.language.dialogue import Writer

    random = np.random.default_rng(10)
    writer = Writer(words, random, 384)
    nouns = boxes = 0
    for _ in range(40):
        scene = painter.meeting(random, Plan())
        row = writer.row(scene)
        for look in row.looks:
            assert look.cells.sum() == pytest.approx(1)
            before = words.tokenizer.decode(row.tokens[: look.place + 1], skip_special_tokens=False)
            said = before.rpartition("<|im_start|>")[2]
            if said.startswith("assistant") and "{" in said:
                boxes += 1
                continue
            last = re.split(r"[.?]|Yes|No|\n", before)[-1]
            kinds = named(last)
            fits = [thing for thing in scene.things if thing.kinds & kinds]
            if fits and len(kinds) == 1:
                nouns += 1
                shown = np.sum([thing.cells for thing in fits], 0)
                assert look.cells == pytest.approx(shown / shown.sum(), abs=1e-5)
                edges = np.array([thing.box for thing in fits]).T
                box = [edges[0].min(), edges[1].min(), edges[2].max(), edges[3].max()]
                assert look.box * SIZE == pytest.approx(box, abs=1e-3)
    assert nouns > 100
    assert boxes > 100


def test_a_noun_within_a_longer_one_is_not_taken_for_it(words) -> None:  # type: ignore[no-untyped-def]
    text = "A toy bear and a bear, or two knives, are visible."
    found = words.ends(text, ["bear", "toy bear", "knife", "gun"])
    assert sorted(found) == ["bear", "knife", "toy bear"]
    until = {
        noun: words.tokenizer.decode(list(words.encode(text))[: place + 1]).strip() for noun, place in found.items()
    }
    assert until["toy bear"] == "A toy bear"
    assert until["bear"] == "A toy bear and a bear"
    assert until["knife"].endswith("two knives")
