"""The scenes the embedded model is trained on: what their labels claim must hold for their pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from samples import write_sprites

from imagejudge import constitution
from imagejudge.builtin.training.benchmark.bench import RECIPES, STATEMENTS, draw, item, plan_of, verdict, violated
from imagejudge.builtin.training.language.facts import Facts
from imagejudge.builtin.training.language.words import BODIES, Target
from imagejudge.builtin.training.scenes.concepts import CONCEPTS, GROUPS, INDEX
from imagejudge.builtin.training.scenes.painter import Painter, Plan, Sprites
from imagejudge.builtin.training.scenes.scene import APART, SIZE, Mask, distance, held_out_pair, labelled
from imagejudge.builtin.training.scenes.shards import packed, unpacked
from imagejudge.builtin.training.scenes.sprites import HELD_OUT_STYLE, STYLES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sprites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sprites(tmp_path_factory.mktemp("sprites") / "sprites.npz")


@pytest.fixture(scope="module")
def painter(sprites: Path) -> Painter:
    return Painter(Sprites(sprites))


def square(left: int, top: int, side: int) -> Mask:
    mask = np.zeros((SIZE, SIZE), np.bool_)
    mask[top : top + side, left : left + side] = True
    return mask


@pytest.mark.parametrize("gap", [0, 1, 5, 12, 30])
def test_distance_counts_the_pixels_between_two_shapes(gap: int) -> None:
    assert distance(square(10, 10, 20), square(30 + gap, 12, 20)) == pytest.approx(gap, abs=1)
    assert (distance(square(10, 10, 20), square(30 + gap, 12, 20)) == 0) == (gap == 0)


def test_contact_lies_in_the_cells_where_two_things_meet() -> None:
    pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
    shapes = [square(20, 20, 20), square(40, 20, 10), square(100, 100, 20)]
    contact = labelled(pixels, [0, 1, 2], shapes).contact.reshape(8, 8)
    assert np.argwhere(contact).tolist() == [[1, 2]]
    assert not labelled(pixels, [0, 1], [shapes[0], square(42, 20, 10)]).contact.any()


def test_a_scene_is_a_function_of_its_seed(painter: Painter) -> None:
    one, other = (painter.random_scene(np.random.default_rng(7), Plan()) for _ in range(2))
    assert np.array_equal(one.pixels, other.pixels)
    assert [thing.box for thing in one.things] == [thing.box for thing in other.things]


def test_things_placed_apart_do_not_touch_and_things_placed_to_touch_do(painter: Painter) -> None:
    random = np.random.default_rng(1)
    for relation, touches in (("apart", False), ("touch", True), ("on", True)):
        drawn = [painter.scene(random, [INDEX["dog"], INDEX["ball"]], Plan(), (relation,)) for _ in range(30)]
        gaps = [int(scene.gap[0, 1]) for scene in drawn if len(scene.things) == 2]
        assert len(gaps) > 10
        assert all((gap == 0) == touches for gap in gaps)


def test_what_is_held_touches_and_is_smaller(painter: Painter) -> None:
    random = np.random.default_rng(2)
    drawn = [painter.scene(random, [INDEX["man"], INDEX["gun"]], Plan(), ("hold",)) for _ in range(40)]
    held = [scene for scene in drawn if scene.holds.any()]
    assert len(held) > 10
    for scene in held:
        assert scene.gap[0, 1] == 0
        assert scene.holds[0, 1]


def test_cells_and_boxes_agree(painter: Painter) -> None:
    random = np.random.default_rng(3)
    for _ in range(40):
        scene = painter.random_scene(random, Plan())
        for thing in scene.things:
            filled = np.argwhere(thing.cells.reshape(8, 8) > 0)
            left, top, right, bottom = thing.box
            assert tuple(filled.min(0)) == (top // 16, left // 16)
            assert tuple(filled.max(0)) == ((bottom - 1) // 16, (right - 1) // 16)


def test_training_never_shows_a_held_out_pair_or_style(painter: Painter) -> None:
    assert STYLES.index(HELD_OUT_STYLE) not in Plan().styles
    random = np.random.default_rng(4)
    for _ in range(200):
        names = [CONCEPTS[number].name for number in painter.choose(random, Plan())]
        assert not any(held_out_pair(a, b) for place, a in enumerate(names) for b in names[:place])


def test_packing_keeps_everything(painter: Painter) -> None:
    random = np.random.default_rng(5)
    drawn = [painter.random_scene(random, Plan()) for _ in range(5)]
    arrays = packed(drawn)
    for number, scene in enumerate(drawn):
        again = unpacked(arrays, number)
        assert np.array_equal(again.pixels, scene.pixels)
        assert [(thing.concept, thing.box) for thing in again.things] == [
            (thing.concept, thing.box) for thing in scene.things
        ]
        assert np.array_equal(again.gap, scene.gap)
        assert np.array_equal(again.holds, scene.holds)
        assert np.array_equal(again.on, scene.on)
        assert np.array_equal(again.contact, scene.contact)


def test_every_group_that_can_be_asked_for_has_members() -> None:
    used = {group for concept in CONCEPTS for group in concept.groups}
    assert set(GROUPS) <= used


def test_the_benchmark_asks_what_the_constitution_asks() -> None:
    rules = constitution.load_constitution(ROOT / "constitutions" / "stickers.toml").rules
    assert [rule.id for rule in rules] == list(RECIPES)
    for rule in rules:
        recipe = RECIPES[rule.id]
        assert tuple(tuple(s.ask for s in p.any) for p in rule.preconditions) == recipe.chain
        assert tuple(s.ask for s in rule.unless) == recipe.unless
        assert {statement.ask for statement in rule.statements} <= set(STATEMENTS)


@pytest.mark.parametrize("rule", RECIPES)
def test_violating_images_meet_every_precondition_and_borderline_ones_do_not(painter: Painter, rule: str) -> None:
    recipe, random = RECIPES[rule], np.random.default_rng(6)
    for violating in (True, False):
        scene = next(s for s in (draw(painter, random, recipe, plan_of("seen"), violating) for _ in range(500)) if s)
        facts = Facts(scene)
        truths = [item(facts, statements) for statements in recipe.chain]
        assert all(truths) == violating
        assert (verdict(facts, recipe) is True) == violating
        assert violating or violated(facts) == []


def test_touching_needs_contact(painter: Painter) -> None:
    random = np.random.default_rng(8)
    flames = Target("", frozenset({"flames"}))
    seen = set()
    for _ in range(60):
        scene = painter.scene(
            random, [INDEX["man"], INDEX["flames"]], Plan(), (str(random.choice(["touch", "near", "apart"])),)
        )
        if len(scene.things) == 2:
            truth, gap = Facts(scene).related("touch", flames, BODIES[0]), int(scene.gap[0, 1])
            assert truth == (True if gap == 0 else False if gap >= APART else None)
            seen.add(truth)
    assert {True, False} <= seen
