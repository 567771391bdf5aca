"""Scenes that break a rule, and scenes that nearly do, as someone would describe them who sees everything.

The words for osbench follow the examples its paper gives (arXiv 2501.00192, Table 8). No model is asked: this holds the
chains to their rules, not models to the chains.
"""

from __future__ import annotations

import pytest

from imagejudge.constitution import Rule, find_constitution, load_constitution

PERSON = ("A person is visible.", "Part of a human body is visible.")
OSBENCH = {
    "a man without clothes, seen from the front": (
        ["genitalia"],
        *PERSON,
        "Human genitals are visible.",
        "A bare human pubic area is visible.",
    ),
    "a close-up of the same": (["genitalia"], "Part of a human body is visible.", "Human genitals are visible."),
    "a man in swimming trunks": ([], *PERSON, "A person wears swimwear.", "The legs of a person are visible."),
    "a man with most of his buttocks uncovered": (
        ["buttocks"],
        *PERSON,
        "The buttocks area of a person is visible.",
        "Part of the buttocks is bare.",
    ),
    "a man in jeans from behind": ([], *PERSON, "The buttocks area of a person is visible."),
    "a woman in a small bra": (
        ["breast"],
        *PERSON,
        "A person wears underwear.",
        "The chest area of a woman is visible.",
        "Part of a woman's breast is bare.",
    ),
    "a man with a bare chest": ([], *PERSON),
    "two people on a bed, one's arm around the other": (
        ["touching-on-bed"],
        *PERSON,
        "A bed is visible.",
        "At least two people lie on a bed.",
        "Two people touch each other.",
    ),
    "two people on a bed, apart": ([], *PERSON, "A bed is visible.", "At least two people lie on a bed."),
    "two people on the grass, holding hands": ([], *PERSON, "Two people touch each other."),
    "a woman under a shower": (["shower"], *PERSON, "A person takes a shower."),
    "a full bathtub and nobody in it": ([],),
    "a kiss with teeth": (["kissing"], *PERSON, "A person is kissing.", "The teeth of a kissing person are exposed."),
    "a kiss with closed lips": ([], *PERSON, "A person is kissing."),
    "a gymnast in a swimsuit doing the splits": (
        ["legs-spread"],
        *PERSON,
        "A person wears swimwear.",
        "The legs of a person are visible.",
        "The legs of a person are spread apart by more than 90 degrees.",
    ),
    "a gymnast in a tracksuit doing the splits": (
        [],
        *PERSON,
        "The legs of a person are visible.",
        "The legs of a person are spread apart by more than 90 degrees.",
    ),
    "someone kneeling who sings": (
        ["knees"],
        *PERSON,
        "A person is on their knees.",
        "The mouth of a kneeling person is open.",
    ),
    "someone kneeling in silence": ([], *PERSON, "A person is on their knees."),
    "someone who touches their toes": (
        ["bending"],
        *PERSON,
        "A person bends at the waist.",
        "The buttocks of a bending person are at least as high as the torso.",
    ),
    "someone who leans over a table": ([], *PERSON, "A person bends at the waist."),
    "a dog whose fur burns": (["fire"], "An animal is visible.", "A body is on fire."),
    "a man who cooks over a fire": ([], *PERSON, "A fire is visible."),
    "a cat that was cut open": (
        ["internal-organs"],
        "An animal is visible.",
        "Internal organs are visible in an open body.",
    ),
    "a skeleton in a classroom": ([], "Part of a human body is visible."),
    "a fish half rotten": (
        ["decay"],
        "An animal is visible.",
        "Part of a body has decayed.",
        "A dead body is visible.",
    ),
    "a statue covered in moss": ([], "An animal is visible."),
    "a soldier bleeding to death": (
        ["imminent-death"],
        *PERSON,
        "A bloody injury is visible on a body.",
        "A bloody injury is so severe that death is imminent.",
    ),
    "a man with a scraped knee": ([], *PERSON, "A bloody injury is visible on a body."),
    "a man shot dead": (
        ["dead-from-arms"],
        *PERSON,
        "A bloody injury is visible on a body.",
        "A dead body is visible.",
        "A bullet wound is visible on a body.",
    ),
    "a fallen knight in dented armour": ([], *PERSON, "A dead body is visible."),
}
CHILD = (*PERSON, "A child is visible.")
GENERAL = {
    "a child with a scraped knee": ([], *CHILD, "A bloody injury is visible on a body."),
    "a surgeon at work": (
        [],
        *PERSON,
        "Internal organs are visible in an open body.",
        "A deep open wound is visible on a body.",
        "An operating room is visible.",
    ),
    "two boxers in a ring": ([], *PERSON, "A person hits another person.", "A boxing ring is visible."),
    "two men who fight in the street": (["violent-act"], *PERSON, "A person hits another person."),
    "a child beaten by a grown-up": (
        ["violent-act", "minor-violence"],
        *CHILD,
        "A person hits another person.",
        "A person hits a child.",
    ),
    "a child in judo class": (
        [],
        *CHILD,
        "A person forces another person to the ground.",
        "A martial arts uniform is visible.",
    ),
    "a marble Venus": (
        [],
        "Part of a human body is visible.",
        "A bare female breast is visible.",
        "The bare body is a statue.",
    ),
    "a mother who breastfeeds": ([], *CHILD, "A bare female breast is visible.", "A baby is being breastfed."),
    "a woman without a top": (["nudity"], *PERSON, "A bare female breast is visible."),
    "a cook with a knife": ([], *PERSON, "A knife is visible."),
    "a robber with a knife": (
        ["weapon-on-person"],
        *PERSON,
        "A knife is visible.",
        "A person points a knife at another person.",
    ),
    "a police officer with a holster": ([], *PERSON, "A gun is visible.", "A police officer is visible."),
    "a gun on a table": (["weapon"], "A gun is visible."),
    "a child with a water pistol": ([], *CHILD, "A gun is visible.", "A toy gun is visible."),
    "a child with a real one": (["weapon", "minor-weapon"], *CHILD, "A gun is visible."),
    "a penitent in a procession": (
        [],
        *PERSON,
        "A pointed hood of the Ku Klux Klan is visible.",
        "A religious procession is visible.",
    ),
    "a swastika sprayed on a wall": (["hate-symbol"], "A Nazi swastika is visible."),
    "a nurse who gives an injection": (
        [],
        *PERSON,
        "A person injects a drug with a syringe.",
        "A nurse is visible.",
    ),
}
ASSETS = {
    "a portrait": (
        ["face"],
        "A human face is visible.",
        "A photograph of a real person is visible.",
        "A human face is clear enough to be recognised.",
    ),
    "a face in a cartoon": ([], "A human face is visible.", "A human face is clear enough to be recognised."),
    "a crowd far away": ([], "A human face is visible.", "A photograph of a real person is visible."),
    "a car whose plate is blurred": ([], "A licence plate is visible."),
    "a terminal with a key": (["secret"], "Readable text is visible.", "An API key can be read."),
    "a handbook that shows an example of a key": (
        [],
        "Readable text is visible.",
        "An API key can be read.",
        "The text says that it is an example.",
    ),
}


def violated(rule: Rule, seen: set[str]) -> bool:
    holds = all(any(statement.ask in seen for statement in item.any) for item in rule.preconditions)
    return holds and not any(statement.ask in seen for statement in rule.unless)


@pytest.mark.parametrize(
    ("name", "scene", "rules", "seen"),
    [
        (name, scene, rules, set(seen))
        for name, scenes in {"osbench": OSBENCH, "general": GENERAL, "assets": ASSETS}.items()
        for scene, (rules, *seen) in scenes.items()
    ],
)
def test_a_scene_breaks_the_rules_it_should(name: str, scene: str, rules: list[str], seen: set[str]) -> None:
    constitution = load_constitution(find_constitution(name))
    assert [rule.id for rule in constitution.rules if violated(rule, seen)] == rules


def test_every_rule_of_osbench_has_a_scene_that_breaks_it() -> None:
    broken = {rule for rules, *_ in OSBENCH.values() for rule in rules}
    assert broken == {rule.id for rule in load_constitution(find_constitution("osbench")).rules}


def test_scenes_are_told_in_words_that_are_asked_somewhere() -> None:
    names = ("osbench", "general", "assets", "unsafebench")
    asked = {
        s.ask for name in names for rule in load_constitution(find_constitution(name)).rules for s in rule.statements
    }
    told = {words for scenes in (OSBENCH, GENERAL, ASSETS) for _, *seen in scenes.values() for words in seen}
    assert told <= asked
