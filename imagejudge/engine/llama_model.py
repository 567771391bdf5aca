"""A model's files as llama.cpp holds them, and every setting it is given for them."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import llama_cpp
from llama_cpp import mtmd_cpp

from imagejudge.common import system
from imagejudge.engine.image_size import fitting_size, reduction
from imagejudge.engine.llama_bindings import (
    Chunks,
    LlamaMemory,
    Vocabulary,
    count_image_tokens,
    devices,
    is_gpu,
    listen,
    log_tail,
)
from imagejudge.engine.prefix_cache import FIRST_FREE, PrefixCache
from imagejudge.errors import EngineFailure, ModelError
from imagejudge.images.picture import Picture
from imagejudge.prompts import HOUSE, PromptStyle

_SEQUENCES = 64
"""Questions decoded together at most. More gain nothing on a CPU, and llama.cpp allows 256 sequences in all."""
_STATEFUL_SEQUENCES = 8
"""The same where every sequence holds a state of its own, allocated beforehand."""
_CONTEXT = 4096
_MICRO_BATCH = 512


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """Everything the engine is told from outside."""

    model: str
    """The text model's GGUF."""
    mmproj: str | None = None
    """The vision encoder's GGUF that belongs to it; None: the model sees nothing."""
    box_style: str | None = None
    """A key of `BOX_STYLES`; None when the model was not taught to give boxes."""
    prompt_style: PromptStyle = HOUSE
    chat_template: str | None = None
    """Jinja source; None: the one that the model's file holds."""
    threads: int | None = None
    """None: as many as this process may use."""
    gpu_layers: int | None = None
    """None: all where llama.cpp was built for a GPU, else 0."""
    main_gpu: int = 0
    ctx: int | None = None
    """Tokens held at once, image and questions together; None: 4096."""
    image_max_tokens: int | None = 1024
    """Cap for models that see images at any size; None: the model's own, which may be large and slow."""
    image_min_tokens: int | None = None
    """Least tokens, for models that see images at any size: smaller ones are enlarged. None: the model's own."""
    extra_bufts: bool | None = None
    """llama.cpp's repacked weights; None: off where the CPU has AMX."""


class LoadedModel:
    """A text model, its image encoder if it has one, and a context, ready to decode."""

    def __init__(self, options: LlamaOptions) -> None:
        """Load both files. ModelError when llama.cpp cannot use them."""
        listen()
        self.options = options
        self.threads = options.threads or system.threads()
        self._gpu = bool(llama_cpp.llama_supports_gpu_offload()) and options.gpu_layers != 0
        self._owned = ExitStack()
        try:
            self.model = self._load_model()
            self.vocabulary = Vocabulary(self.model)
            self.encoder = self._load_encoder() if options.mmproj else None
            self._count = lru_cache(maxsize=1000)(partial(count_image_tokens, self.encoder))
            self._start_context()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Free the context, the encoder and the model."""
        self._owned.close()

    def _load_model(self) -> Any:
        params = llama_cpp.llama_model_default_params()
        layers = self.options.gpu_layers
        params.n_gpu_layers = (-1 if layers is None else layers) if self._gpu else 0
        params.split_mode = llama_cpp.LLAMA_SPLIT_MODE_NONE
        params.main_gpu = self.options.main_gpu
        # Quantised weights in AMX buffers crash with SIGSEGV at the first decode: llama.cpp issue 20824.
        extra = self.options.extra_bufts
        params.use_extra_bufts = not system.has_amx() if extra is None else extra
        model = llama_cpp.llama_model_load_from_file(os.fsencode(self.options.model), params)
        if not model:
            raise ModelError(
                f"llama.cpp cannot load {self.options.model}: {log_tail()}",
                "Check that the file is complete and of an architecture this llama.cpp knows.",
            )
        self._owned.callback(llama_cpp.llama_model_free, model)
        return model

    def _load_encoder(self) -> Any:
        encoder = self._open_encoder(None)
        limit = self.options.image_max_tokens
        # The setting would also raise the cap of models whose own is lower, so it is used only where it lowers it.
        if limit is not None and self._most_image_tokens(encoder) > limit:
            mtmd_cpp.mtmd_free(encoder)
            encoder = self._open_encoder(limit)
        if limit is not None:
            encoder = self._tighten(encoder, limit)
        self._owned.callback(mtmd_cpp.mtmd_free, encoder)
        return encoder

    def _tighten(self, encoder: Any, limit: int) -> Any:
        """An encoder that sees small pictures in no more tokens than asked for, if the setting can do that.

        Some cut every picture into tiles of one size, enlarged if need be, and the setting is not the sum of all tiles.
        """
        asked, least = limit, self._least_image_tokens(encoder)
        while least > limit and asked > 1:
            asked = min(asked * limit // least, asked - 1)
            mtmd_cpp.mtmd_free(encoder)
            encoder = self._open_encoder(max(asked, 1))
            before, least = least, self._least_image_tokens(encoder)
            if least >= before:  # as small as it gets
                break
        return encoder

    def _least_image_tokens(self, encoder: Any) -> int:
        """Tokens of a small square picture, or of a small narrow one if those are more."""
        try:
            return max(count_image_tokens(encoder, 32, 32), count_image_tokens(encoder, 32, 16))
        except EngineFailure as error:
            raise self._mismatch() from error

    def fitted(self, picture: Picture) -> Picture:
        """The picture, scaled down where the whole of it would make more tokens than asked for.

        One that is far larger than its tokens can show is reduced: llama.cpp scales by as much as is needed, slowly.
        """
        limit = self.options.image_max_tokens
        if limit is not None:
            picture = picture.scaled(*fitting_size((picture.width, picture.height), limit, self._count))
        size = picture.width, picture.height
        return picture.reduced(reduction(size, self._count(*size)))

    def _open_encoder(self, limit: int | None) -> Any:
        params = mtmd_cpp.mtmd_context_params_default()
        params.use_gpu = self._gpu
        gpus = [device for device in devices() if is_gpu(device)]
        if self._gpu and self.options.main_gpu < len(gpus):
            params.device = gpus[self.options.main_gpu]
        params.print_timings = False
        params.n_threads = self.threads
        params.warmup = False  # the first picture reserves what pictures really need
        params.image_min_tokens = self.options.image_min_tokens or -1
        params.image_max_tokens = -1 if limit is None else limit
        file = os.fsencode(str(self.options.mmproj))
        encoder = mtmd_cpp.mtmd_init_from_file(file, self.model, params)
        if not encoder and limit is not None:  # perhaps less than the least that the model takes
            params.image_min_tokens = limit
            encoder = mtmd_cpp.mtmd_init_from_file(file, self.model, params)
        if not encoder or not mtmd_cpp.mtmd_support_vision(encoder):
            raise self._mismatch()
        return encoder

    def _mismatch(self) -> ModelError:
        return ModelError(
            f"llama.cpp cannot use {self.options.mmproj} with {self.options.model}: {log_tail()}",
            "The two files must come from the same release of one vision model.",
        )

    def _most_image_tokens(self, encoder: Any) -> int:
        """Tokens of the largest piece of a large image, which is measured without pixels."""
        try:
            with Chunks(encoder, "", 4096, 4096, None) as chunks:
                return max(int(mtmd_cpp.mtmd_input_chunk_get_n_tokens(chunk)) for chunk in chunks)
        except EngineFailure as error:
            raise self._mismatch() from error

    def _start_context(self) -> None:
        # A non-causal image must fit one micro-batch (llama.cpp issues 18757, 23409), and M-RoPE images come out wrong
        # when split over batches (16876, 13694).
        whole = self.encoder is not None and (
            mtmd_cpp.mtmd_decode_use_non_causal(self.encoder, None) or mtmd_cpp.mtmd_decode_use_mrope(self.encoder)
        )
        stateful = llama_cpp.llama_model_is_recurrent(self.model) or llama_cpp.llama_model_is_hybrid(self.model)
        sequences = _STATEFUL_SEQUENCES if stateful else _SEQUENCES
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = self.options.ctx or _CONTEXT
        params.n_batch = min(params.n_ctx, max(2 * _MICRO_BATCH, self.options.image_max_tokens or _CONTEXT))
        params.n_ubatch = params.n_batch if whole else _MICRO_BATCH
        params.n_seq_max = FIRST_FREE + sequences
        params.n_outputs_max = params.n_seq_max  # else logits are reserved for every token: n_batch * n_vocab floats
        params.n_threads = params.n_threads_batch = self.threads
        # Flash attention moves answers by up to 2.5e-3 nats between batch shapes; off, they agree to 2e-6.
        params.flash_attn_type = -1 if self._gpu else 0
        if llama_cpp.llama_model_ftype(self.model) & ~llama_cpp.LLAMA_FTYPE_GUESSED == llama_cpp.LLAMA_FTYPE_ALL_F32:
            params.type_k = params.type_v = 0  # float32, lest the memory be less exact than the weights
        params.kv_unified = True  # sharing a prefix costs nothing
        params.swa_full = True  # else sliding windows forget the image, and trimming fails
        params.offload_kqv = params.op_offload = self._gpu
        context = llama_cpp.llama_init_from_model(self.model, params)
        if not context:
            raise ModelError(
                f"llama.cpp cannot make a context for {self.options.model}: {log_tail()}",
                "Try a smaller `ctx` or `image_max_tokens`, or fewer `gpu_layers`.",
            )
        self._owned.callback(llama_cpp.llama_free, context)
        self.memory = LlamaMemory(context, self.vocabulary.size)
        self.image_limit = llama_cpp.llama_n_ubatch(context) if whole else self.memory.size
        """Tokens that one image may become."""
        self.prefixes = PrefixCache(self.memory, capacity=self.memory.size, sequences=sequences)
