"""What everything around the model costs. Run by hand, on a machine that does nothing else:

    python tests/benchmarks/around.py help       # how long until the help is there
    python tests/benchmarks/around.py cached     # images a second when every answer is known
    python tests/benchmarks/around.py overhead   # milliseconds an image beside the engine's own
    python tests/benchmarks/around.py memory     # resident memory over 20,000 images

The built-in model is used, or the pair named with --model and --mmproj. `--images` says over how many images.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import os
import random
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as `EngineProcess` sets it for its child

import psutil
from metered import Meter, Times
from PIL import Image

import imagejudge
from imagejudge import models
from imagejudge.constitution import find_constitution, load_constitution, select_rules
from imagejudge.engine.base import Engine
from imagejudge.engine.process import EngineProcess
from imagejudge.engine.process import Limits as EngineLimits
from imagejudge.images.read import Limits
from imagejudge.images.ref import ImageRef
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.clue import Method
from imagejudge.judge.plan import Plan
from imagejudge.judge.scanner import Scanner
from imagejudge.output.jsonl import JsonLines
from imagejudge.verdict import Verdict

PROGRAM = str(Path(sysconfig.get_path("scripts")) / "imagejudge")
TURNS = 5
COPIES = 10
"""Of each picture, where all answers are known: reading, looking up and judging take as long for a copy."""
WARM = 2
"""Images before the clock starts."""
METHOD = Method("threshold")  # regions and reasoning cost the engine alone, and would hide the rest


def make_images(folder: Path, count: int, side: int = 128) -> list[Path]:
    """Small PNGs, each of a few coloured squares, so that they compress as drawings do."""
    paths = []
    for number in range(count):
        dice = random.Random(number)
        image = Image.new("RGB", (side, side), tuple(dice.randbytes(3)))
        for _ in range(6):
            x, y = dice.randrange(side), dice.randrange(side)
            image.paste(tuple(dice.randbytes(3)), (x, y, min(side, x + 40), min(side, y + 40)))
        paths.append(folder / f"{number:06}.png")
        image.save(paths[-1])
    return paths


def plan(name: str) -> Plan:
    return Plan(load_constitution(find_constitution("stickers")), METHOD, name, name, Limits())


def options(files: models.ModelFiles) -> dict[str, object]:
    # One thread: two that wait for each other make times jump by more than what is measured here.
    pair = {"model": str(files.model), "mmproj": str(files.mmproj)}
    return {**pair, "box_style": files.box_style, "threads": 1}


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def help_time(files: models.ModelFiles, count: int) -> None:
    del files, count
    runs = [timed(lambda: subprocess.run([PROGRAM, "--help"], check=True, capture_output=True)) for _ in range(21)]
    print(f"imagejudge --help: median {statistics.median(runs[1:]):.3f} s, worst {max(runs[1:]):.3f} s of 20")


def cached(files: models.ModelFiles, count: int, beside: Path | None) -> None:
    """Whole runs of the program over files of which each picture has ten; a run over one image is taken off."""
    trees = [Path(imagejudge.__file__).parents[1]] + [beside.resolve()] * bool(beside)
    with tempfile.TemporaryDirectory() as name:
        once, folder = Path(name, "once"), Path(name, "images")
        once.mkdir()
        folder.mkdir()
        for path in make_images(once, count // COPIES):
            for copy in range(COPIES):
                (folder / f"{path.stem}-{copy}.png").write_bytes(path.read_bytes())
        count = count // COPIES * COPIES
        command = [PROGRAM, "scan", "--constitution", "stickers", "--method", "threshold", "--exit-zero"]
        if files.name == models.BUILTIN:
            command += ["--model", models.BUILTIN]
        else:
            command += ["--model", str(files.model), "--mmproj", str(files.mmproj)]

        def scan(tree: Path, what: Path) -> tuple[float, float]:
            """Seconds of the processor and on the clock."""
            cache = ["--cache-dir", f"{name}/cache{trees.index(tree)}"]
            environment = os.environ | {"PYTHONPATH": str(tree)}
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            wall = timed(
                lambda: subprocess.run(
                    [*command, *cache, what], check=True, capture_output=True, env=environment, cwd=tree
                )
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall

        runs: dict[Path, list[tuple[tuple[float, float], tuple[float, float]]]] = {tree: [] for tree in trees}
        for tree in trees:
            scan(tree, once)
        for _ in range(TURNS):
            for tree in trees:
                runs[tree].append((scan(tree, next(folder.iterdir())), scan(tree, folder)))
    for title, number in (("processor", 0), ("clock", 1)):
        costs = {}
        for tree in trees:
            start = statistics.median(one[number] for one, _ in runs[tree])
            each = [(whole[number] - one[number]) / (count - 1) for one, whole in runs[tree]]
            costs[tree] = statistics.median(each)
            print(f"{tree.name}: {files.name}, {title}: start-up {start:.2f} s; ", end="")
            print(f"then {1 / costs[tree]:,.0f} images/s ({TURNS} runs: {1 / max(each):,.0f} to {1 / min(each):,.0f})")
        if beside:
            print(f"{title}: an image costs {costs[trees[0]] / costs[trees[1]]:.2f} of what it costs beside")


def overhead(files: models.ModelFiles, count: int) -> None:
    """What a scan spends outside of the engine, and what it and the engine spend outside of llama.cpp's functions.

    Both are counted in whole scans, through a worker whose child counts. Nothing is subtracted that was measured at
    another time, and processor time hardly feels what else the machine does.
    """
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # where the child finds `metered`
    with tempfile.TemporaryDirectory() as name:
        paths = make_images(Path(name), count)
        costs = [through(files, paths, Path(name, str(turn))) for turn in range(TURNS)]
    for title, kind in (("processor", [cost.cpu for cost in costs]), ("clock", [cost.wall for cost in costs])):
        for what, extra, within in (
            ("around the engine", [one.whole - one.engine for one in kind], [one.engine for one in kind]),
            ("outside of llama.cpp", [one.whole - one.llama for one in kind], [one.llama for one in kind]),
        ):
            share = statistics.median(a / b for a, b in zip(extra, within, strict=True))
            print(f"{files.name}, {title}: {statistics.median(extra):.2f} ms an image {what} ", end="")
            print(f"(worst of {TURNS} runs {max(extra):.2f}), beside {statistics.median(within):.2f} ms ", end="")
            print(f"within: {100 * share:.1f} %")


class Spent(NamedTuple):
    """Milliseconds an image."""

    whole: float
    engine: float
    llama: float


class Cost(NamedTuple):
    """Of the processor, in both processes; and on the clock."""

    cpu: Spent
    wall: Spent


class OutlivingEngine(EngineProcess):
    """A worker that outlives a scan, so that the next one finds its engine loaded and its buffers reserved."""

    def close(self) -> None:
        pass

    def end(self) -> None:
        super().close()


def through(files: models.ModelFiles, paths: Sequence[Path], folder: Path) -> Cost:
    """A whole scan into a file, by an engine that is loaded and warm."""
    folder.mkdir()
    meter = Meter(folder / "meter")
    engine = {**options(files), "meter": str(folder / "meter")}
    worker = OutlivingEngine("metered:load", engine, EngineLimits(pictures=10**9))
    cache = Cache(folder / "cache")
    with (folder / "out").open("wb") as stream:
        sink = JsonLines(stream)
        for _ in scanned(plan("bench"), cache, worker, paths[:WARM]):
            pass
        gc.freeze()  # as the program does before its first image
        before, cpu, wall = meter.read(), time.process_time(), time.perf_counter()
        for verdict in scanned(plan("bench"), cache, worker, paths[WARM:]):
            sink.write(verdict)
        cpu, wall, after = time.process_time() - cpu, time.perf_counter() - wall, meter.read()
    worker.end()
    each = 1000 / (len(paths) - WARM)
    cpu += after.cpu - before.cpu
    spent = Times(*(each * (late - early) for late, early in zip(after, before, strict=True)))
    return Cost(
        Spent(cpu * each, spent.cpu_engine, spent.cpu_within),
        Spent(wall * each, spent.wall_engine, spent.wall_within),
    )


def scanned(the_plan: Plan, cache: Cache, engine: Engine, paths: Sequence[Path]) -> Generator[Verdict, None, None]:
    return Scanner(the_plan, cache, [engine]).run([ImageRef(str(path)) for path in paths])


def memory(files: models.ModelFiles, count: int) -> None:
    """One child for all images, never replaced here, and one rule: memory is about images, not questions."""
    with tempfile.TemporaryDirectory() as name:
        paths = make_images(Path(name), 500)
        many = [paths[number % len(paths)] for number in range(count)]
        worker = EngineProcess("imagejudge.engine.llama:load_engine", options(files), EngineLimits(pictures=10**9))
        me = psutil.Process()
        # Without a cache, since the images repeat.
        one_rule = dataclasses.replace(
            plan("bench"), constitution=select_rules(load_constitution(find_constitution("stickers")), ["rude-gesture"])
        )
        for number, _ in enumerate(scanned(one_rule, Cache(None), worker, many), 1):
            if number in (1000, 5000, 10_000, 15_000, count):
                parent = me.memory_info().rss / 1e6
                child = sum(process.memory_info().rss for process in me.children()) / 1e6
                print(f"{number:6,} images: parent {parent:6.1f} MB, child {child:6.1f} MB", flush=True)
        worker.close()


def main() -> None:
    usual = {"help": 0, "cached": 5000, "overhead": 100, "memory": 20_000}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=usual)
    parser.add_argument("--model", default=models.BUILTIN)
    parser.add_argument("--mmproj")
    parser.add_argument("--images", type=int)
    parser.add_argument("--beside", type=Path, metavar="TREE", help="for cached: a checkout to take turns with")
    chosen = parser.parse_args()
    benchmarks: dict[str, Callable[[models.ModelFiles, int], None]] = {
        "help": help_time,
        "cached": partial(cached, beside=chosen.beside),
        "overhead": overhead,
        "memory": memory,
    }
    benchmarks[chosen.what](models.resolve_model(chosen.model, chosen.mmproj), chosen.images or usual[chosen.what])


if __name__ == "__main__":
    sys.exit(main())
