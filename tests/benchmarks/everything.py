"""What one image costs with all that the method may do about it.

    python tests/benchmarks/everything.py [--cache CACHE_FOLDER] [--rounds 5] [--threads N]

The model is the built-in one, or with --cache that of questions.py. A picture of 512 x 512 pixels is encoded and asked
24 questions; one box is looked for, and one question asked again without it; one claim is reasoned about. Medians of
seconds on the clock, and of processor time of the engine's process.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from questions import STATEMENTS, build

import imagejudge.builtin
from imagejudge.engine.process import EngineProcess, Limits
from imagejudge.images.picture import Box, Picture
from imagejudge.prompts import visible

QUESTIONS = [visible(statement) for statement in STATEMENTS]
STEPS = ("view and questions", "box", "without it", "reasoning", "all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    chosen = parser.parse_args()
    folder = Path(imagejudge.builtin.__file__).parent
    pair = build(chosen.cache) if chosen.cache else (folder / "model.gguf", folder / "mmproj.gguf")
    options = {"model": str(pair[0]), "mmproj": str(pair[1]), "box_style": "bbox-xyxy-1000", "threads": chosen.threads}
    random, spent = np.random.default_rng(1), {step: [] for step in STEPS}
    with EngineProcess("imagejudge.engine.llama:load_engine", options, Limits()) as engine:
        engine.facts()
        (child,) = psutil.Process().children()

        def now() -> Any:
            used = child.cpu_times()
            return np.array([time.perf_counter(), used.user + used.system])

        for _ in range(chosen.rounds):
            pixels = random.integers(0, 256, (512, 512, 3), np.uint8).tobytes()
            times = [now()]
            view = engine.view(Picture(512, 512, pixels), QUESTIONS)
            view.ask(QUESTIONS)
            times.append(now())
            box = view.locate(["person"])
            times.append(now())
            view.without(box or Box(0.25, 0.25, 0.75, 0.75)).ask(QUESTIONS[:1])
            times.append(now())
            view.reason(QUESTIONS[:1])
            times.append(now())
            for step, seconds in zip(STEPS, [*np.diff(times, axis=0), times[-1] - times[0]], strict=True):
                spent[step].append(seconds)
    for step, seconds in spent.items():
        clock, used = statistics.median(s[0] for s in seconds), statistics.median(s[1] for s in seconds)
        print(f"{step}: {clock:.2f} s on the clock, {used:.2f} s of processor time")


if __name__ == "__main__":
    main()
