# ruff: noqa: E501 - tables of names read better on long lines
"""Sets of one-coloured icons: which of their icons show which concept, and how a line drawing becomes a sticker.

Emoji sets name their icons alike; these do not, so each has a table of its own. Inks and papers are chosen when a scene
is drawn.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_TABLES = {
    "game-icons": """
gun: pistol-gun revolver m3-grease-gun rifle winchester-rifle sawed-off-shotgun shotgun
knife: bowie-knife plain-dagger curvy-knife trench-knife bone-knife broad-dagger
sword: broadsword crossed-swords katana piercing-sword pointy-sword ancient-sword
axe: battle-axe battered-axe fire-axe sharp-axe war-axe wood-axe crossed-axes
bomb: time-bomb unlit-bomb rolling-bomb falling-bomb
bow: bow-arrow high-shot pocket-bow
water pistol: water-gun
flames: fire campfire
explosion: bright-explosion mine-explosion spiky-explosion
candle: candle-light candle-holder candles
cigarette: cigarette
syringe: syringe love-injection
pill: pill medicine-pills
mushroom: mushroom mushrooms spotted-mushroom super-mushroom
leaf: clover falling-leaf maple-leaf oak-leaf linden-leaf
lollipop: spiral-lollipop
beer: beer-stein
wine: wine-glass
cocktail: martini
tea: coffee-cup coffee-mug
baby bottle: baby-bottle
slot machine: slot-machine
die: dice-six-faces-one dice-six-faces-two dice-six-faces-three dice-six-faces-four dice-six-faces-five dice-six-faces-six perspective-dice-six
playing card: card-joker card-ace-spades card-ace-hearts card-king-hearts card-queen-spades
skull: death-skull skull-crossed-bones
coffin: coffin
headstone: tombstone hasty-grave
ghost: ghost
robot: vintage-robot
dog: sitting-dog basset-hound-head
cat: cat
horse: horse-head
pig: pig pig-face
monkey: monkey
rabbit: rabbit rabbit-head
bird: owl eagle-head penguin chicken rooster parrot-head
snake: snake rattlesnake
spider: spider-alt hanging-spider long-legged-spider
underwear: underwear underwear-shorts
shirt: t-shirt shirt polo-shirt
dress: dress large-dress ample-dress
trousers: trousers
shoe: running-shoe boots sandal chelsea-boot converse-shoe
hat: top-hat western-hat billed-cap
car: city-car race-car
airplane: commercial-airplane
banana: banana banana-bunch
pizza: full-pizza pizza-slice
cake: cake-slice cupcake stairs-cake
ice cream: ice-cream-cone
tree: palm-tree pine-tree birch-trees
flower: rose sunflower flowers
sun: sun
heart: hearts
book: book-cover book-pile
phone: phone smartphone rotary-phone
clock: alarm-clock
key: key house-keys skeleton-key
hammer: claw-hammer flat-hammer
wrench: wrench spanner
scissors: scissors
pencil: pencil
umbrella: umbrella
ball: soccer-ball basketball-ball
gift: present
money: banknote cash
guitar: guitar
bell: ringing-bell
fist: fist
thumbs up: thumb-up
thumbs down: thumb-down
hand: hand
fish: flatfish
baby: baby-face
police officer: police-officer-head
other animal: elephant turtle frog tiger cow bear-face lion fox bat snail sperm-whale dolphin squid crab octopus butterfly ant
other food: hamburger french-fries bread cheese-wedge strawberry grapes watermelon lemon pineapple tomato carrot
other vehicle: bus ambulance sailboat rocket
""",
    "mdi": """
gun: pistol
knife: knife knife-military
sword: sword sword-cross
axe: axe axe-battle
bomb: bomb
bow: bow-arrow
flames: fire campfire
candle: candle
cigarette: smoking
syringe: needle
pill: pill pill-multiple
mushroom: mushroom mushroom-outline
leaf: clover leaf leaf-maple
beer: beer beer-outline
wine: glass-wine
cocktail: glass-cocktail
tea: coffee coffee-outline tea tea-outline
baby bottle: baby-bottle baby-bottle-outline
slot machine: slot-machine slot-machine-outline
die: dice-1 dice-2-outline dice-3 dice-4-outline dice-5 dice-6-outline dice-multiple
skull: skull skull-outline skull-crossbones skull-crossbones-outline
coffin: coffin
headstone: grave-stone
ghost: ghost ghost-outline
robot: robot robot-outline
alien: alien alien-outline
dog: dog dog-side
cat: cat
horse: horse horse-variant
pig: pig pig-variant pig-variant-outline
rabbit: rabbit rabbit-variant rabbit-variant-outline
bird: bird duck owl penguin
fish: fish shark
snake: snake
spider: spider spider-outline
underwear: underwear-outline
shirt: tshirt-crew tshirt-crew-outline tshirt-v tshirt-v-outline
shoe: shoe-formal shoe-heel shoe-sneaker
hat: hat-fedora
car: car car-side car-hatchback car-sports
airplane: airplane
bicycle: bicycle bike
apple: food-apple food-apple-outline
pizza: pizza
cake: cake cake-layered cake-variant cake-variant-outline cupcake
ice cream: ice-cream
tree: tree tree-outline pine-tree palm-tree
flower: flower flower-outline flower-tulip flower-tulip-outline flower-poppy
cloud: cloud cloud-outline
star: star star-outline
heart: heart heart-outline
book: book book-outline book-open book-open-variant
phone: cellphone phone cellphone-basic
clock: alarm clock-outline
key: key key-variant
hammer: hammer
wrench: wrench wrench-outline
scissors: content-cut
pencil: pencil pencil-outline pen
umbrella: umbrella umbrella-outline umbrella-closed
ball: soccer basketball volleyball
teddy bear: teddy-bear
balloon: balloon
gift: gift gift-outline gift-open
money: cash cash-multiple
guitar: guitar-acoustic guitar-electric
bell: bell bell-outline
thumbs up: thumb-up thumb-up-outline
thumbs down: thumb-down thumb-down-outline
hand: hand-back-right hand-back-left hand-back-right-outline
baby: baby
smiley: emoticon-happy emoticon-happy-outline emoticon emoticon-outline
angry face: emoticon-angry emoticon-angry-outline
crying face: emoticon-cry emoticon-cry-outline
other animal: elephant turtle cow panda bat bee butterfly ladybug snail koala
other food: hamburger french-fries food-croissant cheese cookie corn carrot fruit-grapes fruit-watermelon fruit-pineapple fruit-cherries
other vehicle: bus ambulance sail-boat train rocket tractor motorbike helicopter
""",
    "icon-park": """
knife: kitchen-knife
sword: holy-sword
bow: archers-bow
flames: fire fire-two
syringe: injection
pill: pill pills
leaf: leaf
lollipop: lollipop
beer: beer beer-mug
cocktail: cocktail
tea: tea-drink
milk: milk
baby bottle: baby-bottle
skull: skull
ghost: ghost
robot: robot robot-one
dog: dog
cat: cat
pig: pig
monkey: monkey
rabbit: rabbit
bird: bird duck eagle owl
fish: fish fish-one
swimwear: swimsuit
underwear: clothes-briefs panties
shirt: t-shirt
trousers: clothes-pants trousers-bell-bottoms
shoe: boots high-heeled-shoes sandals
hat: baseball-cap magic-hat straw-hat
car: car taxi
airplane: airplane
bicycle: bike
apple: apple
banana: banana
cake: birthday-cake cake cake-one cake-two cake-three
ice cream: icecream icecream-one icecream-two icecream-three
tree: tree tree-one tree-two coconut-tree christmas-tree
sun: sun sun-one
star: star
heart: heart
book: book book-one book-open
phone: iphone phone phone-telephone
clock: alarm-clock
key: key key-one key-two
wrench: spanner
scissors: scissors
pencil: pencil
umbrella: umbrella umbrella-one
ball: soccer basketball volleyball
gift: gift gift-box
money: paper-money
bell: bell-ring
fist: fist
middle finger: middle-finger
thumbs up: thumbs-up
thumbs down: thumbs-down
child: boy girl boy-one girl-one
baby: baby
""",
    "ph": """
knife: knife; sword: sword; axe: axe; bomb: bomb; flames: fire fire-simple flame; cigarette: cigarette; syringe: syringe; pill: pill; leaf: leaf
beer: beer-stein pint-glass; wine: wine; cocktail: martini; champagne: champagne; tea: coffee
die: dice-one dice-two dice-three dice-four dice-five dice-six; skull: skull; ghost: ghost; robot: robot; alien: alien; dog: dog; cat: cat
horse: horse; rabbit: rabbit; bird: bird; fish: fish fish-simple; shirt: t-shirt shirt-folded; dress: dress; trousers: pants; shoe: sneaker boot
hat: cowboy-hat; car: car car-profile car-simple; airplane: airplane airplane-tilt airplane-in-flight; bicycle: bicycle; pizza: pizza; cake: cake
ice cream: ice-cream; tree: tree tree-evergreen tree-palm; flower: flower flower-tulip flower-lotus; sun: sun; cloud: cloud; star: star
heart: heart heart-straight; book: book book-bookmark book-open; phone: phone device-mobile; clock: clock alarm; key: key; hammer: hammer
wrench: wrench; scissors: scissors; pencil: pencil pencil-simple pen; umbrella: umbrella umbrella-simple
ball: soccer-ball basketball volleyball beach-ball; balloon: balloon; gift: gift; money: money money-wavy; guitar: guitar; bell: bell bell-ringing
smiley: smiley smiley-wink; angry face: smiley-angry; crying face: smiley-sad; fist: hand-fist; thumbs up: thumbs-up; thumbs down: thumbs-down
hand: hand hand-palm hand-waving; baby: baby; other animal: butterfly cow bug-beetle
other food: carrot hamburger cherries orange pepper egg popcorn avocado; other vehicle: bus truck train motorcycle sailboat rocket tractor ambulance
""",
    "fa6-solid": """
gun: gun; bomb: bomb; flames: fire fire-flame-simple fire-flame-curved; explosion: explosion; cigarette: smoking; syringe: syringe
pill: pills tablets capsules; leaf: leaf; beer: beer-mug-empty; wine: wine-glass wine-glass-empty
cocktail: martini-glass martini-glass-citrus martini-glass-empty; champagne: champagne-glasses; tea: mug-hot mug-saucer
die: dice-one dice-two dice-three dice-four dice-five dice-six dice; skull: skull skull-crossbones; ghost: ghost; robot: robot; dog: dog; cat: cat
horse: horse horse-head; bird: dove crow kiwi-bird; fish: fish fish-fins; spider: spider; shirt: shirt; hat: hat-cowboy hat-cowboy-side
car: car car-side car-rear; airplane: plane plane-up plane-departure; bicycle: bicycle; apple: apple-whole; pizza: pizza-slice; cake: cake-candles
ice cream: ice-cream; tree: tree; sun: sun; cloud: cloud; star: star; heart: heart; book: book book-open; phone: phone mobile; clock: clock; key: key
hammer: hammer; wrench: wrench; scissors: scissors; pencil: pencil pen pen-fancy; umbrella: umbrella; ball: futbol basketball volleyball; gift: gift
money: money-bill sack-dollar; guitar: guitar; bell: bell; smiley: face-smile face-smile-beam face-smile-wink face-grin; angry face: face-angry
crying face: face-sad-cry face-sad-tear; hand: hand hand-spock hand-peace; middle finger: hand-middle-finger; fist: hand-fist hand-back-fist
thumbs up: thumbs-up; thumbs down: thumbs-down; man: person; woman: person-dress; child: child child-dress; baby: baby
other animal: frog hippo otter cow bugs; other food: burger hotdog cheese lemon carrot pepper-hot bread-slice egg
other vehicle: bus truck train motorcycle sailboat rocket tractor ship helicopter
""",
    "tabler": """
headstone: grave grave-2; coffin: coffin; axe: axe; champagne: glass-champagne; bow: bow; candle: candle candle-filled; cigarette: smoking
explosion: boom boom-filled; playing card: play-card play-card-1-filled; alien: alien alien-filled; ghost: ghost ghost-2-filled ghost-3
spider: spider spider-filled; bomb: bomb bomb-filled; syringe: vaccine; pill: pill pill-filled; sword: sword swords; lollipop: lollipop
middle finger: hand-middle-finger; robot: robot; skull: skull; gift: gift gift-filled; bell: bell; hammer: hammer; wrench: tool; scissors: scissors
balloon: balloon balloon-filled; pizza: pizza; mushroom: mushroom mushroom-filled; die: dice-5; dog: dog; cat: cat; pig: pig; fish: fish
""",
    "mingcute": """
axe: axe-fill axe-line; champagne: champagne-fill champagne-line; underwear: brief-fill brief-line; candle: candle-fill candle-line
explosion: boom-fill boom-line; bomb: bomb-fill bomb-line; ghost: ghost-fill ghost-line; syringe: injection-fill injection-line
pill: capsule-fill capsule-line; sword: sword-fill sword-line; lollipop: lollipop-fill lollipop-line; knife: knife-fill knife-line
middle finger: middle-finger-fill middle-finger-line; robot: robot-fill robot-line; skull: skull-fill skull-line
bell: bell-ringing-fill notification-line; wrench: tool-line; balloon: balloon-2-fill; dress: dress-fill dress-line skirt-fill
shirt: t-shirt-fill t-shirt-line; trousers: trouser-fill trouser-line; guitar: guitar-fill guitar-line; pizza: pizza-fill pizza-line
mushroom: mushroom-fill mushroom-line; rabbit: rabbit-fill rabbit-line; pig: pig-fill pig-line pig-money-line; bird: bird-fill bird-line
fish: fish-fill fish-line; gift: gift-fill gift-line
""",
    "hugeicons": """
axe: axe; underwear: boxer; bow: bow-arrow; cigarette: cigarette; playing card: cards-01 cards-02; alien: alien-01 alien-02; ghost: ghost; bomb: bomb
gun: gun; syringe: injection syringe; pill: pill; sword: sword-01 sword-02 sword-03 swords; lollipop: lollipop; milk: milk-bottle milk-carton
knife: knife-01 knife-02; robot: robot-01 robot-02; skull: skull; trousers: jogger-pants; dress: dress-01 dress-02 dress-03; banana: banana
bell: notification-01; hat: cap hat; mushroom: mushroom mushroom-01; fish: fish-food
""",
    "temaki": """
swimwear: bikini; bow: bow-and-arrow; knife: chefs-knife cleaver dagger; slot machine: casino
""",
}

TABLES: dict[str, dict[str, tuple[str, ...]]] = {
    name: {
        concept: tuple(icons.split())
        for concept, _, icons in (row.strip().partition(":") for row in re.split("[;\n]", table.strip()))
    }
    for name, table in _TABLES.items()
}
"""By set and concept; a set that has a table is searched for nothing else."""
MONOCHROME = frozenset({"fluent-emoji-high-contrast", *TABLES} - {"icon-park"})
"""Sets whose icons are ink alone. They say nothing of a thing's colour, so `COLOURED` is not taken from them."""
COLOURED = frozenset({"blood", "water", "other thing"})


def on_paper(tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Black ink with everything it encloses filled white, so that a line drawing has a body."""
    ink = tile[..., 3].astype(np.float32) / 255
    line = Image.fromarray(((ink > 0.35) * 255).astype(np.uint8))
    room = Image.new("L", (line.width + 2, line.height + 2))
    room.paste(line, (1, 1))
    ImageDraw.floodfill(room, (0, 0), 128)
    body = np.asarray(room)[1:-1, 1:-1] != 128
    paper = np.zeros_like(tile)
    paper[..., :3] = (255 * (1 - ink))[..., None].astype(np.uint8)
    paper[..., 3] = np.where(body, 255, tile[..., 3])
    paper[~body, :3] = 0
    return paper
