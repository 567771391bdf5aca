"""Large JPEGs before a model sees them: three ways, in turns within one run.

    python tests/benchmarks/decode.py PHOTO... [--cache CACHE_FOLDER] [--rounds 3] [--threads N]

The model is the built-in one, or with --cache that of questions.py. `whole`: llama.cpp scales the decoded picture to
what its encoder looks at. `reduced`: the engine halves its sides before, once or more (`engine.image_size.reduction`),
as the program does. `draft`: libjpeg already decodes it at a half, a quarter or an eighth. `decode` happens in threads,
ahead of the engine; `view` is what the engine is kept busy with before the first question: the pixels' way to its
process, scaling and encoding.

Then answers are compared with those of `whole`, in nats of the gap: about the picture, and about a region of a tenth of
each side, cut out as the method does with small regions. Beside them stand differences that nobody would mind: `saved
again` is the picture as a JPEG of quality 90, `cut` lacks one row and one column, `one by one` are the same questions
not asked together.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from questions import STATEMENTS, build

import imagejudge.builtin
from imagejudge.engine import llama, llama_model
from imagejudge.engine.base import View
from imagejudge.engine.process import EngineProcess
from imagejudge.engine.process import Limits as EngineLimits
from imagejudge.images.decode import Decoded, decode_image
from imagejudge.images.picture import Box, Picture
from imagejudge.images.read import Limits, Source, given_image
from imagejudge.prompts import visible

QUESTIONS = [visible(statement) for statement in STATEMENTS]
REGION = Box(0.45, 0.45, 0.55, 0.55)
SIDE = 1024
"""Pixels that a draft's shorter side keeps: SmolVLM looks at 512 x 512."""


def whole(data: bytes) -> Picture:
    source = given_image("photo", data, Limits())
    assert isinstance(source, Source)
    found = decode_image(source, Limits())
    assert isinstance(found, Decoded)
    return found.frames[0].picture


def draft(data: bytes) -> Picture:
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (SIDE, SIDE))
    return picture_of(image.convert("RGB"))


def saved_again(data: bytes) -> Picture:
    file = io.BytesIO()
    image_of(whole(data)).save(file, "JPEG", quality=90)
    return whole(file.getvalue())


def cut(data: bytes) -> Picture:
    image = image_of(whole(data))
    return picture_of(image.crop((1, 1, image.width, image.height)))


def image_of(picture: Picture) -> Image.Image:
    return Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)


def picture_of(image: Image.Image) -> Picture:
    return Picture(image.width, image.height, image.tobytes())


def gaps(view: View, together: int = len(QUESTIONS)) -> np.ndarray:
    waves = (QUESTIONS[start : start + together] for start in range(0, len(QUESTIONS), together))
    return np.array([answer.gap for wave in waves for answer in view.ask(wave)])


def unreducing(options: Mapping[str, Any]) -> llama.LlamaEngine:
    """The engine as it was before."""
    llama_model.reduction = lambda size, tokens: 1
    return llama.load_engine(options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    chosen = parser.parse_args()
    folder = Path(imagejudge.builtin.__file__).parent
    pair = build(chosen.cache) if chosen.cache else (folder / "model.gguf", folder / "mmproj.gguf")
    options = {"model": str(pair[0]), "mmproj": str(pair[1]), "threads": chosen.threads}
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    apart: dict[tuple[str, str], list[np.ndarray]] = {}
    with (
        EngineProcess("imagejudge.engine.llama:load_engine", options, EngineLimits()) as now,
        EngineProcess("decode:unreducing", options, EngineLimits()) as before,
    ):
        ways = {"whole": (whole, before), "reduced": (whole, now), "draft": (draft, before)}
        others = {"saved again": (saved_again, before), "cut": (cut, before), "one by one": (whole, before)}
        for path in chosen.photos:
            photo, seconds = path.read_bytes(), {name: ([], []) for name in ways}
            for _ in range(chosen.rounds):
                for name, (decode, engine) in ways.items():
                    started = time.perf_counter()
                    picture = decode(photo)
                    between = time.perf_counter()
                    engine.view(picture)
                    seconds[name][0].append(between - started)
                    seconds[name][1].append(time.perf_counter() - between)
            for name, spent in seconds.items():
                decoding, viewing = (1000 * statistics.median(each) for each in spent)
                print(f"{path.name}, {name}: decode {decoding:.0f} ms, view {viewing:.0f} ms")
            reference: list[np.ndarray] = []
            for name, (decode, engine) in {**ways, **others}.items():
                together = 1 if name == "one by one" else len(QUESTIONS)
                view = engine.view(decode(photo))
                found = [gaps(view, together), gaps(view.crop(REGION), together)]
                reference = reference or found
                for what, ours, theirs in zip(("picture", "region"), found, reference, strict=True):
                    apart.setdefault((what, name), []).append(np.abs(ours - theirs))
    for (what, name), found in sorted(apart.items()):
        each = np.concatenate(found)
        print(f"{what}, {name}: gaps differ by {np.median(each):.4f} nats in the median, {each.max():.3f} at most")


if __name__ == "__main__":
    main()
