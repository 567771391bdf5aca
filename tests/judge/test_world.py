"""Pictures that lie too far from what a model was made for: nothing is asked about them, and they are unsure."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_gate import BOTH, RED, RULES, SHADES, asked, engine, put_pictures

from imagejudge.constitution import Constitution
from imagejudge.engine.scripted import Scripted
from imagejudge.errors import ModelError
from imagejudge.evaluate.distill_data import judged
from imagejudge.evaluate.labels import Item, Label
from imagejudge.evaluate.trial import Trial
from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.clue import Method
from imagejudge.judge.gate import Gate
from imagejudge.judge.plan import Plan
from imagejudge.judge.replay import Rejudge
from imagejudge.judge.scanner import Scanner
from imagejudge.judge.world import World, is_outside
from imagejudge.output.csv import Csv
from imagejudge.output.findings import findings, settled
from imagejudge.output.stats import FailOn, Stats
from imagejudge.verdict import Outcome, RuleStatus, StepStatus, Verdict, line_of, verdict_of


def write_world(path: Path, weights: tuple[float, float, float], bias: float, encoder: str = "eye") -> World:
    """Of one feature and one unit: the logit is a sum of red, green and blue in [0, 1], if positive, and the bias."""
    each = {"mean": np.zeros(3), "scale": np.ones(3), "each": np.array([weights]), "each_bias": np.zeros(1)}
    hidden = {"hidden": np.ones((1, 1)), "hidden_bias": np.zeros(1)}
    np.savez(path, encoder=np.array(encoder), out=np.ones(1), out_bias=np.array(bias), **each, **hidden)
    return World(path, "eye")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Blue is out of it."""
    return write_world(tmp_path / "world.npz", (0, 0, 6), -3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return put_pictures(tmp_path / "pictures")


def plan(world: World | None, gate: Gate | None = None, rules: Constitution = RULES) -> Plan:
    settings = {"arithmetic": 3, **(world.settings if world else {})}
    return Plan(rules, Method(), "fake@1", "fake", Limits(), settings=settings, world=world, gate=gate)


def scan(folder: Path, how: Plan, model: Scripted, cache: Cache | None = None) -> list[Verdict]:
    refs = [ImageRef(str(path)) for path in sorted(folder.iterdir())]
    return [verdict_of(line_of(each)) for each in Scanner(how, cache or Cache(None), [model]).run(refs)]


def test_the_distance_is_a_logistic_function_of_the_network(tmp_path: Path) -> None:
    world = write_world(tmp_path / "w.npz", (2, 0, -2), 0.5)
    red, blue, far = (np.array([shade], np.float32) for shade in ((1, 0, 0), (0, 0, 1), (1e6, 0, 0)))
    assert world.distance(red) == pytest.approx(1 / (1 + np.exp(-2.5)), abs=1e-4)
    assert world.distance(blue) == pytest.approx(1 / (1 + np.exp(-0.5)), abs=1e-4), "a feature is never negative"
    assert world.distance(far) == 1.0


def test_outside_begins_at_one_half() -> None:
    assert [is_outside(distance) for distance in (None, 0.0, 0.4999, 0.5, 1.0)] == [False, False, False, True, True]


def test_a_file_of_another_encoder_and_one_that_is_none_are_refused(tmp_path: Path) -> None:
    tokens = np.zeros((1, 3), np.float32)
    with pytest.raises(ModelError, match="belongs to another image encoder"):
        write_world(tmp_path / "w.npz", (1, 0, 0), 0, encoder="another").distance(tokens)
    torn = tmp_path / "torn.npz"
    torn.write_bytes((tmp_path / "w.npz").read_bytes()[:300])
    with pytest.raises(ModelError, match=r"torn\.npz cannot be read"):
        World(torn, "eye").distance(tokens)


def test_a_file_that_is_replaced_meanwhile_changes_neither_digest_nor_distances(tmp_path: Path) -> None:
    tokens = np.zeros((1, 3), np.float32)
    world = write_world(tmp_path / "w.npz", (1, 0, 0), 2)
    digest = hashlib.sha256(world.path.read_bytes()).hexdigest()
    assert world.digest == digest
    write_world(world.path, (1, 0, 0), -2)
    assert (world.distance(tokens), world.digest) == (pytest.approx(1 / (1 + np.exp(-2)), abs=1e-4), digest)


def test_a_file_without_one_of_its_arrays_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    write_world(path, (1, 0, 0), 0)
    with np.load(path) as file:
        np.savez(path, **{name: file[name] for name in file.files if name != "hidden_bias"})
    with pytest.raises(ModelError, match=r"w\.npz cannot be read"):
        World(path, "eye").distance(np.zeros((1, 3), np.float32))


def test_tokens_of_another_shape_are_refused(world: World) -> None:
    for shape, told in (((2, 3), "2 tokens of 3 numbers"), ((1, 4), "1 token of 4 numbers")):
        with pytest.raises(ModelError, match=f"takes 1 token of 3 numbers, and the model makes {told}"):
            world.distance(np.zeros(shape, np.float32))


def test_nothing_is_asked_about_what_is_out_of_the_world(folder: Path, world: World) -> None:
    model = engine()
    black, red, pink = scan(folder, plan(world), model)
    assert asked(model) == [["It is red.", "It is blue."]] * 2
    assert [each.verdict for each in (black, red, pink)] == [Outcome.SAFE, Outcome.UNSAFE, Outcome.UNSURE]
    assert pink.rationale == "out of its world: 0.95"
    assert [each.out_of_world for each in (black, red, pink)] == [
        pytest.approx(x, abs=1e-3) for x in (0.047, 0.047, 0.953)
    ]
    assert {result.status for result in pink.rules} == {RuleStatus.UNSURE}
    assert {step.status for result in pink.rules for step in result.steps} == {StepStatus.NOT_ASKED}
    assert pink.settings is not None
    assert pink.settings["world"] == world.digest[:12]
    assert judged(pink) == {}, "it is no label for a probe"


def test_without_a_world_nothing_changes(folder: Path) -> None:
    model = engine()
    found = scan(folder, plan(None), model)
    assert model.embedded == 0
    assert [each.verdict for each in found] == [Outcome.SAFE, Outcome.UNSAFE, Outcome.UNSAFE]
    assert all(each.out_of_world is None for each in found)


def test_the_distance_is_kept(folder: Path, tmp_path: Path, world: World) -> None:
    model, cache = engine(), Cache(tmp_path / "cache")
    first = scan(folder, plan(world), model, cache)
    waves = len(model.waves)
    again = scan(folder, plan(world), model, cache)
    assert (model.embedded, len(model.waves)) == (3, waves)
    assert [each.out_of_world for each in again] == [each.out_of_world for each in first]
    scan(folder, plan(write_world(world.path, (0, 0, 6), -4)), model, cache)
    assert model.embedded == 6, "another file tells other distances"
    cache.close()


def test_probes_are_not_looked_at_out_of_the_world(folder: Path, world: World) -> None:
    *_, pink = scan(folder, plan(world, Gate.of(BOTH, 0.9, 0.0)), engine())
    assert (pink.verdict, {result.probe for result in pink.rules}) == (Outcome.UNSURE, {None})
    assert pink.probing is not None
    assert (pink.probing.asked, pink.probing.spared) == (0, 0)


def test_an_animation_is_looked_at_frame_by_frame(tmp_path: Path, world: World) -> None:
    frames = {name: Image.new("RGB", (8, 6), shade) for name, shade in SHADES.items()}
    folder = tmp_path / "moving"
    folder.mkdir()
    mixes = {"a": ("a-black", "c-pink"), "b": ("c-pink", "b-red")}
    for name, (one, other) in mixes.items():
        frames[one].save(folder / f"{name}.webp", save_all=True, append_images=[frames[other]], lossless=True)
    unsure, unsafe = scan(folder, plan(world), engine())
    assert (unsure.verdict, unsure.frame, unsure.rationale) == (Outcome.UNSURE, 1, "in frame 1: out of its world: 0.95")
    assert (unsafe.verdict, unsafe.frame, unsafe.out_of_world) == (Outcome.UNSAFE, 1, pytest.approx(0.047, abs=1e-3))


def test_rejudging_leaves_it_out_of_the_world(folder: Path, world: World) -> None:
    *_, pink = scan(folder, plan(world), engine())
    fewer = Constitution("colours", "2", (RED,))
    again = Rejudge(plan(None, rules=fewer)).judge(pink)
    assert (again.verdict, again.rationale) == (Outcome.UNSURE, "out of its world: 0.95")
    assert [(result.rule, result.status) for result in again.rules] == [("no-red", RuleStatus.UNSURE)]
    assert again.settings is not None
    assert again.settings["world"] == world.digest[:12]


def test_no_rule_is_unsure_where_none_is_applied(folder: Path, world: World) -> None:
    assert {each.verdict for each in scan(folder, plan(world, rules=Constitution("none", "1", ())), engine())} == {
        Outcome.SAFE
    }


def test_formats_and_counts_tell_it(folder: Path, world: World) -> None:
    *_, pink = scan(folder, plan(world), engine())
    assert {finding.message for finding in findings(pink)} == {"out of its world: 0.95"}
    assert not settled(pink)
    stream = io.BytesIO()
    Csv(stream, RULES).write(pink)
    (row,) = csv.DictReader(io.StringIO(stream.getvalue().decode("utf-8-sig")))
    assert (row["verdict"], row["unsure"], row["rationale"]) == ("unsure", "no-red; no-blue", "out of its world: 0.95")
    counts, other = Stats(), Stats()
    counts.add(pink)
    other.add_all(counts)
    assert other.out_of_world == 1
    assert other.found(FailOn.UNSURE)
    assert not other.found(FailOn.UNSAFE)


@pytest.mark.parametrize("method", ["clue", "threshold", "direct-rules", "cot-public"])
def test_every_compared_method_is_unsure_of_it(folder: Path, world: World, method: str) -> None:
    model = engine()
    items = [Item(str(path), label=Label(path.stem, unsafe=False)) for path in sorted(folder.iterdir())]
    *_, pink = Trial(plan(world), Cache(None), [model], [method]).run(items)
    case = pink.cases[method]
    assert (case.verdict.verdict, case.verdict.rationale) == (Outcome.UNSURE, "out of its world: 0.95")
    assert case.verdict.out_of_world == pytest.approx(0.953, abs=1e-3)
    assert case.cost.questions == 0
