"""Random-weight model pairs (text GGUF + mmproj GGUF), written in well under a second, for tests of the real engine.

Every pair is seeded, so its answers are the same on every run of one machine; they mean nothing. The kinds differ in
what they make the engine do: `tiny_pair` is the plain case, `mrope_pair` counts positions in two dimensions,
`sliding_pair` reads its image tokens without causal order through a sliding window, and `hybrid_pair` and
`recurrent_pair` hold a state that cannot be cut short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gguf
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% else %}<__media__>{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

CONTROLS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<image>",
    "</image>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<start_of_image>",
    "<end_of_image>",
)
"""Control tokens in the order of their ids after the ordinary ones; mtmd looks its image markers up among them."""

ANSWERS = ("Yes", "No")
"""What a model that answers says, here about as often."""

_WORDS = ("Yes", "No", " Yes", " No", "yes", "no", " is", " visible", " image", " this", " the", "user", "assistant")
_DIM, _HEADS, _FF, _LAYERS = 64, 4, 128, 3


class Pair(NamedTuple):
    """The two files of one model."""

    model: Path
    mmproj: Path


def tiny_pair(
    folder: Path,
    *,
    dtype: str = "f32",
    template: str = CHATML,
    words: Sequence[str] = (),
    seed: int = 7,
    answers: Sequence[str] = (),
    spm: bool = False,
) -> Pair:
    """A plain transformer with a convolutional eye: 128 x 128 pixels become 64 tokens in causal order.

    Each of `words` is a token of its own. Where there are `answers`, each reply begins with one of them, all about as
    likely; else replies begin with anything, and hardly ever with Yes or No. With `spm` its tokenizer is as
    SentencePiece's of Llama 2 and Gemma, which puts a space before every text, and a start token before a chat. An
    empty template is left out.
    """

    def text(file: _Gguf) -> None:
        _attention_text(file)
        if answers:
            file.answering(answers, words)

    more = {"dtype": dtype, "template": template, "words": words}
    return _pair(folder, "llama", text, _conv_eye, **more, seed=seed, leaning=bool(answers), spm=spm)  # type: ignore[arg-type]


def mrope_pair(folder: Path, *, seed: int = 7) -> Pair:
    """Qwen2-VL's shape: any image size, tokens in a grid, fewer positions than tokens."""
    return _pair(folder, "qwen2vl", _mrope_text, _qwen_eye, seed=seed)


def sliding_pair(folder: Path, *, seed: int = 7) -> Pair:
    """Gemma 3's shape: image tokens see each other both ways; every second layer sees only the last 8 tokens."""
    return _pair(folder, "gemma3", _sliding_text, _pooled_eye, seed=seed)


def hybrid_pair(folder: Path, *, seed: int = 7) -> Pair:
    """LFM2's shape: short convolutions, whose state cannot be cut short, between attention layers."""
    return _pair(folder, "lfm2", _hybrid_text, _conv_eye, seed=seed)


def recurrent_pair(folder: Path, *, seed: int = 7) -> Pair:
    """Mamba's shape: nothing but recurrent state."""
    return _pair(folder, "mamba", _recurrent_text, _conv_eye, seed=seed)


def tiled_pair(folder: Path, kind: str, *, seed: int = 7) -> Pair:
    """A plain transformer whose encoder cuts large pictures into tiles, in the shape of `idefics3` (SmolVLM2, which
    cuts small ones too), `internvl` or `lfm2` (tiles of 512 x 512 pixels and 256 tokens).
    """
    eyes = {"idefics3": _idefics_eye, "internvl": _internvl_eye, "lfm2": _lfm_eye}
    marks = ("<fake_token_around_image>", "<global-img>", "<|img_thumbnail|>")
    return _pair(folder, "llama", _attention_text, eyes[kind], words=marks, seed=seed)


class _Gguf:
    """A GGUF file under construction: keys with their types guessed, weights drawn from one seeded source."""

    def __init__(self, path: Path, arch: str, seed: int, dtype: str) -> None:
        self._writer = gguf.GGUFWriter(path, arch)
        self._random = np.random.default_rng(seed)
        self._matrix = {"f32": np.float32, "f16": np.float16}[dtype]
        self._arch = arch

    def keys(self, **values: Any) -> None:
        """Write keys below the architecture's name; two underscores stand for a dot."""
        for name, value in values.items():
            self.key(f"{self._arch}.{name.replace('__', '.')}", value)

    def key(self, name: str, value: Any) -> None:
        """Write one key of any type that a GGUF needs here."""
        match value:
            case bool():
                self._writer.add_bool(name, value)
            case int():
                self._writer.add_uint32(name, value)
            case float():
                self._writer.add_float32(name, value)
            case str():
                self._writer.add_string(name, value)
            case _:
                self._writer.add_array(name, list(value))

    def matrix(self, name: str, *shape: int, scale: float = 1.0, first: float = 0.0) -> None:
        """A weight matrix whose outputs have about the size of its inputs; `first` is added to its first column."""
        values = self._random.standard_normal(shape, np.float32) * scale / np.sqrt(np.prod(shape[1:]))
        values[..., 0] += np.float32(first)
        self._writer.add_tensor(name, values.astype(self._matrix))

    def kernel(self, name: str, *shape: int) -> None:
        """A convolution's kernel, which the vision graphs want in float16."""
        values = self._random.standard_normal(shape, np.float32) / np.sqrt(np.prod(shape[1:]))
        self._writer.add_tensor(name, values.astype(np.float16))

    def vector(self, name: str, *shape: int, around: float = 0.0, spread: float = 0.1) -> None:
        """Norms, biases, positions: always float32."""
        values = around + spread * self._random.standard_normal(shape, np.float32)
        self._writer.add_tensor(name, values.astype(np.float32))

    def norm(self, name: str, width: int, *, bias: bool = False) -> None:
        """The weight, and if asked the bias, of a normalisation."""
        self.vector(f"{name}.weight", width, around=1.0)
        if bias:
            self.vector(f"{name}.bias", width)

    def linear(self, name: str, out: int, into: int, *, bias: bool = False) -> None:
        """A linear layer."""
        self.matrix(f"{name}.weight", out, into)
        if bias:
            self.vector(f"{name}.bias", out)

    def answering(self, answers: Sequence[str], words: Sequence[str]) -> None:
        """Lean every reply towards a few tokens, by the first column, which is large in all that is embedded."""
        tokens, _ = _byte_pairs(words)
        count = len(tokens) + len(CONTROLS)
        values = self._random.standard_normal((count, _DIM), np.float32) * 0.02
        for word in answers:
            values[tokens.index("".join(map(_letters().__getitem__, word.encode()))), 0] += 1.0
        self._writer.add_tensor("output.weight", values.astype(self._matrix))

    def close(self) -> None:
        self._writer.write_header_to_file()
        self._writer.write_kv_data_to_file()
        self._writer.write_tensors_to_file()
        self._writer.close()


def _pair(
    folder: Path,
    arch: str,
    text: Callable[[_Gguf], None],
    eye: Callable[[_Gguf], None],
    *,
    dtype: str = "f32",
    template: str = CHATML,
    words: Sequence[str] = (),
    seed: int,
    leaning: bool = False,
    spm: bool = False,
) -> Pair:
    folder.mkdir(parents=True, exist_ok=True)
    pair = Pair(folder / "model.gguf", folder / "mmproj.gguf")
    model = _Gguf(pair.model, arch, seed, dtype)
    model.keys(context_length=2048, embedding_length=_DIM, attention__layer_norm_rms_epsilon=1e-6)
    (_sentence_pieces if spm else _vocabulary)(model, template, words, leaning=leaning)
    text(model)
    model.close()
    _write_eye(pair.mmproj, seed + 1, dtype, eye)
    return pair


def _write_eye(path: Path, seed: int, dtype: str, eye: Callable[[_Gguf], None]) -> None:
    file = _Gguf(path, "clip", seed, dtype)
    file.key("general.type", "mmproj")
    file.keys(has_vision_encoder=True, use_gelu=True)
    file.keys(vision__image_mean=[0.5] * 3, vision__image_std=[0.5] * 3)
    eye(file)
    file.close()


# --- text ---------------------------------------------------------------------------------------------------------


def _vocabulary(file: _Gguf, template: str, words: Sequence[str], *, leaning: bool) -> None:
    tokens, merges = _byte_pairs(words)
    ordinary = len(tokens)
    tokens += CONTROLS
    file.keys(vocab_size=len(tokens))
    file.key("tokenizer.ggml.model", "gpt2")
    file.key("tokenizer.ggml.pre", "gpt-2")
    file.key("tokenizer.ggml.tokens", tokens)
    file.key("tokenizer.ggml.token_type", [1] * ordinary + [3] * len(CONTROLS))
    file.key("tokenizer.ggml.merges", merges)
    file.key("tokenizer.ggml.bos_token_id", ordinary)
    file.key("tokenizer.ggml.eos_token_id", ordinary + CONTROLS.index("<|im_end|>"))
    file.key("tokenizer.ggml.add_bos_token", False)
    _rest_of_vocabulary(file, template, len(tokens), leaning=leaning)


def _rest_of_vocabulary(file: _Gguf, template: str, size: int, *, leaning: bool) -> None:
    if template:
        file.key("tokenizer.chat_template", template)
    file.matrix("token_embd.weight", size, _DIM, scale=0.5, first=20.0 if leaning else 0.0)


def _sentence_pieces(file: _Gguf, template: str, words: Sequence[str], *, leaning: bool) -> None:
    """Bytes, the letters of all words, and every beginning of each word, with the mark of a space and without."""
    pieces = {chr(code): None for code in range(33, 127)}
    for word in (*_WORDS, *words):
        for form in (word.strip(), f"\u2581{word.strip()}"):
            pieces |= {form[: end + 1]: None for end in range(len(form))}
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces, *CONTROLS]
    kinds = [2, 3, 3, *[6] * 256, *[1] * len(pieces), *[3] * len(CONTROLS)]
    file.keys(vocab_size=len(tokens))
    file.key("tokenizer.ggml.model", "llama")
    file.key("tokenizer.ggml.tokens", tokens)
    file.key("tokenizer.ggml.token_type", kinds)
    file.key("tokenizer.ggml.scores", [-float(n) for n in range(len(tokens))])
    for name, token in (("unknown", 0), ("bos", 1), ("eos", 2)):
        file.key(f"tokenizer.ggml.{name}_token_id", token)
    file.key("tokenizer.ggml.add_bos_token", True)
    file.key("tokenizer.ggml.add_space_prefix", True)
    _rest_of_vocabulary(file, template, len(tokens), leaning=leaning)


def _letters() -> dict[int, str]:
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {byte: chr(256 + n) for n, byte in enumerate(hidden)}


def _byte_pairs(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Every byte as GPT-2 writes it, then each word's merges from the left."""
    letters = _letters()
    tokens = [letters[byte] for byte in range(256)]
    merges: list[str] = []
    for word in (*_WORDS, "\n\n", *words):
        left, *rest = (letters[byte] for byte in word.encode())
        for right in rest:
            if left + right not in tokens:
                tokens.append(left + right)
                merges.append(f"{left} {right}")
            left += right
    return tokens, merges


def _attention(file: _Gguf, block: str, *, qk_norm: bool = False) -> None:
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        file.linear(f"{block}.{name}", _DIM, _DIM)
    if qk_norm:
        file.norm(f"{block}.attn_q_norm", _DIM // _HEADS)
        file.norm(f"{block}.attn_k_norm", _DIM // _HEADS)


def _feed_forward(file: _Gguf, block: str) -> None:
    file.norm(f"{block}.ffn_norm", _DIM)
    file.linear(f"{block}.ffn_gate", _FF, _DIM)
    file.linear(f"{block}.ffn_up", _FF, _DIM)
    file.linear(f"{block}.ffn_down", _DIM, _FF)


def _attention_text(file: _Gguf, *, qk_norm: bool = False) -> None:
    file.keys(block_count=_LAYERS, feed_forward_length=_FF, attention__head_count=_HEADS)
    file.keys(attention__head_count_kv=_HEADS, rope__dimension_count=_DIM // _HEADS, rope__freq_base=10000.0)
    file.norm("output_norm", _DIM)
    for layer in range(_LAYERS):
        file.norm(f"blk.{layer}.attn_norm", _DIM)
        _attention(file, f"blk.{layer}", qk_norm=qk_norm)
        _feed_forward(file, f"blk.{layer}")


def _mrope_text(file: _Gguf) -> None:
    file.keys(rope__dimension_sections=[2, 3, 3, 0])
    _attention_text(file)


def _sliding_text(file: _Gguf) -> None:
    file.keys(attention__sliding_window=8, attention__sliding_window_pattern=2)
    file.keys(attention__key_length=_DIM // _HEADS, attention__value_length=_DIM // _HEADS)
    _attention_text(file, qk_norm=True)
    for layer in range(_LAYERS):
        file.norm(f"blk.{layer}.post_attention_norm", _DIM)
        # Small, for llama.cpp looks GELU up in a float16 table, whose steps would drown what tests compare.
        file.vector(f"blk.{layer}.post_ffw_norm.weight", _DIM, around=0.1, spread=0.01)


def _hybrid_text(file: _Gguf) -> None:
    file.keys(block_count=_LAYERS, feed_forward_length=_FF, attention__head_count=_HEADS)
    file.keys(attention__head_count_kv=[0, _HEADS, 0], shortconv__l_cache=3)
    file.keys(rope__dimension_count=_DIM // _HEADS, rope__freq_base=10000.0)
    file.norm("token_embd_norm", _DIM)
    for layer in range(_LAYERS):
        file.norm(f"blk.{layer}.attn_norm", _DIM)
        if layer == 1:
            _attention(file, f"blk.{layer}", qk_norm=True)
        else:
            file.vector(f"blk.{layer}.shortconv.conv.weight", _DIM, 3, spread=0.6)
            file.linear(f"blk.{layer}.shortconv.in_proj", 3 * _DIM, _DIM)
            file.linear(f"blk.{layer}.shortconv.out_proj", _DIM, _DIM)
        _feed_forward(file, f"blk.{layer}")


def _recurrent_text(file: _Gguf) -> None:
    inner, state, rank, window = 2 * _DIM, 8, 4, 4
    file.keys(block_count=_LAYERS, feed_forward_length=0, attention__head_count=0)
    file.keys(ssm__conv_kernel=window, ssm__inner_size=inner, ssm__state_size=state, ssm__time_step_rank=rank)
    file.norm("output_norm", _DIM)
    for layer in range(_LAYERS):
        block = f"blk.{layer}"
        file.norm(f"{block}.attn_norm", _DIM)
        file.linear(f"{block}.ssm_in", 2 * inner, _DIM)
        file.vector(f"{block}.ssm_conv1d.weight", inner, window, spread=0.5)
        file.vector(f"{block}.ssm_conv1d.bias", inner)
        file.linear(f"{block}.ssm_x", rank + 2 * state, inner)
        file.linear(f"{block}.ssm_dt", inner, rank, bias=True)
        file.vector(f"{block}.ssm_a", inner, state, around=-0.05, spread=0.01)
        file.vector(f"{block}.ssm_d", inner, around=1.0)
        file.linear(f"{block}.ssm_out", _DIM, inner)


# --- vision -------------------------------------------------------------------------------------------------------


def _eye_keys(file: _Gguf, projector: str, *, size: int, patch: int, width: int, ff: int, layers: int) -> None:
    file.keys(projector_type=projector, vision__image_size=size, vision__patch_size=patch)
    file.keys(vision__embedding_length=width, vision__feed_forward_length=ff, vision__block_count=layers)
    file.keys(vision__attention__head_count=max(1, width // 64))
    file.keys(vision__attention__layer_norm_epsilon=1e-6)


def _conv_eye(file: _Gguf) -> None:
    """A ConvNeXt of two stages, 16 x 16 and 8 x 8 cells: the loader demands no transformer blocks of it."""
    first, last = 16, 32
    _eye_keys(file, "yasa2", size=128, patch=8, width=last, ff=4 * last, layers=0)
    file.keys(vision__projection_dim=_DIM)
    file.kernel("v.patch_embd.weight", first, 3, 8, 8)
    file.vector("v.patch_embd.bias", first)
    file.norm("v.patch_ln", first, bias=True)
    file.vector("v.vision_pos_embed", 64, last)
    file.norm("v.stage.1.down.ln", first, bias=True)
    file.kernel("v.stage.1.down.conv.weight", last, first, 2, 2)
    file.vector("v.stage.1.down.conv.bias", last)
    for stage, width in ((0, first), (1, last)):
        block = f"v.stage.{stage}.blk.0"
        file.kernel(f"{block}.dw.weight", width, 1, 7, 7)
        file.vector(f"{block}.dw.bias", width)
        file.norm(f"{block}.ln", width, bias=True)
        file.linear(f"{block}.pw1", 4 * width, width, bias=True)
        file.vector(f"{block}.grn.weight", 4 * width)
        file.vector(f"{block}.grn.bias", 4 * width)
        file.linear(f"{block}.pw2", width, 4 * width, bias=True)
    file.linear("mm.0", 2 * last, last, bias=True)
    file.linear("mm.2", _DIM, 2 * last, bias=True)


def _transformer_blocks(file: _Gguf, width: int, ff: int, layers: int) -> None:
    for layer in range(layers):
        block = f"v.blk.{layer}"
        file.norm(f"{block}.ln1", width, bias=True)
        file.norm(f"{block}.ln2", width, bias=True)
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            file.linear(f"{block}.{name}", width, width, bias=True)
        file.linear(f"{block}.ffn_up", ff, width, bias=True)
        file.linear(f"{block}.ffn_down", width, ff, bias=True)
    file.norm("v.post_ln", width, bias=True)


def _qwen_eye(file: _Gguf) -> None:
    width, ff, patch = 32, 48, 8
    _eye_keys(file, "qwen2vl_merger", size=112, patch=patch, width=width, ff=ff, layers=2)
    file.keys(vision__projection_dim=_DIM)
    file.kernel("v.patch_embd.weight", width, 3, patch, patch)
    file.kernel("v.patch_embd.weight.1", width, 3, patch, patch)
    _transformer_blocks(file, width, ff, 2)
    file.linear("mm.0", 4 * width, 4 * width, bias=True)
    file.linear("mm.2", _DIM, 4 * width, bias=True)


def _tile_eye(file: _Gguf, projector: str, *, size: int, patch: int, cells: int) -> int:
    """All of a tile's transformer but its projector; the width of four cells that become one token."""
    width = 32
    file.keys(vision__projection_dim=_DIM, vision__projector__scale_factor=2)
    _eye_keys(file, projector, size=size, patch=patch, width=width, ff=48, layers=1)
    file.kernel("v.patch_embd.weight", width, 3, patch, patch)
    file.vector("v.patch_embd.bias", width)
    file.vector("v.position_embd.weight", cells, width)
    _transformer_blocks(file, width, 48, 1)
    return 4 * width


def _idefics_eye(file: _Gguf) -> None:
    wide = _tile_eye(file, "idefics3", size=128, patch=8, cells=256)
    file.keys(vision__preproc_image_size=512)
    file.linear("mm.model.fc", _DIM, wide)


def _internvl_eye(file: _Gguf) -> None:
    wide = _tile_eye(file, "internvl", size=128, patch=8, cells=257)
    file.vector("v.class_embd", wide // 4)
    file.norm("mm.model.mlp.0", wide, bias=True)
    file.linear("mm.model.mlp.1", _DIM, wide, bias=True)
    file.linear("mm.model.mlp.3", _DIM, _DIM, bias=True)


def _lfm_eye(file: _Gguf) -> None:
    wide = _tile_eye(file, "lfm2", size=256, patch=16, cells=256)
    file.linear("mm.1", wide, wide, bias=True)
    file.linear("mm.2", _DIM, wide, bias=True)


def _pooled_eye(
    file: _Gguf, *, size: int = 128, patch: int = 8, width: int = 32, layers: int = 2, out: int = _DIM
) -> None:
    """Gemma 3's: every 4 x 4 patches of a fixed square become one token."""
    ff = 4 * width
    file.keys(vision__projection_dim=out)
    _eye_keys(file, "gemma3", size=size, patch=patch, width=width, ff=ff, layers=layers)
    file.kernel("v.patch_embd.weight", width, 3, patch, patch)
    file.vector("v.patch_embd.bias", width)
    file.vector("v.position_embd.weight", (size // patch) ** 2, width)
    _transformer_blocks(file, width, ff, layers)
    file.vector("mm.input_projection.weight", width, out, spread=1 / np.sqrt(width))
    file.norm("mm.soft_emb_norm", width)


def wide_eye(path: Path, out: int, *, size: int = 512, patch: int = 16, width: int = 768, layers: int = 12) -> None:
    """A vision transformer for a text model of `out` dimensions, float16: (size / patch / 4)^2 tokens, never tiled."""
    _write_eye(
        path, 7, "f16", lambda file: _pooled_eye(file, size=size, patch=patch, width=width, layers=layers, out=out)
    )
