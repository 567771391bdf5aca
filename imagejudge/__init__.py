"""Judge images against written rules with a local vision-language model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagejudge.constitution import Constitution, find_constitution, load_constitution, parse_constitution
    from imagejudge.engine.process import Limits as EngineLimits
    from imagejudge.errors import (
        ConstitutionError,
        ImageJudgeError,
        ModelError,
        OutputError,
        SettingsError,
        UsageError,
    )
    from imagejudge.images.read import Limits as ImageLimits
    from imagejudge.judge.clue import Method
    from imagejudge.judge.engines import ModelChoice
    from imagejudge.judge.judge import Judge
    from imagejudge.verdict import Outcome, Verdict

__version__ = "0.1.0"

__all__ = [
    "Constitution",
    "ConstitutionError",
    "EngineLimits",
    "ImageJudgeError",
    "ImageLimits",
    "Judge",
    "Method",
    "ModelChoice",
    "ModelError",
    "Outcome",
    "OutputError",
    "SettingsError",
    "UsageError",
    "Verdict",
    "__version__",
    "find_constitution",
    "load_constitution",
    "parse_constitution",
]

_HOMES = {
    "constitution": ("Constitution", "find_constitution", "load_constitution", "parse_constitution"),
    "engine.process": ("EngineLimits",),
    "errors": ("ConstitutionError", "ImageJudgeError", "ModelError", "OutputError", "SettingsError", "UsageError"),
    "images.read": ("ImageLimits",),
    "judge.clue": ("Method",),
    "judge.engines": ("ModelChoice",),
    "judge.judge": ("Judge",),
    "verdict": ("Outcome", "Verdict"),
}
"""Where each name is defined. A module is loaded when a name of it is first used: `--help` needs none of them."""
_RENAMED = {"EngineLimits": "Limits", "ImageLimits": "Limits"}
"""What a name is called in its module, where there is only one thing that it can mean."""


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"{__name__}.{module}"), _RENAMED.get(name, name))
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
