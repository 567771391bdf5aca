"""From what the user wrote after --model to files. Never touches the network."""

from __future__ import annotations

from pathlib import Path

from imagejudge.errors import ModelError
from imagejudge.models import lock, registry
from imagejudge.models.files import ModelFiles

BUILTIN = "builtin"
BUILTIN_NOTE = "the built-in model understands stickers, emoji and icons, not photographs"

_BUILTIN_FOLDER = Path(__file__).parent.parent / "builtin"
_WAYS_ON = (
    "three ways on: fetch a model with `imagejudge models pull` (`imagejudge models list` shows which there are); "
    "name the two GGUF files of your own, `--model x.gguf --mmproj mmproj-x.gguf`; "
    "or take `--model builtin` for stickers, emoji and icons"
)


def resolve(model: str | None, mmproj: str | None) -> ModelFiles:
    """The files for what was given as --model and --mmproj; for neither, those of the pulled default.

    Raises `ModelError` with what to do instead.
    """
    if model is None and mmproj is None:
        model = lock.read().default
    if model is None:
        raise ModelError("no model was chosen", _WAYS_ON)
    if model == BUILTIN:
        if mmproj is not None:
            raise ModelError("--mmproj does not go with the built-in model", "leave it out")
        return _present(
            ModelFiles(BUILTIN, _BUILTIN_FOLDER / "model.gguf", _BUILTIN_FOLDER / "mmproj.gguf", "bbox-xyxy-1000")
        )
    if not model.endswith(".gguf"):
        known = registry.load()
        if model in known:
            if mmproj is not None:
                raise ModelError(f"--mmproj does not go with {model}, which has its own image encoder", "leave it out")
            return pulled(known[model])
        if not Path(model).exists():
            raise ModelError(f"no model is called {model!r}", registry.nearest(model, known) or _WAYS_ON)
    if mmproj is None:
        raise ModelError(f"{model} is only half of a model: it cannot see", "name its image encoder with --mmproj")
    return _present(ModelFiles(Path(model).stem, Path(model), Path(mmproj)))


def pulled(entry: registry.Entry) -> ModelFiles:
    """The files of a known model. Raises `ModelError` when it is not pulled or no longer whole."""
    pin = lock.read().pin(entry)
    if pin is None or not pin.whole:
        raise ModelError(f"{entry.name} is not pulled yet", f"run `imagejudge models pull {entry.name}`")
    model, mmproj = pin.paths
    return ModelFiles(entry.name, model, mmproj, entry.box_style, entry.image_tokens)


def _present(files: ModelFiles) -> ModelFiles:
    for path in (files.model, files.mmproj):
        if not path.is_file():
            raise ModelError(f"there is no file {path}", _WAYS_ON)
    return files
