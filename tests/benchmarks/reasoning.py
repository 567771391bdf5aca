"""Eight claims reasoned about side by side, and one after another; and what a grammar costs a token.

    python tests/benchmarks/reasoning.py CACHE_FOLDER [--claims 8] [--rounds 3] [--threads N] [--full]

CACHE_FOLDER is the one of questions.py, and so is the model. The two ways take turns within one run, on the same
picture, and should give the same words (batches of other shapes round differently); medians are printed. With --full
no text ends before its limit, as with a model that uses its room; this one often ends after a sentence. The grammar
chooses from random logits, the worst case, as the engine does it and as it did before: by sorting the whole vocabulary.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from questions import STATEMENTS, build

from imagejudge.engine import llama, parse
from imagejudge.engine.llama_bindings import Grammar, Vocabulary, _largest
from imagejudge.images.picture import Picture
from imagejudge.prompts import RATIONALE, visible


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


def measure_grammar(vocabulary: Vocabulary, words: int) -> None:
    """Milliseconds to find the tokens to show to a grammar, and to let it choose among this model's."""
    random = np.random.default_rng(1)
    shown, before, chosen = [], [], []
    for _ in range(30):
        logits = random.standard_normal(words).astype(np.float32)
        shown.append(timed(lambda logits=logits: _largest(logits, 64))[0])
        before.append(timed(lambda logits=logits: np.argsort(-logits, kind="stable"))[0])
    with Grammar(vocabulary, RATIONALE[1]) as rules:
        for _ in range(30):
            logits = random.standard_normal(vocabulary.size).astype(np.float32)
            chosen.append(timed(lambda logits=logits: rules.choose(logits))[0])
    of_all, of_these, now = (statistics.median(each) * 1000 for each in (before, shown, chosen))
    print(
        f"{words:,} words: {of_these:.2f} ms to find the likeliest 64, {of_all:.2f} ms to sort them all; "
        f"{now:.2f} ms to choose one of {vocabulary.size:,}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--claims", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--full", action="store_true", help="let no text end before its limit")
    chosen = parser.parse_args()
    if chosen.full:
        Vocabulary.ends = lambda self, token: False
        parse.concluded = lambda thoughts: False
        parse.quoted = lambda reply: False
    pair = build(chosen.cache)
    questions = [visible(statement) for statement in STATEMENTS[:: len(STATEMENTS) // chosen.claims][: chosen.claims]]
    pixels = np.random.default_rng(1).integers(0, 256, (512, 512, 3), np.uint8).tobytes()
    options = llama.LlamaOptions(str(pair.model), str(pair.mmproj), threads=chosen.threads)
    together, alone = [], []
    with llama.LlamaEngine(options) as engine:
        measure_grammar(engine._loaded.vocabulary, 152_000)
        view = engine.view(Picture(512, 512, pixels))
        view.ask(questions)
        for _ in range(chosen.rounds):
            seconds, at_once = timed(lambda: view.reason(questions))
            together.append(seconds)
            seconds, in_turn = timed(lambda: [view.reason([question])[0] for question in questions])
            alone.append(seconds)
            same = sum(one == other for one, other in zip(at_once, in_turn, strict=True))
            print(f"side by side {together[-1]:.2f} s, in turn {alone[-1]:.2f} s; {same} of {len(questions)} alike")
    said = sum(len(each.thoughts.split()) for each in at_once if each is not None)
    print(
        f"{chosen.claims} claims: side by side {statistics.median(together):.2f} s, in turn "
        f"{statistics.median(alone):.2f} s, {statistics.median(together) / statistics.median(alone):.2f} of it; "
        f"{said} words of thoughts"
    )


if __name__ == "__main__":
    main()
