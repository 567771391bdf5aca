"""Write the model as the pair of GGUF files that llama.cpp reads: a Llama and a `yasa2` encoder with its projector.

It takes plain arrays and needs no torch, so tests can also write pairs with random weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from imagejudge.builtin.training.shape import IMAGE_TOKENS, Shape

Array = NDArray[np.float32]
STORED_KERNEL = 7  # the reader pads by 3, whatever the size

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% else %}<__media__>{% endif %}"
    "{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_pair(
    folder: Path, shape: Shape, weights: dict[str, Array], tokenizer: dict[str, Any], name: str = "imagejudge builtin"
) -> None:
    """Write model.gguf and mmproj.gguf. `weights` is named as in the PyTorch modules, with the prefixes "vision." and
    "language."."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_text(
        folder / "model.gguf",
        shape,
        {key.removeprefix("language."): value for key, value in weights.items() if key.startswith("language.")},
        tokenizer,
        name,
    )
    _write_vision(folder / "mmproj.gguf", shape, weights, name)


def _write_text(path: Path, shape: Shape, weights: dict[str, Array], tokenizer: dict[str, Any], name: str) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_license("Apache-2.0")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_vocab_size(shape.vocab)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    vocab = sorted(tokenizer["model"]["vocab"].items(), key=lambda item: item[1])
    control = {token["id"] for token in tokenizer["added_tokens"] if token["special"]}
    tokens = [token for token, _ in vocab] + [f"<|unused {number}|>" for number in range(len(vocab), shape.vocab)]
    types = [
        gguf.TokenType.CONTROL
        if number in control
        else gguf.TokenType.NORMAL
        if number < len(vocab)
        else gguf.TokenType.UNUSED
        for number in range(shape.vocab)
    ]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in tokenizer["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    _matrix(writer, "token_embd.weight", weights["embed.weight"])
    _vector(writer, "output_norm.weight", weights["norm.weight"])
    for number in range(shape.layers):
        before, after = f"layers.{number}.", f"blk.{number}."
        _vector(writer, after + "attn_norm.weight", weights[before + "attn_norm.weight"])
        _vector(writer, after + "ffn_norm.weight", weights[before + "ffn_norm.weight"])
        _matrix(writer, after + "attn_q.weight", interleaved(weights[before + "attn.q.weight"], shape.heads))
        _matrix(writer, after + "attn_k.weight", interleaved(weights[before + "attn.k.weight"], shape.heads))
        for ours, theirs in (
            ("attn.v", "attn_v"),
            ("attn.o", "attn_output"),
            ("gate", "ffn_gate"),
            ("up", "ffn_up"),
            ("down", "ffn_down"),
        ):
            _matrix(writer, f"{after}{theirs}.weight", weights[f"{before}{ours}.weight"])
    _finish(writer)


def interleaved(weight: Array, heads: int) -> Array:
    """Rows so ordered that neighbours rotate together, as llama.cpp expects, where training rotates the halves of a
    head."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _write_vision(path: Path, shape: Shape, weights: dict[str, Array], name: str) -> None:
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_name(name)
    writer.add_license("Apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "yasa2")
    for key, value in (
        ("image_size", shape.image_size),
        ("patch_size", shape.patch),
        ("embedding_length", shape.widths[-1]),
        ("feed_forward_length", 4 * shape.widths[-1]),
        ("projection_dim", shape.width),
        ("block_count", 0),  # any other number makes the reader ask for transformer blocks
        ("attention.head_count", 1),
    ):
        writer.add_uint32(f"clip.vision.{key}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])

    def both(theirs: str, ours: str) -> None:
        _vector(writer, theirs + ".weight", weights[ours + ".weight"])
        _vector(writer, theirs + ".bias", weights[ours + ".bias"])

    def dense(theirs: str, ours: str) -> None:
        _matrix(writer, theirs + ".weight", weights[ours + ".weight"])
        _vector(writer, theirs + ".bias", weights[ours + ".bias"])

    _matrix(
        writer,
        "v.patch_embd.weight",
        weights["vision.embed.weight"].reshape(shape.widths[0], 3, shape.patch, shape.patch),
    )
    _vector(writer, "v.patch_embd.bias", weights["vision.embed.bias"])
    both("v.patch_ln", "vision.embed_ln")
    for stage, (width, blocks, kernel) in enumerate(zip(shape.widths, shape.blocks, shape.kernels, strict=True)):
        if stage:
            both(f"v.stage.{stage}.down.ln", f"vision.down_ln.{stage - 1}")
            before = shape.widths[stage - 1]
            down = weights[f"vision.down.{stage - 1}.weight"].reshape(width, before, 2, 2)
            _matrix(writer, f"v.stage.{stage}.down.conv.weight", down)
            _vector(writer, f"v.stage.{stage}.down.conv.bias", weights[f"vision.down.{stage - 1}.bias"])
        for block in range(blocks):
            theirs, ours = f"v.stage.{stage}.blk.{block}", f"vision.stages.{stage}.{block}"
            edge = (STORED_KERNEL - kernel) // 2
            taps = weights[ours + ".dw.weight"].reshape(width, 1, kernel, kernel)
            _matrix(writer, theirs + ".dw.weight", np.pad(taps, ((0, 0), (0, 0), (edge, edge), (edge, edge))))
            _vector(writer, theirs + ".dw.bias", weights[ours + ".dw.bias"])
            both(theirs + ".ln", ours + ".ln")
            dense(theirs + ".pw1", ours + ".pw1")
            dense(theirs + ".pw2", ours + ".pw2")
            _vector(
                writer, theirs + ".grn.weight", np.zeros(4 * width, np.float32)
            )  # zeros switch the response normalisation off
            _vector(writer, theirs + ".grn.bias", np.zeros(4 * width, np.float32))
    mean, std = weights["language.mean"], weights["language.std"]
    first = weights["language.mm0.weight"]
    _vector(writer, "v.vision_pos_embed", (weights["language.position"] * std).reshape(IMAGE_TOKENS, -1))
    _matrix(writer, "mm.0.weight", first / std)
    _vector(writer, "mm.0.bias", weights["language.mm0.bias"] - first @ (mean / std))
    dense("mm.2", "language.mm2")
    _finish(writer)


def _matrix(writer: gguf.GGUFWriter, name: str, array: Array) -> None:
    writer.add_tensor(name, np.ascontiguousarray(array, np.float16))


def _vector(writer: gguf.GGUFWriter, name: str, array: Array) -> None:
    writer.add_tensor(name, np.ascontiguousarray(array, np.float32))


def _finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
