"""Recorded answers judged again: never anything but what a scan would say, or that something is missing."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagejudge.constitution import Constitution, Precondition, Rule, Statement, Thresholds
from imagejudge.engine.base import Answer, Reasoning
from imagejudge.engine.scripted import Scripted, certain
from imagejudge.images.picture import Box, Picture
from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.cached_view import CachedView, ImageAnswers, Stopwatch, frame_part
from imagejudge.judge.claims import questions_of
from imagejudge.judge.clue import CROP_MARGIN, SMALL, Method, box_of, judge
from imagejudge.judge.plan import Plan
from imagejudge.judge.replay import Rejudge, Unrecorded
from imagejudge.judge.scanner import Scanner
from imagejudge.judge.summary import summarise
from imagejudge.judge.unanswered import Recorded, UnansweredImage
from imagejudge.prompts import Question, visible
from imagejudge.verdict import (
    By,
    Failure,
    ImageFacts,
    Outcome,
    Region,
    RuleResult,
    Timing,
    Verdict,
    line_of,
    verdict_of,
)

PICTURE = Picture(4, 4, bytes(range(48)))


def plan(constitution: Constitution, method: Method | None = None) -> Plan:
    return Plan(constitution, method or Method(), "m@1", "m", Limits())


# --- what a model says, by chance but always the same ---------------------------------------------------------------


def chance(seed: int, *about: object) -> float:
    digest = hashlib.sha256(repr((seed, about)).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def model(seed: int) -> Scripted:
    def answer(picture: Picture | None, question: Question) -> Answer:
        p_yes = min(max(1.4 * chance(seed, "p", picture, question) - 0.2, 1e-6), 1 - 1e-6)
        return certain(p_yes, 0.95 if chance(seed, "off", picture, question) < 0.05 else 0.01)

    def reason(picture: Picture | None, question: Question) -> Reasoning | None:
        drawn = chance(seed, "reason", picture, question)
        return None if drawn < 0.1 else Reasoning(drawn < 0.5, f"It was {drawn:.3f}.", "Hm.")

    def locate(picture: Picture | None, objects: tuple[str, ...]) -> Box | None:
        drawn = chance(seed, "box", picture, objects)
        return None if drawn < 0.3 else Box(0.0, 0.0, 0.5, 0.5) if drawn < 0.6 else Box(drawn - 0.05, 0.5, drawn, 0.6)

    return Scripted(answer, reason, locate)


RED, BLUE = Statement("It is red."), Statement("It is blue.")
STATEMENTS = [Statement(f"Thing {n} is visible.", (f"thing {n % 4}",) * (n % 2)) for n in range(6)]
TWINS = [Statement(STATEMENTS[n].ask, (f"twin {n}",)) for n in range(3)]
"""The same words, about other objects or about none."""
statements = st.sampled_from(STATEMENTS)
thresholds = st.builds(
    Thresholds,
    unsatisfied=st.sampled_from([0.1, 0.3, 0.4]),
    satisfied=st.sampled_from([0.5, 0.8]),
    centric=st.sampled_from([0.1, 0.3, 0.6]),
)


@st.composite
def constitutions(draw: st.DrawFn, statements: st.SearchStrategy[Statement] = statements) -> Constitution:
    any_of = st.lists(statements, min_size=1, max_size=2, unique=True).map(lambda some: Precondition(tuple(some)))
    rules = [
        Rule(
            f"rule-{number}",
            f"Nothing of kind {number}.",
            preconditions=tuple(draw(st.lists(any_of, max_size=3))),
            unless=tuple(draw(st.lists(statements, max_size=2, unique=True))),
            thresholds=draw(st.none() | thresholds),
        )
        for number in range(draw(st.integers(1, 4)))
    ]
    return Constitution("chance", "1", tuple(rules), thresholds=draw(thresholds))


with_twins = constitutions(st.sampled_from(STATEMENTS + TWINS))
methods = st.builds(Method, reasoning=st.booleans(), debias=st.booleans()) | st.just(Method("threshold"))


def judged(seed: int, constitution: Constitution, method: Method) -> Verdict:
    """What a scan would write."""
    engine = model(seed)
    questions = questions_of(constitution)
    priors = dict(zip(questions, engine.view(None).ask(questions), strict=True)) if method.needs_priors else {}
    rules = judge(constitution, engine.view(PICTURE), priors, method)
    summary = summarise(constitution, rules)
    the_plan = plan(constitution, method)
    return Verdict(
        path="a\udcff.png",
        sha256="0" * 64,
        verdict=summary.outcome,
        rationale=summary.rationale,
        violations=summary.violations,
        rules=rules,
        image=ImageFacts(width=4, height=4, format="PNG", frames=1),
        model=the_plan.model,
        constitution=constitution.label,
        method=method.label,
        imagejudge="0.1.0",
        seconds=Timing(ask=1.0),
    )


def unclear(line: Verdict, seed: int) -> bool:
    """Whether the line does not tell all: of reasoning in vain, in a rule that then failed elsewhere, no trace is left;
    nor of a crop about which nothing was measured, nor which is which of the same words in one rule.
    """
    regions = [(region, result) for result in line.rules for region in result.regions]
    for region, result in regions:
        whole = next(step.whole for step in result.steps if step.ask == region.ask)
        if box_of(region).area < SMALL and whole is None:
            return True
    if any(len({step.ask for step in result.steps}) < len(result.steps) for result in line.rules):
        return True
    asked = {step.ask for result in line.rules for step in result.steps}
    pictures = {PICTURE, *(PICTURE.crop(box_of(region).grown(CROP_MARGIN)) for region, _ in regions)}
    return any(model(seed).reason(picture, visible(ask)) is None for picture in pictures for ask in asked)


def same(one: Verdict, other: Verdict) -> bool:
    """But for the time it took, and for regions, which are known also where the rules could do without."""

    def bare(verdict: Verdict) -> Verdict:
        rules = tuple(result.model_copy(update={"regions": ()}) for result in verdict.rules)
        return verdict.model_copy(update={"seconds": None, "rules": rules})

    return bare(one) == bare(other)


@given(st.integers(), with_twins, methods)
@settings(deadline=None, max_examples=300)
def test_the_same_rules_give_the_same_lines(seed: int, constitution: Constitution, method: Method) -> None:
    line = judged(seed, constitution, method)
    try:
        again = Rejudge(plan(constitution, method)).judge(verdict_of(line_of(line)))
    except Unrecorded:
        assert unclear(line, seed)
        return
    assert again == line.model_copy(update={"seconds": Timing(), "imagejudge": again.imagejudge})


@given(st.integers(), constitutions(), constitutions(), methods, methods)
@settings(deadline=None, max_examples=300)
def test_other_rules_give_what_a_scan_would_give(
    seed: int, old: Constitution, new: Constitution, old_method: Method, new_method: Method
) -> None:
    line = judged(seed, old, old_method)
    try:
        again = Rejudge(plan(new, new_method)).judge(line)
    except Unrecorded:
        return
    assert same(again, judged(seed, new, new_method))


@given(st.integers(), with_twins, thresholds, methods, methods)
@settings(deadline=None, max_examples=300)
def test_other_thresholds_give_what_a_scan_would_give(
    seed: int, old: Constitution, limits: Thresholds, old_method: Method, new_method: Method
) -> None:
    new = replace(old, thresholds=limits)
    try:
        again = Rejudge(plan(new, new_method)).judge(judged(seed, old, old_method))
    except Unrecorded:
        return
    assert same(again, judged(seed, new, new_method))


@given(st.integers(), with_twins, thresholds, methods)
@settings(deadline=None, max_examples=150)
def test_rejudged_lines_can_be_judged_once_more(
    seed: int, old: Constitution, limits: Thresholds, new_method: Method
) -> None:
    new = Rejudge(plan(replace(old, thresholds=limits), new_method))
    try:
        again = new.judge(judged(seed, old, Method()))
    except Unrecorded:
        return
    try:
        assert same(new.judge(verdict_of(line_of(again))), again)
    except Unrecorded:
        assert unclear(again, seed)


def test_regions_are_carried_over() -> None:
    constitution = Constitution("one", "1", (Rule("a", "No red.", preconditions=(Precondition((RED,)),)),))
    region = Region(ask=RED.ask, left=0.1, top=0.2, right=0.6, bottom=0.9)
    found = 0
    for seed in range(30):
        line = judged(seed, constitution, Method())
        for regions in ((region,), ()):
            rules = tuple(result.model_copy(update={"regions": regions}) for result in line.rules)
            recorded = verdict_of(line_of(line.model_copy(update={"rules": rules})))
            with suppress(Unrecorded):
                (again,) = Rejudge(plan(constitution)).judge(recorded).rules
                assert again.regions == regions
                found += 1
    assert found > 20


# --- case by case ---------------------------------------------------------------------------------------------------


def rules(*needed: Statement, **more: object) -> Constitution:
    rule = Rule("colour", "Nothing coloured.", preconditions=tuple(Precondition((each,)) for each in needed))
    return Constitution("colours", "1", (rule,), **more)  # type: ignore[arg-type]


def colour(picture: Picture | None, question: Question) -> float:
    if picture is None:
        return 0.4
    return 0.05 + 0.9 * picture.rgb[0 if "red" in question.subject else 2] / 255


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, shade in {"red": (255, 0, 0), "half": (150, 0, 0), "black": (0, 0, 0)}.items():
        Image.new("RGB", (8, 6), shade).save(tmp_path / f"{name} \udcff.png")
    return tmp_path


def scan(folder: Path, constitution: Constitution, engine: Scripted, cache: Cache | None = None) -> list[Verdict]:
    refs = [ImageRef(str(path)) for path in sorted(folder.glob("*.png"))]
    return list(Scanner(plan(constitution), cache or Cache(None), [engine]).run(refs))


def test_a_threshold_needs_no_model(folder: Path) -> None:
    lines = scan(folder, rules(RED), Scripted(colour))
    assert [line.verdict for line in lines] == [Outcome.SAFE, Outcome.UNSURE, Outcome.UNSAFE]
    looser = rules(RED, thresholds=Thresholds(unsatisfied=0.1, satisfied=0.2))
    again = [Rejudge(plan(looser)).judge(line) for line in lines]
    assert [line.verdict for line in again] == [Outcome.SAFE, Outcome.UNSAFE, Outcome.UNSAFE]
    assert {line.constitution for line in again} == {looser.label}
    assert again[1].rationale == "colour: it is red (0.58)."


def test_what_was_never_asked_is_missing(folder: Path) -> None:
    black, _, red = scan(folder, rules(RED, BLUE), Scripted(colour))
    only_blue = Rejudge(plan(rules(BLUE)))
    with pytest.raises(Unrecorded, match=r"It is blue\."):
        only_blue.judge(black)
    assert only_blue.judge(red).verdict is Outcome.SAFE


def test_an_animation_is_missing(folder: Path) -> None:
    line = scan(folder, rules(RED), Scripted(colour))[0]
    animated = line.model_copy(update={"image": ImageFacts(width=1, height=1, format="GIF", frames=2), "frame": 1})
    with pytest.raises(Unrecorded, match="animation"):
        Rejudge(plan(rules(RED))).judge(animated)


def test_what_could_not_be_judged_stays_so() -> None:
    line = judged(0, rules(RED), Method()).model_copy(
        update={"verdict": Outcome.ERROR, "rules": (), "error": Failure(kind="empty", message="nothing in it")}
    )
    again = Rejudge(plan(rules(BLUE))).judge(line)
    assert (again.verdict, again.error, again.constitution) == (Outcome.ERROR, line.error, rules(BLUE).label)


def test_a_whole_rule_is_not_taken_for_a_statement() -> None:
    whole = Constitution("whole", "1", (Rule("colour", "It is red."),))
    line = judged(1, whole, Method())
    assert same(Rejudge(plan(whole)).judge(line), line)
    statement = Rule("colour", "It is red.", preconditions=(Precondition((RED,)),))
    other = Rejudge(plan(Constitution("statement", "1", (statement,))))
    with pytest.raises(Unrecorded, match=r"It is red\."):
        other.judge(line)


def test_rules_that_a_path_is_spared_are_not_needed(folder: Path) -> None:
    line = scan(folder, rules(RED), Scripted(colour))[2]
    two = Constitution(
        "two", "1", (*rules(RED).rules, Rule("blue", "No blue.", preconditions=(Precondition((BLUE,)),)))
    )
    with pytest.raises(Unrecorded):
        Rejudge(plan(two)).judge(line)
    spared = replace(plan(two), ignored=lambda path: {"blue"})
    assert [result.rule for result in Rejudge(spared).judge(line).rules] == ["colour"]


def test_only_what_is_missing_is_asked(folder: Path, tmp_path: Path) -> None:
    lines = scan(folder, rules(RED), Scripted(colour))
    both = plan(rules(RED, BLUE))
    again, cache, engine = Rejudge(both), Cache(tmp_path / "cache"), Scripted(colour)
    with pytest.raises(Unrecorded):
        again.judge(lines[2])
    recorded = Recorded(cache, again, map(UnansweredImage.of, lines))
    new = list(Scanner(both, recorded, [engine]).run([ImageRef(line.path) for line in lines]))
    assert [[question.subject for question in wave] for wave in engine.waves] == [
        ["It is red.", "It is blue."],  # without an image
        ["It is blue."],
        ["It is blue."],
    ]
    assert all(
        same(one, other) for one, other in zip(new, scan(folder, rules(RED, BLUE), Scripted(colour)), strict=True)
    )
    # The lines' own answers are not kept as if the model had just given them.
    kept = cache.load("m", str(lines[2].sha256))
    assert sum(isinstance(reply, list) and len(reply) == 2 for reply in kept.known.values()) == 1


def test_an_animation_is_asked_about_anew(tmp_path: Path) -> None:
    """As its line tells each rule of another frame: together they are what no picture shows."""
    frames = [Image.new("RGB", (4, 4), shade) for shade in ("blue", "red")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    red, blue = (Precondition((statement,)) for statement in (RED, BLUE))
    two = (Rule("red", ".", preconditions=(red,)), Rule("blue", ".", preconditions=(blue,)))
    apart = plan(Constitution("apart", "1", two))
    together = plan(Constitution("together", "1", (Rule("both", ".", preconditions=(red, blue)),)))
    ref = ImageRef(str(tmp_path / "a.gif"))
    (line,) = Scanner(apart, Cache(None), [Scripted(colour)]).run([ref])
    assert [each.rule for each in line.violations] == ["red", "blue"]
    recorded = Recorded(Cache(None), Rejudge(together), [UnansweredImage.of(line)])
    (new,) = Scanner(together, recorded, [Scripted(colour)]).run([ref])
    assert new.verdict is Outcome.SAFE


def test_recorded_reasoning_is_not_asked_again(folder: Path, tmp_path: Path) -> None:
    def reason(picture: Picture | None, question: Question) -> Reasoning:
        return Reasoning(True, "It is reddish.", "Let me see.")

    lines = scan(folder, rules(RED), Scripted(colour, reason, image_tokens=9))
    engine = Scripted(colour, reason)
    again = Rejudge(plan(rules(RED)))
    recorded = Recorded(Cache(None), again, map(UnansweredImage.of, lines))
    (new,) = Scanner(plan(rules(RED)), recorded, [engine]).run([ImageRef(lines[1].path)])
    assert new.image == lines[1].image, "with the tokens that it took"
    assert engine.reasoned == []
    assert engine.waves == [[visible("It is red.")]]  # without an image


# --- crops ----------------------------------------------------------------------------------------------------------

KNIFE = Statement("It is a knife.", ("knife",))
SHARP = Statement("It is a knife.")


@pytest.fixture
def dot(tmp_path: Path) -> Path:
    """A picture with something very small in it."""
    picture = Image.new("RGB", (40, 40))
    picture.paste((255, 0, 0), (20, 20, 22, 22))
    picture.save(tmp_path / "dot.png")
    return tmp_path


def of_dot(whole: float, crop: float, rest: float, *, yes: bool) -> Scripted:
    """What a model makes of it; `yes` is what it concludes, whatever it sees."""

    def answer(picture: Picture | None, question: Question) -> float:
        if picture is None:
            return 0.5
        if picture.width < 40:
            return crop
        return whole if 255 in picture.rgb else rest

    found = Box(0.5, 0.5, 0.55, 0.55, confidence=0.9)
    return Scripted(answer, lambda *_: Reasoning(yes, "So I think.", ""), lambda *_: found)


def in_order(*each: Statement) -> Constitution:
    needed = enumerate(each)
    return Constitution(
        "knives",
        "1",
        tuple(Rule(f"rule-{n}", "No knives.", preconditions=(Precondition((one,)),)) for n, one in needed),
    )


def test_a_region_is_compared_with_the_whole_picture_and_not_a_crop(dot: Path) -> None:
    (line,) = scan(dot, in_order(KNIFE), of_dot(0.4, 0.7, 0.05, yes=False))
    (step,) = line.rules[0].steps
    assert (line.verdict, step.by) == (Outcome.SAFE, By.REASONING)
    assert (step.p_yes, step.centric) == pytest.approx((0.7, 0.05))
    assert same(Rejudge(plan(in_order(KNIFE))).judge(verdict_of(line_of(line))), line)


@pytest.mark.parametrize("statements", [(KNIFE, SHARP), (SHARP, KNIFE)])
@pytest.mark.parametrize(("crop", "yes"), [(0.05, True), (0.97, False), (0.6, True)])
def test_what_a_crop_shows_is_not_taken_for_the_whole_picture(
    dot: Path, statements: tuple[Statement, ...], crop: float, yes: bool
) -> None:
    (line,) = scan(dot, in_order(*statements), of_dot(0.6, crop, 0.5, yes=yes))
    assert line.verdict is Outcome.UNSAFE
    assert same(Rejudge(plan(in_order(*statements))).judge(verdict_of(line_of(line))), line)


def test_a_method_that_never_crops_goes_by_the_whole_picture(dot: Path) -> None:
    (line,) = scan(dot, in_order(KNIFE), of_dot(0.7, 0.05, 0.5, yes=True))
    again = Rejudge(plan(in_order(KNIFE), Method("threshold"))).judge(line)
    assert (line.verdict, again.verdict) == (Outcome.SAFE, Outcome.UNSAFE)
    (step,) = again.rules[0].steps
    assert step.p_yes == pytest.approx(0.7)
    assert (step.whole, again.rules[0].regions) == (None, ()), "beside a small region, the figures are a crop's"


def test_only_what_was_answered_of_the_whole_picture_is_remembered_as_that(dot: Path) -> None:
    engine = of_dot(0.6, 0.05, 0.5, yes=True)
    (line,) = scan(dot, in_order(KNIFE), engine)
    for recorded, asked in ((line, 1), (without_whole(line), 2)):
        memory = ImageAnswers()
        Rejudge(plan(in_order(KNIFE, BLUE))).remember(recorded, memory)
        known = CachedView(memory, frame_part(0), lambda _: engine.view(picture_of(dot)), Stopwatch())
        engine.waves.clear()
        answers = known.ask([visible(KNIFE.ask), visible(BLUE.ask)])
        assert answers[0].p_yes == pytest.approx(0.6)
        assert list(map(len, engine.waves)) == [asked]


def test_a_line_that_tells_a_crop_alone_does_not_suffice(dot: Path) -> None:
    (line,) = scan(dot, in_order(KNIFE, SHARP), of_dot(0.4, 0.7, 0.05, yes=False))
    earlier = verdict_of(line_of(without_whole(line)))
    with pytest.raises(Unrecorded, match="a crop and the whole picture: It is a knife"):
        Rejudge(plan(in_order(KNIFE, SHARP))).judge(earlier)
    with pytest.raises(Unrecorded, match=r"^It is a knife\.$"):
        Rejudge(plan(in_order(KNIFE), Method("threshold"))).judge(
            earlier.model_copy(update={"rules": earlier.rules[:1]})
        )


def without_whole(line: Verdict) -> Verdict:
    """As a version wrote it that did not tell the whole picture's answer beside a crop's."""

    def stripped(result: RuleResult) -> RuleResult:
        steps = tuple(step.model_copy(update={"whole": None}) for step in result.steps)
        return result.model_copy(update={"steps": steps})

    return line.model_copy(update={"rules": tuple(map(stripped, line.rules))})


def picture_of(folder: Path) -> Picture:
    with Image.open(folder / "dot.png") as image:
        return Picture(image.width, image.height, image.convert("RGB").tobytes())
