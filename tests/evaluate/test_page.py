"""The page is whole, escapes what others wrote, and wants nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from imagejudge.evaluate.attack_search import Search
from imagejudge.evaluate.attacks import Attack
from imagejudge.evaluate.curves import COLUMNS, Column, Point, histogram, precision_recall
from imagejudge.evaluate.labels import Item, Label
from imagejudge.evaluate.metrics import Case, Cost
from imagejudge.evaluate.mistakes import SHOWN, false_alarms, missed
from imagejudge.evaluate.page import page
from imagejudge.evaluate.report import Evaluation, evaluation
from imagejudge.evaluate.robustness import perturbed
from imagejudge.evaluate.statistics import ranking
from imagejudge.images.read import Limits
from imagejudge.verdict import By, Outcome, RuleResult, RuleStatus, Step, StepStatus, Verdict, Violation

HOSTILE = '"><script>alert(1)</script>.png'
VOID = {"meta", "img", "input", "br"}


def case(name: str, unsafe: bool, said: Outcome, p_yes: float | None, words: str = "", **more: object) -> Case:
    violated = said is Outcome.UNSAFE
    step = Step(
        ask=f"A thing is visible.{words}",
        item=1,
        status=StepStatus.SATISFIED if violated else StepStatus.NOT_SATISFIED,
        by=By.REASONING,
        p_yes=p_yes,
        gap=0.0,
        prior=None,
        centric=None,
        off_mass=0.0,
        rationale=f"It is there.{words}",
    )
    never = Step.not_asked("Never asked.", 2)
    status = RuleStatus.VIOLATED if violated else RuleStatus.CLEAR
    verdict = Verdict(
        path=name,
        sha256=None,
        verdict=said,
        rationale=f"fire: it is there.{words}",
        violations=(Violation(rule="fire", category="", severity="low", rationale=""),) if violated else (),
        rules=(RuleResult(rule="fire", status=status, steps=(step, never)),),
        model="m@1",
        constitution="c@1",
        method="clue",
        imagejudge="0",
    )
    return Case(Label(name, unsafe, **more), verdict, Cost(3, 1, 0.5))  # type: ignore[arg-type]


def evaluated(cases: Iterable[Case], *methods: str, **more: object) -> Evaluation:
    origin = {"model": "m@1", "constitution": "c@1", "dataset": {"path": "set", "split": None}, **more}
    found = list(cases)
    methods = methods or ("clue",)
    changes = [perturbed(methods[0], change, each, SAFE_NOW) for each in found for change in ("jpeg:30", "<b>")]
    searches = [
        Attack(methods[0], each.label, "fire", 0.9, Search(12, True, None, 0.1), Outcome.SAFE)
        for each in found
        if each.label.unsafe
    ]
    return evaluation(
        dict.fromkeys(methods, found), changes, origin, searches, attack_budget=30, command=["imagejudge", "x y"]
    )


def written(found: Evaluation, **files: Path | bytes) -> str:
    refs = {name: Item.of(Label(name, unsafe=False), image) for name, image in files.items()}
    return page(found, lambda names: {name: refs[name] for name in names if name in refs}, Limits())


class Structure(HTMLParser):
    """The elements of a page; fails where they do not close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def png(size: tuple[int, int] = (640, 320)) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, "red").save(file, "PNG")
    return file.getvalue()


SAFE_NOW = case("any.png", False, Outcome.SAFE, 0.1)
CASES = [
    case("a.png", True, Outcome.UNSAFE, 0.95, rules=("fire",), category="heat"),
    case("b.png", True, Outcome.SAFE, 0.1, rules=("fire",), source="web"),
    case("c.png", False, Outcome.SAFE, 0.2),
    case("d.png", False, Outcome.UNSAFE, 0.9, sentence="Look at this."),
    case("e.png", False, Outcome.UNSURE, 0.5, exception=True),
]


def test_the_page_shows_what_was_measured() -> None:
    found = Structure(written(evaluated(CASES, prompt_version=1)))
    assert found.tags["h1"] == 1
    for words in ("0.667", "5 images, 2 of them unsafe", "Missed: 1", "False alarms: 1", "ECE", "AUPRC", "fire"):
        assert words in found.text, words
    for words in (
        "robust accuracy",
        "jpeg:30",
        "<b>",
        "worst case",
        "past each rule",
        "Cost of an image",
        "imagejudge 'x y'",
        "macro mean",
        "Look at this.",
    ):
        assert words in found.text, words
    assert "Never asked." not in found.text
    assert ("b.png" in found.text, "c.png" in found.text) == (True, False)
    assert found.tags["svg"] == 4 + 3 + 2, "cards; three of all images; two of the one rule"


def test_methods_stand_side_by_side() -> None:
    found = Structure(written(evaluated(CASES, "clue", "threshold")))
    assert "All methods" in found.text
    assert found.attributes.count(("details", "class", "method")) == 2
    assert found.attributes.count(("details", "open", "")) == 1


def test_where_nothing_is_to_be_found_there_is_no_mean_of_finding_it() -> None:
    found = Structure(written(evaluated([case("c.png", False, Outcome.SAFE, 0.2, rules=("fire",), category="heat")])))
    assert "macro mean" not in found.text


def test_every_figure_says_what_it_is_where_the_head_of_its_table_is_hidden() -> None:
    text = written(evaluated(CASES, "clue", "threshold"))
    heads = re.findall(r"<th(?: class=\"text\")?>([^<]+)</th>", "".join(re.findall(r"<thead>.*?</thead>", text)))
    assert set(re.findall(r'data-title="([^"]*)"', text)) == set(heads) - {"method"}
    assert all('data-title="' in cell for cell in re.findall(r"<td[^>]*>(?=[^<])", text))


@pytest.mark.parametrize(
    "cases",
    [
        [],
        CASES[:1],
        [case("x", True, Outcome.SAFE, None)],
        [replace(CASES[0], verdict=CASES[0].verdict.model_copy(update={"verdict": Outcome.ERROR, "rules": ()}))],
    ],
)
def test_little_is_enough(cases: list[Case]) -> None:
    Structure(written(evaluated(cases)))


def test_what_others_wrote_is_escaped() -> None:
    hostile = [
        case(HOSTILE, True, Outcome.SAFE, 0.1, HOSTILE, category=HOSTILE, source=HOSTILE, sentence=HOSTILE),
        case(f"{HOSTILE}\udcff", False, Outcome.UNSAFE, 0.9, f"{HOSTILE}\u202e", rules=(HOSTILE,)),
    ]
    text = written(evaluated(hostile, HOSTILE, more={HOSTILE: HOSTILE}), **{HOSTILE: b"broken"})
    found = Structure(text)
    assert "<script" not in text
    assert not found.tags["script"]
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert text.encode()
    assert "\u202e" not in text
    assert found.text.count(HOSTILE) > 10


def test_nothing_comes_from_elsewhere() -> None:
    text = written(evaluated(CASES), **{"b.png": png()})
    found = Structure(text)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form", "a"} & set(found.tags)
    assert not [value for _, name, value in found.attributes if name in ("href", "srcset", "style", "action")]
    assert all(value.startswith("data:image/jpeg;base64,") for _, name, value in found.attributes if name == "src")
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [value for _, name, value in found.attributes if name == "content" and "default-src" in value]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:;")


def test_mistakes_are_small_covered_pictures() -> None:
    text = written(evaluated(CASES), **{"b.png": png(), "d.png": b"broken"})
    found = Structure(text)
    (uri,) = [value for tag, name, value in found.attributes if (tag, name) == ("img", "src")]
    picture = Image.open(BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert (picture.format, picture.size) == ("JPEG", (160, 80))
    assert found.tags["input"] == 1
    assert "not shown: " in found.text
    assert re.search(r"\.cover img \{[^}]*filter: blur", text)


def test_a_picture_that_is_not_the_one_that_was_judged_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(png())
    wrong = replace(CASES[1], verdict=CASES[1].verdict.model_copy(update={"sha256": "0" * 64}))
    found = Structure(written(evaluated([wrong]), **{"b.png": tmp_path / "b.png"}))
    assert "changed since it was judged" in found.text
    assert "no longer there" in Structure(written(evaluated([wrong]))).text
    assert "no such file" in Structure(written(evaluated([wrong]), **{"b.png": tmp_path / "gone.png"})).text


def test_the_surest_mistakes_come_first() -> None:
    many = [case(f"{n:02}", True, Outcome.SAFE, (n * 7 % 20) / 20) for n in range(20)]
    found = missed([*many, *CASES[2:]])
    assert (found.count, len(found.worst)) == (20, SHOWN)
    assert [each.score for each in found.worst] == [min(n / 20, 0.35) for n in range(SHOWN)]
    alarms = false_alarms([case("x", False, Outcome.UNSAFE, p_yes) for p_yes in (0.5, 0.9, 0.7)])
    assert [each.score for each in alarms.worst] == [0.9, 0.9, 0.9], "what was reasoned counts as decided"


def test_curves() -> None:
    unsafe, scores = [True, False, True, False], [1.0, 0.8, 0.8, 0.02]
    columns = histogram(unsafe, scores)
    assert len(columns) == COLUMNS
    assert [column for column in columns if column.safe or column.unsafe] == [
        Column(0.0, 1, 0),
        Column(0.8, 1, 1),
        Column(0.95, 0, 1),
    ]
    curve = precision_recall(unsafe, scores)
    assert curve == (Point(0.5, 1.0), Point(1.0, pytest.approx(2 / 3)), Point(1.0, 0.5))
    before = [0.0, *(point.recall for point in curve)]
    area = sum((point.recall - last) * point.precision for point, last in zip(curve, before, strict=False))
    auprc = ranking(unsafe, scores)["auprc"]
    assert auprc is not None
    assert area == pytest.approx(auprc.value)
    assert precision_recall([True], [0.5]) == precision_recall([], []) == ()
