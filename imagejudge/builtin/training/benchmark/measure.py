"""Measure an exported pair through the product's own engine, on scenes that no training ever saw.

Scenes are drawn from a seed of their own; every figure is printed with its 95 % interval over scenes and the number
of questions behind it.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from imagejudge.builtin.training.benchmark.limits import SEED, picture, test_scene
from imagejudge.builtin.training.language.claims import Asker
from imagejudge.builtin.training.language.facts import Facts
from imagejudge.builtin.training.language.questions import rule_question, rules_question
from imagejudge.builtin.training.language.words import NOUNS
from imagejudge.builtin.training.scenes.painter import Painter
from imagejudge.builtin.training.scenes.scene import SIZE, Scene
from imagejudge.constitution import load_constitution, select_rules
from imagejudge.engine.llama import LlamaEngine
from imagejudge.engine.llama_model import LlamaOptions
from imagejudge.judge.claims import questions_of
from imagejudge.judge.clue import Method, judge
from imagejudge.prompts import Question, visible

ROWS = {
    "one visible thing": ("visible",),
    "a class of things": ("class",),
    "both are visible": ("both",),
    "class, both": ("class", "both"),
    "touch": ("touch", "unrelated"),
    "count": ("count",),
    "touch, count": ("touch", "unrelated", "count"),
    "touch, both visible": ("touch",),
    "holds": ("hold",),
    "next to, on": ("near", "on"),
    "touch (both there), next to, on, holds, counts": ("touch", "near", "on", "hold", "count"),
    "not visible": ("absent",),
    "or, without": ("either", "without"),
    "whole rule": ("rule",),
    "whole constitution": ("rules",),
}


class Hit(NamedTuple):
    """An answer beside the truth."""

    scene: int
    truth: bool
    p_yes: float

    @property
    def right(self) -> bool:
        """Whether P(Yes) > 0.5 says what is true."""
        return (self.p_yes > 0.5) == self.truth


class Accuracy(NamedTuple):
    """Balanced accuracy, or a difference of two, with half the width of its 95 % interval."""

    value: float
    half: float
    questions: int


class Answers(NamedTuple):
    """What a pair said about scenes."""

    hits: dict[str, list[Hit]]
    """By kind of question."""
    overlaps: list[float]
    """Of boxes with the true ones."""
    off_mass: list[float]


def balanced(hits: Sequence[Hit]) -> Accuracy:
    """Balanced accuracy.

    Answers about one scene are often right or wrong together, so the interval is that of a sample of scenes: the
    linearised variance of a ratio over clusters, as for surveys.
    """
    value, pulls = _pulled(hits)
    return Accuracy(value, _half(pulls.values()), len(hits))


def gain(before: Sequence[Hit], after: Sequence[Hit]) -> Accuracy:
    """How much better the second answers to the same questions are, with the interval of the difference in pairs."""
    (old, pulls), (new, others) = _pulled(before), _pulled(after)
    return Accuracy(new - old, _half(others[scene] - pulls[scene] for scene in others), len(after))


def _pulled(hits: Sequence[Hit]) -> tuple[float, dict[int, float]]:
    """Balanced accuracy, and how much each scene pulls it up or down."""
    value, pulls = 0.0, dict.fromkeys((hit.scene for hit in hits), 0.0)
    for truth in (True, False):
        asked = [hit for hit in hits if hit.truth == truth]
        share = sum(hit.right for hit in asked) / len(asked) if asked else math.nan
        value += share / 2
        for hit in asked:
            pulls[hit.scene] += (hit.right - share) / len(asked) / 2
    return value, pulls


def _half(pulls: Iterable[float]) -> float:
    return 1.96 * math.sqrt(sum(pull * pull for pull in pulls))


def measure_questions(engine: LlamaEngine, painter: Painter, split: str, scenes: int, other: Answers | None) -> Answers:
    """Balanced accuracy, kind by kind, and beside it how much better that is than what another pair said."""
    found = _answers(engine, painter, split, scenes)
    print(
        f"split {split}: {scenes} scenes, off-mass {np.mean(found.off_mass):.4f} on average,"
        f" {np.max(found.off_mass):.3f} at most"
    )
    for title, kinds in ROWS.items():
        hits = [hit for kind in kinds for hit in found.hits[kind]]
        value, half, questions = balanced(hits)
        line = f"| {title} | {value:.3f} ± {half:.3f} | {questions} |"
        if other is not None:
            better = gain([hit for kind in kinds for hit in other.hits[kind]], hits)
            line += f" {better.value:+.3f} ± {better.half:.3f} |"
        print(line)
    boxes = np.array(found.overlaps) > 0.5
    mean = np.mean(found.overlaps)
    line = f"| a box for one visible thing: overlap > 0.5 | {boxes.mean():.3f} (mean {mean:.3f}) | {len(boxes)} |"
    if other is not None:
        gains = boxes - (np.array(other.overlaps) > 0.5).astype(float)
        line += f" {gains.mean():+.3f} ± {1.96 * gains.std() / math.sqrt(len(gains)):.3f} |"
    print(line, flush=True)
    return found


def _answers(engine: LlamaEngine, painter: Painter, split: str, scenes: int) -> Answers:
    # Each has a generator of its own, so that what is asked does not change which scene is next.
    scene_random, question_random = np.random.default_rng((SEED, ("seen", "composition", "style").index(split))).spawn(
        2
    )
    asker = Asker(question_random)
    found: dict[str, list[Hit]] = defaultdict(list)
    off_mass, overlap = [], []
    for number in range(scenes):
        scene = test_scene(painter, scene_random, split)
        facts = Facts(scene)
        asked: list[tuple[str, bool, Question]] = []
        for kind, times in (
            ("visible", 3),
            ("class", 2),
            ("both", 2),
            ("touch", 4),
            ("unrelated", 1),
            ("count", 4),
            ("hold", 1),
            ("near", 1),
            ("on", 1),
            ("absent", 1),
            ("either", 1),
            ("without", 1),
        ):
            claims = (asker.claim(facts, kind=kind) for _ in range(times))
            asked += [(kind, claim.truth, visible(claim.text)) for claim in claims if claim is not None]
        for kind, ruled in (("rule", rule_question(asker, facts)), ("rules", rules_question(asker, facts))):
            if ruled is not None:
                asked.append((kind, ruled[1], ruled[0]))
        view = engine.view(picture(scene.pixels))
        for (kind, truth, _), answer in zip(asked, view.ask([question for _, _, question in asked]), strict=True):
            found[kind].append(Hit(number, truth, answer.p_yes))
            off_mass.append(answer.off_mass)
        for thing in scene.things[:1]:
            if thing.name in NOUNS and sum(other.name == thing.name for other in scene.things) == 1:
                box = view.locate([asker.words(thing.name).bare])
                overlap.append(_overlap(None if box is None else (box.left, box.top, box.right, box.bottom), thing.box))
    return Answers(found, overlap, off_mass)


def _overlap(found: tuple[float, float, float, float] | None, box: tuple[int, int, int, int]) -> float:
    """Intersection over union of a found box in fractions and a true one in pixels."""
    if found is None:
        return 0.0
    a, b = np.array(found) * SIZE, np.array(box, float)
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    both = sides.prod()
    return float(both / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - both))


def judge_of(folder: Path, constitution_path: Path) -> Callable[[Scene], list[str] | None]:
    """The rules that the pair in a folder finds violated in a scene; None when it is unsure of any."""
    engine = LlamaEngine(LlamaOptions(str(folder / "model.gguf"), str(folder / "mmproj.gguf"), "bbox-xyxy-1000"))
    constitution = load_constitution(constitution_path)
    questions = questions_of(constitution)
    priors = dict(zip(questions, engine.view(None).ask(questions), strict=True))

    def found(scene: Scene) -> list[str] | None:
        results = judge(constitution, engine.view(picture(scene.pixels)), priors, Method())
        if any(result.status == "unsure" for result in results):
            return None
        return [result.rule for result in results if result.status == "violated"]

    return found


METHODS = (Method(), Method(reasoning=False), Method("threshold"))


def measure_verdicts(engine: LlamaEngine, constitution_path: Path, bench: Path) -> None:
    """The verdict of each method for every image of the benchmark under the rule it was drawn for."""
    constitution = load_constitution(constitution_path)
    questions = questions_of(constitution)
    priors = dict(zip(questions, engine.view(None).ask(questions), strict=True))
    print(f"priors: {min(a.p_yes for a in priors.values()):.2f} to {max(a.p_yes for a in priors.values()):.2f}")
    totals = {method.label: [0] * 5 for method in METHODS}
    for rule in constitution.rules:
        alone = select_rules(constitution, [rule.id])
        # violating: violated, cleared; borderline: violated, cleared; unsure among them
        tallies = {method.label: [0] * 5 for method in METHODS}
        for label in ("violating", "borderline"):
            for path in sorted((bench / rule.id / label).glob("*.png")):
                with Image.open(path) as image:
                    view = engine.view(picture(np.asarray(image.convert("RGB"))))
                for method in METHODS:
                    (result,) = judge(alone, view, priors, method)
                    tallies[method.label][2 * (label == "borderline") + (result.status != "violated")] += 1
                    tallies[method.label][4] += result.status == "unsure"
        for name, tally in tallies.items():
            totals[name] = [a + b for a, b in zip(totals[name], tally, strict=True)]
        print(f"{rule.id}: {_f1(tallies[METHODS[0].label])}", flush=True)
    for name, total in totals.items():
        print(f"all rules, {name}: {_f1(total)}")


def _f1(tally: list[int]) -> str:
    hit, missed, false, right, unsure = tally
    f1 = 2 * hit / max(1, 2 * hit + missed + false)
    count = hit + missed + false + right
    samples = (
        np.random.default_rng(0).multinomial(count, np.array(tally[:4]) / count, 2000) if count else np.zeros((1, 4))
    )
    spread = np.quantile(
        2 * samples[:, 0] / np.maximum(1, 2 * samples[:, 0] + samples[:, 1] + samples[:, 2]), [0.025, 0.975]
    )
    recall, accuracy = hit / max(1, hit + missed), (hit + right) / max(1, count)
    return (
        f"F1 {f1:.3f} [{spread[0]:.3f}, {spread[1]:.3f}], recall {recall:.3f}, accuracy {accuracy:.3f},"
        f" unsure {unsure} of {count}"
    )


def measure_speed(engine: LlamaEngine, painter: Painter) -> None:
    """Milliseconds for a picture and for each further question about it."""
    random = np.random.default_rng((SEED, 7))
    asker = Asker(random)
    first, more = [], []
    for _ in range(30):
        scene = test_scene(painter, random, "seen")
        questions = [visible(asker.shown(asker.words(asker.concept()))) for _ in range(21)]
        begin = time.perf_counter()
        view = engine.view(picture(scene.pixels))
        view.ask(questions[:1])
        middle = time.perf_counter()
        view.ask(questions[1:])
        first.append(middle - begin)
        more.append((time.perf_counter() - middle) / 20)
    print(
        f"{1000 * np.median(first):.1f} ms for an image and its first question,"
        f" {1000 * np.median(more):.2f} ms for each further one (medians of 30)"
    )
