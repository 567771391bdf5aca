"""The public API: one model for many calls, anything for an image, and nothing left behind."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

import imagejudge
from imagejudge import EngineLimits, ImageLimits, Judge, ModelChoice, ModelError, Outcome, UsageError, load_constitution
from imagejudge.engine.process import EngineProcess
from imagejudge.engine.spec import EngineSpec
from imagejudge.images.ref import ImageRef
from imagejudge.judge import engines
from imagejudge.verdict import Verdict

ROOT = Path(__file__).parents[2]
RULES = """schema = 1
name = "light"
version = "1"

[[rules]]
id = "no-light"
text = "Nothing bright."
preconditions = [{ any = ["It is bright."] }]
"""
BRIGHT, DARK = (250, 0, 0), (0, 0, 0)

Make = Callable[..., Judge]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "light.toml").write_text(RULES)
    return tmp_path / "light.toml"


@pytest.fixture
def make(rules: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Judges whose engine, in a child process, says Yes the more strongly the brighter an image is."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    monkeypatch.setattr(engines, "ENGINE", "engines:brightness")
    monkeypatch.setattr("imagejudge.judge.judge.world_of", lambda files, cache: None)  # it belongs to the real one

    def made(**more: object) -> Judge:
        return Judge(rules, **{"model": "builtin", "keep_answers": False, **more})  # type: ignore[arg-type]

    yield made
    assert children() == []


def children() -> list[psutil.Process]:
    """Engines of this process; other tests in it may have left helpers of their own."""
    alive = psutil.Process().children(recursive=True)
    return [child for child in alive if _runs_an_engine(child)]


def _runs_an_engine(child: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return "imagejudge.engine.process_main" in child.cmdline()
    return False


def picture(colour: tuple[int, int, int] = BRIGHT) -> Image.Image:
    return Image.new("RGB", (32, 32), colour)


def png(colour: tuple[int, int, int] = BRIGHT) -> bytes:
    file = io.BytesIO()
    picture(colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02}.png").write_bytes(png((250 * (number % 2), 0, number)))
    return folder


def test_path_bytes_and_picture_get_the_same_verdict(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(png())
    with make() as judge:
        verdicts = [judge.judge(image) for image in (file, str(file), png(), bytearray(png()), picture())]
        named = judge.judge(png(), name="upload 7"), judge.judge(picture(), name="screen")
    assert {verdict.verdict for verdict in verdicts} == {Outcome.UNSAFE}
    assert {verdict.rules[0].steps for verdict in verdicts} == {verdicts[0].rules[0].steps}
    assert [verdict.path for verdict in verdicts] == [str(file), str(file), "<bytes>", "<bytes>", "<image>"]
    assert [verdict.path for verdict in named] == ["upload 7", "screen"]
    assert {verdict.sha256 for verdict in verdicts[:4]} == {hashlib.sha256(png()).hexdigest()}
    assert {verdict.file for verdict in verdicts[2:]} == {None}


def test_what_lies_at_a_path_that_is_called_like_the_bytes_does_not_matter(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "<bytes>").write_bytes(png(DARK))
    with make() as judge:
        assert judge.judge(png()).verdict is Outcome.UNSAFE
        broken = judge.judge(b"no image")
        assert (broken.verdict, broken.file) == (Outcome.ERROR, None)


def test_bytes_have_the_limits_of_files(make: Make) -> None:
    with make(image_limits=ImageLimits(bytes=10)) as judge:
        kinds = [verdict.error and verdict.error.kind for verdict in map(judge.judge, (png(), b"", "none.png"))]
    assert kinds == ["too-large", "empty", "missing"]


def test_the_model_is_loaded_once_for_all_calls(make: Make, folder: Path) -> None:
    with make() as judge:
        assert children() == []
        judge.judge(picture())
        (child,) = children()
        assert len(list(judge.scan([folder, folder / "01.png"]))) == 20
        assert len(list(judge.scan(str(folder)))) == 20
        judge.judge(png(DARK))
        assert children() == [child]
    assert not child.is_running()


def test_priors_are_asked_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[bool] = []
    view = EngineProcess.view

    def noted(self: EngineProcess, picture: object, *rest: object, **more: object) -> object:
        looks.append(picture is None)
        return view(self, picture, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(EngineProcess, "view", noted)
    with make() as judge:
        judge.judge(picture())
        judge.judge(picture(DARK))
    assert looks.count(True) == 1
    assert looks.count(False) >= 2


def test_a_scan_that_is_left_early_can_be_followed_by_another(make: Make, folder: Path) -> None:
    with make() as judge:
        for verdict in judge.scan([folder]):
            assert verdict.path == str(folder / "00.png")
            break
        assert children() == []
        assert [v.verdict for v in judge.scan([folder])] == [Outcome.SAFE, Outcome.UNSAFE] * 10


def test_one_thing_at_a_time(make: Make, folder: Path) -> None:
    with make() as judge:
        verdicts = judge.scan([folder])
        next(verdicts)
        with pytest.raises(UsageError, match="at work on another scan"):
            judge.judge(picture())
        with pytest.raises(UsageError, match="at work on another scan"):
            next(judge.scan([folder]))
        assert len(list(verdicts)) == 19
        assert judge.judge(picture()).verdict is Outcome.UNSAFE


def test_closing_in_another_thread_ends_a_scan_at_once(make: Make, folder: Path) -> None:
    judge, found, ended = make(), list[str](), list[str]()
    refs = [ImageRef(str(path)) for path in sorted(folder.iterdir())] * 100

    def scan() -> None:
        try:
            found.extend(verdict.verdict for verdict in map(note, judge.judge_all(refs)))
        except UsageError as error:
            ended.append(str(error))

    begun = threading.Event()

    def note(verdict: Verdict) -> Verdict:
        begun.set()
        return verdict

    thread = threading.Thread(target=scan, daemon=True)
    thread.start()
    assert begun.wait(60)
    judge.close()
    thread.join(60)
    assert ended == ["this Judge was closed before its scan had ended"]
    assert len(found) < len(refs)
    assert Outcome.ERROR not in found[:-8], "images that are left are not failures"


def test_closing_in_another_thread_while_the_model_loads_is_no_fault_of_the_model(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    start = EngineProcess._start

    def starting(self: EngineProcess) -> object:
        begun.set()
        return start(self)

    monkeypatch.setattr(EngineProcess, "_start", starting)
    monkeypatch.setattr(engines, "ENGINE", "engines:dawdling")
    monkeypatch.setattr(EngineSpec, "options", {"load": 60})
    judge = make()
    closing = threading.Thread(target=lambda: begun.wait(60) and judge.close())
    closing.start()
    with pytest.raises(UsageError, match="closed before its scan had ended"):
        list(judge.scan(folder))
    closing.join()


def test_a_closed_judge_says_so(make: Make, folder: Path) -> None:
    with make() as judge:
        verdicts = judge.scan([folder])
        next(verdicts)
    with pytest.raises(UsageError, match="closed before its scan had ended"):
        next(verdicts)
    with pytest.raises(UsageError, match="this Judge is closed"):
        judge.judge(picture())
    judge.close()


def test_an_error_in_the_with_statement_ends_the_engine(make: Make) -> None:
    with pytest.raises(ZeroDivisionError), make() as judge:  # noqa: PT012 - the engine must have begun
        judge.judge(picture())
        1 / 0  # noqa: B018
    assert children() == []


def test_an_engine_that_dies_costs_one_image(make: Make) -> None:
    with make() as judge:
        judge.judge(picture())
        (child,) = children()
        child.kill()
        child.wait()
        assert judge.judge(picture(DARK)).error is not None
        assert judge.judge(picture(DARK)).verdict is Outcome.SAFE


def test_ctrl_c_leaves_nothing_behind(make: Make) -> None:
    with make(model=ModelChoice("builtin", workers=2)) as judge:
        judge.judge(picture())
        assert children()
        stopped = children()[0]
        stopped.suspend()  # so that the next answer takes for ever
        timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            [judge.judge(picture((number, 0, 9))) for number in range(100)]
        timer.join()
        assert children() == []
        assert judge.judge(picture()).verdict is Outcome.UNSAFE


def test_a_model_that_does_not_load_is_an_error_and_leaves_nothing_behind(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "ENGINE", "engines:nothing_of_this_name")
    with make() as judge:
        for _ in range(2):
            with pytest.raises(ModelError):
                judge.judge(picture())
            assert children() == []


def test_what_cannot_be_judged_is_refused(make: Make, tmp_path: Path) -> None:
    with make() as judge:
        for wrong in (7, None, [b"x"]):
            with pytest.raises(UsageError, match="cannot judge something of type"):
                judge.judge(wrong)  # type: ignore[arg-type]
        for mode in ("F", "I", "I;16B"):
            with pytest.raises(UsageError, match="does not say what is white"):
                judge.judge(Image.new(mode, (8, 8)))
        with pytest.raises(UsageError, match="has its path for a name"):
            judge.judge(tmp_path, name="x")


def test_answers_are_kept_where_it_is_said(make: Make, tmp_path: Path) -> None:
    for _ in range(2):
        with make(keep_answers=True, cache_folder=tmp_path / "kept") as judge:
            verdict = judge.judge(picture())
            begun = len(children())
    assert (tmp_path / "kept" / "answers.sqlite").exists()
    assert begun == 0
    assert verdict.verdict is Outcome.UNSAFE


@pytest.fixture
def copied(tmp_path: Path) -> ModelChoice:
    """The built-in model's files, where they may be changed."""
    folder = Path(imagejudge.__file__).parent / "builtin"
    paths = [shutil.copy(folder / name, tmp_path) for name in ("model.gguf", "mmproj.gguf")]
    for path in paths:
        os.utime(path, (1_700_000_000, 1_700_000_000))  # as reproducible archives have it
    return ModelChoice(*map(str, paths))


def retrained(path: str) -> Path:
    """Another model with the size and the date of the one at a path, beside it."""
    other, content = Path(path).with_suffix(".new"), bytearray(Path(path).read_bytes())
    content[-1] ^= 1
    other.write_bytes(content)
    shutil.copystat(path, other)
    return other


@pytest.mark.parametrize("half", ["model", "mmproj"])
@pytest.mark.parametrize("way", ["replaced", "written over"])
def test_no_answer_of_another_model_stands_under_the_name_of_the_first(
    make: Make, tmp_path: Path, copied: ModelChoice, half: str, way: str
) -> None:
    path = getattr(copied, half)
    with make(model=copied, keep_answers=True, cache_folder=tmp_path / "kept") as judge:
        judge.judge(picture())
        if way == "replaced":
            retrained(path).replace(path)
        else:
            Path(path).write_bytes(retrained(path).read_bytes())
        with pytest.raises(ModelError, match="changed since this run began") as error:
            judge.judge(picture(DARK))
        assert (Path(path).name in error.value.message, "again" in error.value.hint) == (True, True)
        assert judge.judge(picture()).verdict is Outcome.UNSAFE, "what is known needs no model"
        assert judge.cache.info().images == 2, "one, and none at all"
        first = judge.plan.model
    with make(model=copied, keep_answers=True, cache_folder=tmp_path / "kept") as judge:
        assert judge.plan.model != first


def test_a_model_that_is_linked_or_touched_is_still_the_same(
    make: Make, tmp_path: Path, copied: ModelChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert copied.model is not None
    monkeypatch.chdir(tmp_path)
    with make(model=ModelChoice("model.gguf", "mmproj.gguf")) as judge:
        judge.judge(picture())
        monkeypatch.chdir("/")
        (tmp_path / "backup.gguf").hardlink_to(copied.model)
        assert judge.judge(picture(DARK)).verdict is Outcome.SAFE
        (child,) = children()
        assert judge.judge(picture((1, 0, 0))).verdict is Outcome.SAFE
        assert children() == [child], "loaded again once, no more"


def test_another_model_of_the_same_size_and_date_has_another_name(
    make: Make, tmp_path: Path, copied: ModelChoice
) -> None:
    assert copied.model is not None

    def name() -> str:
        with make(model=copied, keep_answers=True, cache_folder=tmp_path / "kept") as judge:
            return judge.plan.model

    other = retrained(copied.model)
    time.sleep(2.1)  # what was just written is not remembered
    before = name()
    other.replace(copied.model)
    assert name() != before


def test_an_argument_that_is_wrong_leaves_no_cache_open(rules: Path) -> None:
    with pytest.raises(ModelError):
        Judge(rules, model="no such model")
    with pytest.raises(UsageError):
        Judge(rules, model="builtin", select=["no-such-rule"])
    with pytest.raises(imagejudge.ConstitutionError):
        Judge("no-such-rules", model="builtin")
    assert Judge(load_constitution(rules), model="builtin", keep_answers=False).constitution.name == "light"


def test_each_gpu_gets_an_engine_and_its_share_of_threads() -> None:
    choice = ModelChoice("builtin", gpus=(0, 3), threads=None)
    made = choice.engines(choice.spec(choice.files(), ""), [], EngineLimits(), print)
    assert [engine._options["main_gpu"] for engine in made] == [0, 3]
    assert {engine._options["threads"] for engine in made} != {None}


def test_the_public_names_are_sorted_and_there() -> None:
    assert imagejudge.__all__ == sorted(imagejudge.__all__)
    assert set(imagejudge.__all__) <= set(dir(imagejudge))
    for name in imagejudge.__all__:
        assert getattr(imagejudge, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Jugde'"):
        imagejudge.Jugde  # noqa: B018


def test_importing_the_package_loads_nothing_of_it() -> None:
    code = "import sys, imagejudge; print(*[name for name in sys.modules if name.startswith(('imagejudge', 'PIL'))])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"imagejudge\n"
    code = "import sys; from imagejudge import *; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    assert {"PIL", "llama_cpp", "typer", "imagejudge.cli"}.isdisjoint(loaded)
