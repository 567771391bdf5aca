"""Two actors on Ray against two processes with --shard, over the same images; and one scan alone.

    python tests/benchmarks/machines.py [--images 2000] [--rounds 1] [--block-size 100]

Images are painted anew, all different. The model is the built-in one, with one thread each, and no answers are kept. An
actor's time runs from the start of the program, so that Ray's start and end are in it; they are measured with a scan
that has nothing to do but one image, and told apart. A busy machine is told by its load.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

PROGRAM = str(Path(sysconfig.get_path("scripts")) / "imagejudge")
HOW = ["-c", "stickers", "--model", "builtin", "--threads", "1", "--no-cache", "--quiet", "--exit-zero"]
RAY = ["--ray", "local", "--actors", "2"]


def paint(folder: Path, count: int) -> None:
    """So many images of 128 x 128 pixels."""
    folder.mkdir()
    for number in range(count):
        tiny = Image.frombytes("RGB", (8, 8), random.Random(number).randbytes(8 * 8 * 3))
        tiny.resize((128, 128)).save(folder / f"{number:05}.png")


def seconds(folder: Path, *scans: Sequence[str]) -> float:
    """That scans at the same time take until all have ended."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    began = time.perf_counter()
    running = [subprocess.Popen([PROGRAM, "scan", *scan, *HOW, "-o", "out"], cwd=folder) for scan in scans]
    codes = [each.wait() for each in running]
    if any(codes):
        raise SystemExit(f"a scan left with {codes}")
    return time.perf_counter() - began


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=2000)
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--block-size", default="100")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        paint(folder / "many", given.images)
        paint(folder / "one", 1)
        size = ["--block-size", given.block_size]
        shards, actors, starts, plain = [], [], [], []
        for _ in range(given.rounds):
            print(f"load {os.getloadavg()[0]:.1f}", flush=True)
            shards.append(seconds(folder, *(["many", "--shard", f"{index}/2", *size] for index in (0, 1))))
            actors.append(seconds(folder, ["many", *RAY, *size]))
            starts.append(seconds(folder, ["one", *RAY]))
            plain.append(seconds(folder, ["one", "--shard", "0/1"]))
            took = f"shards {shards[-1]:.1f} s, actors {actors[-1]:.1f} s"
            print(f"{took}; one image: {plain[-1]:.1f} s, with Ray {starts[-1]:.1f} s", flush=True)
        start = statistics.median(starts) - statistics.median(plain)
        beyond = (statistics.median(actors) - start) / statistics.median(shards) - 1
        print(f"Ray starts and ends in {start:.1f} s; beyond that, actors take {beyond:+.1%} of the time of shards")


if __name__ == "__main__":
    main()
