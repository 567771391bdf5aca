"""The GGUF pair that the export writes, with random weights: llama.cpp must read it and answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imagejudge.builtin.training.export import interleaved, write_pair
from imagejudge.builtin.training.shape import IMAGE_TOKENS, Shape
from imagejudge.images.picture import Picture
from imagejudge.prompts import visible

SHAPE = Shape(widths=(16, 32), blocks=(1, 1), vocab=300, width=48, layers=1, heads=2, hidden=64)


def random_weights(shape: Shape) -> dict[str, np.ndarray]:
    """Named as PyTorch names them."""
    random = np.random.default_rng(0)

    def array(*sides: int) -> np.ndarray:
        return random.normal(0, 0.05, sides).astype(np.float32)

    first, last = shape.widths
    weights = {"vision.embed.weight": array(first, 3 * shape.patch**2), "vision.embed.bias": array(first)}
    for name, width in (("vision.embed_ln", first), ("vision.down_ln.0", first)):
        weights |= {f"{name}.weight": 1 + array(width), f"{name}.bias": array(width)}
    weights |= {"vision.down.0.weight": array(last, 4 * first), "vision.down.0.bias": array(last)}
    for stage, (width, kernel) in enumerate(zip(shape.widths, shape.kernels, strict=True)):
        block = f"vision.stages.{stage}.0."
        weights |= {block + "dw.weight": array(width, kernel**2), block + "dw.bias": array(width)}
        weights |= {block + "ln.weight": 1 + array(width), block + "ln.bias": array(width)}
        weights |= {block + "pw1.weight": array(4 * width, width), block + "pw1.bias": array(4 * width)}
        weights |= {block + "pw2.weight": array(width, 4 * width), block + "pw2.bias": array(width)}
    size = shape.width
    weights |= {
        "language.mean": array(last),
        "language.std": 1 + abs(array(last)),
        "language.position": array(IMAGE_TOKENS, last),
    }
    weights |= {"language.mm0.weight": array(2 * size, last), "language.mm0.bias": array(2 * size)}
    weights |= {"language.mm2.weight": array(size, 2 * size), "language.mm2.bias": array(size)}
    weights |= {"language.embed.weight": array(shape.vocab, size), "language.norm.weight": 1 + array(size)}
    layer = "language.layers.0."
    weights |= {layer + "attn_norm.weight": 1 + array(size), layer + "ffn_norm.weight": 1 + array(size)}
    weights |= {f"{layer}attn.{name}.weight": array(size, size) for name in "qkvo"}
    weights |= {layer + "gate.weight": array(shape.hidden, size), layer + "up.weight": array(shape.hidden, size)}
    return weights | {layer + "down.weight": array(size, shape.hidden)}


def tokenizer() -> dict[str, object]:
    """Bytes, the control tokens, and Yes and No as one token each."""
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "</image>"]
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    bytes_ = [chr(b) for b in shown] + [chr(256 + n) for n in range(256 - len(shown))]
    words = [*control, *bytes_, "No", "Ye", "Yes"]
    return {
        "model": {
            "vocab": {word: number for number, word in enumerate(words)},
            "merges": [["N", "o"], ["Y", "e"], ["Ye", "s"]],
        },
        "added_tokens": [{"id": number, "special": True} for number in range(len(control))],
    }


def test_rows_are_reordered_so_that_neighbours_rotate_together() -> None:
    rows = np.arange(8, dtype=np.float32)[:, None]  # two heads of four
    assert interleaved(rows, heads=2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_random_pair_loads_and_answers(tmp_path: Path) -> None:
    from imagejudge.engine.llama import LlamaEngine
    from imagejudge.engine.llama_model import LlamaOptions

    write_pair(tmp_path, SHAPE, random_weights(SHAPE), tokenizer())
    options = LlamaOptions(str(tmp_path / "model.gguf"), str(tmp_path / "mmproj.gguf"), "bbox-xyxy-1000", threads=1)
    pixels = np.random.default_rng(1).integers(0, 256, (90, 120, 3), np.uint8)
    with LlamaEngine(options) as engine:
        seen, unseen = engine.view(Picture(120, 90, pixels.tobytes())), engine.view(None)
        answers = [view.ask([visible("A person is visible.")])[0] for view in (seen, unseen)]
    assert all(0 <= answer.p_yes <= 1 for answer in answers)
    assert answers[0].gap != answers[1].gap
