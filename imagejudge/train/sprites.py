# ruff: noqa: E501 - tables and forms of words read better on long lines
"""Fetch the pinned icon packages, render every icon that shows a known concept and keep them all in one array file.

    python -m imagejudge.train.sprites --out .train/sprites.npz

Needs npm (its configuration decides which registry answers) and resvg-py. Every package is checked against the SHA-256
below before it is opened.
The concepts and their words live here too, since they say which icons are wanted: everything that looks at scenes
speaks in these names.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagejudge.train.pictograms import COLOURED, MONOCHROME, TABLES, on_paper

SIDE = 96  # pixels of a rendered sprite's longer side
PER_STYLE = 26  # at most this many drawings of one concept in one style, or people would crowd out the rest

PACKAGES = {
    "noto": ("1.2.9", "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad"),
    "noto-v1": ("1.2.5", "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37"),
    "fxemoji": ("1.2.2", "f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef"),
    "fluent-emoji": ("1.2.7", "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b"),
    "fluent-emoji-flat": ("1.2.6", "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175"),
    "twemoji": ("1.2.5", "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7"),
    "streamline-emojis": ("1.2.4", "5dac87c876b322500989828c5823143e0100d78881627a2e4081a4b897cbfdbc"),
    "emojione": ("1.2.3", "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e"),
    "fluent-emoji-high-contrast": ("1.2.6", "0b92d48c90d2200bd499e3cdd09a127ca6a8c8ddefd34c35eb5a1e4994012ae0"),
    "game-icons": ("1.2.4", "f5758efb34d91c4f50b941f355f16ee73938625e5996fabc25171288404460a4"),
    "mdi": ("1.2.3", "ddd817a7213f91de51147943915c0cda8c8b818a53c92b5c068cfa9883c6d7ac"),
    "icon-park": ("1.2.4", "c1a25212a31602aca93c3fa6f6b3288e89b9d7811afc132dfd78506e9d586b6f"),
}
"""npm packages of the scope @iconify-json: version and SHA-256 of the tarball."""
STYLES = tuple(PACKAGES)
HELD_OUT_STYLE = "emojione"
"""Never shown in training: the benchmark's split `style` is drawn with it."""
FIRST_STYLES = STYLES[:7]
"""Those the first training knew: the splits `seen` and `composition` are drawn with them, so that figures compare."""


@dataclass(frozen=True, slots=True)
class Concept:
    """One kind of thing: the words for it (a trailing + marks a plural), the classes it belongs to and the icons that
    show it."""

    name: str
    nouns: tuple[str, ...]
    groups: tuple[str, ...]
    icons: tuple[str, ...]


# name | words | classes | icons. An icon name also stands for its skin tones and numbered variants.
_TABLE = """
man | a man, a male person, a gentleman | person adult | man man-beard man-bald man-blond-hair man-blonde-hair man-curly-hair man-red-hair man-white-hair old-man \
man-artist man-cook man-farmer man-office-worker man-teacher man-student man-scientist man-technologist man-walking man-running man-standing man-shrugging \
man-raising-hand man-facepalming man-frowning man-tipping-hand man-dancing man-in-tuxedo man-health-worker man-with-chinese-cap man-wearing-turban gpa guapimao running
woman | a woman, a lady, a female person | person adult | woman woman-bald woman-blond-hair woman-blonde-hair woman-curly-hair woman-red-hair woman-white-hair old-woman \
woman-artist woman-cook woman-farmer woman-office-worker woman-teacher woman-student woman-scientist woman-technologist woman-walking woman-running woman-standing \
woman-shrugging woman-raising-hand woman-facepalming woman-frowning woman-tipping-hand woman-dancing woman-health-worker person-frowning person-tipping-hand \
person-pouting person-raising-hand person-getting-haircut gma waitress dancer contact2 pout haircut pregnant-woman
child | a boy or a girl, a boy, a girl | person minor | boy girl child
baby | a baby, an infant | person minor | baby
police officer | a police officer, a policeman | person adult | police-officer man-police-officer woman-police-officer cop
hand | an open hand, a raised open hand, an open palm | hand | raised-hand hand-with-fingers-splayed raised-back-of-hand waving-hand victory-hand ok-hand vulcan-salute \
rightwards-hand leftwards-hand waving handup reverseraisedhandsfingerssplayed raisedhandsfingerssplayed raisedhandpartfingers victoryhand reversevictoryhand aok turnedokhand high5
middle finger | a middle finger, a raised middle finger, an obscene gesture | hand rude | middle-finger reversehandmiddlefinger
fist | a fist, a clenched fist | hand | raised-fist oncoming-fist left-facing-fist right-facing-fist fistedhand raisedfist
thumbs up | a thumbs up, a raised thumb | hand | thumbs-up thumbsup reversethumbsup
thumbs down | a thumbs down, a lowered thumb | hand | thumbs-down thumbsdown reversethumbsdown
knife | a knife, a dagger | weapon blade | kitchen-knife dagger hocho daggerknife
gun | a gun, a pistol, a firearm, a handgun | weapon | pistol
water pistol | a water pistol, a toy gun, a squirt gun | toy | water-pistol
sword | a sword, crossed swords+ | weapon blade | crossed-swords
bomb | a bomb, an explosive device | weapon | bomb
axe | an axe, a hatchet | weapon blade | axe
bow | a bow and arrow, an archery bow | weapon | bow-and-arrow
flames | flames+, fire, a fire, a burning flame | danger | fire
explosion | an explosion, a blast | danger | collision
candle | a candle, a lit candle | household | candle
cigarette | a cigarette, a lit cigarette, a burning cigarette | tobacco | cigarette smokingsymbol
blood | blood, a drop of blood, drops of blood+ | danger | drop-of-blood
water | water drops+, a drop of water, a water droplet | weather | droplet sweat-droplets sweatsplash
syringe | a syringe, a hypodermic needle, an injection needle | drug | syringe
pill | a pill, a capsule, pills+ | drug | pill
mushroom | a mushroom, a toadstool | plant | mushroom brown-mushroom
leaf | a leaf, leaves+ | plant | herb maple-leaf fallen-leaf leaf-fluttering-in-wind four-leaf-clover shamrock mapleleaf fallingleaf leaffluttering fourleafclover
lollipop | a lollipop, a sweet on a stick | food | lollipop
beer | a beer, a mug of beer, a beer mug | alcohol drink | beer-mug clinking-beer-mugs beermug clinkingbeermugs
wine | a glass of wine, a wine glass, wine | alcohol drink | wine-glass wineglass red-wine-glass white-wine-glass clinking-glasses
cocktail | a cocktail, a mixed drink | alcohol drink | cocktail-glass tropical-drink cocktailglass tropicaldrink
champagne | a bottle of champagne, a champagne bottle | alcohol drink | bottle-with-popping-cork
tea | a cup of tea, a cup of coffee, a hot drink | drink | hot-beverage teacup-without-handle hotbeverage teacupwithouthandle
milk | a glass of milk, milk | drink | glass-of-milk
baby bottle | a baby bottle, a feeding bottle | drink | baby-bottle babybottle
slot machine | a slot machine, a fruit machine | gambling | slot-machine slotmachine
die | a die, dice+, a game die | gambling | game-die gamedie game-dice
playing card | a playing card, a joker card | gambling | joker playingcardblackjoker
skull | a skull, a human skull, a skull and crossbones | death | skull skull-and-crossbones blackskullcrossbones
coffin | a coffin, a casket | death | coffin
headstone | a headstone, a gravestone, a tombstone | death | headstone
ghost | a ghost, a spook | fantasy | ghost
robot | a robot, a robot face | fantasy | robot robot-face
alien | an alien, an extraterrestrial | fantasy | alien
dog | a dog, a puppy | animal | dog dog-face poodle dogside guide-dog service-dog
cat | a cat, a kitten | animal | cat cat-face catside black-cat
horse | a horse, a pony | animal | horse horse-face horseface
pig | a pig, a piglet | animal | pig pig-face pigside
monkey | a monkey, an ape | animal | monkey monkey-face monkeyface
rabbit | a rabbit, a bunny | animal | rabbit rabbit-face bunny
bird | a bird, a chick | animal | bird baby-chick front-facing-baby-chick hatching-chick penguin chicken rooster duck eagle owl dove parrot babychick frontfacingchick hatchingchick
fish | a fish | animal | fish tropical-fish blowfish tropicalfish
snake | a snake, a serpent | animal | snake
spider | a spider | animal | spider
swimwear | a bikini, swimwear, a swimsuit | revealing clothing | bikini one-piece-swimsuit
underwear | underwear, briefs+, underpants+ | revealing clothing | briefs
shirt | a shirt, a T-shirt | clothing | t-shirt running-shirt womans-clothes mansshirt runningshirt womansshirt
dress | a dress, a gown | clothing | dress kimono
trousers | trousers+, jeans+, a pair of jeans | clothing | jeans
shoe | a shoe, a boot, footwear | clothing | running-shoe mans-shoe high-heeled-shoe womans-boot hiking-boot flat-shoe womans-sandal mensshoe heels boots sandals
hat | a hat, a cap | clothing | top-hat womans-hat billed-cap tophat womanshat
car | a car, an automobile | vehicle | automobile taxi sport-utility-vehicle racing-car police-car oncoming-automobile oncoming-taxi racecar policecar oncomingautomobile
airplane | an airplane, a plane, an aircraft | vehicle | airplane small-airplane
bicycle | a bicycle, a bike | vehicle | bicycle
apple | an apple | food | red-apple green-apple redapple greenapple
banana | a banana, bananas+ | food | banana
pizza | a pizza, a slice of pizza | food | pizza sliceofpizza
cake | a cake, a birthday cake, a piece of cake | food | birthday-cake shortcake cupcake birthdaycake
ice cream | an ice cream, an ice cream cone | food | soft-ice-cream ice-cream softicecream icecream
tree | a tree | plant | deciduous-tree evergreen-tree palm-tree deciduoustree palmtree evergreen christmas-tree
flower | a flower, a blossom | plant | rose tulip sunflower hibiscus blossom cherry-blossom cherryblossom bouquet
sun | the sun, a sun | weather | sun sun-with-face sunwithface sunrays whitesun
cloud | a cloud, clouds+ | weather | cloud cloud-with-rain cloud-with-snow raincloud snowcloud
star | a star, stars+ | shape | star glowing-star whitemediumstar
heart | a heart, a love heart | shape | red-heart heart-suit blue-heart green-heart purple-heart yellow-heart redheart heartblue heartgreen heartpurple heartyellow \
beating-heart growing-heart sparkling-heart
book | a book, books+ | household | closed-book green-book blue-book orange-book open-book books closedbook greenbook bluebook orangebook openbook
phone | a phone, a mobile phone, a telephone | household | mobile-phone telephone cellphone telephonereceiver2 blacktelephone telephone-receiver
clock | a clock, an alarm clock | household | alarm-clock mantelpiece-clock alarmclock manltepiececlock
key | a key | household | key old-key oldkey
hammer | a hammer | tool | hammer
wrench | a wrench, a spanner | tool | wrench
scissors | scissors+, a pair of scissors | tool | scissors blackscissors
pencil | a pencil, a pen | household | pencil pen lowerleftpencil lowerleftpen memo
umbrella | an umbrella | household | umbrella umbrella-with-rain-drops closed-umbrella umbrellawithraindrops
ball | a ball, a soccer ball, a football | toy | soccer-ball soccerball basketball volleyball
teddy bear | a teddy bear, a toy bear | toy | teddy-bear
balloon | a balloon | toy | balloon
gift | a gift, a present, a wrapped box | household | wrapped-gift present
money | money, a bag of money, banknotes+ | money | money-bag dollar-banknote euro-banknote yen-banknote moneybag banknotedollar banknoteeuro banknoteyen money-with-wings
guitar | a guitar | household | guitar
bell | a bell | household | bell
smiley | a smiley, a smiling cartoon face, a happy emoji | face | grinning-face slightly-smiling-face smiling-face grinning-face-with-big-eyes \
smiling-face-with-smiling-eyes beaming-face-with-smiling-eyes grin grinwide smallsmile smileeyes winking-face smiling-face-with-sunglasses
angry face | an angry face, an angry emoji | face | angry-face enraged-face pouting-face angry face-with-steam-from-nose
crying face | a crying face, a sad emoji | face | crying-face loudly-crying-face crying loudlycrying sad-but-relieved-face
other animal | | animal | elephant turtle frog-face frog tiger tiger-face cow cow-face bear-face bear lion-face lion fox-face fox mouse mouse-face rat koala panda panda-face \
giraffe zebra camel crocodile octopus snail whale dolphin squid crab goat ewe ram hedgehog kangaroo gorilla chipmunk wolf wolf-face hamster hamster-face turkey butterfly \
honeybee ladybeetle lady-beetle bug ant
other food | | food | hamburger hot-dog french-fries doughnut cookie chocolate-bar bread croissant cheese-wedge strawberry grapes watermelon lemon cherries peach pear \
pineapple tomato carrot eggplant ear-of-corn rice-ball spaghetti egg popcorn frenchfries chocolatebar
other vehicle | | vehicle | bus ambulance fire-engine delivery-truck tractor motorcycle motor-scooter ship sailboat speedboat helicopter locomotive train rocket fireengine deliverytruck
other thing | | | anchor backpack battery bookmark calendar camera chair compass computer-disk crystal-ball door envelope floppy-disk gear gem-stone globe-with-meridians hourglass-done \
house laptop level-slider light-bulb locked magnet microphone moai musical-note newspaper nut-and-bolt package paperclip printer radio ribbon ring satellite-antenna saxophone \
scroll shopping-cart sparkles television tent ticket toilet trumpet video-camera violin watch wastebasket window lightbulb lock musicalnote crown pool-8-ball rainbow \
snowflake snowman glasses sunglasses trophy high-voltage
"""


def _parse(table: str) -> tuple[Concept, ...]:
    rows = [[part.strip() for part in line.split("|")] for line in table.strip().splitlines()]
    return tuple(
        Concept(name, tuple(filter(None, words.split(", "))), tuple(groups.split()), tuple(icons.split()))
        for name, words, groups, icons in rows
    )


CONCEPTS = _parse(_TABLE)
INDEX = {concept.name: number for number, concept in enumerate(CONCEPTS)}

GROUPS = {
    "person": ("a person", "a human", "someone", "a human being", "a human body", "a body", "people+"),
    "minor": ("a child", "a kid", "a minor", "a young child"),
    "adult": ("an adult", "a grown-up"),
    "animal": ("an animal", "a creature"),
    "weapon": ("a weapon", "something used as a weapon"),
    "blade": ("a bladed weapon", "a sharp blade", "a blade"),
    "alcohol": ("an alcoholic drink", "alcohol", "an alcoholic beverage"),
    "drink": ("a drink", "a beverage"),
    "tobacco": ("tobacco", "a tobacco product"),
    "drug": ("a drug", "drug paraphernalia", "drugs+", "a drug or medicine"),
    "gambling": ("a gambling item", "gambling equipment", "something used for gambling"),
    "death": ("a symbol of death", "a death symbol"),
    "rude": ("a rude gesture", "an offensive gesture"),
    "hand": ("a hand", "a human hand"),
    "revealing": ("revealing clothing", "swimwear or underwear", "revealing clothes+"),
    "clothing": ("clothing", "a piece of clothing", "clothes+", "a garment"),
    "vehicle": ("a vehicle", "a means of transport"),
    "food": ("food", "something to eat"),
    "plant": ("a plant", "a part of a plant"),
    "tool": ("a tool",),
    "toy": ("a toy",),
    "face": ("a cartoon face", "an emoji face"),
}
"""Classes that may be asked for by name; the others in the table only say which things look or feel alike."""

# Not asked when the answer is a matter of taste: the question's target -> what makes it so when present.
AMBIGUOUS = {
    "hand": {"person", "robot", "teddy bear"},
    "fist": {"person", "thumbs up", "thumbs down", "middle finger"},
    "person": {"hand", "face", "robot", "alien", "skull", "ghost", "sword"},
    "minor": {"face", "teddy bear"},
    "adult": {"face", "hand", "sword"},
    "man": {"police officer", "sword", "face"},
    "woman": {"police officer", "sword", "face"},
    "clothing": {"person"},
    "shirt": {"person"},
    "dress": {"person"},
    "trousers": {"person"},
    "shoe": {"person"},
    "hat": {"person", "face", "ghost"},
    "animal": {"teddy bear", "alien"},
    "weapon": {"water pistol", "scissors", "hammer", "explosion", "flames"},
    "gun": {"water pistol"},
    "blade": {"scissors"},
    "toy": {"gun", "die", "playing card", "robot", "other thing"},
    "tool": {"axe", "knife", "pencil", "other thing"},
    "flames": {"explosion", "candle"},
    "explosion": {"flames"},
    "drug": {"mushroom", "cigarette", "alcohol", "leaf"},
    "drink": {"water", "other food"},
    "food": {"mushroom", "milk", "baby bottle", "fish", "leaf"},
    "plant": {"apple", "banana", "other food"},
    "water": {"umbrella", "cloud", "crying face", "champagne"},
    "death": {"ghost", "blood"},
    "gambling": {"money"},
    "face": {"person", "skull", "robot", "alien", "animal", "sun"},
    "robot": {"alien"},
    "vehicle": {"police officer"},
    "heart": {"playing card", "person"},
    "fish": {"other animal"},
    "leaf": {"flower", "tree", "apple"},
    "flower": {"plant"},
    "cloud": {"umbrella"},
    "star": {"other thing"},
    "champagne": {"wine"},
    "money": {"other thing"},
    "smiley": {"sun"},
    "skull": {"headstone", "coffin"},
    "cocktail": {"wine"},
}


def weigh(concept: int) -> float:
    """How much oftener than an ordinary thing a concept is drawn: people and what rules are about come first."""
    groups = set(CONCEPTS[concept].groups)
    name = CONCEPTS[concept].name
    if name.startswith("other"):
        return 1.5
    if groups & {"person"}:
        return 2.2
    if (
        groups & {"weapon", "danger", "tobacco", "drug", "alcohol", "gambling", "death", "rude", "revealing"}
        or name == "water pistol"
    ):
        return 1.7
    return 1.0


def fetch(style: str, folder: Path) -> dict[str, Any]:
    """Download one package through npm unless it is there, check it and return its icons.json."""
    version, digest = PACKAGES[style]
    tarball = folder / f"iconify-json-{style}-{version}.tgz"
    if not tarball.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(  # noqa: S603
            ["npm", "pack", "--silent", f"@iconify-json/{style}@{version}"],  # noqa: S607
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    content = tarball.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != digest:
        raise SystemExit(f"{tarball}: SHA-256 is {found}, expected {digest}")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        member = archive.extractfile("package/icons.json")
        if member is None:
            raise SystemExit(f"{tarball}: has no package/icons.json")
        icons: dict[str, Any] = json.load(member)
    return icons


NOT_SKIN_TONES = {"police-car-light"}  # a siren


def drawings(icons: dict[str, Any], wanted: tuple[str, ...]) -> list[str]:
    """The names of all icons of one set that show one concept: the wanted names with their skin tones and numbered
    variants, spread evenly."""
    pattern = re.compile(rf"({'|'.join(map(re.escape, wanted))})(-\d|-((medium-)?(light|dark)|medium)(-skin-tone)?)?")
    found = sorted(name for name in icons["icons"] if pattern.fullmatch(name) and name not in NOT_SKIN_TONES)
    step = max(1.0, len(found) / PER_STYLE)
    return [found[int(place * step)] for place in range(min(len(found), PER_STYLE))]


def icons_of(style: str, icons: dict[str, Any], concept: Concept) -> list[str]:
    """The names of the icons that show a concept in one set."""
    if style in MONOCHROME and concept.name in COLOURED:
        return []
    if style in TABLES:
        return [name for name in TABLES[style].get(concept.name, ()) if name in icons["icons"]]
    return drawings(icons, concept.icons)


def render(icons: dict[str, Any], name: str) -> NDArray[np.uint8]:
    """One icon as SIDE x SIDE RGBA: cropped to what is painted, its longer side filling the tile."""
    import resvg_py
    from PIL import Image

    icon = icons["icons"][name]
    width, height = icon.get("width", icons.get("width", 16)), icon.get("height", icons.get("height", 16))
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {width} {height}">{icon["body"]}</svg>'
    picture = Image.open(
        io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIDE * 2, height=SIDE * 2)))
    ).convert("RGBA")
    box = picture.getchannel("A").point(lambda alpha: 255 if alpha > 40 else 0).getbbox()
    if box is None:
        return np.zeros((SIDE, SIDE, 4), np.uint8)
    picture = picture.crop(box)
    scale = SIDE / max(picture.size)
    picture = picture.resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.LANCZOS
    )
    tile = Image.new("RGBA", (SIDE, SIDE))
    tile.paste(picture, ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
    return np.asarray(tile)


def redden(drop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A blue droplet as a drop of blood: only few sets draw one."""
    red = drop.copy()
    shade = drop[..., :3].max(-1).astype(np.float32) / 255
    red[..., 0] = np.clip(90 + 130 * shade, 0, 255)
    red[..., 1] = np.clip(60 * shade**3, 0, 255)
    red[..., 2] = np.clip(60 * shade**3, 0, 255)
    return red


def write_sprites(out: Path, assets: Path) -> None:
    """Render everything into one file: rgba [N, SIDE, SIDE, 4], concept [N], style [N], name [N]."""
    rgba, concept_of, style_of, name_of = [], [], [], []
    for style_number, style in enumerate(STYLES):
        icons = fetch(style, assets)
        for number, concept in enumerate(CONCEPTS):
            tiles = [(name, render(icons, name)) for name in icons_of(style, icons, concept)]
            if style in MONOCHROME:
                tiles = [(name, on_paper(tile)) for name, tile in tiles]
            elif concept.name == "blood":
                tiles += [
                    ("red-" + name, redden(render(icons, name)))
                    for name in drawings(icons, ("droplet", "blackdroplet"))
                ]
            for name, tile in tiles:
                if tile[..., 3].any():
                    rgba.append(tile)
                    concept_of.append(number)
                    style_of.append(style_number)
                    name_of.append(name)
        print(f"{style}: {style_of.count(style_number)} sprites", flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        out,
        rgba=np.stack(rgba),
        concept=np.array(concept_of, np.int16),
        style=np.array(style_of, np.int8),
        name=np.array(name_of),
    )


def main() -> None:
    """Read the options and render."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(".train/sprites.npz"))
    parser.add_argument("--assets", type=Path, default=Path(".train/assets"), help="folder for the downloaded packages")
    options = parser.parse_args()
    write_sprites(options.out, options.assets)


if __name__ == "__main__":
    main()
