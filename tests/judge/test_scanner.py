"""The loop: one verdict a file, in order, whatever the file and whatever the engine does."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import json
import os
import pkgutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from PIL import Image

from imagejudge.constitution import Constitution, Precondition, Rule, Severity, Statement
from imagejudge.engine.base import Engine, View
from imagejudge.engine.process import EngineProcess
from imagejudge.engine.process import Limits as EngineLimits
from imagejudge.engine.scripted import Scripted
from imagejudge.errors import EngineFailure, ModelError, OutputError
from imagejudge.images.decode import Decoded, decode_image
from imagejudge.images.picture import Picture
from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.clue import Method, inquire
from imagejudge.judge.plan import Plan
from imagejudge.judge.scanner import Scanner
from imagejudge.output.findings import findings
from imagejudge.prompts import Question
from imagejudge.verdict import Outcome, RuleStatus, Verdict, json_schema, line_of, verdict_of

RED = Rule(
    "no-red",
    "Nothing red.",
    category="colour",
    severity=Severity.HIGH,
    preconditions=(Precondition((Statement("It is red."),)),),
)
BLUE = Rule("no-blue", "Nothing blue.", preconditions=(Precondition((Statement("It is blue."),)),))


def plan(*rules: Rule, frames: int = 4) -> Plan:
    return Plan(Constitution("colours", "1", rules or (RED, BLUE)), Method(), "fake@1", "fake", Limits(frames=frames))


def colour(picture: Picture | None, question: Question) -> float:
    if picture is None:
        return 0.5
    channel = 0 if "red" in question.subject else 2
    return 0.05 + 0.9 * picture.rgb[channel] / 255


def scan(
    folder: Path, engine: Engine | None = None, cache: Cache | None = None, the_plan: Plan | None = None
) -> list[Verdict]:
    refs = [ImageRef(str(path)) for path in sorted(folder.iterdir())]
    return list(Scanner(the_plan or plan(), cache or Cache(None), [engine or Scripted(colour)]).run(refs))


def paint(folder: Path, name: str, shade: tuple[int, int, int]) -> None:
    Image.new("RGB", (8, 6), shade).save(folder / name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, shade in {
        "a-red": (255, 0, 0),
        "b-black": (0, 0, 0),
        "c-dim": (140, 0, 0),
        "d-pink": (255, 0, 255),
    }.items():
        paint(pictures, f"{name}.png", shade)
    return pictures


def test_verdicts_come_in_order_with_their_reasons(folder: Path) -> None:
    red, black, dim, pink = scan(folder)
    assert [v.verdict for v in (red, black, dim, pink)] == [
        Outcome.UNSAFE,
        Outcome.SAFE,
        Outcome.UNSURE,
        Outcome.UNSAFE,
    ]
    assert red.rationale == "no-red: it is red (0.95)."
    assert [(v.rule, v.category, v.severity) for v in red.violations] == [("no-red", "colour", Severity.HIGH)]
    assert dim.rationale == "no-red: not sure that it is red (0.54)."
    assert [v.rule for v in pink.violations] == ["no-red", "no-blue"]
    assert red.image is not None
    assert (red.image.width, red.image.height, red.image.format, red.image.frames) == (8, 6, "PNG", 1)
    assert (red.model, red.constitution[:8], red.method, red.frame) == ("fake@1", "colours@", "clue", None)


def test_a_bad_file_is_a_verdict(folder: Path) -> None:
    (folder / "b.png").write_bytes(b"")
    (folder / "c.png").write_bytes((folder / "a-red.png").read_bytes()[:50])
    verdicts = scan(folder)
    assert [v.verdict for v in verdicts[1:4]] == [Outcome.SAFE, Outcome.ERROR, Outcome.UNSURE]
    errors = [v for v in verdicts if v.error]
    assert [v.error.kind for v in errors if v.error] == ["empty", "truncated"]
    assert all(v.rules == () and v.rationale for v in errors)
    assert errors[1].sha256 is not None


def test_a_failing_engine_is_a_verdict(folder: Path) -> None:
    def answer(picture: Picture | None, question: Question) -> float:
        if picture is not None and picture.rgb[0] == 140:
            raise EngineFailure("engine-crash", "the engine ended by SIGSEGV")
        return colour(picture, question)

    verdicts = scan(folder, Scripted(answer))
    assert [v.verdict for v in verdicts] == [Outcome.UNSAFE, Outcome.SAFE, Outcome.ERROR, Outcome.UNSAFE]
    assert verdicts[2].error is not None
    assert verdicts[2].error.kind == "engine-crash"
    assert verdicts[2].image is not None


def test_a_real_crash_costs_one_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    paint(folder, "b-crash.png", (255, 13, 0))
    with EngineProcess("engines:troubled", {"trouble": "abort"}, EngineLimits()) as worker:
        outcomes = [v.verdict for v in scan(folder, worker)]
    assert outcomes.count(Outcome.ERROR) == 1
    assert outcomes[2] is Outcome.ERROR
    assert len(outcomes) == 5


PHASES = {
    "reading": "imagejudge.images.ref.read_image",
    "decoding": "imagejudge.judge.opened_image.decode_image",
    "asking": "imagejudge.judge.scanner.inquire",
    "concluding": "imagejudge.judge.scanner.summarise",
}


@pytest.mark.parametrize("trouble", [ZeroDivisionError("oops"), RecursionError(), OSError(5, "odd")])
@pytest.mark.parametrize("phase", PHASES)
def test_whatever_goes_wrong_with_one_file_is_its_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str, trouble: Exception
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    real, calls = pkgutil.resolve_name(PHASES[phase]), itertools.count()

    def third(*given: object) -> object:
        if next(calls) == 2:
            raise trouble
        return real(*given)

    monkeypatch.setattr(PHASES[phase], third)
    verdicts = scan(folder)
    wrong = [verdict for verdict in verdicts if verdict.error is not None]
    assert (len(verdicts), len(wrong)) == (4, 1)
    assert wrong[0].error is not None
    assert wrong[0].error.kind == "internal"
    (log,) = tmp_path.glob("imagejudge-*.log")
    assert str(log) in wrong[0].error.message
    assert wrong[0].path in log.read_text()
    assert type(trouble).__name__ in log.read_text()


def test_a_bug_with_every_file_makes_one_log(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for number in range(80):
        paint(folder, f"{number}.png", (number, 0, 0))
    monkeypatch.setattr("imagejudge.judge.opened_image.decode_image", lambda *given: 1 / 0)
    verdicts = scan(folder)
    assert {verdict.error.kind for verdict in verdicts if verdict.error} == {"internal"}
    assert len(verdicts) == 84
    (log,) = tmp_path.glob("imagejudge-*.log")
    assert log.read_text().count("Traceback") == 50


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OutputError("no room"), ModelError("no model")])
def test_what_stops_a_run_still_stops_it(folder: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException) -> None:
    def stopped(*given: object) -> None:
        raise stop

    monkeypatch.setattr("imagejudge.judge.scanner.summarise", stopped)
    with pytest.raises(type(stop)):
        scan(folder)


def test_lines_say_what_they_were_made_with_and_of(folder: Path) -> None:
    for path in folder.iterdir():
        os.utime(path, ns=(10**18, 10**18))
    time.sleep(2.2)
    settings = {"frames": 4, "box_style": "round"}
    for verdict in scan(folder, the_plan=dataclasses.replace(plan(), settings=settings)):
        status = Path(verdict.path).stat()
        assert verdict.settings == settings
        assert verdict.file is not None
        assert (verdict.file.size, verdict.file.modified) == (status.st_size, 10**18)
        assert verdict.file.changed == status.st_ctime_ns
    paint(folder, "a-red.png", (0, 0, 0))
    young = scan(folder)[0]
    assert young.file is None, "the next change might fall into the same tick of the clock"


def test_a_file_that_changes_while_it_is_read_is_not_judged_by_halves(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = os.fstat, {"changes": 2}
    path = folder / "a-red.png"

    def fstat(file: int) -> os.stat_result:
        status = real(file)
        if status.st_ino == path.stat().st_ino and left["changes"]:
            left["changes"] -= 1
            path.write_bytes((folder / "b-black.png").read_bytes())
            path.chmod(0o600 + left["changes"])
        return status

    monkeypatch.setattr("imagejudge.images.read.os.fstat", fstat)
    assert scan(folder)[0].verdict is Outcome.SAFE, "as it lies there in the end"
    left["changes"] = 1000
    error = scan(folder)[0].error
    assert error is not None
    assert (error.kind, error.message) == ("io", "the file changed while it was read; wait until it is written")


def animate(folder: Path, *shades: tuple[int, int, int], name: str = "a.gif") -> None:
    frames = [Image.new("RGB", (4, 4), shade) for shade in shades]
    frames[0].save(folder / name, save_all=True, append_images=frames[1:], duration=100, loop=0)


def test_a_worst_frame_speaks_for_an_animation(tmp_path: Path) -> None:
    animate(tmp_path, (0, 0, 0), (140, 0, 0), (255, 0, 0), (0, 0, 0))
    (verdict,) = scan(tmp_path)
    assert (verdict.verdict, verdict.frame) == (Outcome.UNSAFE, 2)
    assert verdict.image is not None
    assert verdict.image.frames == 4
    (first_only,) = scan(tmp_path, the_plan=plan(frames=1))
    assert (first_only.verdict, first_only.frame) == (Outcome.SAFE, 0)
    assert {result.frame for result in first_only.rules} == {0}


@pytest.mark.parametrize("name", ["a.gif", "a.tiff"])
def test_what_any_sampled_frame_violates_is_in_the_line(tmp_path: Path, name: str) -> None:
    """Also what is more severe than all that the frame shows which violates most rules."""
    blue, red, pages = (0, 0, 255), (255, 0, 0), [dataclasses.replace(BLUE, id=each) for each in ("sky", "sea")]
    animate(tmp_path, (0, 0, 0), blue, (0, 0, 0), red, name=name)
    (verdict,) = scan(tmp_path, the_plan=plan(RED, *pages))
    assert (verdict.verdict, verdict.frame, verdict.time) == (Outcome.UNSAFE, 3, None)
    assert [(each.rule, each.severity, each.spans) for each in verdict.violations] == [
        ("no-red", Severity.HIGH, None),
        ("sky", Severity.MEDIUM, None),
        ("sea", Severity.MEDIUM, None),
    ]
    assert [(each.rule, each.status, each.frame, each.time) for each in verdict.rules] == [
        ("no-red", RuleStatus.VIOLATED, 3, None),
        ("sky", RuleStatus.VIOLATED, 1, None),
        ("sea", RuleStatus.VIOLATED, 1, None),
    ]
    assert verdict.rationale == (
        "no-red in frame 3: it is red (0.95). sky in frame 1: it is blue (0.95). sea in frame 1: it is blue (0.95)."
    )
    assert [finding.message for finding in findings(verdict)] == [
        "In frame 3: it is red (0.95).",
        "In frame 1: it is blue (0.95).",
        "In frame 1: it is blue (0.95).",
    ]
    jsonschema.validate(json.loads(line_of(verdict)), json_schema())
    assert verdict_of(line_of(verdict)) == verdict


def test_doubt_about_an_animation_names_its_frame(tmp_path: Path) -> None:
    animate(tmp_path, (0, 0, 0), (140, 0, 0))
    (verdict,) = scan(tmp_path)
    assert (verdict.verdict, verdict.frame) == (Outcome.UNSURE, 1)
    assert verdict.rationale == "in frame 1: no-red: not sure that it is red (0.54)."
    assert [finding.message for finding in findings(verdict)] == ["In frame 1: undecided: It is red. (0.54)"]


def test_a_still_image_names_no_frame(folder: Path) -> None:
    for verdict in scan(folder):
        assert (verdict.frame, {result.frame for result in verdict.rules}) == (None, {None})


def test_the_line_tells_what_was_laid_below_its_frame(tmp_path: Path) -> None:
    (pictures := tmp_path / "pictures").mkdir()
    frames = [Image.new("RGBA", (9, 9)) for _ in range(2)]
    for image, shade in zip(frames, [(0, 0, 0, 255), (255, 255, 255, 255)], strict=True):
        image.paste(shade, (2, 2, 7, 7))
    frames[0].save(pictures / "a.png", save_all=True, append_images=frames[1:], disposal=1)
    frames[1].save(pictures / "b.png")

    def dark(picture: Picture | None, question: Question) -> float:
        return 0.5 if picture is None else 0.05 if picture.rgb[0] > 200 else 0.95

    cache = Cache(tmp_path / "cache")
    first = scan(pictures, Scripted(dark), cache)
    assert [(line.frame, line.image and line.image.ground) for line in first] == [(1, "grey"), (None, "grey")]
    again = scan(pictures, NoEngine(), cache)
    assert [line.image for line in again] == [line.image for line in first]


def test_answers_about_another_decoding_are_not_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path / "cache")
    scan(folder, cache=cache)
    monkeypatch.setattr("imagejudge.judge.cached_view.DECODE_VERSION", 10_000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    asked = Scripted(colour)
    scan(folder, asked, cache)
    assert asked.waves


class NoEngine(Engine):
    def view(  # type: ignore[override]
        self, picture: Picture | None, first: Sequence[Question] = (), *, same_image: bool = False
    ) -> object:
        raise AssertionError("everything is known")

    def write(self, prompt: str, grammar: str, limit: int) -> str:
        raise AssertionError("nothing is to be written")

    def facts(self) -> dict[str, str]:
        raise AssertionError("nobody wants to know")

    def close(self) -> None:
        pass


def test_a_cached_scan_needs_no_engine(folder: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    first = scan(folder, cache=cache)
    again = scan(folder, NoEngine(), cache)
    assert [plain(v) for v in again] == [plain(v) for v in first]


def test_the_line_tells_what_its_frame_took_in_the_model(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    animate(pictures, *((shade, 0, 0) for shade in (0, 140, 255)))

    class Sized(Scripted):
        def view(self, picture: Picture | None, first: Sequence[Question] = (), *, same_image: bool = False) -> View:
            self.image_tokens = 1 + picture.rgb[0] if picture else None
            return super().view(picture, first, same_image=same_image)

    cache = Cache(tmp_path / "cache")
    for engine in (Sized(colour), NoEngine()):
        (verdict,) = scan(pictures, engine, cache, plan(RED))
        assert (verdict.frame, verdict.image and verdict.image.tokens) == (2, 256)
    spared = dataclasses.replace(plan(RED), ignored=lambda path: {"no-red"})
    (verdict,) = scan(pictures, Sized(colour), None, spared)
    assert verdict.image is not None
    assert verdict.image.tokens is None, "the model was never shown it"


def test_known_frames_that_are_wanted_again_are_decoded_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    animate(pictures, *((shade, 0, 0) for shade in (0, 140, 255, 0)))
    cache, calls = Cache(tmp_path / "cache"), []
    scan(pictures, cache=cache, the_plan=plan(RED))
    monkeypatch.setattr(
        "imagejudge.judge.opened_image.decode_image", lambda *what: calls.append(what) or decode_image(*what)
    )
    (verdict,) = scan(pictures, cache=cache, the_plan=plan(RED, BLUE))
    assert (verdict.verdict, verdict.frame) == (Outcome.UNSAFE, 2)
    assert len(calls) == 1


def test_a_copy_or_a_new_name_needs_no_engine(folder: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    scan(folder, cache=cache)
    (folder / "a-red.png").rename(folder / "z.png")
    assert [v.verdict for v in scan(folder, NoEngine(), cache)][-1] is Outcome.UNSAFE


def test_a_changed_rule_asks_only_what_is_new(folder: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    scan(folder, cache=cache, the_plan=plan(RED))
    engine = Scripted(colour)
    scan(folder, engine, cache, plan(RED, BLUE))
    assert {question.subject for wave in engine.waves for question in wave} == {"It is blue."}


@pytest.mark.parametrize("kept", [False, True], ids=["new", "known"])
def test_every_image_is_inquired_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    cache = Cache(tmp_path / "cache")
    if kept:
        scan(folder, cache=cache)
    calls: list[object] = []
    monkeypatch.setattr("imagejudge.judge.scanner.inquire", lambda *what: calls.append(what) or inquire(*what))
    assert len(scan(folder, cache=cache)) == len(calls) == 4


def test_priors_are_asked_once_and_all_together(folder: Path) -> None:
    pictures: list[Picture | None] = []

    def answer(picture: Picture | None, question: Question) -> float:
        pictures.append(picture)
        return colour(picture, question)

    scan(folder, Scripted(answer))
    assert pictures[:2] == [None, None]
    assert None not in pictures[2:]


def test_nothing_is_loaded_for_files_that_cannot_be_judged(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (verdict,) = scan(tmp_path, NoEngine())
    assert verdict.verdict is Outcome.ERROR


def test_several_engines_share_the_work(folder: Path) -> None:
    for number in range(40):
        paint(folder, f"{number:03}.png", (number, 0, 0))
    engines = [Scripted(colour) for _ in range(3)]
    refs = [ImageRef(str(path)) for path in sorted(folder.iterdir())]
    verdicts = list(Scanner(plan(), Cache(None), engines).run(refs))
    assert [v.path for v in verdicts] == [ref.path for ref in refs]
    assert [plain(v) for v in verdicts] == [plain(v) for v in scan(folder)]


def test_a_model_that_cannot_start_stops_the_scan(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with pytest.raises(ModelError, match="cannot load"):
        scan(folder, EngineProcess("engines:refusing", {"file": "x"}, EngineLimits()))


def test_images_are_opened_while_the_engine_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        paint(tmp_path, f"{number}.png", (number, 0, 0))
    answering, opened, second = threading.Event(), threading.Semaphore(0), threading.Event()

    def answer(picture: Picture | None, question: Question) -> float:
        answering.set()
        if picture is not None and not second.is_set():
            assert opened.acquire(timeout=20), "the next image is not opened before this one is answered"
            second.set()
        return 0.5

    def decode(*what: Any) -> object:
        if what[0].path != str(tmp_path / "0.png"):
            answering.wait(20)
            opened.release()
        return decode_image(*what)

    monkeypatch.setattr("imagejudge.judge.opened_image.decode_image", decode)
    assert len(scan(tmp_path, Scripted(answer))) == 6


def test_no_picture_is_held_once_nothing_is_asked_about_it(tmp_path: Path) -> None:
    for number in range(12):
        paint(tmp_path, f"{number:02}.png", (number, 0, 0))
    scanner = Scanner(plan(), Cache(None), [Scripted(colour)])
    verdicts = scanner.run(ImageRef(str(path)) for path in sorted(tmp_path.iterdir()))
    next(verdicts)
    time.sleep(0.3)  # all that is begun is asked about
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, Decoded)]
    assert sum(1 for _ in verdicts) == 11


def test_nothing_is_asked_after_what_ends_the_run(tmp_path: Path) -> None:
    for number in range(6):
        paint(tmp_path, f"{number}.png", (number, 0, 0))

    class Broken(Scripted):
        views = 0

        def view(self, picture: Picture | None, first: Sequence[Question] = (), *, same_image: bool = False) -> View:
            Broken.views += 1
            time.sleep(0.2)  # meanwhile other images wait for their turn
            if Broken.views == 1:
                raise ModelError("the model does not load", "take another one")
            return super().view(picture, first, same_image=same_image)

    with pytest.raises(ModelError, match="does not load"):
        scan(tmp_path, Broken(colour), the_plan=dataclasses.replace(plan(), method=Method("threshold")))
    time.sleep(0.3)  # a thread that waited would have begun by now
    assert Broken.views == 1


def test_stopping_early_closes_the_engines(folder: Path) -> None:
    closed = []

    class Noted(Scripted):
        def close(self) -> None:
            closed.append(True)

    refs = [ImageRef(str(path)) for path in sorted(folder.iterdir())]
    verdicts = Scanner(plan(), Cache(None), [Noted(colour)]).run(refs)
    next(verdicts)
    verdicts.close()
    assert closed


def test_names_of_any_bytes_are_kept(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9\n.png"
    paint(tmp_path, "x.png", (0, 0, 0))
    (tmp_path / "x.png").rename(os.fsdecode(name))
    (verdict,) = scan(tmp_path)
    assert os.fsencode(verdict.path) == name


def plain(verdict: Verdict) -> dict[str, object]:
    return verdict.model_dump(exclude={"seconds", "file"})
