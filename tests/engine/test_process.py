"""The child process: what it costs when native code aborts, hangs or eats memory."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from imagejudge.common.hashed_file import hash_file
from imagejudge.engine import process as worker_module
from imagejudge.engine.process import EngineProcess, Limits
from imagejudge.errors import EngineFailure, ModelError
from imagejudge.images.picture import Box, Picture
from imagejudge.prompts import visible

QUESTION = visible("It is bright.")
TESTS = Path(__file__).parent.parent


def picture(red: int, green: int = 0) -> Picture:
    return Picture(4, 4, bytes([red, green, 0] * 16))


GOOD, BAD = picture(255), picture(255, 13)

MakeWorker = Callable[..., EngineProcess]


@pytest.fixture(autouse=True)
def _engines_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))


@pytest.fixture
def make_worker() -> Iterator[MakeWorker]:
    made = []

    def make(engine: str, options: dict[str, str] | None = None, **limits: float) -> EngineProcess:
        made.append(EngineProcess(f"engines:{engine}", options or {}, Limits(**limits)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for worker in made:
        worker.close()
    assert engines() == []


def engines() -> list[psutil.Process]:
    """The children of this process that run an engine; other tests may have left others."""
    children = psutil.Process().children()
    alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "imagejudge.engine.process_main" in child.cmdline()]


def ask(worker: EngineProcess, shown: Picture | None = GOOD) -> float:
    return worker.view(shown).ask([QUESTION])[0].p_yes


def test_everything_a_view_can_do_reaches_the_engine(make_worker: MakeWorker) -> None:
    worker = make_worker("brightness")
    view = worker.view(Picture(2, 1, bytes([255, 0, 0, 0, 0, 0])))
    assert (view.tokens, view.crop(Box(0, 0, 0.5, 1)).tokens, worker.view(None).tokens) == (7, 7, None)
    view = worker.view(Picture(2, 1, bytes([255, 0, 0, 0, 0, 0])))
    assert view.ask([QUESTION, QUESTION])[1].p_yes == pytest.approx(0.98)
    reasoning, again = view.reason([QUESTION, QUESTION])
    assert again == reasoning
    assert reasoning is not None
    assert (reasoning.yes, reasoning.rationale) == (True, "It is bright.")
    assert view.locate(["lamp"]) == Box(0.0, 0.0, 0.5, 0.5, 0.9)
    assert view.embedding().tolist() == [255, 0, 0] * 2
    left, right = Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)
    assert view.without(left).ask([QUESTION])[0].p_yes == pytest.approx(0.02 + 0.96 * 128 / 255)
    assert view.crop(right).ask([QUESTION])[0].p_yes == pytest.approx(0.02)
    assert view.ask([QUESTION])[0].p_yes == pytest.approx(0.98)
    assert ask(worker, None) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("trouble", "kind", "words"),
    [
        ("abort", "engine-crash", "SIGABRT: GGML_ASSERT"),
        ("segfault", "engine-crash", "SIGSEGV"),
        ("hang", "engine-timeout", "`timeout`"),
        ("eat", "engine-memory", "`memory_limit`"),
        ("raise", "engine-error", "decode failed with 1"),
    ],
)
def test_trouble_costs_one_picture(make_worker: MakeWorker, trouble: str, kind: str, words: str) -> None:
    limits = {"seconds": 2.0} if trouble == "hang" else {"memory": 400_000_000} if trouble == "eat" else {}
    worker = make_worker("troubled", {"trouble": trouble}, **limits)
    assert ask(worker) > 0.9
    with pytest.raises(EngineFailure) as failure:
        ask(worker, BAD)
    assert failure.value.kind == kind
    assert words in failure.value.message
    assert ask(worker) > 0.9


def test_what_is_asked_first_goes_ahead_and_is_asked_once(make_worker: MakeWorker) -> None:
    worker = make_worker("counting")

    def answers(first: int, then: int) -> list[int]:
        """Which question of the engine's life each answer is to."""
        found = worker.view(GOOD, [QUESTION] * first).ask([QUESTION] * then)
        return [round(1 / answer.p_yes) - 1 for answer in found]

    assert answers(2, 2) == [1, 2]
    assert answers(0, 1) == [3]
    assert answers(2, 1) == [6]  # other ones than were sent ahead, whose answers nobody gets
    worker.view(GOOD, [QUESTION])  # nor those of a view that is never asked
    assert answers(1, 1) == [8]
    with pytest.raises(EngineFailure, match="not that one"):
        worker.view(BAD, [QUESTION])
    assert answers(1, 1) == [9]


@pytest.mark.parametrize("trouble", ["abort", "hang"])
def test_trouble_with_what_went_ahead_costs_one_picture(make_worker: MakeWorker, trouble: str) -> None:
    worker = make_worker("troubled", {"trouble": trouble}, seconds=2.0)
    view = worker.view(BAD, [QUESTION])
    with pytest.raises(EngineFailure):
        view.ask([QUESTION])
    assert ask(worker) > 0.9


def test_texts_come_out_of_the_child_and_trouble_costs_one(make_worker: MakeWorker) -> None:
    worker = make_worker("troubled_writer")
    assert "Fine." in worker.write("Rate this.", "root ::= [a-z]+", 9)
    with pytest.raises(EngineFailure, match="SIGABRT"):
        worker.write("abort", "root ::= [a-z]+", 9)
    assert "Fine." in worker.write("Rate this.", "root ::= [a-z]+", 9)


def test_native_output_does_not_corrupt_replies(make_worker: MakeWorker) -> None:
    assert ask(make_worker("troubled", {"trouble": "chatter"}), BAD) > 0.9


def test_a_view_does_not_outlive_its_child(make_worker: MakeWorker) -> None:
    worker = make_worker("troubled", {"trouble": "abort"})
    view = worker.view(BAD)
    for _ in range(2):
        with pytest.raises(EngineFailure):
            view.ask([QUESTION])


def test_the_child_is_replaced_after_some_pictures(make_worker: MakeWorker) -> None:
    worker = make_worker("brightness", pictures=3)
    processes = []
    for _ in range(7):
        ask(worker)
        (child,) = engines()
        processes.append(child.pid)
    assert [processes.count(pid) for pid in dict.fromkeys(processes)] == [3, 3, 1]


def touched(path: Path) -> None:
    path.chmod(0o600)


def replaced(path: Path) -> None:
    path.with_suffix(".new").write_bytes(b"GGUF2")
    path.with_suffix(".new").replace(path)


@pytest.mark.parametrize("change", [replaced, Path.unlink])
@pytest.mark.parametrize("pictures", [1, 1000])
def test_a_file_that_changed_ends_the_run(tmp_path: Path, change: Callable[[Path], None], pictures: int) -> None:
    files = [tmp_path / name for name in ("model.gguf", "mmproj.gguf")]
    for file in files:
        file.write_bytes(b"GGUF1")
    with EngineProcess(
        "engines:brightness", {}, Limits(pictures=pictures), files=list(map(hash_file, files))
    ) as worker:
        ask(worker)
        change(files[1])
        with pytest.raises(ModelError, match=r"mmproj\.gguf changed since this run began"):
            ask(worker)
        assert engines() == []


def test_a_file_that_only_looks_changed_is_hashed_and_loaded_again_once(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF1")
    with EngineProcess("engines:brightness", {}, Limits(), files=[hash_file(file)]) as worker:
        processes = []
        for change in (None, touched, None):
            if change is not None:
                change(file)
            ask(worker)
            processes += engines()
        assert [processes.index(process) for process in processes] == [0, 1, 1]


@pytest.mark.parametrize("change", [replaced, touched], ids=["replaced", "touched"])
def test_a_file_that_changes_while_it_is_loaded_ends_the_run(tmp_path: Path, change: Callable[[Path], None]) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF1")
    with EngineProcess("engines:dawdling", {"load": 1}, Limits(), files=[hash_file(file)]) as worker:
        late = threading.Timer(0.5, change, [file])
        late.start()
        with pytest.raises(ModelError, match="changed since this run began"):
            ask(worker)
        late.join()
        assert engines() == []


def test_an_engine_that_refuses_says_why(make_worker: MakeWorker) -> None:
    with pytest.raises(ModelError) as error:
        ask(make_worker("refusing", {"file": "x.gguf"}))
    assert (error.value.message, error.value.hint) == ("cannot load x.gguf", "get another one")


def test_an_engine_that_dies_while_loading_stops_the_run(make_worker: MakeWorker) -> None:
    with pytest.raises(ModelError, match=r"while loading.*SIGABRT"):
        ask(make_worker("stillborn"))


@pytest.mark.parametrize(
    ("engine", "options"), [("troubled", {"trouble": "hang"}), ("dawdling", {"load": 60})], ids=["asked", "loading"]
)
def test_closing_frees_a_thread_that_waits(make_worker: MakeWorker, engine: str, options: dict[str, Any]) -> None:
    worker = make_worker(engine, options)
    failures: list[EngineFailure] = []

    def wait() -> None:
        try:
            ask(worker, BAD)
        except EngineFailure as failure:
            failures.append(failure)

    thread = threading.Thread(target=wait)
    thread.start()
    while not engines():
        time.sleep(0.01)
    time.sleep(0.5)
    worker.close()
    thread.join(10)
    assert failures
    assert engines() == []
    with pytest.raises(EngineFailure, match="was closed"):
        ask(worker)


def test_an_interrupt_ends_a_child_that_is_loading(make_worker: MakeWorker) -> None:
    worker = make_worker("dawdling", {"load": 60})
    threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        ask(worker)
    assert engines() == []


@contextlib.contextmanager
def stopping_the_next_child(delay: float) -> Iterator[None]:
    """Stops a child, as a debugger or a frozen disk would, so many seconds after it appears."""
    before = {child.pid for child in psutil.Process().children()}

    def stop() -> None:
        while not (new := {child.pid for child in psutil.Process().children()} - before):
            pass
        time.sleep(delay)
        for pid in new:
            os.kill(pid, signal.SIGSTOP)

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.mark.parametrize("delay", [0.01, *(pytest.param(each, marks=pytest.mark.slow) for each in (0, 0.001, 0.1))])
@pytest.mark.parametrize("pictures", [0, 1], ids=["at first", "at a restart"])
def test_loading_that_does_not_end_is_given_up(make_worker: MakeWorker, delay: float, pictures: int) -> None:
    limit = 1.5 + 2.5 * pictures  # the first load, which is to end within it, may have a busy machine
    worker = make_worker("dawdling", {"load": 0.3}, load_seconds=limit, pictures=1, seconds=60)
    for _ in range(pictures):
        ask(worker)
    started = time.monotonic()
    with (
        stopping_the_next_child(delay),
        pytest.raises(ModelError, match=rf"within {limit:g} seconds \(`load_timeout`") as error,
    ):
        ask(worker)
    assert "raise `load_timeout`" in error.value.hint
    assert time.monotonic() - started < 10


def test_a_large_picture_for_a_stopped_child_costs_its_time(make_worker: MakeWorker) -> None:
    worker = make_worker("brightness", seconds=1.5)
    ask(worker)
    os.kill(engines()[0].pid, signal.SIGSTOP)
    with pytest.raises(EngineFailure, match=r"1\.5 seconds \(`timeout`"):
        worker.view(Picture(4000, 3000, bytes(4000 * 3000 * 3)))
    assert ask(worker) > 0.9


def test_memory_is_limited_from_the_first_byte(make_worker: MakeWorker) -> None:
    with pytest.raises(ModelError, match=r"more than the limit of 0\.40 GB \(`memory_limit`") as error:
        ask(make_worker("gorging", memory=400_000_000))
    assert "raise `memory_limit`" in error.value.hint


@pytest.mark.parametrize(("load", "said"), [(0.0, 0), (2.5, 1)])
def test_slow_loading_is_told_once(load: float, said: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_PATIENCE", 2.0)
    notes: list[str] = []
    with EngineProcess("engines:dawdling", {"load": load}, Limits(load_seconds=60), notes.append) as worker:
        ask(worker)
        ask(worker)
    assert notes == ["still loading the model; given up after 60 s"] * said


def test_a_child_that_cannot_be_made_for_lack_of_room_names_the_limit(tmp_path: Path) -> None:
    program = (
        "import resource\n"
        "from imagejudge.engine.process import Limits, EngineProcess\n"
        "from imagejudge.errors import ModelError\n"
        "resource.setrlimit(resource.RLIMIT_AS, (150_000_000, -1))\n"
        "try:\n"
        "    EngineProcess('engines:gorging', {}, Limits()).view(None)\n"
        "except ModelError as error:\n"
        "    print(error.hint)\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=tmp_path).stdout
    assert b"may map 0.15 GB here (ulimit -v): raise that limit" in said


@pytest.mark.slow
def test_all_frames_of_an_image_share_its_time(make_worker: MakeWorker) -> None:
    worker = make_worker("dawdling", {"look": 1.0}, seconds=2.5)
    for _ in range(3):
        ask(worker)
    worker.view(GOOD).ask([QUESTION])
    worker.view(GOOD, same_image=True).ask([QUESTION])
    with pytest.raises(EngineFailure, match="`timeout`"):
        worker.view(GOOD, same_image=True).ask([QUESTION])


@pytest.mark.parametrize("doing", ["time.sleep(60)", "view.ask([visible('It is bright.')])"])
def test_the_child_ends_with_its_parent(doing: str) -> None:
    program = (
        "import engines, sys, time\n"
        "from imagejudge.engine.process import Limits, EngineProcess\n"
        "from imagejudge.images.picture import Picture\n"
        "from imagejudge.prompts import visible\n"
        "worker = EngineProcess('engines:troubled', {'trouble': 'hang'}, Limits())\n"
        "view = worker.view(Picture(1, 1, bytes([0, 13, 0])))\n"
        "print('ready', flush=True)\n"
        f"{doing}\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    time.sleep(0.5)
    (child,) = psutil.Process(parent.pid).children()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    child.wait(timeout=10)


def test_modules_of_the_current_folder_are_not_imported(make_worker: MakeWorker, tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('hostile')")
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert ask(make_worker("brightness")) > 0.9
    finally:
        os.chdir(here)
