"""Sprites, scenes, weights and a tokenizer that are made in no time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imagejudge.builtin.training.scenes.concepts import CONCEPTS, INDEX
from imagejudge.builtin.training.scenes.scene import FAR, SIZE, Scene, Thing
from imagejudge.builtin.training.scenes.sprites import SIDE, STYLES
from imagejudge.builtin.training.shape import IMAGE_TOKENS, Shape

BUILTIN = Path(__file__).parents[2] / "imagejudge" / "builtin"

SHAPE = Shape(widths=(16, 32), blocks=(1, 1), vocab=300, width=48, layers=1, heads=2, hidden=64)
LEFT, RIGHT = (8, 32, 56, 96), (64, 32, 120, 96)


def write_sprites(path: Path) -> Path:
    """One disc or bar per concept and style: labels do not depend on what things look like."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    disc = (rows - SIDE / 2) ** 2 + (columns - SIDE / 2) ** 2 < (SIDE / 2) ** 2
    bar = abs(rows - SIDE / 2) < SIDE / 5
    rgba, concept, style = [], [], []
    for number in range(len(CONCEPTS)):
        for place in range(len(STYLES)):
            tile = np.zeros((SIDE, SIDE, 4), np.uint8)
            tile[..., :3] = random.integers(0, 256, 3)
            tile[..., 3] = 255 * (disc if number % 3 else bar)
            rgba.append(tile)
            concept.append(number)
            style.append(place)
    name = np.array(["x"] * len(rgba))
    np.savez(path, rgba=np.stack(rgba), concept=np.array(concept), style=np.array(style), name=name)
    return path


def scene(*things: tuple[str, tuple[int, int, int, int]], gap: int = FAR, holds: bool = False) -> Scene:
    """Things where they are said to be; the first two are `gap` pixels apart."""
    count = len(things)
    gaps = np.full((count, count), FAR, np.uint8)
    held, on = np.zeros((count, count), np.bool_), np.zeros((count, count), np.bool_)
    if count > 1:
        gaps[0, 1] = gaps[1, 0] = gap
        held[0, 1] = holds
    cells, contact = np.zeros(64, np.float32), np.zeros(64, np.bool_)
    pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
    return Scene(pixels, tuple(Thing(INDEX[name], box, cells) for name, box in things), gaps, held, on, contact)


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
