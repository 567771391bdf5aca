"""Models known by name: those listed in the package, and those of the user's own `models.toml`.

Says where a model's files would come from; whether they are here is not its business.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from imagejudge.common.suggest import did_you_mean
from imagejudge.common.text import printable
from imagejudge.common.text_file import MARK, read_text, reading
from imagejudge.common.toml_read import parse
from imagejudge.errors import ModelError
from imagejudge.prompts import BOX_STYLES, DIRECT, PROMPT_STYLES

_SHIPPED = Path(__file__).parent / "registry.toml"
MAX_BYTES = 1_000_000
"""Size of a list of models."""
TEMPLATE_LIMIT = 256 * 1024
"""Characters of a chat template."""
_SHOWN = 20
"""Mistakes that are shown at once."""
_MEND = "correct it, or move it away"

Bytes = Annotated[int, Field(gt=0)]
# Relative, with forward slashes and without "..": it becomes part of an address and of a path.
GgufName = Annotated[str, Field(pattern=r"^(?:[\w-][\w.-]*/)*[\w-][\w.-]*\.gguf$")]


class Entry(BaseModel):
    """One known model."""

    model_config = ConfigDict(extra="forbid", defer_build=True, frozen=True, strict=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    """What the user calls it."""
    repository: Annotated[str, Field(pattern=r"^[\w-][\w.-]*/[\w-][\w.-]*$")]
    """`owner/name` on the hub."""
    model: GgufName | None = None
    """The text model's file; None, as for `mmproj`: no file in this format is known, so it cannot be pulled."""
    mmproj: GgufName | None = None
    """The image encoder's file."""
    model_bytes: Bytes | None = None
    mmproj_bytes: Bytes | None = None
    licence: str
    box_style: str | None = None
    """Key of `prompts.BOX_STYLES`; None: it is not asked for boxes."""
    prompt_style: str = DIRECT
    """The name of a shipped prompt style, or a TOML file of one, from the folder of the list that names it."""
    chat_template: Annotated[str, Field(min_length=1, max_length=TEMPLATE_LIMIT)] | None = None
    """Jinja source, for a file that holds no chat template; None: it holds one."""
    image_tokens: Annotated[int, Field(ge=16, le=16384)] | None = None
    """Most tokens an image should become."""
    image_min_tokens: Annotated[int, Field(ge=1, le=16384)] | None = None
    """Least tokens of an image: smaller ones are enlarged."""
    memory: Bytes | None = None
    """Bytes needed to run it on a CPU."""
    unverified: list[str] = []
    """Fields that were never compared with the real files."""

    @property
    def files(self) -> tuple[str, ...]:
        """The file names on the hub: text model, image encoder; empty when none are known."""
        return (self.model, self.mmproj) if self.model and self.mmproj else ()

    @property
    def bytes(self) -> int | None:
        """Size of both files together, if it is known."""
        return self.model_bytes + self.mmproj_bytes if self.model_bytes and self.mmproj_bytes else None

    @model_validator(mode="after")
    def _consistent(self) -> Entry:
        if (self.model is None) != (self.mmproj is None):
            raise ValueError("model and mmproj belong together: give both or neither")
        if self.name == "builtin" or self.name.endswith(".gguf"):
            raise ValueError(f"{self.name} already means something else as a model")
        if self.box_style is not None and self.box_style not in BOX_STYLES:
            raise ValueError(f"box_style is one of {', '.join(BOX_STYLES)}")
        if self.image_tokens and self.image_min_tokens and self.image_min_tokens > self.image_tokens:
            raise ValueError("image_min_tokens is more than image_tokens")
        if self.prompt_style not in PROMPT_STYLES and not self.prompt_style.endswith(".toml"):
            raise ValueError(f"prompt_style is a TOML file, or one of {', '.join(PROMPT_STYLES)}")
        if unknown := set(self.unverified) - set(type(self).model_fields):
            raise ValueError(f"unverified names fields that do not exist: {', '.join(sorted(unknown))}")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True, strict=True)

    version: Annotated[Literal[1], Field(alias="schema")]
    models: list[Entry] = []


def user_file() -> Path:
    """Where the user may list more models; an entry there replaces the shipped one of the same name."""
    return Path(platformdirs.user_config_dir("imagejudge", appauthor=False)) / "models.toml"


def load_registry() -> dict[str, Entry]:
    """Every known model by its name. Raises `ModelError` with every mistake in the user's file."""
    known = {entry.name: entry for entry in _read(_SHIPPED)}
    if (own := user_file()).is_file():
        known.update((entry.name, entry) for entry in _read(own))
    return known


def find_entry(name: str) -> Entry:
    """The model of that name. Raises `ModelError` with the nearest one."""
    known = load_registry()
    if name not in known:
        raise ModelError(
            f"no model is called {name!r}", nearest(name, known) or "`imagejudge models list` shows which there are"
        )
    return known[name]


def nearest(name: str, known: Mapping[str, Entry]) -> str:
    """A hint with the known name most like this one; empty when none is."""
    hint = did_you_mean(name, known)
    return f"{hint} `imagejudge models list` shows all" if hint else ""


def read_list(path: Path) -> str:
    """The text of a list of models, its byte order mark included. Raises `ModelError`."""
    with reading(printable(path), ModelError, wrong=_MEND):
        return read_text(path, MAX_BYTES, marked=True)


def parse_list(text: str, name: str) -> list[Entry]:
    """The entries in the text of a list that is called `name`. Raises `ModelError` with every mistake."""
    with reading(name, ModelError, wrong=_MEND):
        document, _ = parse(text.removeprefix(MARK))
    try:
        return _File.model_validate(document).models
    except ValidationError as error:
        found = error.errors(include_input=False)
        mistakes = [
            f"{name}: {printable(_place(mistake['loc']))[:200]}{mistake['msg'][:300]}" for mistake in found[:_SHOWN]
        ]
        mistakes += [f"{name}: and {len(found) - _SHOWN:,} more"] * (len(found) > _SHOWN)
        raise ModelError("\n".join(mistakes), "docs/models.md explains every field") from error


def _read(path: Path) -> list[Entry]:
    return parse_list(read_list(path), printable(path))


def _place(where: tuple[int | str, ...]) -> str:
    """`models[2].memory: ` for the third entry's field."""
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return f"{steps.removeprefix('.')}: " if steps else ""
