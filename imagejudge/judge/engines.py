"""From the choice of a model to engines that answer with it; each default of such a choice is resolved here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagejudge import models
from imagejudge.common import system
from imagejudge.common.hashed_file import HashedFile
from imagejudge.engine.process import EngineProcess, Limits
from imagejudge.engine.spec import BESIDE_IMAGE, CONTEXT, EngineSpec
from imagejudge.errors import ModelError
from imagejudge.images.decode import DECODE_VERSION
from imagejudge.judge.answer_cache import Cache
from imagejudge.judge.world import World
from imagejudge.prompts import HOUSE

ENGINE = "imagejudge.engine.llama:load_engine"
IMAGE_TOKENS = CONTEXT - BESIDE_IMAGE


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model, and how it runs."""

    model: str | None = None
    """`builtin`, a pulled model's name, or the GGUF file of a text model; None: the pulled default."""
    mmproj: str | None = None
    """The GGUF file of the image encoder, for a model given by its file."""
    box_style: str | None = None
    """How a model given by its files writes boxes; None: it is not asked for any."""
    prompt_style: str | None = None
    """In whose words it is asked: the name of a shipped style, or a TOML file; None: as its entry says, or `direct`."""
    chat_template: str | None = None
    """The file of a Jinja template that takes the place of the one that the model's file holds."""
    _: dataclasses.KW_ONLY
    image_max_tokens: int | None = None
    """Most tokens that one image becomes; None: as the model's entry recommends, or 1024."""
    image_min_tokens: int | None = None
    """Least tokens that one image becomes; None: as the model's entry recommends, or the model's own."""
    ctx: int | None = None
    """Context length in tokens; None: 4096, or more where images may take more than 1024 of them."""
    workers: int = 1
    """Engines side by side on one device."""
    gpus: tuple[int, ...] | None = None
    """One engine on each of these GPUs, in the place of `workers` on `main_gpu`."""
    main_gpu: int = 0
    gpu_layers: int | None = None
    """Layers to put on a GPU; None: all, if there is one."""
    threads: int | None = None
    """CPU threads of each engine; None: all it may use."""
    extra_bufts: bool | None = None
    """Repacked weights on the CPU; None: where they are known to work."""

    def files(self) -> models.ModelFiles:
        """The model's files. Raises `ModelError` where there are none."""
        return models.resolve_model(self.model, self.mmproj, self.box_style, self.prompt_style, self.chat_template)

    def spec(self, files: models.ModelFiles, digest: str) -> EngineSpec:
        """The model as it runs: everything left open resolved. Raises `ModelError` for limits that contradict."""
        most = self.image_max_tokens or files.image_tokens or IMAGE_TOKENS
        least = self.image_min_tokens
        if least is not None and least > most:
            raise ModelError(
                f"`image_min_tokens={least}` is more than the {most} tokens that an image may become",
                "raise `image_max_tokens` or lower `image_min_tokens`",
            )
        if least is None and files.image_min_tokens is not None:
            least = min(files.image_min_tokens, most)  # a request for few tokens is met
        return EngineSpec(
            model=str(files.model),
            mmproj=str(files.mmproj),
            digest=digest,
            box_style=files.box_style,
            prompt_style=files.prompt_style,
            chat_template=files.chat_template,
            image_max_tokens=most,
            image_min_tokens=least,
            ctx=self.ctx or max(CONTEXT, most + BESIDE_IMAGE),
            gpu_layers=self.gpu_layers,
            main_gpu=self.main_gpu,
            threads=self.threads,
            extra_bufts=self.extra_bufts,
            decoder=DECODE_VERSION,
        )

    def engines(
        self, spec: EngineSpec, hashed: Sequence[HashedFile], limits: Limits, notify: Callable[[str], None]
    ) -> list[EngineProcess]:
        """One for each GPU named, or as many as asked for on one device, all with the files that were hashed.

        `notify` hears of it when loading is slow.
        """
        gpus = [self.main_gpu] * self.workers if self.gpus is None else self.gpus
        threads = spec.threads
        if threads is None and len(gpus) > 1:
            threads = max(1, system.threads() // len(gpus))
        each = (dataclasses.replace(spec, main_gpu=gpu, threads=threads) for gpu in gpus)
        return [EngineProcess(ENGINE, one.options, limits, notify, hashed) for one in each]


def model_label(files: models.ModelFiles, digest: str) -> str:
    """What verdicts name the model by: its name, the start of its digest, and in whose words it is asked."""
    style = "" if files.prompt_style == HOUSE else f"+{files.prompt_style.name}"
    return f"{files.name}@{digest[:12]}{style}"


def world_of(files: models.ModelFiles, hashed: Sequence[HashedFile]) -> World | None:
    """What tells which pictures the model was not made for; None where nothing does."""
    return None if files.world is None else World(files.world, encoder=hashed[-1].digest)


def model_digest(hashed: Sequence[HashedFile]) -> str:
    """The model's digest."""
    return models.whole_digest(file.digest for file in hashed)


def hashed_files(files: models.ModelFiles, cache: Cache) -> list[HashedFile]:
    """All of the model's files, the image encoder last; a large one is read once and then known by its state."""
    found = []
    for path in map(Path.absolute, files.paths):  # looked at again wherever the current folder is by then
        file = cache.hashed_file(path)
        if file is None:
            file = models.hashed(path)
            cache.keep_hashed_file(file)
        found.append(file)
    return found
