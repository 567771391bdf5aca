"""Several images in one context, their questions and thoughts in common batches; and the same images one after another.

    python tests/benchmarks/parallel.py [--cache CACHE_FOLDER] [--images 2] [--claims 1] [--full] [--rounds 3]
        [--threads N]

The model is the built-in one, or with --cache that of questions.py. Each image is asked 24 questions together, then so
many claims are reasoned about, as a scan does. The two ways take turns within one run. Seconds are on the clock and of
processor time: on a busy machine the latter is what to compare, best with one thread.

Side by side each image has sequences of its own in the one context, and a thread that asks about it as the engine does.
Whenever all of them wait for tokens to be read, these are read in one batch. Images are encoded, and their embeddings
are read, one after another in either way. The program itself does not work like this: docs/decisions.md says why.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from questions import STATEMENTS, build

import imagejudge.builtin
from imagejudge.engine import llama, llama_model, parse
from imagejudge.engine.base import Answer, Reasoning
from imagejudge.engine.child import _ENVIRONMENT
from imagejudge.engine.llama_bindings import EncodedImage, LlamaMemory, Vocabulary
from imagejudge.engine.parse import Logits
from imagejudge.engine.prefix_cache import FIRST_FREE, PrefixCache, Row
from imagejudge.images.picture import Picture
from imagejudge.prompts import visible

QUESTIONS = [visible(statement) for statement in STATEMENTS]


class Meeting:
    """Where lanes wait for each other's tokens."""

    def __init__(self, memory: LlamaMemory, lanes: int) -> None:
        self._memory = memory
        self._here = threading.Condition()
        self.native = threading.RLock()
        """Held by the one thread that calls llama.cpp, outside of `decode`."""
        self._lanes = lanes
        self._wanted: dict[int, tuple[list[Row], AbstractSet[int]]] = {}
        self._read: dict[int, list[Logits]] = {}

    def decode(self, lane: int, rows: list[Row], reads: AbstractSet[int]) -> list[Logits]:
        with self._here:
            self._wanted[lane] = rows, reads
            self._decode_if_all_are_here()
            self._here.wait_for(lambda: lane in self._read)
            return self._read.pop(lane)

    def leave(self) -> None:
        with self._here:
            self._lanes -= 1
            self._decode_if_all_are_here()

    def _decode_if_all_are_here(self) -> None:
        if len(self._wanted) < max(1, self._lanes):
            return
        rows: list[Row] = []
        reads: set[int] = set()
        for added, wanted in self._wanted.values():
            reads |= {len(rows) + place for place in wanted}
            rows += added
        logits = iter(self._memory.decode(rows, reads))
        for lane, (_, wanted) in self._wanted.items():
            self._read[lane] = [next(logits) for _ in wanted]
        self._wanted = {}
        self._here.notify_all()


class Lane(LlamaMemory):
    """The sequences of one image."""

    def __init__(self, memory: LlamaMemory, meeting: Meeting, number: int, sequences: int) -> None:
        self.__dict__ |= memory.__dict__
        self._whole, self._meeting = memory, meeting
        self._number, self._sequences = number, sequences
        self._first = 1 + number * sequences

    def clear(self, *, wipe: bool) -> None:
        del wipe
        for sequence in range(self._sequences):
            self.forget(sequence)

    def copy(self, source: int, target: int) -> None:
        with self._meeting.native:
            super().copy(self._first + source, self._first + target)

    def cut(self, sequence: int, position: int) -> bool:
        with self._meeting.native:
            return super().cut(self._first + sequence, position)

    def forget(self, sequence: int) -> None:
        with self._meeting.native:
            super().forget(self._first + sequence)

    def decode(self, rows: Sequence[Row], reads: AbstractSet[int]) -> list[Logits]:
        shifted = [(token, position, self._first + sequence) for token, position, sequence in rows]
        return self._meeting.decode(self._number, shifted, reads)

    def decode_image(self, encoder: Any, image: EncodedImage, position: int) -> int:
        # The binding decodes into sequence 0, which no lane has for its own.
        with self._meeting.native:
            super().copy(self._first, 0)
            after = self._whole.decode_image(encoder, image, position)
            super().forget(self._first)
            super().copy(0, self._first)
            super().forget(0)
        return after


def side_by_side(engine: llama.LlamaEngine, pictures: Sequence[Picture], claims: int) -> list[list[Any]]:
    """What each image's thread found."""
    memory, meeting = engine._loaded.memory, Meeting(engine._loaded.memory, len(pictures))
    memory.clear(wipe=True)
    engine._at = None
    lanes = []
    for number in range(len(pictures)):
        lane = copy.copy(engine)
        lane._loaded = copy.copy(engine._loaded)
        lane._loaded.memory = Lane(memory, meeting, number, FIRST_FREE + len(QUESTIONS))
        lane._loaded.prefixes = PrefixCache(
            lane._loaded.memory, capacity=memory.size // len(pictures), sequences=len(QUESTIONS)
        )
        lanes.append(lane)

    def inquire(lane: llama.LlamaEngine, picture: Picture) -> list[Any]:
        try:
            with meeting.native:
                view = lane.view(picture)
            return asked(view, claims)
        finally:
            meeting.leave()

    with ThreadPoolExecutor(len(pictures)) as threads:
        return list(threads.map(inquire, lanes, pictures))


def one_by_one(engine: llama.LlamaEngine, pictures: Sequence[Picture], claims: int) -> list[list[Any]]:
    return [asked(engine.view(picture), claims) for picture in pictures]


def asked(view: llama.LlamaView, claims: int) -> list[Any]:
    answers: list[Answer] = view.ask(QUESTIONS)
    thoughts: list[Reasoning | None] = view.reason(QUESTIONS[:claims]) if claims else []
    return [[answer.gap for answer in answers], thoughts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--claims", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--full", action="store_true", help="let no text end before its limit")
    chosen = parser.parse_args()
    if chosen.full:
        Vocabulary.ends = lambda self, token: False
        parse.concluded = parse.quoted = lambda text: False
    if not os.environ.keys() >= _ENVIRONMENT.keys():  # as the engine's own process has them, before llama.cpp is loaded
        os.environ.update(_ENVIRONMENT)
        os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 - a fixed program
    folder = Path(imagejudge.builtin.__file__).parent
    pair = build(chosen.cache) if chosen.cache else (folder / "model.gguf", folder / "mmproj.gguf")
    random = np.random.default_rng(1)
    pictures = [
        Picture(512, 512, random.integers(0, 256, (512, 512, 3), np.uint8).tobytes()) for _ in range(chosen.images)
    ]
    llama_model._SEQUENCES = 1 + chosen.images * (FIRST_FREE + len(QUESTIONS))
    ways = (one_by_one, side_by_side)
    seconds: dict[Any, list[tuple[float, float]]] = {way: [] for way in ways}
    with llama.LlamaEngine(llama.LlamaOptions(str(pair[0]), str(pair[1]), threads=chosen.threads)) as engine:
        for _ in range(chosen.rounds):
            found = []
            for way in ways:
                started, used = time.perf_counter(), time.process_time()
                found.append(way(engine, pictures, chosen.claims))
                seconds[way].append((time.perf_counter() - started, time.process_time() - used))
            gaps = [np.array([each[0] for each in images]) for images in found]
            same = sum(
                one == other
                for ours, theirs in zip(*found, strict=True)
                for one, other in zip(ours[1], theirs[1], strict=True)
            )
            spent = ", ".join(f"{way.__name__} {seconds[way][-1][0]:.2f} s" for way in ways)
            apart = np.abs(gaps[0] - gaps[1]).max()
            print(f"{spent}; gaps differ by {apart:.4f}, {same} of {chosen.images * chosen.claims} texts are alike")
    for what, measured in (("on the clock", 0), ("of processor time", 1)):
        alone, together = (statistics.median(each[measured] for each in seconds[way]) for way in ways)
        print(f"{what}: one by one {alone:.2f} s, side by side {together:.2f} s, {together / alone:.2f} of it")


if __name__ == "__main__":
    main()
