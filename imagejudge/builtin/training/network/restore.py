"""Read a pair of GGUF files back into the arrays that the export writes, so that training can continue from a shipped
model when its checkpoints are gone.

Needs no torch. What the export folded into the projector stays folded: the map is taken as it comes, with mean 0 and
deviation 1.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from imagejudge.builtin.training.shape import TEMPERATURE, Shape

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pair:
    """What `write_pair` takes: the shape of the weights, the weights by their names in PyTorch, and the tokenizer."""

    shape: Shape
    weights: dict[str, Array]
    tokenizer: dict[str, Any]


def read_pair(folder: Path, temperature: float = TEMPERATURE) -> Pair:
    """Read model.gguf and mmproj.gguf; `temperature` is the one the logits were divided by when they were written."""
    text, vision = (gguf.GGUFReader(folder / name) for name in ("model.gguf", "mmproj.gguf"))
    shape = _shape(text, vision)
    weights = _language(text, shape) | _vision(vision, shape)
    weights["language.norm.weight"] = weights["language.norm.weight"] * np.float32(temperature)
    return Pair(shape, weights, _tokenizer(text))


def _value(reader: gguf.GGUFReader, key: str) -> Any:
    field = reader.get_field(key)
    if field is None:
        raise SystemExit(f"the file has no {key}")
    return field.contents()


def _tensors(reader: gguf.GGUFReader) -> dict[str, Array]:
    return {tensor.name: np.array(tensor.data, np.float32) for tensor in reader.tensors}


def _shape(text: gguf.GGUFReader, vision: gguf.GGUFReader) -> Shape:
    tensors = {tensor.name: tensor.data for tensor in vision.tensors}
    stages = 1 + sum(name.endswith("down.conv.bias") for name in tensors)
    blocks = [
        sum(name.startswith(f"v.stage.{s}.blk.") and name.endswith("dw.bias") for name in tensors)
        for s in range(stages)
    ]
    return Shape(
        image_size=_value(vision, "clip.vision.image_size"),
        patch=_value(vision, "clip.vision.patch_size"),
        widths=tuple(len(tensors[f"v.stage.{s}.blk.0.dw.bias"]) for s in range(stages)),
        blocks=tuple(blocks),
        kernels=tuple(
            max(_kernel(tensors[f"v.stage.{s}.blk.{b}.dw.weight"]) for b in range(blocks[s])) for s in range(stages)
        ),
        vocab=_value(text, "llama.vocab_size"),
        width=_value(text, "llama.embedding_length"),
        layers=_value(text, "llama.block_count"),
        heads=_value(text, "llama.attention.head_count"),
        hidden=_value(text, "llama.feed_forward_length"),
        rope_base=_value(text, "llama.rope.freq_base"),
        context=_value(text, "llama.context_length"),
    )


def _kernel(taps: NDArray[np.floating[Any]]) -> int:
    """The side of a stored kernel without the zeros around it."""
    stored = int(taps.shape[-1])
    used = np.abs(np.asarray(taps, np.float32)).reshape(-1, stored, stored).max(0) > 0
    edge = min(int(np.argmax(used.any(axis))) for axis in (0, 1))
    return stored - 2 * edge


def _language(reader: gguf.GGUFReader, shape: Shape) -> dict[str, Array]:
    stored = _tensors(reader)
    weights = {"embed.weight": stored["token_embd.weight"], "norm.weight": stored["output_norm.weight"]}
    for number in range(shape.layers):
        ours, theirs = f"layers.{number}.", f"blk.{number}."
        for name, other in (
            ("attn_norm", "attn_norm"), ("ffn_norm", "ffn_norm"), ("attn.v", "attn_v"), ("attn.o", "attn_output"),
            ("gate", "ffn_gate"), ("up", "ffn_up"), ("down", "ffn_down"),
        ):  # fmt: skip
            weights[f"{ours}{name}.weight"] = stored[f"{theirs}{other}.weight"]
        for name in "qk":
            weights[f"{ours}attn.{name}.weight"] = halved(stored[f"{theirs}attn_{name}.weight"], shape.heads)
    return {f"language.{name}": array for name, array in weights.items()}


def halved(weight: Array, heads: int) -> Array:
    """The inverse of the export's `interleaved`."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _vision(reader: gguf.GGUFReader, shape: Shape) -> dict[str, Array]:
    stored = _tensors(reader)
    weights: dict[str, Array] = {}

    def both(ours: str, theirs: str) -> None:
        weights[f"{ours}.weight"], weights[f"{ours}.bias"] = stored[f"{theirs}.weight"], stored[f"{theirs}.bias"]

    both("vision.embed", "v.patch_embd")
    both("vision.embed_ln", "v.patch_ln")
    for stage, (count, kernel) in enumerate(zip(shape.blocks, shape.kernels, strict=True)):
        if stage:
            both(f"vision.down_ln.{stage - 1}", f"v.stage.{stage}.down.ln")
            both(f"vision.down.{stage - 1}", f"v.stage.{stage}.down.conv")
        for block in range(count):
            ours, theirs = f"vision.stages.{stage}.{block}", f"v.stage.{stage}.blk.{block}"
            for name in ("dw", "ln", "pw1", "pw2"):
                both(f"{ours}.{name}", f"{theirs}.{name}")
            taps = weights[f"{ours}.dw.weight"]
            edge = (taps.shape[-1] - kernel) // 2
            inner = taps[..., edge : edge + kernel, edge : edge + kernel]
            weights[f"{ours}.dw.weight"] = np.ascontiguousarray(inner).reshape(len(taps), kernel * kernel)
    weights = {
        name: array.reshape(len(array), -1) if array.ndim > 2 else array  # convolutions are matrices in training
        for name, array in weights.items()
    }
    both("language.mm0", "mm.0")
    both("language.mm2", "mm.2")
    weights["language.position"] = stored["v.vision_pos_embed"]
    weights["language.mean"] = np.zeros(shape.widths[-1], np.float32)
    weights["language.std"] = np.ones(shape.widths[-1], np.float32)
    return weights


def _tokenizer(reader: gguf.GGUFReader) -> dict[str, Any]:
    """The tokenizer as the library `tokenizers` writes it to JSON."""
    tokens, types = _value(reader, "tokenizer.ggml.tokens"), _value(reader, "tokenizer.ggml.token_type")
    known = {token: number for number, token in enumerate(tokens) if types[number] != gguf.TokenType.UNUSED}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": token, **flags}
            for token, number in known.items()
            if types[number] == gguf.TokenType.CONTROL
        ],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": {**byte_level, "add_prefix_space": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": known,
            "merges": [merge.split(" ") for merge in _value(reader, "tokenizer.ggml.merges")],
        },
    }  # fmt: skip


def write_tokenizer(pair: Pair, path: Path) -> None:
    """Write the tokenizer where the training looks for it."""
    path.write_text(json.dumps(pair.tokenizer, ensure_ascii=False), encoding="utf-8")
