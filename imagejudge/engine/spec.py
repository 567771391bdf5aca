"""The resolved description of an engine: what answers are kept under, what verdicts name, and what its child is told.

Knows no llama.cpp, so that a scan whose answers are all known need not load it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

from imagejudge.engine.base import Abilities
from imagejudge.prompts import BOX_STYLES, HOUSE, WORDING, Kind, PromptStyle

CONTEXT: Final = 4096
"""Tokens held at once, image and questions together, where no number is given."""
BESIDE_IMAGE: Final = 3072
"""Tokens of context for questions and reasoning, however large the image."""

CANNOT_CHANGE_ANSWERS: Final[Mapping[str, str]] = {
    "model": "a path; `digest` stands for what is in the file",
    "mmproj": "a path; `digest` stands for what is in the file",
    "gpu_layers": "where layers are computed: the same sums in other kernels, which round otherwise",
    "main_gpu": "which of several GPUs computes",
    "threads": "how many threads share the rows of a matrix",
    "extra_bufts": "how weights are laid out in memory: the same sums, added in another order",
}
"""Fields of `EngineSpec` that are left out of the key, each with the reason. Rounding moves an answer by up to a few
tenths of a nat with quantised weights, as the batch that it is asked in does; what is asked stays the same."""

_NOT_TOLD: Final = ("digest", "runtime", "decoder", "wording")
"""Fields that are facts about the program and the files, not options of the child."""

_SHOWN: Final = 40
"""Characters of a setting in a verdict line; longer text is named by its digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """A model as it is really run, with every option resolved.

    Each field changes `key`, unless `CANNOT_CHANGE_ANSWERS` says why it need not.
    """

    model: str
    """The text model's GGUF."""
    mmproj: str
    """The image encoder's GGUF."""
    digest: str
    """Of what is in both files."""
    box_style: str | None
    """A key of `BOX_STYLES`; None: the model is not asked for boxes."""
    prompt_style: PromptStyle
    """In whose words it is asked."""
    chat_template: str | None = None
    """The whole Jinja source; None: the one in the model's file, which `digest` covers."""
    image_max_tokens: int
    """Most tokens that one image becomes: how much of it is seen."""
    image_min_tokens: int | None = None
    """Least tokens that one image becomes; None: the model's own."""
    ctx: int = CONTEXT
    """Some models encode positions otherwise in a long context, so it is more than a limit."""
    gpu_layers: int | None = None
    main_gpu: int = 0
    threads: int | None = None
    extra_bufts: bool | None = None
    runtime: str = dataclasses.field(default_factory=lambda: _runtime())
    """The library that prepares images and computes answers. Releases of it have mended how models see."""
    decoder: int
    """Version of how files become pixels."""
    wording: str = WORDING
    """Digest of every word that is ever said to a model."""

    @property
    def key(self) -> str:
        """What the model's answers are kept under: all that can change one besides the image and the question."""
        meanings = {name: _meaning(name, value) for name, value in self._answering().items()}
        return hashlib.sha256(json.dumps(meanings, sort_keys=True).encode()).hexdigest()

    @property
    def settings(self) -> dict[str, str | int]:
        """The same for a verdict line, by names that people know; files are named beside it, and None is left out."""
        return {
            name: _shown(value) for name, value in self._answering().items() if name != "digest" and value is not None
        }

    @property
    def options(self) -> dict[str, Any]:
        """What the engine's child is told."""
        told = {name: value for name, value in self._fields().items() if name not in _NOT_TOLD}
        return {**told, "prompt_style": dataclasses.asdict(self.prompt_style)}

    @property
    def abilities(self) -> Abilities:
        """What this model can be asked for besides yes and no."""
        style = self.prompt_style
        return Abilities(
            boxes=self.box_style is not None, thoughts=style.reasoning, several_rules=Kind.RULES in style.ask
        )

    def _answering(self) -> dict[str, Any]:
        return {name: value for name, value in self._fields().items() if name not in CANNOT_CHANGE_ANSWERS}

    def _fields(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def engine_settings(settings: Mapping[str, str | int]) -> dict[str, str | int]:
    """Those that `EngineSpec.settings` gives, of all settings of a verdict line or of a file of vectors."""
    names = {field.name for field in dataclasses.fields(EngineSpec)}
    return {name: value for name, value in settings.items() if name in names}


def _meaning(name: str, value: Any) -> Any:
    """What a field says to the model, where its value is only a name for that."""
    if name == "box_style" and value is not None:
        return [value, BOX_STYLES[value].digest]
    return value.digest if isinstance(value, PromptStyle) else value


def _shown(value: str | int | PromptStyle) -> str | int:
    if isinstance(value, PromptStyle):  # `wording` stands for imagejudge's own
        return value.name if value == HOUSE else value.label
    if isinstance(value, str) and len(value) > _SHOWN:
        return hashlib.sha256(value.encode()).hexdigest()[:12]
    return value


def _runtime() -> str:
    name = "llama-cpp-python"
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:  # found on the path without being installed
        return name
