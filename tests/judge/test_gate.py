"""Rules that are left to their probes: what is asked, and what verdicts say of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from imagejudge.common.proportion import proportion
from imagejudge.constitution import (
    Constitution,
    Precondition,
    Rule,
    Severity,
    Statement,
    Thresholds,
    rule_digest,
    select_rules,
)
from imagejudge.engine.scripted import Scripted
from imagejudge.errors import UsageError
from imagejudge.evaluate.distill_data import judged
from imagejudge.images.picture import Picture
from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.carried import left_to_probes
from imagejudge.judge.clue import ARITHMETIC, Method
from imagejudge.judge.gate import Gate, usable
from imagejudge.judge.plan import Plan
from imagejudge.judge.probe import Origin, Probe, Probes
from imagejudge.judge.replay import Rejudge, Unrecorded
from imagejudge.judge.scanner import Scanner
from imagejudge.output.probed import Probed
from imagejudge.prompts import Question
from imagejudge.verdict import Outcome, RuleStatus, StepStatus, Verdict, line_of, verdict_of


def rule(name: str, *asks: str) -> Rule:
    return Rule(
        name,
        f"Nothing {name}.",
        severity=Severity.HIGH,
        preconditions=tuple(Precondition((Statement(a),)) for a in asks),
    )


RED, BLUE = rule("no-red", "It is red."), rule("no-blue", "It is blue.")
PURPLE = rule("no-purple", "It is red.", "It is blue.")
RULES = Constitution("colours", "1", (RED, BLUE))
SHADES = {"a-black": (0, 0, 0), "b-red": (255, 0, 0), "c-pink": (255, 0, 255)}
AXES = tuple(tuple(float(one == other) for other in range(6)) for one in range(6))


def probes(*weights: tuple[Rule, tuple[float, float, float]], rules: Constitution = RULES) -> Probes:
    """Log odds are sums of red, green and blue, in [0, 1], with these weights; asked from 0.5 on."""
    each = tuple(
        Probe(one.id, rule_digest(rules, one), (*weight, *(0.0,) * 24), 0.0, 30, 30, (0.5,) * 30)
        for one, weight in weights
    )
    return Probes(
        Origin("fake@1", "1", {}, "colours@1", "verdicts", "ab", 60, "clue", ARITHMETIC),
        "mean,max",
        (0.0,) * 6,
        (1.0,) * 6,
        AXES,
        each,
    )


BOTH = probes((RED, (1, 0, 0)), (BLUE, (0, 0, 1)))


def plan(gate: Gate | None, rules: Constitution = RULES, method: Method = Method()) -> Plan:  # noqa: B008 - frozen
    return Plan(
        rules,
        method,
        "fake@1",
        "fake",
        Limits(),
        settings={**(gate.settings if gate else {}), "arithmetic": ARITHMETIC},
        gate=gate,
    )


def engine() -> Scripted:
    def answer(picture: Picture | None, question: Question) -> float:
        if picture is None:
            return 0.5
        return 0.05 + 0.9 * picture.rgb[0 if "red" in question.subject else 2] / 255

    return Scripted(answer, encode=lambda picture: [channel / 255 for channel in picture.rgb[:3]])


def put_pictures(pictures: Path) -> Path:
    pictures.mkdir()
    for name, shade in SHADES.items():
        Image.new("RGB", (8, 6), shade).save(pictures / f"{name}.png")
    return pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return put_pictures(tmp_path / "pictures")


def scan(
    folder: Path, gate: Gate | None, model: Scripted, rules: Constitution = RULES, cache: Cache | None = None
) -> list[Verdict]:
    refs = [ImageRef(str(path)) for path in sorted(folder.iterdir())]
    found = list(Scanner(plan(gate, rules), cache or Cache(None), [model]).run(refs))
    return [verdict_of(line_of(each)) for each in found]


def asked(model: Scripted, since: int = 1) -> list[list[str]]:
    """What was asked about images, in whatever order they were looked at: the first wave is without one."""
    return sorted([question.subject for question in wave] for wave in model.waves[since:])


def test_a_rule_is_asked_only_where_its_probe_does_not_say_certainly_not(folder: Path) -> None:
    model = engine()
    black, red, pink = scan(folder, Gate.of(BOTH, 0.9, 0.0), model)
    assert asked(model) == [["It is red."], ["It is red.", "It is blue."]]
    assert model.embedded == 3
    assert [each.verdict for each in (black, red, pink)] == [Outcome.SAFE, Outcome.UNSAFE, Outcome.UNSAFE]
    assert [left_to_probes(each) for each in (black, red, pink)] == [{"no-red", "no-blue"}, {"no-blue"}, frozenset()]
    left, found = black.rules[0], red.rules[0]
    assert (left.status, left.by) == (RuleStatus.CLEAR, "probe")
    assert {(step.status, step.p_yes, step.by) for step in left.steps} == {(StepStatus.NOT_ASKED, None, None)}
    assert left.probe is not None
    assert (left.probe.p, left.probe.log_odds, left.probe.threshold) == (0.5, 0.0, 0.5)
    assert found.by is None
    assert found.probe is not None
    assert found.probe.log_odds == 1.0
    assert black.probing is not None
    assert (black.probing.asked, black.probing.spared) == (0, 2)
    assert red.probing is not None
    assert (red.probing.asked, red.probing.spared) == (1, 1)
    assert (judged(black), judged(red)) == ({}, {"no-red": True}), "what was left to a probe is no label"


def test_rules_without_a_probe_are_asked_as_ever(folder: Path) -> None:
    model = engine()
    black, *_ = scan(folder, Gate.of(probes((RED, (1, 0, 0))), 0.9, 0.0), model)
    assert asked(model) == [["It is blue."], ["It is red.", "It is blue."], ["It is red.", "It is blue."]]
    assert black.rules[1].probe is None
    assert black.rules[1].by is None


def test_answers_to_other_rules_decide_where_they_can(folder: Path) -> None:
    rules = Constitution("colours", "1", (RED, PURPLE))
    model = engine()
    gate = Gate.of(probes((PURPLE, (0.1, 0, 0)), rules=rules), 0.9, 0.0)
    black, red, _ = scan(folder, gate, model, rules)
    assert asked(model) == [["It is red."]] * 3
    assert (black.rules[1].by, red.rules[1].by) == (None, "probe")
    assert black.probing is not None
    assert black.probing.spared == 0


def test_kept_answers_and_vectors_serve_scans_with_and_without_probes(folder: Path, tmp_path: Path) -> None:
    gate, model = Gate.of(BOTH, 0.9, 0.0), engine()
    cache = Cache(tmp_path / "cache")
    scan(folder, gate, model, cache=cache)
    full = scan(folder, None, model, cache=cache)
    assert asked(model, 3) == [["It is blue."], ["It is red.", "It is blue."]]
    assert all(each.probing is None and not left_to_probes(each) for each in full)
    before = len(model.waves), model.embedded
    scan(folder, gate, model, cache=cache)
    assert (len(model.waves), model.embedded) == before
    cache.close()


def test_audited_images_are_asked_in_full_and_keep_their_scores(folder: Path) -> None:
    blind = probes((RED, (0.1, 0, 0)), (BLUE, (0, 0, 1)))
    model = engine()
    found = scan(folder, Gate.of(blind, 0.9, 1.0), model)
    assert asked(model) == [["It is red.", "It is blue."]] * 3
    assert all(each.probing is not None and each.probing.audited and not each.probing.spared for each in found)
    assert not any(map(left_to_probes, found))
    counts = Probed()
    for each in found:
        counts.add(each)
    assert (counts.audited, counts.found, counts.missed.total()) == (3, {"no-red": 2, "no-blue": 1}, 2)
    whole = counts.miss_rate()
    assert whole is not None
    assert whole.value == pytest.approx(2 / 3)
    assert "2 of 3 violations missed: 66.7%" in "".join(counts.summary)
    assert whole.low > 0.1
    assert "more than the 10.0%" in counts.warning


def test_the_draw_of_an_audit_depends_on_bytes_and_probes_alone() -> None:
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(4000)]
    drawn = [Gate.of(BOTH, 0.9, 0.1).audits(digest) for digest in digests]
    assert drawn == [Gate.of(BOTH, 0.9, 0.1).audits(digest) for digest in digests]
    assert 0.08 < sum(drawn) / len(drawn) < 0.12
    other = dataclasses.replace(BOTH, origin=dataclasses.replace(BOTH.origin, data="cd"))
    assert drawn != [Gate.of(other, 0.9, 0.1).audits(digest) for digest in digests]
    more = [Gate.of(BOTH, 0.9, 0.3).audits(digest) for digest in digests]
    assert all(now for now, before in zip(more, drawn, strict=True) if before), "a larger share holds the smaller one"
    assert not any(Gate.of(BOTH, 0.9, 0.0).audits(digest) for digest in digests)


def test_an_animation_leaves_a_rule_out_frame_by_frame(folder: Path) -> None:
    frames = [Image.new("RGB", (8, 6), shade) for shade in SHADES.values()]
    for path in folder.iterdir():
        path.unlink()
    frames[0].save(folder / "all.webp", save_all=True, append_images=frames[1:], lossless=True)
    model = engine()
    (verdict,) = scan(folder, Gate.of(BOTH, 0.9, 0.0), model)
    assert asked(model) == [["It is red."], ["It is red.", "It is blue."]]
    assert model.embedded == 3
    assert verdict.verdict is Outcome.UNSAFE
    assert verdict.probing is not None
    assert (verdict.probing.asked, verdict.probing.spared) == (3, 3)


def test_other_rules_leave_a_skipped_rule_as_it_was(folder: Path) -> None:
    black, red, _ = scan(folder, Gate.of(BOTH, 0.9, 0.0), engine())
    milder = tuple(dataclasses.replace(each, severity=Severity.LOW) for each in RULES.rules)
    again = Rejudge(plan(None, Constitution("colours", "2", milder)))
    assert again.judge(black).rules == black.rules
    new = again.judge(red)
    assert new.rules[1] == red.rules[1]
    assert left_to_probes(new) == {"no-blue"}
    assert new.settings is not None
    assert new.settings["probe"] == red.settings["probe"]


def test_a_changed_rule_is_not_left_to_the_probe_of_the_old_one(folder: Path) -> None:
    black, red, pink = scan(folder, Gate.of(BOTH, 0.9, 0.0), engine())
    stricter = Constitution("colours", "2", (RED, dataclasses.replace(BLUE, thresholds=Thresholds(satisfied=0.5))))
    reworded = Constitution("colours", "2", (RED, rule("no-blue", "It is as blue as the sky.")))
    for changed in (stricter, reworded):
        with pytest.raises(Unrecorded, match="no-blue, which was left to its probe and may be judged otherwise now"):
            Rejudge(plan(None, changed)).judge(black)
    again = Rejudge(plan(None, stricter)).judge(pink)
    assert [each.status for each in again.rules] == [RuleStatus.VIOLATED] * 2, "which had been asked"
    line = json.loads(line_of(red))
    for each in line["rules"]:
        del each["probe"]["digest"]
    earlier = Verdict.model_validate(line)
    with pytest.raises(Unrecorded, match="no-blue"):
        Rejudge(plan(None)).judge(earlier)


def test_a_rule_is_not_left_to_a_probe_of_another_method(folder: Path) -> None:
    black, _, pink = scan(folder, Gate.of(BOTH, 0.9, 0.0), engine())
    assert black.settings is not None
    earlier = black.model_copy(update={"settings": black.settings | {"arithmetic": ARITHMETIC - 1}})
    unsaid = black.model_copy(update={"settings": None})
    threshold, same = Rejudge(plan(None, method=Method("threshold"))), Rejudge(plan(None))
    for again, line in ((threshold, black), (same, earlier), (same, unsaid)):
        with pytest.raises(Unrecorded, match="no-red, which was left to its probe and may be judged otherwise now"):
            again.judge(line)
    assert [each.status for each in threshold.judge(pink).rules] == [RuleStatus.VIOLATED] * 2, "which had been asked"


@pytest.mark.parametrize(
    ("recall", "audit", "message"),
    [
        (None, 0.0, "alone leaves no rule out"),
        (1.0, 0.0, "no recall that can be promised"),
        (0.0, 0.0, "no recall that can be promised"),
        (0.99, 0.0, "cannot be promised by 60 images"),
        (0.9, 1.5, "no share of the images"),
    ],
)
def test_what_cannot_be_promised_is_refused(recall: float | None, audit: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Gate.of(BOTH, recall, audit)


def test_probes_of_changed_rules_are_not_used() -> None:
    changed = Constitution("colours", "2", (RED, rule("no-blue", "It is as blue as the sky.")))
    left, remarks = usable(BOTH, changed, changed)
    assert [probe.rule for probe in left.probes] == ["no-red"]
    assert [remark.split(" is ")[0] for remark in remarks] == ["the rule no-blue"]
    other = Constitution("other", "1", (PURPLE,))
    with pytest.raises(UsageError, match=r"judged now \(the probe of no-red is not used: the constitution has"):
        usable(BOTH, other, other)
    both = Constitution("both", "1", (RED, BLUE, PURPLE))
    with pytest.raises(UsageError, match=r"no probe is about a rule as it is judged now$"):
        usable(BOTH, select_rules(both, ["no-purple"]), both)


@pytest.mark.parametrize(
    ("hits", "draws", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 20, 0.0089, 0.2361)]
)
def test_intervals_of_shares(hits: int, draws: int, low: float, high: float) -> None:
    found = proportion(hits, draws)  # of 0 hits up to z² / (draws + z²)
    assert (found.value, found.low, found.high) == pytest.approx((hits / draws, low, high), abs=5e-5)


def test_counts_add_up(folder: Path) -> None:
    found = scan(folder, Gate.of(BOTH, 0.9, 0.0), engine())
    one, other, whole = Probed(), Probed(), Probed()
    for number, each in enumerate(found):
        (one if number else other).add(each)
        whole.add(each)
    one.add_all(other)
    assert one == whole
    assert (whole.images, whole.rules, whole.left.total(), whole.asked, whole.spared) == (3, 6, 3, 3, 3)
    assert whole.promised == 0.9
    assert not whole.warning
