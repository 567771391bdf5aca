"""From the name of a model, or of its file, to files. Never touches the network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from imagejudge.common.existing import exists, is_file
from imagejudge.common.suggest import did_you_mean
from imagejudge.common.text_file import read_text, reading
from imagejudge.errors import ModelError
from imagejudge.models import lock, registry
from imagejudge.models.files import ModelFiles
from imagejudge.models.registry import TEMPLATE_LIMIT
from imagejudge.prompts import BOX_STYLES, find_prompt_style

BUILTIN = "builtin"
BUILTIN_NOTE = "the built-in model understands stickers, emoji and icons, not photographs"

_BUILTIN_FOLDER = Path(__file__).parent.parent / "builtin"
_WAYS_ON = (
    "three ways on: fetch a model with `imagejudge models pull` (`imagejudge models list` shows which there are); "
    "name the two GGUF files of your own, `model=x.gguf mmproj=mmproj-x.gguf`; "
    "or take `model=builtin` for stickers, emoji and icons"
)
_WAYS_TO_WRITE = (
    "name the GGUF file of an instruction-tuned text model, `model=x.gguf`, or a model fetched with "
    "`imagejudge models pull`"
)


def resolve_model(
    model: str | None,
    mmproj: str | None,
    box_style: str | None = None,
    prompt_style: str | None = None,
    chat_template: str | None = None,
) -> ModelFiles:
    """The files for what was given as `model` and `mmproj`; for neither, those of the pulled default.

    The box style, by its name, is that of a model that is given by its files; of others it is known. `prompt_style` is
    the name of a shipped one or a TOML file, `chat_template` the file of a template: each takes the place of any other.
    Raises `ModelError` with what to do instead.
    """
    given = {"chat_template": chat_template, "prompt_style": prompt_style}
    for name, value in given.items():
        if model == BUILTIN and value is not None:
            raise ModelError(f"`{name}` does not go with the built-in model", "leave it out")
    files = _resolve_files(model, mmproj, box_style)
    if prompt_style is not None:
        files = dataclasses.replace(files, prompt_style=find_prompt_style(prompt_style))
    if chat_template is not None:
        files = dataclasses.replace(files, chat_template=read_template(chat_template))
    return files


def read_template(path: str) -> str:
    """The Jinja source in a file. Raises `ModelError` when there is none."""
    wrong = "`chat_template` is a file of Jinja source"
    with reading(path, ModelError, "check `chat_template`", wrong):
        source = read_text(Path(path), TEMPLATE_LIMIT)
    if not source.strip():
        raise ModelError(f"{path} holds no template", wrong)
    return source


def _resolve_files(model: str | None, mmproj: str | None, box_style: str | None) -> ModelFiles:
    if model is None and mmproj is None:
        model = lock.read_lock().default
    if model is None:
        raise ModelError("no model was chosen", _WAYS_ON)
    if box_style is not None and box_style not in BOX_STYLES:
        hint = did_you_mean(box_style, BOX_STYLES, f"there are: {', '.join(BOX_STYLES)}")
        raise ModelError(f"`box_style` {box_style} is not known", hint)
    if model == BUILTIN:
        _refuse_box_style(box_style, model)
        if mmproj is not None:
            raise ModelError("`mmproj` does not go with the built-in model", "leave it out")
        text, eye, world = (_BUILTIN_FOLDER / name for name in ("model.gguf", "mmproj.gguf", "world.npz"))
        return _present(ModelFiles(BUILTIN, text, eye, "bbox-xyxy-1000", world=world))
    if not model.endswith(".gguf"):
        known = registry.load_registry()
        if model in known:
            _refuse_box_style(box_style, model)
            if mmproj is not None:
                raise ModelError(f"`mmproj` does not go with {model}, which has its own image encoder", "leave it out")
            return pulled(known[model])
        if not exists(model):
            raise ModelError(f"no model is called {model!r}", registry.nearest(model, known) or _WAYS_ON)
    if mmproj is None:
        raise ModelError(f"{model} is only half of a model: it cannot see", "name its image encoder with `mmproj`")
    return _present(ModelFiles(Path(model).stem, Path(model), Path(mmproj), box_style))


def _refuse_box_style(style: str | None, model: str) -> None:
    if style is not None:
        raise ModelError(f"`box_style` does not go with {model}, of which it is known", "leave it out")


def resolve_writer(model: str | None) -> Path:
    """The text model's file alone, for a model that is to write and to see nothing; None is the pulled default.

    Raises `ModelError` with what to do instead.
    """
    model = model or lock.read_lock().default
    if model is None:
        raise ModelError("no model was chosen", _WAYS_TO_WRITE)
    if model == BUILTIN:
        raise ModelError("the built-in model answers questions about pictures and cannot write", _WAYS_TO_WRITE)
    if not model.endswith(".gguf") and not exists(model):
        return resolve_model(model, None).model
    if not is_file(model):
        raise ModelError(f"there is no file {model}", _WAYS_TO_WRITE)
    return Path(model)


def pulled(entry: registry.Entry) -> ModelFiles:
    """The files of a known model. Raises `ModelError` when it is not pulled or no longer whole."""
    pin = lock.read_lock().pin(entry)
    if pin is None or not pin.whole:
        raise ModelError(f"{entry.name} is not pulled yet", f"run `imagejudge models pull {entry.name}`")
    model, mmproj = pin.paths
    return ModelFiles(
        entry.name,
        model,
        mmproj,
        box_style=entry.box_style,
        prompt_style=find_prompt_style(entry.prompt_style, registry.user_file().parent),
        chat_template=entry.chat_template,
        image_tokens=entry.image_tokens,
        image_min_tokens=entry.image_min_tokens,
    )


def _present(files: ModelFiles) -> ModelFiles:
    for path in (files.model, files.mmproj, files.world):
        if path is not None and not is_file(path):
            raise ModelError(f"there is no file {path}", _WAYS_ON)
    return files
