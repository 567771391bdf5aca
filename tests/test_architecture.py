"""The shape of the house: imports point one way, heavy libraries have one home each, the public names are listed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import imagejudge

PACKAGE = Path(imagejudge.__file__).parent
PARSERS = {"gif", "icon", "jpeg", "png", "webp"}
LAYERS = [
    {
        "printable",
        "errors",
        "existing",
        "crash",
        "replace",
        "picture",
        "questions",
        "source",
        "special",
        "formats",
        "gitignore",
        "toml",
    },
    {"constitution"},
    {"settings"},
    {"verdict"},
    {"engine", "decode", "readers", "animation", "flat", "layers", "budget", "images", "models", *PARSERS},
    {"judge", "answering", "recall", "rationale", "tally", "baseline", "examples", "author"},
    {"cache"},
    {"scan", "sinks", "rejudge"},
    {"evaluate"},
    {"cli", "train"},
]
"""From what knows nothing to what knows everything: a module may import its own layer and those above it."""
HOMES = {
    "typer": {"cli"},
    "rich": {"cli", "sinks"},
    "tqdm": {"cli"},
    "llama_cpp": {"engine"},
    "PIL": {"decode", "readers", "animation", "flat", "train", "evaluate"},  # which perturbs pictures
    "pyarrow": {"evaluate"},
    "torch": {"train"},
    "gguf": {"train"},
    "jinja2": {"engine", "evaluate"},
    "sqlite3": {"cache"},
    "huggingface_hub": {"models"},
    "httpx2": {"models"},
}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).with_suffix("").parts[0], path


def imported(path: Path) -> Iterator[str]:
    """Full names of everything a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(name: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if name in names)


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda value: str(value).removeprefix(str(PACKAGE)))
def test_imports_point_one_way(name: str, path: Path) -> None:
    if name in ("__init__", "__main__"):
        return
    for other in imported(path):
        parts = other.split(".")
        if parts[0] == "imagejudge" and parts[1] != "__version__":
            assert layer_of(parts[1]) <= layer_of(name), f"{name} must not know {parts[1]}"
            assert parts[1] != "train" or name == "train", "the training code is nobody's dependency"
        elif parts[0] in HOMES:
            assert name in HOMES[parts[0]], f"{parts[0]} has its home in {HOMES[parts[0]]}"


def test_llama_cpp_is_imported_by_the_engine_alone() -> None:
    users = {path.stem for _, path in modules() if any(name.startswith("llama_cpp") for name in imported(path))}
    assert users <= {"llama", "loaded", "native", "trunk"}


def test_public_names_are_listed_and_there() -> None:
    assert imagejudge.__all__ == sorted(imagejudge.__all__)
    assert all(hasattr(imagejudge, name) for name in imagejudge.__all__)
