"""Settings as the command line names them: a library says "raise `max_pixels`", its user reads "raise --max-pixels"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `--help` prints through here, and waits for no verdict to be defined
    from imagejudge.verdict import Verdict

NAMES = frozenset(
    {
        *(
            "audit",
            "blocks",
            "box_style",
            "chat_template",
            "column",
            "ctx",
            "decisions",
            "forget",
            "format",
            "frames",
            "gpu_layers",
            "html",
            "ignore",
        ),
        *(
            "image_max_tokens",
            "image_min_tokens",
            "known_category",
            "load_timeout",
            "max_bytes",
            "max_pixels",
            "memory_limit",
            "mix",
            "mmproj",
            "model",
        ),
        *(
            "output",
            "overwrite",
            "print0",
            "probe",
            "prompt_style",
            "select",
            "shard",
            "skip_below",
            "split",
            "timeout",
            "undo_file",
            "unsafe",
        ),
    }
)
"""Settings that messages of the library name."""
SHORT = {"output": "-o"}
"""Those that messages call by their one letter."""
_QUOTED = re.compile(r"`(\w+)`|`(\w+=[^\s`]+(?: \w+=[^\s`]+)*)`")
"""The name of a setting, or settings with their values."""


def option(name: str) -> str:
    """The option for a setting."""
    return SHORT.get(name) or f"--{name.replace('_', '-')}"


def with_options(message: str) -> str:
    """A message of the library, with the options of the command line where it names settings in backticks."""
    return _QUOTED.sub(_as_options, message)


def shown(verdict: Verdict) -> Verdict:
    """A verdict as the program gives it out. What a model said of an image stays word for word as it is."""
    if verdict.error is None:
        return verdict
    message = with_options(verdict.error.message)
    said: dict[str, Any] = {"rationale": with_options(verdict.rationale)}
    return verdict.model_copy(update={**said, "error": verdict.error.model_copy(update={"message": message})})


def _as_options(quoted: re.Match[str]) -> str:
    if quoted[1]:
        return option(quoted[1]) if quoted[1] in NAMES else quoted[0]
    pairs = [pair.split("=", 1) for pair in quoted[2].split(" ")]
    if any(name not in NAMES for name, _ in pairs):
        return quoted[0]
    return f"`{' '.join(f'{option(name)} {value}' for name, value in pairs)}`"
