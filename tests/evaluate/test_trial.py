"""The run on real files and a scripted engine: what is shared, kept, charged and perturbed."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from imagejudge.constitution import (
    Constitution,
    Precondition,
    Rule,
    Statement,
    load_constitution,
    shipped_constitutions,
)
from imagejudge.engine.base import Engine, Reasoning, View
from imagejudge.engine.process import EngineProcess
from imagejudge.engine.process import Limits as EngineLimits
from imagejudge.engine.scripted import Scripted
from imagejudge.errors import EngineFailure, UsageError
from imagejudge.evaluate.known_category import of_category
from imagejudge.evaluate.labels import Item, Label
from imagejudge.evaluate.methods import METHODS
from imagejudge.evaluate.perturbations import parse_perturbations
from imagejudge.evaluate.trial import Trial, TrialResult
from imagejudge.images.picture import Picture
from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.clue import Method
from imagejudge.judge.plan import Plan
from imagejudge.judge.scanner import Scanner
from imagejudge.prompts import Kind, Question
from imagejudge.verdict import Outcome, RuleStatus

RULES = Constitution(
    "colours",
    "1",
    (
        Rule("no-red", "Nothing red.", preconditions=(Precondition((Statement("It is red.", ("red",)),)),)),
        Rule("no-blue", "Nothing blue.", preconditions=(Precondition((Statement("It is blue."),)),)),
    ),
)
PLAN = Plan(RULES, Method(), "fake@1", "fake", Limits())
SHADES = {"red": (255, 0, 0), "black": (0, 0, 0), "dim": (140, 0, 0)}


class Counting(Scripted):
    """Also counts the pictures it was shown."""

    def __init__(self, answer: object = None) -> None:
        super().__init__(answer or colour, reason=lambda p, q: Reasoning(True, "So it is.", "Hm."))  # type: ignore[arg-type]
        self.image_tokens = 9
        self.pictures: list[Picture | None] = []

    def view(self, picture: Picture | None, first: Sequence[Question] = (), *, same_image: bool = False) -> View:
        self.pictures.append(picture)
        return super().view(picture, first, same_image=same_image)


def colour(picture: Picture | None, question: Question) -> float:
    if picture is None:
        return 0.5
    return 0.05 + 0.9 * picture.rgb[2 if "blue" in question.subject else 0] / 255


def paint(folder: Path, name: str, unsafe: bool) -> Item:
    file = folder / f"{name}.png"
    Image.new("RGB", (24, 16), SHADES[name]).save(file)
    return Item.of(Label(str(file), unsafe), file)


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    return [paint(tmp_path, "red", True), paint(tmp_path, "black", False), paint(tmp_path, "dim", True)]


def run(
    items: Sequence[Item], *methods: str, engine: Engine | None = None, cache: Cache | None = None, perturb: str = ""
) -> list[TrialResult]:
    changes = parse_perturbations(perturb) if perturb else ()
    return list(Trial(PLAN, cache or Cache(None), [engine or Counting()], methods, changes).run(items))


def outcomes(tried: Sequence[TrialResult], method: str) -> list[Outcome]:
    return [each.cases[method].verdict.verdict for each in tried]


def test_clue_says_what_scan_says(items: list[Item]) -> None:
    scanned = list(Scanner(PLAN, Cache(None), [Counting()]).run([ImageRef(item.label.name) for item in items]))
    tried = run(items, "clue")
    ours = [each.cases["clue"].verdict for each in tried]
    assert [verdict.model_copy(update={"seconds": ours[0].seconds, "file": None}) for verdict in scanned] == ours
    assert outcomes(tried, "clue") == [Outcome.UNSAFE, Outcome.SAFE, Outcome.UNSAFE]


def test_methods_share_the_view_and_the_answers(items: list[Item]) -> None:
    engine = Counting()
    run(items[:1], "threshold", "clue", "clue-no-centric", "direct-public", "cot-public", engine=engine)
    assert [picture is None for picture in engine.pictures] == [True, False]
    asked = [question for wave in engine.waves for question in wave]
    assert len(asked) == 2 + 2 + 1, "two priors, two statements, one question about everything"


def test_each_method_is_charged_for_all_it_asks(items: list[Item]) -> None:
    (tried,) = run(items[2:], *METHODS)
    costs = {name: case.cost for name, case in tried.cases.items()}
    assert {name: (cost.questions, cost.reasonings) for name, cost in costs.items()} == {
        "clue": (2, 1),
        "clue-no-debias": (2, 1),
        "clue-no-preconditions": (2, 1),
        "clue-no-centric": (2, 1),
        "clue-no-reasoning": (2, 0),
        "threshold": (2, 0),
        "direct-public": (1, 0),
        "cot-public": (0, 1),
        "direct-rules": (1, 0),
        "cot-rules": (0, 1),
        "prior-logit": (2, 0),
        "rule-text": (3, 0),
        "vcd": (4, 0),
    }
    assert all(cost.seconds is not None and cost.seconds > 0 for cost in costs.values())


CATEGORISED = replace(
    PLAN, constitution=replace(RULES, rules=tuple(replace(r, category=r.id[3:]) for r in RULES.rules))
)


def test_with_its_category_known_an_image_is_judged_by_its_rules_alone(tmp_path: Path) -> None:
    red = paint(tmp_path, "red", True)
    items = [replace(red, label=replace(red.label, category=category)) for category in ("Red", "Things of BLUE")]
    engine = Counting()
    trial = Trial(
        CATEGORISED, Cache(None), [engine], ["threshold", "direct-public", "direct-rules"], known_category=True
    )
    assert trial.names == ["threshold", "direct-public", "direct-rules", "threshold+category", "direct-rules+category"]
    of_red, of_blue = list(trial.run(items))
    assert [each.cases["threshold"].verdict.verdict for each in (of_red, of_blue)] == [Outcome.UNSAFE] * 2
    assert of_red.cases["threshold+category"].verdict.verdict is Outcome.UNSAFE
    assert of_blue.cases["threshold+category"].verdict.verdict is Outcome.SAFE
    assert [result.rule for result in of_blue.cases["threshold+category"].verdict.rules] == ["no-blue"]
    assert of_blue.cases["threshold+category"].verdict.method == "threshold+category"
    assert (of_red.cases["threshold"].cost.questions, of_red.cases["threshold+category"].cost.questions) == (2, 1)
    asked = {question.subject for wave in engine.waves for question in wave if question.kind is Kind.RULES}
    assert asked == {"1. Nothing red.\n2. Nothing blue.", "1. Nothing red.", "1. Nothing blue."}


@pytest.mark.parametrize(
    ("category", "said"), [("Green", "category 'Green'; there are: red, blue"), ("", "no category")]
)
def test_a_category_without_rules_ends_the_run(tmp_path: Path, category: str, said: str) -> None:
    red = paint(tmp_path, "red", True)
    item = replace(red, label=replace(red.label, category=category))
    trial = Trial(CATEGORISED, Cache(None), [Counting()], ["clue"], known_category=True)
    with pytest.raises(UsageError) as refused:
        list(trial.run([item]))
    assert said in f"{refused.value.message}; {refused.value.hint}"


def test_the_shipped_rules_have_every_category_of_unsafebench() -> None:
    from imagejudge.evaluate.datasets.unsafebench import VALUES

    rules = load_constitution(next(path for path in shipped_constitutions() if path.stem == "unsafebench"))
    chosen = [rule.id for name in VALUES["category"] for rule in of_category(rules, name, "x.png").rules]
    assert sorted(chosen) == sorted(rule.id for rule in rules.rules), "each belongs to one"


def test_a_second_run_asks_nothing_and_does_not_claim_to_be_fast(items: list[Item], tmp_path: Path) -> None:
    first = run(items, *METHODS, cache=Cache(tmp_path / "cache"), perturb="jpeg:50,blur:1")
    engine = Counting()
    again = run(items, *METHODS, engine=engine, cache=Cache(tmp_path / "cache"), perturb="jpeg:50,blur:1")
    assert engine.pictures == []
    for one, other in zip(first, again, strict=True):
        assert one.perturbed == other.perturbed
        for name in METHODS:
            fields = [each.cases[name].verdict.model_dump(exclude={"file"}) for each in (one, other)]
            assert fields[0] == fields[1], "but for the stamp, which files that were just written lack"
            assert other.cases[name].cost.seconds is None
            assert other.cases[name].cost.questions == one.cases[name].cost.questions


def test_a_scan_s_answers_are_used(items: list[Item], tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    list(Scanner(PLAN, cache, [Counting()]).run([ImageRef(item.label.name) for item in items]))
    cache = Cache(tmp_path / "cache")
    engine = Counting()
    run(items, "clue", engine=engine, cache=cache)
    assert engine.pictures == []


def test_images_whose_answers_are_known_are_not_decoded(
    items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(items, "clue", cache=Cache(tmp_path / "cache"))
    monkeypatch.setattr("imagejudge.judge.opened_image.decode_image", lambda *what: 1 / 0)
    again = run(items, "clue", cache=Cache(tmp_path / "cache"))
    assert outcomes(again, "clue") == outcomes(first, "clue") == [Outcome.UNSAFE, Outcome.SAFE, Outcome.UNSAFE]


def test_an_image_in_memory_is_the_same_image(items: list[Item], tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    run(items, "clue", cache=cache)
    engine = Counting()
    held = [
        Item.of(Label(f"x.parquet::{n}", item.label.unsafe), Path(item.label.name).read_bytes())
        for n, item in enumerate(items)
    ]
    tried = run(held, "clue", engine=engine, cache=Cache(tmp_path / "cache"))
    assert engine.pictures == []
    assert [each.cases["clue"].verdict.path for each in tried] == ["x.parquet::0", "x.parquet::1", "x.parquet::2"]


def test_what_cannot_be_read_is_an_error_for_every_method(tmp_path: Path) -> None:
    bad = [
        Item.of(Label("a", True), b""),
        Item.of(Label("b", True), b"GIF89a"),
        Item.of(Label("c", True), tmp_path / "none.png"),
    ]
    tried = run(bad, "clue", "threshold", perturb="jpeg:50")
    kinds = [each.cases["clue"].verdict.error for each in tried]
    assert [error.kind for error in kinds if error] == ["empty", "truncated", "missing"]
    assert outcomes(tried, "threshold") == [Outcome.ERROR] * 3
    assert [each.perturbed for each in tried] == [()] * 3


def test_a_failing_engine_costs_one_image_and_one_method(items: list[Item]) -> None:
    def answer(picture: Picture | None, question: Question) -> float:
        if picture is not None and picture.rgb[0] == 140 and question.subject == "Nothing red.":
            raise EngineFailure("engine-crash", "the engine ended by SIGSEGV")
        return colour(picture, question)

    tried = run(items, "clue", "clue-no-preconditions", engine=Counting(answer))
    assert outcomes(tried, "clue") == [Outcome.UNSAFE, Outcome.SAFE, Outcome.UNSAFE]
    assert outcomes(tried, "clue-no-preconditions")[2] is Outcome.ERROR


def test_an_engine_that_holds_one_picture_is_shown_it_again(
    items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    with EngineProcess("engines:brightness", {}, EngineLimits(pictures=3)) as worker:
        tried = run(items, *METHODS, engine=worker, perturb="jpeg:50")
    assert [outcomes(tried, name).count(Outcome.ERROR) for name in METHODS] == [0] * len(METHODS)
    assert all(row.after is not Outcome.ERROR for each in tried for row in each.perturbed)
    assert len({cost.seconds for each in tried for cost in [each.cases["vcd"].cost]} - {None}) == 3


def test_all_methods_judge_each_changed_image(items: list[Item]) -> None:
    tried = run([items[0], items[2]], "threshold", "clue-no-reasoning", perturb="jpeg:50,caption:safe")
    assert [(each.method, each.perturbation) for each in tried[0].perturbed] == [
        ("clue-no-reasoning", "jpeg:50"),
        ("threshold", "jpeg:50"),
        ("clue-no-reasoning", 'caption:"safe"'),
        ("threshold", 'caption:"safe"'),
    ]
    assert all(each.before is each.after is Outcome.UNSAFE for each in tried[0].perturbed)
    assert all(each.rules == {"no-red": RuleStatus.VIOLATED} for each in tried[0].perturbed)
    assert {each.before for each in tried[1].perturbed} == {Outcome.UNSURE, Outcome.UNSAFE}


def test_what_could_not_be_judged_is_not_judged_changed(items: list[Item], tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    broken = Item.of(Label("broken.png", True), tmp_path / "broken.png")
    assert [each.perturbed != () for each in run([broken, items[0]], "threshold", perturb="flip")] == [False, True]


def test_a_change_can_flip_a_verdict(items: list[Item]) -> None:
    def answer(picture: Picture | None, question: Question) -> float:
        return 0.02 if picture is None or picture.rgb[-1] == 255 else colour(picture, question)

    (tried,) = run(items[:1], "threshold", engine=Counting(answer), perturb="caption:safe")
    (found,) = tried.perturbed
    assert (found.before, found.after) == (Outcome.UNSAFE, Outcome.SAFE)
    assert found.rules == {"no-red": RuleStatus.CLEAR}
    assert found.score is not None
    assert found.score < 0.5


def test_chance_is_drawn_from_the_image_and_the_seed(items: list[Item]) -> None:
    def shown(items: list[Item], seed: int) -> list[Picture | None]:
        engine = Counting()
        changes = parse_perturbations("sticker:0.3")
        list(Trial(PLAN, Cache(None), [engine], ["threshold"], changes, seed).run(items))
        return engine.pictures[-1:]

    first = shown(items[:1], 1)
    assert shown(items[:1], 1) == first
    assert shown(items[:1], 2) != first
    Image.new("RGB", (24, 16), (255, 0, 0)).save(items[1].path, optimize=False, compress_level=0)
    assert shown(items[1:2], 1) != first, "the same pixels in another file"


def attacked(items: Sequence[Item], engine: Engine, budget: int, cache: Cache | None = None) -> list[TrialResult]:
    return list(Trial(PLAN, cache or Cache(None), [engine], ["threshold"], (), 0, budget).run(items))


def test_a_search_asks_about_one_rule_until_it_is_cleared(items: list[Item], tmp_path: Path) -> None:
    def answer(picture: Picture | None, question: Question) -> float:
        """Fooled by white words below."""
        fooled = picture is not None and picture.rgb[-3:] == bytes([255] * 3) and picture.height > picture.width
        return 0.1 if fooled else colour(picture, question)

    Image.new("RGB", (24, 24), (255, 0, 0)).save(items[0].path)
    engine = Counting(answer)
    cache = Cache(tmp_path / "cache")
    tried = attacked(items[:2], engine, 50, cache)
    assert tried[1].attacks == (), "nothing was found in it"
    (attack,) = tried[0].attacks
    assert (attack.rule, attack.search.past, attack.verdict) == ("no-red", True, Outcome.SAFE)
    assert attack.search.best is not None
    assert attack.search.best.changes[-1].kind == "banner"
    assert attack.score is not None
    assert attack.score > 0.9
    subjects = [[question.subject for question in wave] for wave in engine.waves]
    assert subjects.count(["It is red."]) == attack.search.queries
    (remade,) = run(items[:1], "threshold", engine=Counting(answer), perturb=attack.search.best.label)
    assert remade.perturbed[0].rules == {"no-red": RuleStatus.CLEAR}, "the same change by its name"
    engine = Counting(answer)
    assert [each.attacks for each in attacked(items[:2], engine, 50, Cache(tmp_path / "cache"))] == [(attack,), ()]
    assert engine.pictures == [], "a search that was stopped goes on from the cache"


def test_a_search_spends_its_budget(items: list[Item]) -> None:
    ((attack,),) = [each.attacks for each in attacked(items[:1], Counting(), 7)]
    assert (attack.search.past, attack.search.queries, attack.verdict) == (False, 7, None)


def test_a_sentence_is_asked_about_with_its_image(items: list[Item]) -> None:
    engine = Counting()
    item = Item.of(Label(items[0].label.name, True, sentence="Burn it"), Path(items[0].path))
    run([item, items[0]], "clue", engine=engine)
    asked = [question.subject for wave in engine.waves for question in wave]
    beside = '\nThe image comes with this text: "Burn it"'
    one = ["It is red.", "It is blue."]  # with no image, then with it; either image may be the first to be opened
    said = [f"{question}{beside}" for question in one]
    assert asked in (said * 2 + one * 2, one * 2 + said * 2)


def test_several_engines_keep_the_order(items: list[Item]) -> None:
    many = [items[number % 3] for number in range(20)]
    engines = [Counting(), Counting()]
    found = list(Trial(PLAN, Cache(None), engines, ["clue"]).run(many))
    assert [each.cases["clue"].label.name for each in found] == [item.label.name for item in many]
    blank = [picture for engine in engines for picture in engine.pictures if picture is None]
    assert len(blank) == 1, "priors are asked by one engine"


def test_a_known_image_that_lacks_priors_waits_for_no_one_who_waits_for_it(items: list[Item], tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    list(Trial(PLAN, cache, [Counting()], ["threshold"]).run(items[1:2]))  # the second image is known, priors are not

    class Slow(Counting):
        def view(self, picture: Picture | None, first: Sequence[Question] = (), *, same_image: bool = False) -> View:
            if picture is not None:
                time.sleep(0.3)  # meanwhile the second image comes to its priors
            return super().view(picture, first, same_image=same_image)

    found: list[TrialResult] = []
    trial = Trial(PLAN, cache, [Slow()], ["threshold", "clue"])
    run_ = threading.Thread(target=lambda: found.extend(trial.run(items)), daemon=True)
    run_.start()
    run_.join(20)
    assert len(found) == len(items)


def test_stopping_early_closes_the_engines(items: list[Item]) -> None:
    closed = []

    class Closing(Counting):
        def close(self) -> None:
            closed.append(True)

    run_ = Trial(PLAN, Cache(None), [Closing()], ["clue"]).run(items)
    next(run_)
    run_.close()
    assert closed == [True]
