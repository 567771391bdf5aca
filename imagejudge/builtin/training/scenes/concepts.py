"""What can be drawn: concepts with their words and drawings, groups of them, and which look alike."""

# ruff: noqa: E501 - tables and forms of words read better on long lines

from __future__ import annotations

from dataclasses import dataclass


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
