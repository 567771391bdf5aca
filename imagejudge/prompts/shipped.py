"""The prompt styles that come with imagejudge, and finding one by its name or file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from imagejudge.common.suggest import did_you_mean
from imagejudge.errors import ModelError
from imagejudge.prompts.style import PromptStyle
from imagejudge.prompts.style_file import load_prompt_style

DIRECT: Final = "direct"
"""imagejudge's own wording, for models that were not taught any other."""

_FOLDER = Path(__file__).parent / "styles"

PROMPT_STYLES: Final = tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))
"""Names of the shipped styles."""


def find_prompt_style(name_or_file: str, folder: Path = Path()) -> PromptStyle:
    """The shipped style of that name, or the one in a file of `folder`, whose name ends with `.toml`.

    Raises `ModelError` where there is none, or where it is wrong.
    """
    if name_or_file.endswith(".toml"):
        return load_prompt_style(folder / name_or_file)
    if name_or_file not in PROMPT_STYLES:
        otherwise = f"there are: {', '.join(PROMPT_STYLES)}; or name a TOML file of your own"
        raise ModelError(
            f"`prompt_style` {name_or_file} is not known", did_you_mean(name_or_file, PROMPT_STYLES, otherwise)
        )
    return load_prompt_style(_FOLDER / f"{name_or_file}.toml")
