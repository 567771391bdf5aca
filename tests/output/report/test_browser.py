"""The page in a real browser: keys, filters, decisions out and in, hostile names, storage off."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from browser import Tab, lines, needs_chromium, tab
from page_verdicts import HOSTILE, failed, step, verdict
from PIL import Image

from imagejudge.errors import UsageError
from imagejudge.images.read import Limits
from imagejudge.output.decisions import Decisions, Opinion, Truth, decision_of, read_decisions
from imagejudge.output.overview import Overview
from imagejudge.output.report.page import Origin, Pictures, page
from imagejudge.output.report.records import Records, records
from imagejudge.output.report.thumbnails import inlined, linked, made
from imagejudge.verdict import By, Outcome, ProbeScore, Region, RuleResult, RuleStatus, Verdict

pytest.importorskip("selenium", reason="selenium is not installed")
pytestmark = [pytest.mark.slow, needs_chromium]

NAMES = "grid.list.map((image) => image.path)"
ACTIVE = "grid.image.path"
CHOOSE = """((one) => { one.value = arguments[1]; one.dispatchEvent(new Event('change')); })(
  document.getElementById(arguments[0]))"""
COUNTS = """Object.fromEntries([...document.querySelectorAll('[data-name=verdict]')].map(
  (one) => [one.dataset.value, one.querySelector('.count').textContent]))"""
NAMELESS = """[...document.querySelectorAll('button, input, select, [role]')].filter(
  (one) => !(one.ariaLabel || one.getAttribute('aria-labelledby') || one.textContent.trim() || one.labels?.length)
).map((one) => one.outerHTML)"""
CONTRAST = """((element) => {
  const parsed = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  const [red, green, blue] = [0.2126, 0.7152, 0.0722];
  const light = ([r, g, b]) => red * linear(r / 255) + green * linear(g / 255) + blue * linear(b / 255);
  const ground = (one) => parsed(getComputedStyle(one).backgroundColor);
  const text = light(parsed(getComputedStyle(element).color));
  while (ground(element)[3] === 0) element = element.parentElement;
  const behind = light(ground(element));
  return (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
})(document.querySelector(arguments[0]))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Tab]:
    with tab() as found:
        yield found


@pytest.fixture
def digest(tmp_path: Path) -> str:
    """Of the file of verdicts, under which a browser keeps decisions: another for each test."""
    return hashlib.sha256(str(tmp_path).encode()).hexdigest()


@pytest.fixture
def chromium(browser: Tab, tmp_path: Path) -> Tab:
    browser.save_in(tmp_path / "downloads")
    return browser


@pytest.fixture
def show(chromium: Tab, tmp_path: Path, digest: str) -> Callable[..., Tab]:
    """Opens a page of verdicts; of the images beside it, it has thumbnails."""

    def opened(*verdicts: Verdict, at: str = "", pictures: Pictures = Pictures.INLINE) -> Tab:
        found = records(verdicts)
        thumbnails = inlined(made(found.subjects, Limits()))
        file = tmp_path / "page.html"
        file.write_text("".join(page(found, Origin("v.jsonl", digest), pictures, thumbnails)), "utf-8")
        return chromium.open(f"{file.as_uri()}{at}")

    return opened


def image(folder: Path, name: str, colour: str = "red") -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "PNG")
    (folder / name).write_bytes(file.getvalue())
    return file.getvalue()


MIXED = (
    verdict("b/knife.png", 0.99),
    verdict("a/gun.png", 0.9, rule="gun"),
    verdict("a/perhaps.png", 0.5),
    failed("b/broken.png"),
    verdict("a/near.png", 0.25),
    verdict("b/fine.png", 0.01),
)


def test_images_are_shown_blurred_and_without_complaint(show: Callable[..., Tab], tmp_path: Path) -> None:
    data = image(tmp_path, "a.png")
    found = show(verdict(str(tmp_path / "a.png"), 0.9, data=data), verdict("gone.png", 0.5))
    found.wait("document.querySelector('.tile img')?.naturalWidth === 64")
    blur = "getComputedStyle(document.querySelector('.tile img')).filter"
    assert "blur" in found.run(blur)
    found.press("b")
    assert found.run(blur) == "none"
    found.press("b", "g")
    assert found.run(blur).startswith("blur")
    assert "grayscale(1)" in found.run(blur)
    assert found.texts(".why") == ["no such file"]
    assert found.complaints() == []


def test_holding_space_shows_one_image(show: Callable[..., Tab], tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains

    data = image(tmp_path, "a.png")
    found = show(*(verdict(str(tmp_path / "a.png"), p, data=data, rule=f"r{p}") for p in (0.9, 0.95)))
    found.wait("document.querySelectorAll('.tile img').length === 2")
    cells = found.driver.find_elements("css selector", ".cell")
    ActionChains(found.driver).move_to_element(cells[1]).key_down(" ").perform()
    filters = "[...document.querySelectorAll('.tile img')].map((one) => getComputedStyle(one).filter === 'none')"
    assert found.run(filters) == [False, True]
    ActionChains(found.driver).key_up(" ").perform()
    assert found.run(filters) == [False, False]


def test_the_worst_come_first_and_other_orders_are_there(show: Callable[..., Tab]) -> None:
    found = show(*MIXED)
    worst = ["b/knife.png", "a/gun.png", "a/perhaps.png", "b/broken.png", "a/near.png", "b/fine.png"]
    assert found.run(NAMES) == worst
    orders = {
        "path": sorted(worst),
        "rule": ["a/gun.png", "b/knife.png", "a/perhaps.png", "b/broken.png", "a/near.png", "b/fine.png"],
        "score": ["b/knife.png", "a/gun.png", "a/perhaps.png", "a/near.png", "b/fine.png", "b/broken.png"],
    }
    for name, order in orders.items():
        found.run(CHOOSE, "sort", name)
        assert found.run(NAMES) == order, name
        assert f"sort={name}" in found.driver.current_url


def test_disagreement_is_that_of_a_person_then_of_reasoning(show: Callable[..., Tab]) -> None:
    overruled = step(0.7, by=By.REASONING, status="not_satisfied")
    argued = verdict("argued.png", 0.1, rules=(RuleResult(rule="knife", status=RuleStatus.CLEAR, steps=(overruled,)),))
    found = show(verdict("a.png", 0.9), argued, verdict("b.png", 0.05), at="#sort=disagreement")
    assert found.run(NAMES)[0] == "argued.png"
    found.run("decisions.decide([images.find((image) => image.path === 'b.png')], 'disagree')")
    found.run("refilter()")
    assert found.run(NAMES)[:2] == ["b.png", "argued.png"]


def test_groups_have_titles_and_counts(show: Callable[..., Tab]) -> None:
    found = show(*MIXED, at="#group=folder")
    assert found.texts("#grid > .title") == ["b3", "a3"]
    found.open(found.driver.current_url.replace("folder", "rule"))
    found.driver.refresh()
    assert found.texts("#grid > .title") == ["knife2", "gun1", "nothing found3"]


def test_filters_combine_are_counted_and_live_in_the_address(show: Callable[..., Tab]) -> None:
    found = show(*MIXED)
    found.click('[data-name="rule"][data-value="knife"]')
    assert found.run(NAMES) == ["b/knife.png", "a/perhaps.png"]
    counts = COUNTS
    assert found.run(counts) == {"unsafe": "1", "unsure": "1"}
    found.click('[data-name="verdict"][data-value="unsafe"]')
    assert found.run(NAMES) == ["b/knife.png"]
    assert found.run(counts) == {"unsafe": "1", "unsure": "1"}, "what there would be without this choice"
    address = found.driver.current_url
    assert address.endswith("#verdict=unsafe&rule=knife")
    found.driver.refresh()
    assert found.run(NAMES) == ["b/knife.png"]
    found.click("#clear")
    assert len(found.run(NAMES)) == len(MIXED)
    found.press("/", *"KNIFE.P")
    found.wait("grid.list.length === 1")
    found.run("location.hash = 'low=0.2&high=0.6'")
    found.wait("grid.list.length === 2")
    found.run("location.hash = 'by=reasoning&nonsense=1&low=x&sort=nonsense'")
    found.wait("grid.list.length === 0")
    assert found.run("document.getElementById('empty').checkVisibility()")


def test_keys_move_decide_and_undo(show: Callable[..., Tab]) -> None:
    from selenium.webdriver.common.keys import Keys

    found = show(*MIXED)
    found.press(Keys.END)
    assert found.run(ACTIVE) == "b/fine.png"
    found.press(Keys.HOME, Keys.ARROW_RIGHT)
    assert found.run(ACTIVE) == "a/gun.png"
    found.press(Keys.HOME, "y", "n", "u")
    assert found.run(ACTIVE) == "b/broken.png", "after each decision comes the next"
    opinions = "images.map((image) => decisions.of(image)?.opinion ?? null)"
    assert found.run(opinions) == ["agree", "disagree", "unsure", None, None, None]
    found.press("y")
    assert found.run(opinions)[3] is None, "a file that could not be read has no digest to decide by"
    found.press(Keys.BACKSPACE)
    assert found.run(opinions)[:3] == ["agree", "disagree", None]
    assert found.run(ACTIVE) == "a/perhaps.png"
    found.press(Keys.BACKSPACE, Keys.BACKSPACE, Keys.BACKSPACE)
    assert found.run(opinions) == [None] * 6
    found.press("?")
    assert found.run("document.getElementById('help').open")
    found.press("y", Keys.ESCAPE)
    assert found.run(opinions) == [None] * 6


def test_keys_set_what_is_true_of_a_rule(show: Callable[..., Tab]) -> None:
    results = tuple(
        RuleResult(rule=name, status=status, steps=(step(0.5),))
        for name, status in (("clear", RuleStatus.CLEAR), ("found", RuleStatus.VIOLATED))
    )
    found = show(verdict("a.png", 0.9, rules=results))
    truth = "[decisions.of(images[0], 'found')?.truth ?? null, decisions.of(images[0], 'found')?.opinion ?? null]"
    seen = []
    for _ in range(4):
        found.press("1")
        seen.append(tuple(found.run(truth)))
    assert seen == [("violated", "agree"), ("clear", "disagree"), ("unsure", "unsure"), (None, None)]
    found.press("2", "n")
    assert found.run("decisions.made.size") == 1, "that nothing is violated takes back what was said of single rules"
    assert found.run("decisions.of(images[0]).truth") == "clear"


def test_many_are_decided_on_after_a_question(show: Callable[..., Tab]) -> None:
    from selenium.webdriver.common.keys import Keys

    found = show(*MIXED)
    found.run("grid.extend(2)")
    found.press("n")
    assert found.texts("#ask-words") == ["Disagree with 3 verdicts?"]
    found.press(Keys.ESCAPE)
    assert found.run("decisions.made.size") == 0
    found.press("n")
    found.click('#ask button[value="yes"]')
    found.wait("decisions.made.size === 3")
    found.press("a", "y")
    assert found.texts("#ask-words") == ["Agree with 6 verdicts?"]
    found.click('#ask button[value="yes"]')
    found.wait("decisions.made.size === 5")
    found.press(Keys.BACKSPACE)
    assert found.run("[...decisions.made.values()].map((one) => one.opinion)") == ["disagree"] * 3


def test_a_question_is_asked_again_before_the_page_hears_that_the_first_was_closed(show: Callable[..., Tab]) -> None:
    found = show(*MIXED)
    found.run("grid.extend(2)")
    found.press("n")
    pressed = "element('grid').dispatchEvent(new KeyboardEvent('keydown', { key: 'y', bubbles: true }))"
    found.run(f"(element('ask').close(), {pressed})")
    assert found.texts("#ask-words") == ["Agree with 3 verdicts?"]
    found.click('#ask button[value="yes"]')
    found.wait("decisions.made.size > 0")
    assert found.run("[...decisions.made.values()].map((one) => one.opinion)") == ["agree"] * 3


def test_shift_selects(show: Callable[..., Tab]) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    found = show(*MIXED)
    ActionChains(found.driver).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).key_up(
        Keys.SHIFT
    ).perform()
    assert found.texts("#selected") == ["3 selected"]
    selected = "[...document.querySelectorAll('.cell')].map((one) => one.getAttribute('aria-selected'))"
    assert found.run(selected) == ["true"] * 3 + ["false"] * 3
    found.press(Keys.ESCAPE)
    assert found.run(selected) == ["false"] * 6


def downloaded(folder: Path) -> list[dict[str, Any]]:
    for _ in range(100):
        if found := list(folder.glob("*.decisions.jsonl")):
            return lines(found[0])
        time.sleep(0.05)
    raise AssertionError("nothing was downloaded")


def test_decisions_leave_as_lines_and_come_back(show: Callable[..., Tab], tmp_path: Path, digest: str) -> None:
    found = show(*MIXED, verdict(HOSTILE[4], 0.9))
    place = found.run("images.findIndex((image) => image.path.startsWith('bytes'))")
    found.run("grid.activate(arguments[0])", place)
    found.press("n")
    found.run("decisions.annotate(images[arguments[0]], 'a toy \\u2028')", place)
    found.run("grid.activate(0)")
    found.press("1", "1", "u")
    assert found.texts("#unsaved") == ["3"]
    found.click("#download")
    rows = downloaded(tmp_path / "downloads")
    assert found.texts("#unsaved") == [""]
    files = list((tmp_path / "downloads").iterdir())
    decisions = [decision_of(line) for line in files[0].read_bytes().splitlines()]
    assert [(one.path, one.rule, one.decision, one.truth, one.note) for one in decisions] == [
        (HOSTILE[4], None, Opinion.DISAGREE, Truth.CLEAR, "a toy \u2028"),
        ("b/knife.png", None, Opinion.UNSURE, Truth.UNSURE, ""),
        ("b/knife.png", "knife", Opinion.DISAGREE, Truth.CLEAR, ""),
    ]
    assert {(row["verdicts"], row["model"], row["constitution"]) for row in rows} == {(digest, "m@1", "c@1")}
    found.run("localStorage.clear()")
    found.run("decisions.memory.write = () => {}")
    found.driver.refresh()
    assert found.run("decisions.made.size") == 0
    extra = tmp_path / "more.jsonl"
    foreign = files[0].read_text().splitlines()[1].replace(rows[1]["sha256"], "f" * 64)
    extra.write_text(files[0].read_text() + foreign + "\nnonsense\n")
    found.driver.find_element("css selector", "#import").send_keys(str(extra))
    found.wait("decisions.made.size === 3")
    assert found.texts("#toast") == ["3 decisions read, left out: 1 about other images, 1 line that is no decision."]
    assert [json.loads(line) for line in found.run("decisions.lines()")] == rows


STRAY = {"note": "a\ud83d"}
ODD: tuple[dict[str, Any], ...] = (
    {},
    {"note": None},
    {"by": None},
    {"at": 1},
    {"path": None},
    {"path": 7},
    {"sha256": ["a" * 64]},
    {"sha256": "A" * 64},
    {"sha256": "a" * 64 + "\n"},
    {"schema": None},
    {"schema": 2},
    {"rule": None},
    {"rule": "knife"},
    {"rule": 1},
    {"decision": None},
    {"truth": "maybe"},
    {"verdicts": ""},
    {"verdicts": "b"},
    {"verdicts": None},
    {"model": None},
    {"constitution": []},
    {"more": 1},
    {"__proto__": 1},
    STRAY,
    {"note": "\u2028\x00"},
    {"note": "x" * 999_700},
    {"note": "x" * 1_000_001},
    {"note": "\N{SNOWMAN}" * 333_200},
    {"note": "\N{SNOWMAN}" * 333_334},
)
TAKEN = {"sha256": "a" * 64, "path": "a", "decision": "agree", "truth": "violated"}


def test_lines_are_taken_as_the_commands_take_them(show: Callable[..., Tab]) -> None:
    found = show(*MIXED)
    texts = [json.dumps({**TAKEN, **odd}, ensure_ascii=odd == STRAY) for odd in ODD]
    texts += [json.dumps({key: value for key, value in TAKEN.items() if key != name}) for name in TAKEN]
    texts += ["[]", "null", "7", '"a"', "{", f"{json.dumps(TAKEN)} 1", f"\t{json.dumps(TAKEN)}\r"]

    def as_read(text: str) -> bool:
        try:
            list(read_decisions(BytesIO(text.encode() + b"\n"), "file"))
        except UsageError:
            return False
        return True

    for text in texts:
        assert found.run("decisionOf(arguments[0]) !== null", text) is as_read(text), text[:200]
    assert not found.run("decisionOf(arguments[0])", json.dumps({**TAKEN, "rule": ""})), "it would be the whole image"


def test_a_line_that_would_become_too_long_is_not_taken(show: Callable[..., Tab], tmp_path: Path) -> None:
    known = verdict("a.png", 0.9)
    found = show(known)
    line = {**TAKEN, "schema": 1, "sha256": known.sha256, "note": "\u2028" * 200_000}
    (tmp_path / "more.jsonl").write_text(json.dumps(line, ensure_ascii=False) + "\n", "utf-8")
    found.driver.find_element("css selector", "#import").send_keys(str(tmp_path / "more.jsonl"))
    found.wait("document.getElementById('toast').textContent !== ''")
    assert found.texts("#toast") == ["0 decisions read, left out: 1 line that is no decision."]


CLEAR_BUT_GUN = {None: Truth.CLEAR, "gun": Truth.VIOLATED}


def test_a_note_and_an_undo_leave_what_was_said_of_rules(show: Callable[..., Tab]) -> None:
    from selenium.webdriver.common.keys import Keys

    results = tuple(RuleResult(rule=name, status=RuleStatus.CLEAR, steps=(step(0.1),)) for name in ("knife", "gun"))
    judged = verdict("a.png", 0.9, rules=results)
    found = show(judged)

    def saved() -> dict[str | None, Truth]:
        return dict(Decisions(map(decision_of, map(str.encode, found.run("decisions.lines()")))).truths(judged))

    found.press("n", "2")
    assert saved() == CLEAR_BUT_GUN
    found.press(Keys.ENTER)
    found.click("#detail [data-part=note]")
    found.press(*"no knife, a gun", Keys.ESCAPE)
    assert found.run("decisions.of(images[0]).note") == "no knife, a gun"
    assert saved() == CLEAR_BUT_GUN, "a note changes only the note"
    found.press(Keys.BACKSPACE)
    assert saved() == CLEAR_BUT_GUN
    found.press("u", Keys.BACKSPACE)
    assert saved() == CLEAR_BUT_GUN, "what was undone never was"
    found.press("n")
    assert saved() == {None: Truth.CLEAR}
    found.press(Keys.BACKSPACE)
    assert saved() == CLEAR_BUT_GUN


def test_a_clear_image_takes_back_what_was_said_of_rules_the_page_does_not_know(
    show: Callable[..., Tab], tmp_path: Path
) -> None:
    found = show(verdict("a.png", 0.9))
    found.press("u", "1")
    line = found.run("decisions.lines()")[1].replace('"knife"', '"other"')
    (tmp_path / "more.jsonl").write_text(line)
    found.driver.find_element("css selector", "#import").send_keys(str(tmp_path / "more.jsonl"))
    found.wait("decisions.made.size === 3")
    found.press("n")
    assert found.run("[...decisions.made.values()].map((one) => one.truth)") == ["clear"]


def test_decisions_stay_in_the_browser(show: Callable[..., Tab]) -> None:
    found = show(*MIXED)
    found.run(CHOOSE, "reviewer", "ann")
    found.press("y")
    found.run("decisions.flush()")
    found.run("decisions.unsaved.clear()")
    found.driver.refresh()
    assert found.run("decisions.of(images[0]).opinion") == "agree"
    assert found.run("document.getElementById('reviewer').value") == "ann"


def test_tabs_of_one_file_share_their_decisions(show: Callable[..., Tab], tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    found = show(*MIXED)
    whole = found.driver.current_window_handle
    (tmp_path / "page.html").rename(tmp_path / "whole.html")
    found.open((tmp_path / "whole.html").as_uri())
    found.driver.switch_to.new_window("tab")
    part = found.driver.current_window_handle

    def turn_to(tab: str) -> None:
        found.driver.switch_to.window(tab)

    opinions = "['b/knife.png', 'a/gun.png', 'a/perhaps.png'].map((path) => "
    opinions += "decisions.of(images.find((image) => image.path === path) ?? {})?.opinion ?? null)"
    try:
        show(*MIXED[:2])
        turn_to(whole)
        found.press("y", "y", "y")
        turn_to(part)
        found.wait("document.querySelectorAll('.mine').length === 2")
        assert found.texts("#unsaved") == ["3"]
        found.press(Keys.HOME, "n", Keys.BACKSPACE, Keys.BACKSPACE, Keys.ARROW_RIGHT, "n")
        assert found.texts("#toast") == ["There is nothing to undo."], "what another tab did is not this one's to undo"
        turn_to(whole)
        found.wait(f"{opinions}[1] === 'disagree'")
        assert found.run(opinions) == ["agree", "disagree", "agree"]
        found.press(Keys.BACKSPACE)
        turn_to(part)
        found.wait("decisions.made.size === 2")
        found.click("#download")
        assert found.texts("#unsaved") == [""]
        turn_to(whole)
        found.wait("decisions.unsaved.size === 0")
        found.driver.refresh()
        assert found.run(opinions) == ["agree", "disagree", None], "what was taken back stays so"
    finally:
        turn_to(part)
        found.driver.close()
        turn_to(whole)


def test_a_note_that_is_being_written_outlasts_another_tab(show: Callable[..., Tab], tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    found = show(verdict("a", 0.95), verdict("b", 0.9))
    found.press("y", Keys.HOME, Keys.ENTER)
    found.click("#detail [data-part=note]")
    found.press(*"a toy")
    found.run("decided([images[1]])")
    found.press(Keys.ESCAPE)
    assert found.run("decisions.of(images[0]).note") == "a toy"


TWO_RULES = tuple(RuleResult(rule=name, status=RuleStatus.VIOLATED, steps=(step(0.9),)) for name in ("gun", "knife"))
LEFT = [verdict(name, 0.9, rules=TWO_RULES) for name in "abcd"]
PLACE = "document.querySelector('[data-part=place]').textContent"
SHOWN = f"[document.getElementById('detail-name').textContent, {PLACE}]"
MADE = """[...decisions.made].map(([key, one]) => [
  images.find((image) => image.sha256 === key.slice(0, 64)).path, key.slice(65), one.truth])"""


def test_what_is_decided_is_about_the_image_that_is_shown(show: Callable[..., Tab]) -> None:
    from selenium.webdriver.common.keys import Keys

    found = show(*LEFT, at="#mine=none")
    found.press(Keys.ENTER)
    assert found.run(SHOWN) == ["a", "1 of 4"]
    found.press("1")
    assert found.run(SHOWN) == ["a", "not in this view"], "it stays, since more may be said of it"
    found.press("2", "2")
    assert found.run(MADE) == [["a", "gun", "violated"], ["a", "knife", "clear"]]
    found.press(Keys.ENTER, "a")
    assert found.run(SHOWN)[0] == "a"
    found.press("y")
    assert found.run(MADE)[-1] == ["a", "", "violated"]
    assert found.run(SHOWN) == ["b", "1 of 3"], "on to the next, and none is left out"
    found.press("1", Keys.ARROW_RIGHT)
    assert found.run(SHOWN) == ["c", "1 of 2"]
    found.press("1", "1", "1", "1")
    assert found.run(SHOWN) == ["c", "1 of 2"], "back in the view"
    found.press(Keys.BACKSPACE)
    assert found.run(SHOWN) == ["c", "not in this view"]
    found.press(Keys.BACKSPACE, Keys.BACKSPACE, Keys.BACKSPACE, Keys.BACKSPACE)
    assert found.run(SHOWN) == ["b", "1 of 3"], "what is taken back is shown"
    found.run("location.hash = 'verdict=safe'")
    found.wait("grid.list.length === 0")
    assert found.run(SHOWN) == ["b", "not in this view"]
    found.run("location.hash = 'mine=none'")
    found.wait("grid.list.length === 3")
    found.press("n", "n")
    assert found.run(SHOWN) == ["d", "1 of 1"]
    found.press("n")
    assert not found.run("detail.open"), "nothing is left that could be shown"
    assert found.run(MADE)[-3:] == [[name, "", "clear"] for name in "bcd"]


def test_keys_that_are_held_down_decide_once(show: Callable[..., Tab]) -> None:
    found = show(*LEFT)
    press = "document.dispatchEvent(new KeyboardEvent('keydown', { key: 'y', bubbles: true, repeat: arguments[0] }))"
    found.run(press.replace("document.d", "document.body.d"), False)
    found.run(press.replace("document.d", "document.body.d"), True)
    assert found.run(MADE) == [["a", "", "violated"]]


def test_a_dialog_knows_no_selection(show: Callable[..., Tab]) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    found = show(*LEFT)

    def pick(*places: int) -> None:
        picking = ActionChains(found.driver).key_down(Keys.CONTROL)
        for place in places:
            picking.click(found.driver.find_element("css selector", f"#cell-{place}"))
        picking.key_up(Keys.CONTROL).perform()

    pick(0, 1, 1)
    assert found.texts("#selected") == ["1 selected"]
    found.press("n", "n")
    assert found.run(MADE) == [["a", "", "clear"], ["b", "", "clear"]], "a selection ends when it was decided on"
    found.press(Keys.BACKSPACE, Keys.BACKSPACE)
    pick(0, 1, 1)
    found.press(Keys.ENTER)
    assert found.run(SHOWN) == ["b", "2 of 4"]
    assert found.run("grid.selected.size") == 0
    found.press("n")
    assert found.run(MADE) == [["b", "", "clear"]]


def test_a_dialog_stays_where_another_tab_decides(show: Callable[..., Tab]) -> None:
    from selenium.webdriver.common.keys import Keys

    found = show(*LEFT, at="#mine=none")
    first = found.driver.current_window_handle
    found.press(Keys.ENTER)
    address = found.driver.current_url
    found.driver.switch_to.new_window("tab")
    second = found.driver.current_window_handle
    try:
        found.open(address)
        found.press("y")
        found.run("decisions.flush()")
        found.driver.switch_to.window(first)
        found.wait("decisions.made.size === 1")
        assert found.run(SHOWN) == ["a", "not in this view"]
        found.press("u")
        assert found.run(SHOWN) == ["b", "1 of 3"]
        assert found.run(MADE) == [["a", "", "unsure"]]
    finally:
        found.driver.switch_to.window(second)
        found.driver.close()
        found.driver.switch_to.window(first)


def test_leaving_with_unsaved_decisions_asks(show: Callable[..., Tab]) -> None:
    found = show(*MIXED)
    left = "!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    assert not found.run(left)
    found.press("y")
    assert found.run(left)


def test_without_storage_all_works_and_it_is_said(tmp_path: Path) -> None:
    found = records(MIXED)
    file = tmp_path / "page.html"
    file.write_text("".join(page(found, Origin("v", "0" * 64), Pictures.INLINE, ())), "utf-8")
    with tab() as chromium:
        off = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('off'); } })"
        chromium.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": off})
        chromium.open(file.as_uri())
        chromium.press("y", "n")
        assert chromium.run("decisions.made.size") == 2
        assert "keeps nothing" in " ".join(chromium.texts(".notice"))
        assert chromium.complaints() == []


def test_hostile_names_are_text(show: Callable[..., Tab]) -> None:
    from selenium.webdriver.common.keys import Keys

    words = "</p><script>document.title='broken'</script>\u202e"
    found = show(*(verdict(name, 0.9, rationale=words) for name in HOSTILE))
    names = found.run("JSON.stringify(grid.list.map((image) => image.path))")  # lone surrogates as escapes
    assert json.loads(names) == list(HOSTILE)
    title = found.driver.title
    for _ in HOSTILE:
        found.press(Keys.ENTER, Keys.ARROW_RIGHT, Keys.ESCAPE)
    for name in ("a\\u202egnp.exe", "line\\u000abreak\\u001b[31m\\u2028.png", "bytes\\xff.png"):
        assert name in found.texts(".name")
    assert "\u202e" not in found.run("document.body.innerText")
    assert found.driver.title == title
    assert found.run("document.querySelectorAll('.cell script, .cell [onerror], #detail script').length") == 0
    assert [each for each in found.complaints() if "ERR_FILE_NOT_FOUND" not in each] == []


def test_the_detail_shows_the_file_and_the_chain(show: Callable[..., Tab], tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    name = "dir #1/50%.png"
    (tmp_path / "dir #1").mkdir()
    data = image(tmp_path, name)
    steps = (step(0.9, centric=0.2, rationale="It is sharp."), step(None, item=2))
    region = Region(ask="A knife is visible.", left=0.25, top=0.5, right=0.75, bottom=1)
    results = (RuleResult(rule="knife", status=RuleStatus.VIOLATED, steps=steps, regions=(region,)),)
    found = show(verdict(name, 0.9, data=data, rules=results), verdict("b", 0.85))
    found.press(Keys.ENTER)
    found.wait("document.querySelector('#detail .picture img')?.src.startsWith('file:')")
    assert "blur" in found.run("getComputedStyle(document.querySelector('#detail .picture img')).filter")
    found.wait("getComputedStyle(document.querySelector('.region')).visibility === 'visible'")
    # 64 x 48 pixels fill the width of their place.
    box = found.run("document.querySelector('.region').getBoundingClientRect().toJSON()")
    shown = found.run("document.querySelector('#detail .picture img').getBoundingClientRect().toJSON()")
    height = shown["width"] * 48 / 64
    assert box["left"] == pytest.approx(shown["left"] + shown["width"] / 4, abs=1)
    assert box["width"] == pytest.approx(shown["width"] / 2, abs=1)
    assert box["bottom"] == pytest.approx(shown["top"] + shown["height"] / 2 + height / 2, abs=1)
    assert box["height"] == pytest.approx(height / 2, abs=1)
    told = " ".join(found.texts("#detail"))
    for words in (
        "p 0.90",
        "prior 0.40",
        "without its region 0.20",
        "It is sharp.",
        "not asked",
        "m@1",
        "c@1",
        "64 \N{MULTIPLICATION SIGN} 48 PNG",
    ):
        assert words in told, words
    found.press("n")
    assert found.run("detail.open && detail.image.path") == "b"
    found.press(Keys.ESCAPE)
    assert not found.run("detail.open")
    assert found.run("document.activeElement.id") == "grid"


def test_a_picture_has_regions_of_its_own_frame_alone(show: Callable[..., Tab]) -> None:
    from selenium.webdriver.common.keys import Keys

    region = Region(ask="A knife is visible.", left=0.25, top=0.5, right=0.75, bottom=1)
    found = {"status": RuleStatus.VIOLATED, "steps": (step(0.9),), "regions": (region,)}
    results = tuple(RuleResult(rule=f"knife-{frame}", frame=frame, **found) for frame in (0, 3))
    shown = show(verdict("a.gif", 0.9, rules=results, frame=3))
    shown.press(Keys.ENTER)
    assert len(shown.texts("#detail .region")) == 1
    first, second = shown.texts("#detail .rule header")
    assert ("in frame 0" in first, "in frame" in second) == (True, False)


def test_notes_are_kept_however_one_leaves_them(show: Callable[..., Tab]) -> None:
    from selenium.webdriver.common.keys import Keys

    found = show(verdict("a", 0.95), verdict("b", 0.9))
    notes = "images.map((image) => decisions.of(image)?.note ?? null)"
    found.press("y", Keys.HOME, Keys.ENTER)
    found.click("#detail [data-part=note]")
    found.press(*"a toy", Keys.ESCAPE)
    assert found.run(notes) == ["a toy", None]
    found.press(Keys.ENTER, Keys.ARROW_RIGHT, "n", Keys.ARROW_LEFT)
    assert found.run(notes) == ["a toy", ""], "a note stays with its image"
    found.press(Keys.ESCAPE, Keys.BACKSPACE, Keys.BACKSPACE)
    assert found.run(notes) == ["", None]


def test_a_page_without_pictures_opens_none(show: Callable[..., Tab], tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    data = image(tmp_path, "a.png")
    found = show(verdict("a.png", 0.9, data=data), pictures=Pictures.NONE)
    found.press(Keys.ENTER)
    assert found.run("document.querySelectorAll('img').length") == 0


def test_thumbnails_can_lie_beside_the_page(chromium: Tab, tmp_path: Path) -> None:
    data = image(tmp_path, "a.png")
    found = records([verdict(str(tmp_path / "a.png"), 0.9, data=data)])
    (tmp_path / "small #1").mkdir()
    lines = linked(made(found.subjects, Limits()), found.subjects, tmp_path / "small #1")
    text = "".join(page(found, Origin("v", "0" * 64, folder="small%20%231/"), Pictures.LINKED, lines))
    (tmp_path / "page.html").write_text(text, "utf-8")
    chromium.open((tmp_path / "page.html").as_uri())
    chromium.wait("document.querySelector('.tile img')?.naturalWidth === 64")
    assert chromium.complaints() == []


def test_a_random_sample_estimates_precision(show: Callable[..., Tab]) -> None:
    found = show(*(verdict(f"{number}.png", 0.9) for number in range(300)), *MIXED, at="#verdict=unsafe")
    found.click("#sample")
    first = found.run(NAMES)
    assert len(set(first)) == 200
    assert first != sorted(first)
    found.press(*"yyyn")
    found.wait("document.querySelector('#figures').textContent.includes('n = 4')")
    rows = found.texts("#figures .figure")
    assert rows == [
        "Of the sample4 of 200",
        *(f"{name}0.75 (0.30\N{EN DASH}0.95), n = 4" for name in ("Agreement", "Precision of unsafe")),
    ]
    found.run("decisions.flush()")
    found.run("decisions.unsaved.clear()")
    found.driver.refresh()
    assert found.run(NAMES) == first, "the same sample, until it is done"


def test_a_sample_is_of_what_the_filters_choose(show: Callable[..., Tab], tmp_path: Path) -> None:
    safe = [verdict(f"{number}/safe.png", 0.01) for number in range(300)]
    unsafe = [verdict(f"{number}/unsafe.png", 0.9) for number in range(300)]
    outcomes = "[...new Set(grid.list.map((image) => image.outcome))]"
    found = show(*safe, *unsafe, *MIXED)
    found.click('[data-name="verdict"][data-value="unsafe"]')
    found.click("#sample")
    first = found.run(NAMES)
    assert found.run(outcomes) == ["unsafe"]
    assert found.texts('[data-name="verdict"][aria-pressed="true"] .label') == ["unsafe"]
    assert "302 images" in " ".join(found.texts("#figures p"))
    found.press("y")
    found.wait("""document.querySelector('[data-name="mine"][data-value="agree"]') !== null""")
    found.click('[data-name="mine"][data-value="none"]')
    assert found.run(NAMES) == first[1:], "to look at what is left draws nothing anew"
    assert found.texts("#figures .figure")[0] == "Of the sample1 of 200"
    found.click('[data-name="mine"][data-value="none"]')
    found.click("#redraw")
    second = found.run(NAMES)
    assert len(set(second)) == 200
    assert 80 < len(set(first) & set(second)) < 180, "200 of 302 twice have about 132 in common"
    found.driver.refresh()
    assert found.run(NAMES) == second
    found.click('[data-name="verdict"][data-value="unsafe"]')
    found.click('[data-name="verdict"][data-value="safe"]')
    assert found.run(outcomes) == ["safe"]
    found.click("#sample")
    assert len(found.run(NAMES)) == 302
    assert not found.run("document.getElementById('redraw').checkVisibility()")
    (tmp_path / "page.html").rename(tmp_path / "whole.html")
    found.open("about:blank")  # another part of the same address alone would not be read again
    show(*safe, at="#sample=1")
    assert found.run(outcomes) == ["safe"]
    of_a_part = found.run(NAMES)
    found.open(f"{(tmp_path / 'whole.html').as_uri()}#sample=1")
    assert set(found.run(outcomes)) >= {"safe", "unsafe"}, "a page of fewer images has a sample of its own"
    assert set(found.run(NAMES)) != set(of_a_part)
    found.open(f"{(tmp_path / 'whole.html').as_uri()}#sample=nonsense")
    assert found.texts("#figures .figure")[0].startswith("Decided")


def test_copies_of_an_image_are_drawn_apart(show: Callable[..., Tab]) -> None:
    copies = [verdict(f"copy/{number}.png", 0.9, data=b"the same") for number in range(300)]
    found = show(*copies, *(verdict(f"{number}.png", 0.9) for number in range(300)), at="#sample=1")
    drawn = sum(name.startswith("copy/") for name in found.run(NAMES))
    assert 60 < drawn < 140, "about as many as there are"


def test_only_what_is_seen_exists(show: Callable[..., Tab]) -> None:
    from selenium.webdriver.common.keys import Keys

    found = show(*(verdict(f"{number:04}.png", 0.9) for number in range(3_000)))
    assert found.run("document.querySelectorAll('.cell').length") < 150
    found.press(Keys.END)
    assert found.run("document.getElementById('cell-2999') !== null")
    assert found.run("document.getElementById('grid').getAttribute('aria-activedescendant')") == "cell-2999"
    assert found.run("document.querySelectorAll('.cell').length") < 150


BOX = "document.querySelector('.cell.active')?.getBoundingClientRect()"
ON_SCREEN = f"{BOX}?.top >= grid.scroller.getBoundingClientRect().top && {BOX}.bottom <= innerHeight"
TOPMOST = "document.elementFromPoint(200, 400).closest('.cell')?.querySelector('.name').textContent ?? null"


def test_the_last_of_very_many_images_can_be_reached(tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
    from selenium.webdriver.common.keys import Keys

    count = 100_000  # in one column, higher than any element that a browser makes
    rows = [json.dumps([f"{number}", f"{number:064x}", 0, 0.5, 0, "", None, None, []]) for number in range(count)]
    source = {"model": "m", "constitution": "c", "method": "clue"}
    file = tmp_path / "page.html"
    with file.open("w", encoding="utf-8") as out:
        out.writelines(page(Records(rows, [], [source], [], Overview(), 0), Origin("v", "0" * 64), Pictures.NONE, ()))
    with tab(width=420, height=800) as found:
        found.driver.set_page_load_timeout(60)
        found.open(file.as_uri())
        found.run("grid.resize(384)")
        assert found.run("grid.rows.length") == count, "one a row"

        def current() -> int:
            assert found.run(ON_SCREEN), found.run(ACTIVE)
            return int(found.run(ACTIVE))

        def seen_after(scroll: str) -> int:
            found.run(f"new Promise((done) => {{ {scroll}; setTimeout(done, 300); }})")
            return int(found.run(TOPMOST))

        for key, place in ((Keys.END, count - 1), (Keys.ARROW_UP, count - 2), (Keys.ARROW_DOWN, count - 1)):
            found.press(key)
            assert current() == place
        found.press("n")
        assert found.run("[...decisions.made.keys()].map((key) => parseInt(key.slice(0, 64), 16))") == [count - 1]
        for position in (count // 2, 18_000, 18_400, 76_000, 1, count - 2):
            found.run("grid.activate(arguments[0])", position)
            assert current() == position
            found.press(Keys.PAGE_UP)
            assert 1 <= position - current() <= 2 or position == 1
        found.press(Keys.HOME)
        assert current() == 0
        assert seen_after("grid.scroller.scrollTop = grid.scroller.scrollHeight") >= count - 2, "as by the scroll bar"
        assert seen_after("grid.scroller.scrollTop = grid.scroller.scrollHeight / 2") == pytest.approx(
            count / 2, rel=0.01
        )
        wheel = ActionChains(found.driver)
        before = int(found.run(TOPMOST))
        origin = ScrollOrigin.from_viewport(200, 400)
        for _ in range(30):
            wheel.scroll_from_origin(origin, 0, 300)
        wheel.perform()
        height = found.run("grid.rows[1].top")
        assert seen_after("") - before == pytest.approx(30 * 300 / height, abs=1), "a wheel goes as far as in any list"
        assert seen_after("grid.scroller.scrollTop = 0") <= 1
        # Across the borders of stretches, down and up again, no row is left out.
        found.run("grid.activate(400)")
        walked = []
        for key in [Keys.ARROW_DOWN] * 4 + [Keys.ARROW_UP] * 4:
            found.press(key)
            walked.append(current())
        assert walked == [401, 402, 403, 404, 403, 402, 401, 400]
        assert seen_after("grid.scroller.scrollTop = 0") <= 1
        steps = [seen_after("grid.scroller.scrollBy(0, 300)") for _ in range(3)]
        assert steps == sorted(steps)
        assert steps[-1] <= 3
        assert found.complaints() == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [375, 1680])
def test_it_fits_and_can_be_read(width: int, dark: bool, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text("".join(page(records(MIXED), Origin("v", "0" * 64), Pictures.INLINE, ())), "utf-8")
    with tab(width=width, height=800, dark=dark) as found:
        found.open(file.as_uri())
        assert found.run("document.documentElement.scrollWidth") <= width
        for part in (".name", *(f".badge.{name}" for name in Outcome), ".score", ".why", "#about"):
            assert found.run(CONTRAST, part) >= 4.5, part
        found.press("\ue007")  # Enter
        assert found.run("document.getElementById('detail').getBoundingClientRect().width") <= width
        body = "document.querySelector('#detail .body')"
        assert found.run(f"{body}.scrollWidth <= {body}.clientWidth")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_statistics_are_a_view_of_the_page(width: int, dark: bool, tmp_path: Path) -> None:
    long = verdict("a/" + "long" * 60 + "/1.png", 0.9, rule="a-rule-with-a-name-that-is-far-too-long")
    file = tmp_path / "page.html"
    found_records = records((*MIXED, long))
    file.write_text("".join(page(found_records, Origin("v", "0" * 64), Pictures.INLINE, ())), "utf-8")
    with tab(width=width, height=800, dark=dark) as found:
        found.open(file.as_uri())
        opened = "document.getElementById('statistics').open"
        found.press("s")
        assert found.run(opened)
        found.press("y", "\ue00c")  # a key that is no longer the grid's, and Escape
        assert not found.run(opened)
        assert found.run("decisions.made.size") == 0
        found.click("#statistics-open")
        assert found.texts("#statistics h2")[:2] == ["verdicts", "rules"]
        assert found.texts("#statistics section:first-of-type tbody tr:nth-child(3) :is(.label, td)") == [
            "unsafe", "3", "42.9%"]  # fmt: skip
        body = "document.querySelector('#statistics .body')"
        assert found.run("document.getElementById('statistics').getBoundingClientRect().width") <= width
        assert found.run(f"{body}.scrollWidth <= {body}.clientWidth")
        assert found.run(f"{body}.scrollHeight > {body}.clientHeight")
        for part in ("#statistics .soft", *(f"#statistics .label.{name}" for name in Outcome), "#statistics td"):
            assert found.run(CONTRAST, part) >= 4.5, part
        assert not found.complaints()


def test_everything_that_acts_has_a_name(show: Callable[..., Tab]) -> None:
    found = show(*MIXED)
    assert [html for html in found.run(NAMELESS) if 'id="toast"' not in html] == []
    assert found.run("document.getElementById('grid').getAttribute('aria-rowcount')") == "2"


def test_rules_that_were_left_to_their_probes_say_so(show: Callable[..., Tab]) -> None:
    from selenium.webdriver import Keys

    def left(rule: str, p: float) -> RuleResult:
        score = ProbeScore(p=p, log_odds=-3.0, threshold=-1.0)
        return RuleResult(rule=rule, status=RuleStatus.CLEAR, steps=(step(None),), by="probe", probe=score)

    asked = RuleResult(
        rule="knife",
        status=RuleStatus.CLEAR,
        steps=(step(0.1),),
        probe=ProbeScore(p=0.4, log_odds=0.0, threshold=-1.0),
    )
    one = verdict("one.png", 0.1, rules=(asked, left("gun", 0.0126)))
    two = verdict("two.png", 0.1, rules=(left("gun", 0.25), left("bomb", 0.0)))
    found = show(one, two)
    found.press(Keys.HOME, Keys.ENTER)
    for summary, notes in (
        ("1 rule found clear, 1 left to its probe", ["not asked: its probe says 0.013"]),
        ("0 rules found clear, 2 left to their probes", [f"not asked: its probe says 0.{p}" for p in ("250", "000")]),
    ):
        assert found.texts(".rest summary") == [summary]
        assert [text for text in found.texts(".rule .soft") if "probe" in text] == notes
        found.press(Keys.ARROW_RIGHT)
