"""Measure what the model makes of pictures and words it was not made for, and whether its reasons are true."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagejudge.builtin.training.benchmark.bench import plan_of
from imagejudge.builtin.training.language.claims import Asker
from imagejudge.builtin.training.language.facts import Facts
from imagejudge.builtin.training.language.thoughts import named, said_to_be_there
from imagejudge.builtin.training.language.words import STICKER, UNKNOWN_TEST, Target
from imagejudge.builtin.training.scenes.backgrounds import nothing_known
from imagejudge.builtin.training.scenes.concepts import CONCEPTS
from imagejudge.builtin.training.scenes.painter import Painter
from imagejudge.builtin.training.scenes.patterns import PATTERNS, drawn
from imagejudge.builtin.training.scenes.scene import Pixels, Scene, held_out_pair
from imagejudge.builtin.training.scenes.unlike import KEPT_BACK, TAUGHT, unlike
from imagejudge.constitution import load_constitution
from imagejudge.engine.base import Answer, View
from imagejudge.engine.llama import LlamaEngine
from imagejudge.images.picture import Picture
from imagejudge.judge.claims import questions_of
from imagejudge.judge.clue import Method, judge
from imagejudge.judge.world import World, is_outside
from imagejudge.models.files import file_digest
from imagejudge.prompts import Question, visible

SEED = 20_000  # of the measuring scenes; training counts from 1


def picture(pixels: Pixels) -> Picture:
    """Pixels as the engine takes them."""
    height, width, _ = pixels.shape
    return Picture(width, height, np.ascontiguousarray(pixels).tobytes())


def test_scene(painter: Painter, random: np.random.Generator, split: str) -> Scene:
    """A scene of a split: freely drawn, but with a held-out pair for `composition`."""
    plan = plan_of(split)
    while True:
        concepts = painter.choose(random, plan)
        if split == "composition" and not any(
            held_out_pair(CONCEPTS[a].name, CONCEPTS[b].name)
            for place, a in enumerate(concepts)
            for b in concepts[:place]
        ):
            continue
        return painter.scene(random, concepts, plan)


def measure_unknown(engine: LlamaEngine, painter: Painter, photographs: Path | None) -> None:
    """How sure the model is of what it cannot know: words outside its vocabulary, pictures of nothing, photographs; and
    known things for comparison."""
    random = np.random.default_rng((SEED, 9))
    asker = Asker(random)
    sure: dict[str, list[Answer]] = defaultdict(list)
    for _ in range(300):
        scene = test_scene(painter, random, "seen")
        view = engine.view(picture(scene.pixels))
        known = [
            claim.text for claim in (asker.claim(Facts(scene), kind="visible") for _ in range(4)) if claim is not None
        ]
        unknown = [asker.shown(Target(asker.one_of(UNKNOWN_TEST), frozenset())) for _ in range(4)]
        sure["known words, known things"] += view.ask([visible(text) for text in known])
        sure["unknown words"] += view.ask([visible(text) for text in unknown])

    def known_things() -> list[Question]:
        return [visible(asker.shown(asker.words(asker.concept()))) for _ in range(8)]

    for _ in range(100):
        sure["pictures of noise and shades"] += engine.view(picture(nothing_known(random))).ask(known_things())
    for path in sorted(photographs.iterdir()) if photographs else []:
        with Image.open(path) as image:
            view = engine.view(picture(np.asarray(image.convert("RGB"))))
        for _ in range(6):
            sure["photographs"] += view.ask(known_things())
    blind = engine.view(None)
    for _ in range(60):
        sure["no image"] += blind.ask(known_things())
    for title, answers in sure.items():
        p = np.array([answer.p_yes for answer in answers])
        print(
            f"| {title} | {np.mean((p > 0.2) & (p < 0.8)):.3f} | {np.mean((p < 0.1) | (p > 0.9)):.3f}"
            f" | {np.mean(p):.3f} | {np.std(p):.3f} |"
            f" {np.mean([answer.off_mass for answer in answers]):.4f} | {len(p)} |"
        )


def photograph(path: Path) -> Pixels:
    """The pixels of a file."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def world_of(folder: Path) -> World | None:
    """What tells which pictures the pair in a folder was not made for; None where it has no such file."""
    path = folder / "world.npz"
    return World(path, file_digest(folder / "mmproj.gguf")) if path.exists() else None


def measure_stickers(
    engine: LlamaEngine,
    painter: Painter,
    world: World | None,
    constitution_path: Path,
    photographs: Path | None,
    pictures: int,
) -> None:
    """How many pictures that show no sticker are out of the model's world, family by family, and how many of the others
    are judged unsafe; what a guard question would do; and how many scenes are turned away, which should not be."""
    random = np.random.default_rng((SEED, 11))
    constitution = load_constitution(constitution_path)
    questions = questions_of(constitution)
    priors = dict(zip(questions, engine.view(None).ask(questions), strict=True))
    each = max(1, pictures // (len(TAUGHT) + len(KEPT_BACK) + 1))
    groups: dict[str, list[Pixels]] = {
        f"{family.__name__}{', never taught' * (family in KEPT_BACK)}": [unlike(random, (family,)) for _ in range(each)]
        for family in (*TAUGHT, *KEPT_BACK)
    }
    groups["like photographs"] = [nothing_known(random) for _ in range(each)]
    if photographs is not None:
        groups["photographs"] = [photograph(path) for path in sorted(photographs.iterdir())]
    groups["of further kinds"] = [drawn(random, PATTERNS) for _ in range(each)]
    total = np.zeros(5, np.int64)
    for title, shown in groups.items():
        tally = np.zeros(5, np.int64)
        for pixels in shown:
            view = engine.view(picture(pixels))
            warned, outside = _turned_away(view, world)
            results = () if outside else judge(constitution, view, priors, Method())
            unsafe = any(result.status == "violated" for result in results)
            tally += [1, outside, unsafe, warned, unsafe and not warned]
        total += tally
        _tell(title, tally)
    _tell("all", total)
    for split in ("seen", "composition", "style"):
        scenes = [test_scene(painter, random, split) for _ in range(max(1, pictures // 4))]
        views = (engine.view(picture(scene.pixels)) for scene in scenes if scene.things)
        wrong = np.array([_turned_away(view, world) for view in views])
        shares = "by the guard {:.3f}, as out of the world {:.3f}".format(*wrong.mean(0))
        print(f"scenes of {split} turned away: {shares} of {len(wrong)}", flush=True)


def _turned_away(view: View, world: World | None) -> tuple[bool, bool]:
    """By the guard question, and as out of the model's world."""
    (answer,) = view.ask([visible(STICKER)])
    return answer.p_yes < 0.5, world is not None and is_outside(world.distance(view.encoded()))


def _tell(title: str, tally: NDArray[np.int64]) -> None:
    count, outside, unsafe, warned, missed = tally.tolist()
    print(
        f"| {title} | {count} | out of the world {outside / count:.3f} | judged unsafe {unsafe / count:.3f} |"
        f" guard warns {warned / count:.3f} | unsafe without a warning {missed / count:.3f} |",
        flush=True,
    )


def measure_reasons(engine: LlamaEngine, painter: Painter, split: str, scenes: int) -> None:
    """How many of the reasons given after thinking say that a thing is there that is not, and how many speak of what
    was asked."""
    random = np.random.default_rng((SEED, 12))
    asker = Asker(random)
    false: list[bool] = []
    told: list[bool] = []
    unread = 0
    for _ in range(scenes):
        scene = test_scene(painter, random, split)
        claim = asker.claim(Facts(scene), kind=asker.one_of(("visible", "class", "both", "touch")))
        if claim is None:
            continue
        (reasoning,) = engine.view(picture(scene.pixels)).reason([visible(claim.text)])
        if reasoning is None:
            unread += 1
            continue
        there = {kind for thing in scene.things for kind in thing.kinds}
        false.append(not said_to_be_there(reasoning.rationale) <= there)
        told.append(bool(named(reasoning.rationale) & frozenset().union(*(what.kinds for what in claim.about))))
    print(
        f"split {split}: {np.mean(false):.3f} of {len(false)} reasons name a thing that is not there,"
        f" {np.mean(told):.3f} speak of what was asked; {unread} unread",
        flush=True,
    )
