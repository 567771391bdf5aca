"""The commands of the training: `python -m imagejudge.builtin.training COMMAND --help`.

Every command imports what it needs when it runs, so that drawing and measuring work without the extra [train].
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from imagejudge.builtin.training.shape import TEMPERATURE, Shape

EXTRA = ("torch", "gguf", "tokenizers", "resvg_py")
"""What the extra [train] installs, as modules."""
INSTALL = "install the extra [train]: pip install -e '.[train]'"
BUILTIN, SPRITES, TRAIN = Path("imagejudge/builtin"), Path(".train/sprites.npz"), Path(".train")
STICKERS = Path("constitutions/stickers.toml")
SPLITS = ("seen", "composition", "style")


def _sprites(options: argparse.Namespace) -> None:
    from imagejudge.builtin.training.scenes.sprites import write_sprites

    write_sprites(options.out, options.assets)


def _train(options: argparse.Namespace) -> None:
    from imagejudge.builtin.training.network.pipeline import SMOKE, run

    names = ("out", "steps", "minutes", "batch", "lr", "seed", "shards", "fresh", "pause_file")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    run(options.stage, (SMOKE if options.smoke else {}) | given, options.begin, options.workers, options.photographs)


def _export(options: argparse.Namespace) -> None:
    from imagejudge.builtin.training.network.export import write_pair
    from imagejudge.builtin.training.network.trainer import trained_weights

    tokenizer = json.loads((options.train / "tokenizer.json").read_text(encoding="utf-8"))
    write_pair(options.out, Shape(), trained_weights(options.train, options.temperature), tokenizer)
    print(f"{sum(path.stat().st_size for path in options.out.glob('*.gguf')) / 1e6:.2f} MB in {options.out}")


def _draw(options: argparse.Namespace) -> None:
    from imagejudge.builtin.training.benchmark import bench
    from imagejudge.builtin.training.scenes.shards import write_pool

    if options.what == "pool":
        write_pool(options.sprites, options.out, options.first, options.shards, options.seed)
    elif options.what == "bench":
        bench.write_bench(options.sprites, options.out, options.seed, options.split, options.per_label)
    elif options.what == "corpus":
        from imagejudge.builtin.training.benchmark.corpus import write_corpus

        share = options.violations
        write_corpus(options.sprites, options.out, options.seed, options.split, options.scenes, share)
    elif options.what == "sheet":
        bench.write_sheet(options.bench, options.out)
    elif options.model is None:
        bench.write_examples(options.sprites, options.out, options.seed)
    else:
        from imagejudge.builtin.training.benchmark.measure import judge_of

        bench.write_examples(options.sprites, options.out, options.seed, judge_of(options.model, STICKERS))


def _measure(options: argparse.Namespace) -> None:
    from imagejudge.builtin.training.benchmark import limits, measure
    from imagejudge.builtin.training.scenes.painter import Painter, Sprites
    from imagejudge.engine.llama import LlamaEngine
    from imagejudge.engine.llama_model import LlamaOptions

    what, scenes = options.what, options.scenes

    def engine_of(folder: Path) -> LlamaEngine:
        model, mmproj = (str(folder / name) for name in ("model.gguf", "mmproj.gguf"))
        return LlamaEngine(LlamaOptions(model, mmproj, "bbox-xyxy-1000", threads=options.threads))

    other = None
    if what == "questions" and options.beside is not None:
        with engine_of(options.beside) as engine:
            other = measure.measure_questions(engine, Painter(Sprites(options.sprites)), options.split, scenes, None)
    with engine_of(options.model) as engine:
        if what == "verdicts":
            measure.measure_verdicts(engine, options.constitution, options.bench)
            return
        painter = Painter(Sprites(options.sprites))
        if what == "questions":
            measure.measure_questions(engine, painter, options.split, scenes, other)
        elif what == "unknown":
            limits.measure_unknown(engine, painter, options.photographs)
        elif what == "stickers":
            world = limits.world_of(options.model)
            limits.measure_stickers(engine, painter, world, options.constitution, options.photographs, scenes)
        elif what == "reasons":
            limits.measure_reasons(engine, painter, options.split, scenes)
        elif what == "speed":
            measure.measure_speed(engine, painter)
        else:
            from imagejudge.builtin.training.benchmark.agreement import measure_agreement

            measure_agreement(engine, painter, options.train, scenes, options.temperature)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m imagejudge.builtin.training", description="Make the embedded model, and measure it."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    sprites = commands.add_parser("sprites", help="render the pinned icon packages (with npm) into one file")
    sprites.set_defaults(run=_sprites)
    sprites.add_argument("--out", type=Path, default=SPRITES)
    sprites.add_argument("--assets", type=Path, default=TRAIN / "assets", help="folder of the downloaded packages")

    train = commands.add_parser("train", help="run one stage of the training, or all that make a model from nothing")
    train.set_defaults(run=_train)
    train.add_argument("stage", choices=["all", "tiles", "scenes", "language", "joint", "world"])
    train.add_argument("--out", type=Path, default=TRAIN, help="folder of sprites, scenes and checkpoints")
    train.add_argument("--steps", type=int)
    train.add_argument(
        "--minutes", type=float, help="end (and slow down towards the end) after so long, if --steps do not come first"
    )
    train.add_argument("--batch", type=int)
    train.add_argument("--lr", type=float)
    train.add_argument("--seed", type=int)
    train.add_argument("--shards", type=int, help="shards of 4096 scenes for the encoder")
    train.add_argument("--fresh", type=int, help="as many more for the language model, which the encoder never sees")
    train.add_argument("--pause-file", type=Path, help="sleep while this file exists")
    train.add_argument(
        "--begin",
        type=Path,
        default=BUILTIN,
        help="folder of the pair from which `joint` begins, or that `world` is fitted to and put beside",
    )
    train.add_argument("--photographs", type=Path, help="a folder of photographs, for `world`")
    train.add_argument("--workers", type=int, default=1, help="processes that draw scenes for `joint`")
    train.add_argument("--smoke", action="store_true", help="a tiny model, a few steps")

    export = commands.add_parser("export", help="write the trained weights as a GGUF pair")
    export.set_defaults(run=_export)
    export.add_argument("--train", type=Path, default=TRAIN, help="folder of the checkpoints and the tokenizer")
    export.add_argument("--out", type=Path, default=BUILTIN)
    export.add_argument("--temperature", type=float, default=TEMPERATURE)

    draw = commands.add_parser("draw", help="draw scenes into files: training data, the benchmark, examples")
    draw.set_defaults(run=_draw)
    draw.add_argument("--sprites", type=Path, default=SPRITES)
    whats = draw.add_subparsers(dest="what", required=True)
    pool = whats.add_parser("pool", help="training scenes")
    pool.add_argument("--out", type=Path, default=TRAIN / "pool")
    pool.add_argument("--first", type=int, default=0)
    pool.add_argument("--shards", type=int, default=16)
    pool.add_argument("--seed", type=int, default=1)
    bench = whats.add_parser("bench", help="the sticker benchmark, a labelled folder")
    bench.add_argument("--out", type=Path, required=True)
    bench.add_argument("--seed", type=int, default=1)
    bench.add_argument("--split", choices=SPLITS, required=True)
    bench.add_argument(
        "--per-label", type=int, default=20, help="images of each rule that violate it, and as many that nearly do"
    )
    corpus = whats.add_parser("corpus", help="scenes of which a few violate a rule, in one folder with labels.csv")
    corpus.add_argument("--out", type=Path, required=True)
    corpus.add_argument("--seed", type=int, default=1)
    corpus.add_argument("--split", choices=SPLITS, default="seen")
    corpus.add_argument("--scenes", type=int, default=5000)
    corpus.add_argument("--violations", type=float, default=0.02, help="share of scenes that violate a rule")
    sheet = whats.add_parser("sheet", help="a contact sheet of a written benchmark")
    sheet.add_argument("--bench", type=Path, required=True)
    sheet.add_argument("--out", type=Path, default=Path("docs/builtin-model-bench.png"))
    examples = whats.add_parser("examples", help="the images of docs/examples/stickers")
    examples.add_argument("--out", type=Path, default=Path("docs/examples/stickers"))
    examples.add_argument("--seed", type=int, default=1)
    examples.add_argument("--model", type=Path, help="keep only scenes that the pair in this folder judges rightly")

    measure = commands.add_parser("measure", help="measure a pair through the product's own engine")
    measure.set_defaults(run=_measure)
    measure.add_argument(
        "what", choices=["questions", "verdicts", "unknown", "stickers", "reasons", "agreement", "speed"]
    )
    measure.add_argument("--model", type=Path, default=BUILTIN, help="folder of model.gguf and mmproj.gguf")
    measure.add_argument(
        "--beside", type=Path, help="for questions, another pair's folder: by how much --model answers them better"
    )
    measure.add_argument("--sprites", type=Path, default=SPRITES)
    measure.add_argument("--train", type=Path, default=TRAIN, help="folder of the checkpoints, for agreement")
    measure.add_argument("--split", choices=SPLITS, default="seen")
    measure.add_argument("--scenes", type=int, default=900)
    measure.add_argument("--bench", type=Path, default=Path("bench/seen"), help="the written benchmark, for verdicts")
    measure.add_argument("--constitution", type=Path, default=STICKERS)
    measure.add_argument("--photographs", type=Path)
    measure.add_argument("--temperature", type=float, default=TEMPERATURE, help="that of the export, for agreement")
    measure.add_argument("--threads", type=int, default=None)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run a command; 2 where the arguments are wrong or what it needs is not installed."""
    if not arguments and find_spec("torch") is None:
        print(f"training needs torch, which is not there: {INSTALL}", file=sys.stderr)
        return 2
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        print(f"this needs {error.name}, which is not there: {INSTALL}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
