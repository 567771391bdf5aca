"""Draw scenes into files: training data, the sticker benchmark, the examples of the documentation.

python -m imagejudge.builtin.training.draw pool --out .train/pool --shards 16  # training data
python -m imagejudge.builtin.training.draw bench --out bench --seed 1 --split seen  # the sticker benchmark
python -m imagejudge.builtin.training.draw examples --out docs/examples/stickers  # the examples in docs
"""

from __future__ import annotations

import argparse
from pathlib import Path

from imagejudge.builtin.training import bench
from imagejudge.builtin.training.shards import write_pool


def main() -> None:
    """Dispatch to one of the jobs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", type=Path, default=Path(".train/sprites.npz"))
    jobs = parser.add_subparsers(dest="job", required=True)
    pool = jobs.add_parser("pool", help="training scenes")
    pool.add_argument("--out", type=Path, default=Path(".train/pool"))
    pool.add_argument("--first", type=int, default=0)
    pool.add_argument("--shards", type=int, default=16)
    pool.add_argument("--seed", type=int, default=1)
    labelled = jobs.add_parser("bench", help="the sticker benchmark, a labelled folder")
    labelled.add_argument("--out", type=Path, required=True)
    labelled.add_argument("--seed", type=int, default=1)
    labelled.add_argument("--split", choices=["seen", "composition", "style"], required=True)
    labelled.add_argument(
        "--per-label", type=int, default=20, help="images of each rule that violate it, and as many that nearly do"
    )
    sheet = jobs.add_parser("sheet", help="a contact sheet of a written benchmark")
    sheet.add_argument("--bench", type=Path, required=True)
    sheet.add_argument("--out", type=Path, default=Path("docs/builtin-model-bench.png"))
    examples = jobs.add_parser("examples", help="the images of docs/examples/stickers")
    examples.add_argument("--out", type=Path, default=Path("docs/examples/stickers"))
    examples.add_argument("--seed", type=int, default=1)
    examples.add_argument("--model", type=Path, help="keep only scenes that the pair in this folder judges rightly")
    options = parser.parse_args()
    if options.job == "pool":
        write_pool(options.sprites, options.out, options.first, options.shards, options.seed)
    elif options.job == "bench":
        bench.write_bench(options.sprites, options.out, options.seed, options.split, options.per_label)
    elif options.job == "sheet":
        bench.write_sheet(options.bench, options.out)
    else:
        given = {}
        if options.model is not None:
            from imagejudge.builtin.training.measure import judge_of  # only this needs llama.cpp

            given["model"] = judge_of(options.model, Path("constitutions/stickers.toml"))
        bench.write_examples(options.sprites, options.out, options.seed, **given)


if __name__ == "__main__":
    main()
