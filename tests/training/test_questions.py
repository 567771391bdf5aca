"""What is asked about training scenes, and whether the answers given are true."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from samples import LEFT, RIGHT, scene

from imagejudge.builtin.training.language.claims import Asker, Claim
from imagejudge.builtin.training.language.facts import Facts
from imagejudge.builtin.training.language.questions import BOXES, box_request
from imagejudge.builtin.training.language.thoughts import found_of, named, said_to_be_there, summary, thought, told
from imagejudge.builtin.training.language.words import Target
from imagejudge.builtin.training.scenes.concepts import CONCEPTS, Concept
from imagejudge.builtin.training.scenes.scene import SIZE, kept_apart


def of(*kinds: str) -> Target:
    return Target("", frozenset(kinds))


def test_a_class_is_visible_when_one_of_its_members_is() -> None:
    facts = Facts(scene(("baby", LEFT), ("knife", RIGHT)))
    assert facts.visible(of("person")) is True
    assert facts.visible(of("minor")) is True
    assert facts.visible(of("weapon")) is True
    assert facts.visible(of("adult")) is False
    assert facts.visible(of("animal")) is False


def test_a_matter_of_taste_is_not_asked() -> None:
    assert Facts(scene(("smiley", LEFT))).visible(of("person")) is None
    assert Facts(scene(("water pistol", LEFT))).visible(of("weapon")) is None


@pytest.mark.parametrize(("gap", "truth"), [(0, True), (1, None), (5, None), (6, False), (40, False)])
def test_touching_has_a_dead_zone(gap: int, truth: bool | None) -> None:
    assert Facts(scene(("man", LEFT), ("flames", RIGHT), gap=gap)).related("touch", of("flames"), of("person")) is truth


def test_a_relation_to_something_absent_is_false() -> None:
    assert Facts(scene(("man", LEFT))).related("touch", of("flames"), of("person")) is False


def test_the_absence_of_what_training_never_shows_beside_a_thing_is_not_taught() -> None:
    image = scene(("baby", LEFT))
    assert "knife" in kept_apart(["baby"])
    assert Facts(image).visible(of("knife")) is False
    taught = Facts(image, kept_apart(["baby"]))
    assert taught.visible(of("knife")) is None
    assert taught.several(of("knife")) is None
    assert taught.related("touch", of("knife"), of("person")) is None
    assert taught.visible(of("gun")) is False
    assert Facts(scene(("baby", LEFT), ("knife", RIGHT)), kept_apart(["baby"])).visible(of("knife")) is True


def test_counts_look_at_classes() -> None:
    facts = Facts(scene(("man", LEFT), ("baby", RIGHT)))
    assert facts.several(of("person")) is True
    assert facts.several(of("man")) is False


def test_claims_are_sentences_with_the_truth_their_facts_give() -> None:
    random = np.random.default_rng(0)
    asker = Asker(random)
    seen = set()
    for _ in range(400):
        names = [CONCEPTS[int(number)].name for number in random.integers(0, len(CONCEPTS), 2)]
        facts = Facts(scene((names[0], LEFT), (names[1], RIGHT), gap=int(random.choice([0, 20]))))
        claim = asker.claim(facts)
        if claim is None:
            continue
        seen.add(claim.kind)
        assert claim.text[0].isupper()
        assert claim.text.endswith(".")
        assert "+" not in claim.text + claim.forbidden
        if claim.kind in ("visible", "class"):
            assert claim.truth is facts.visible(claim.about[0])
        if claim.kind == "absent":
            assert claim.truth is not facts.visible(claim.about[0])
    assert seen >= {"visible", "class", "absent", "both", "either", "touch"}


def test_yes_and_no_are_about_as_frequent() -> None:
    random = np.random.default_rng(1)
    asker, truths = Asker(random), []
    for _ in range(1500):
        names = [CONCEPTS[int(number)].name for number in random.integers(0, len(CONCEPTS), 2)]
        claim = asker.claim(Facts(scene((names[0], LEFT), (names[1], RIGHT), gap=0)))
        truths += [] if claim is None else [claim.truth]
    assert 0.45 < np.mean(truths) < 0.55


def draw() -> str:
    """Claims of every kind from one seed, about crowded scenes."""
    random = np.random.default_rng(3)
    asker, drawn = Asker(random), []
    for _ in range(100):
        names = [CONCEPTS[int(number)].name for number in random.integers(0, len(CONCEPTS), 3)]
        facts = Facts(scene(*((name, LEFT) for name in names)))
        drawn += [asker.claim(facts, kind=kind) for kind in Asker.KINDS]
    return "\n".join(claim.text for claim in drawn if claim is not None)


def test_a_seed_draws_the_same_in_every_process() -> None:
    """Python orders sets of strings anew in each."""
    code = "import test_questions; print(test_questions.draw())"
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == draw() + "\n"


def test_boxes_are_written_so_that_the_product_reads_them_back() -> None:
    asker, found = Asker(np.random.default_rng(2)), 0
    facts = Facts(scene(("dog", LEFT)))
    for _ in range(60):
        asked = box_request(asker, facts)
        if asked is None or (box := BOXES.read(asked[1])) is None:
            continue
        left, top, right, bottom = box
        assert left * SIZE <= LEFT[0] + 3
        assert right * SIZE >= LEFT[2] - 3
        assert top * SIZE <= LEFT[1] + 3
        assert bottom * SIZE >= LEFT[3] - 3
        found += 1
    assert found


def test_the_second_reasoning_turn_is_the_json_the_product_asks_for() -> None:
    facts = Facts(scene(("man", LEFT), ("man", RIGHT)))
    reason = "The image shows two men."
    assert json.loads(summary(reason, answer=True)) == {"rating": "Yes", "rationale": reason}
    assert thought(facts, None, answer=False) == f"{reason} So the answer is No."


def a(name: str) -> Target:
    return Target(f"a {name}", frozenset({name}))


DOG, CAT, GUN = a("dog"), a("cat"), a("gun")


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (Claim("", "", True, (DOG,)), "A dog is visible."),
        (Claim("", "", False, (GUN,)), "A gun is not visible."),
        (Claim("", "", True, (GUN,), kind="absent"), "A gun is not visible."),
        (Claim("", "", True, (DOG, CAT), kind="both"), "A dog and a cat are visible."),
        (Claim("", "", False, (DOG, GUN), kind="both"), "A gun is not visible."),
        (Claim("", "", True, (GUN, CAT), kind="either"), "A cat is visible."),
        (Claim("", "", True, (DOG, GUN), kind="without"), "A gun is not visible."),
        (Claim("", "", True, (DOG, CAT), "touch", "touch"), "The dog touches the cat."),
        (Claim("", "", False, (DOG, CAT), "hold", "hold"), "The dog does not hold the cat."),
        (Claim("", "", False, (GUN, CAT), "touch", "unrelated"), "A gun is not visible."),
        (Claim("", "", True, (DOG,), kind="count"), "More than one dog is visible."),
        (Claim("", "", False, (DOG,), kind="count"), "Only one dog is visible."),
    ],
)
def test_the_reason_is_what_was_found_of_that_which_was_asked(claim: Claim, reason: str) -> None:
    assert found_of(Facts(scene(("dog", LEFT), ("cat", RIGHT))), claim) == reason


def test_what_a_reason_says_is_missing_it_does_not_say_is_there() -> None:
    assert said_to_be_there("A gun is not visible.") == frozenset()
    assert said_to_be_there("The knife does not touch the child. A dog is not visible.") == {"knife", "minor"}


@pytest.mark.parametrize(
    "concept", [concept for concept in CONCEPTS if concept.nouns], ids=lambda concept: concept.name
)
@pytest.mark.parametrize("count", [1, 2])
def test_a_sentence_names_what_it_was_made_of_and_nothing_else(concept: Concept, count: int) -> None:
    assert named(told(scene(*[(concept.name, LEFT)] * count))) == {"minor" if concept.name == "child" else concept.name}


def test_a_sentence_may_name_several_things_and_classes() -> None:
    assert named("The image shows a teddy bear, two knives and an animal.") == {"teddy bear", "knife", "animal"}
    assert named("The image shows nothing.") == frozenset()
