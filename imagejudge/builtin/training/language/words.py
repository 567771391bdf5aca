# ruff: noqa: E501 - tables of words read better on long lines
"""The words for what scenes show, and words for what they never do."""

from __future__ import annotations

from dataclasses import dataclass

from imagejudge.builtin.training.scenes.concepts import CONCEPTS, GROUPS

COUNTABLE = (
    "person",
    "minor",
    "adult",
    "animal",
    "man",
    "woman",
    "baby",
    "police officer",
    "dog",
    "cat",
    "bird",
    "horse",
    "pig",
    "weapon",
    "gun",
    "bomb",
    "vehicle",
    "car",
    "ball",
    "skull",
)
PLURALS = {
    "person": "people",
    "child": "children",
    "kid": "kids",
    "man": "men",
    "woman": "women",
    "lady": "ladies",
    "baby": "babies",
    "body": "bodies",
    "knife": "knives",
    "glass": "glasses",
}
BODY = ("a body or clothes", "a body", "a person or an animal", "someone's body or clothes")

STICKER = "A sticker, an emoji or an icon is visible."
"""Asked beside everything else: where it is not, no other answer is worth anything."""

UNKNOWN = tuple(
    """a giraffe statue|a volcano|a submarine|a violin|a trumpet|a microscope|a skateboard|a canoe|a castle|a bridge|a lighthouse|a windmill|a tractor|a carpet|a sofa
a refrigerator|a washing machine|a keyboard|a mountain|a river|a waterfall|a desert|an island|a forest|a city street|a kitchen|a bathroom|a classroom|a hospital bed|a bed
a crutch|a wheelchair|a tattoo|a beard|a moustache|a necklace|an earring|a wristwatch|a handbag|a suitcase|a basket|a bucket|a ladder|a fence|a gate|a chain|a rope|a whip
handcuffs+|a prison|a courtroom|a flag|a swastika|a logo|a sentence of text|a phone number|a kiss|a hug|a wedding|a funeral|a protest|a fight|a wound|a scar|a bandage
an internal organ|a decayed body|a shower|a bathtub|a swimming pool|a mirror|a window|a curtain|a door|a stair|an elevator|an escalator|a tunnel|a subway|a station
a fountain|a garden|a farm|a barn|a tent|a campsite|a telescope|a satellite|a planet|a galaxy|a comet|a dinosaur|a dragon|a unicorn|a mermaid|a wizard|a witch|a knight
a soldier|a nurse|a surgeon|a chef|a priest|a judge|a thief|a clown|a magician|a dancer|an athlete|a swimmer|a skier|a surfer|a crowd|a queue|sadness|anger|love|danger
violence|a crime|nudity|pornography|bullying|money laundering|an advertisement|a price tag|a receipt|a newspaper|a map|a calendar|a diploma|a passport|a chess board""".replace(
        "\n", "|"
    ).split("|")
)
UNKNOWN_TEST = tuple(  # noqa: C409
    [
        "a typewriter",
        "a stethoscope",
        "a parachute",
        "an iceberg",
        "a piano",
        "a trampoline",
        "a scarecrow",
        "a chandelier",
        "a lawnmower",
        "a beehive",
        "a harbour",
        "a toothbrush",
        "a rollercoaster",
        "a totem pole",
        "poverty",
        "a hammock",
        "a jellyfish",
        "a peacock",
        "a cathedral",
        "a thermostat",
    ]
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a statement speaks of: words and the kinds that fit them."""

    words: str
    kinds: frozenset[str]

    @property
    def plural(self) -> bool:
        """Do the words name several things?"""
        return self.words.endswith("+")

    @property
    def phrase(self) -> str:
        """The words with their article."""
        return self.words.removesuffix("+")

    @property
    def definite(self) -> str:
        """The same with "the"."""
        first, _, rest = self.phrase.partition(" ")
        return (
            f"the {rest}"
            if first in ("a", "an")
            else f"the {self.phrase}"
            if first not in ("someone", "something", "the", "someone's")
            else self.phrase
        )

    @property
    def bare(self) -> str:
        """The same without an article."""
        first, _, rest = self.phrase.partition(" ")
        return rest if first in ("a", "an", "the") else self.phrase

    def verb(self, singular: str, plural: str) -> str:
        """The form of a verb that goes with the words."""
        return plural if self.plural else singular


def target(words: str, *kinds: str) -> Target:
    """Words and the kinds they fit."""
    return Target(words, frozenset(kinds))


NOUNS: dict[str, tuple[Target, ...]] = {
    concept.name: tuple(target(words, concept.name) for words in concept.nouns) for concept in CONCEPTS if concept.nouns
}
NOUNS |= {group: tuple(target(words, group) for words in all_words) for group, all_words in GROUPS.items()}
NOUNS["child"] = (target("a boy or a girl", "child"), target("a boy", "child"), target("a girl", "child"))
BODIES = tuple(target(words, "person", "animal", *(("clothing",) if "clothes" in words else ())) for words in BODY)
