"""Command-line options that several commands share, in groups.

A group is a dataclass whose fields are Typer options; `grouped` lets a command take whole groups as parameters.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from imagejudge.judge.clue import Method
from imagejudge.prompts import BOX_STYLES, PROMPT_STYLES


class MethodName(StrEnum):
    """How answers become findings."""

    CLUE = "clue"
    THRESHOLD = "threshold"


ConstitutionChoice = Annotated[
    str | None,
    typer.Option(
        "--constitution",
        "-c",
        metavar="FILE|NAME",
        envvar="IMAGEJUDGE_CONSTITUTION",
        help="The rules: a TOML file, or the name of a shipped one such as `stickers`.",
        rich_help_panel="Rules",
    ),
]
Select = Annotated[
    list[str],
    typer.Option(metavar="RULE", help="Judge only this rule or category. Repeatable.", rich_help_panel="Rules"),
]
Ignore = Annotated[
    list[str],
    typer.Option(metavar="RULE", help="Leave out this rule or category. Repeatable.", rich_help_panel="Rules"),
]
MethodChoice = Annotated[
    MethodName, typer.Option(help="`threshold` is the plain baseline: yes at 0.5.", rich_help_panel="Rules")
]
NoReasoning = Annotated[
    bool,
    typer.Option("--no-reasoning", help="Leave undecided what arithmetic cannot decide.", rich_help_panel="Rules"),
]
NoDebias = Annotated[
    bool,
    typer.Option("--no-debias", help="Take answers as they come, without comparing priors.", rich_help_panel="Rules"),
]


@dataclass(frozen=True, slots=True)
class ChosenRules:
    """Which rules."""

    constitution: ConstitutionChoice = None
    select: Select = field(default_factory=list)
    ignore: Ignore = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RuleOptions(ChosenRules):
    """Which rules, and how they are judged."""

    method: MethodChoice = MethodName.CLUE
    no_reasoning: NoReasoning = False
    no_debias: NoDebias = False

    def as_method(self) -> Method:
        """The method these options name."""
        return Method(self.method.value, reasoning=not self.no_reasoning, debias=not self.no_debias)


ChatTemplate = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Jinja source of the chat template. [default: the one that the model's file holds]",
        rich_help_panel="Model",
    ),
]
GpuLayers = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=0, help="Layers to put on a GPU. [default: all, if there is one]", rich_help_panel="Model"
    ),
]
MainGpu = Annotated[int, typer.Option(metavar="N", min=0, help="The GPU of a single engine.", rich_help_panel="Model")]
Threads = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=512,  # as many as ggml can take
        help="CPU threads of each engine. [default: all it may use]",
        rich_help_panel="Model",
    ),
]
Context = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=256,
        max=10_000_000,  # as many as any model was made for
        help="Context length in tokens. [default: what is needed]",
        rich_help_panel="Model",
    ),
]
ExtraBufts = Annotated[
    bool | None,
    typer.Option(
        "--extra-bufts/--no-extra-bufts",
        help="Repacked weights on the CPU. [default: on, but off with AMX, where they crash]",
        rich_help_panel="Model",
    ),
]
MemoryLimit = Annotated[
    float | None,
    typer.Option(
        metavar="GB",
        min=0.01,
        max=1_000_000,
        help="Memory that an engine may take (Linux). [default: any]",
        rich_help_panel="Model",
    ),
]
LoadTimeout = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=0.1,
        max=1_000_000,
        help="Seconds for loading the model before the run is given up.",
        rich_help_panel="Model",
    ),
]


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Which model, and how it runs."""

    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|GGUF",
            envvar="IMAGEJUDGE_MODEL",
            help="`builtin`, a pulled model's name, or the GGUF file of a text model (then with --mmproj).",
            rich_help_panel="Model",
        ),
    ] = None
    mmproj: Annotated[
        str | None,
        typer.Option(
            metavar="GGUF",
            envvar="IMAGEJUDGE_MMPROJ",
            help="The model's image encoder.",
            rich_help_panel="Model",
        ),
    ] = None
    box_style: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"How a model given by its files writes boxes: {', '.join(BOX_STYLES)}. [default: not asked for any]",
            rich_help_panel="Model",
        ),
    ] = None
    prompt_style: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help=f"In whose words it is asked: {', '.join(PROMPT_STYLES)}, or a TOML file. [default: its entry's]",
            rich_help_panel="Model",
        ),
    ] = None
    chat_template: ChatTemplate = None
    workers: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=64, help="Engines side by side on one device.", rich_help_panel="Model"),
    ] = 1
    gpus: Annotated[
        str | None,
        typer.Option(metavar="0,1,...", help="One engine on each of these GPUs.", rich_help_panel="Model"),
    ] = None
    gpu_layers: GpuLayers = None
    main_gpu: MainGpu = 0
    threads: Threads = None
    ctx: Context = None
    image_max_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=16,
            max=16384,
            help="Most tokens that one image becomes. [default: as the model's entry recommends, or 1024]",
            rich_help_panel="Model",
        ),
    ] = None
    image_min_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=16384,
            help="Least tokens of one image, for some models. [default: as its entry recommends, or the model's own]",
            rich_help_panel="Model",
        ),
    ] = None
    extra_bufts: ExtraBufts = None
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.1,
            max=1_000_000,
            help="Seconds for one image before it is given up.",
            rich_help_panel="Model",
        ),
    ] = 600.0
    load_timeout: LoadTimeout = 3600.0
    memory_limit: MemoryLimit = None
    recycle: Annotated[
        int, typer.Option(metavar="N", min=1, help="Restart an engine after so many images.", rich_help_panel="Model")
    ] = 2000

    @property
    def files(self) -> tuple[str | None, ...]:
        """What may be files that are read."""
        return self.model, self.mmproj, self.chat_template, self.prompt_style


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """Which model writes, and how it runs. It sees nothing, so its image encoder is not loaded."""

    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|GGUF",
            envvar="IMAGEJUDGE_MODEL",
            help="A pulled model's name, or the GGUF file of any instruction-tuned text model.",
            rich_help_panel="Model",
        ),
    ] = None
    chat_template: ChatTemplate = None
    gpu_layers: GpuLayers = None
    main_gpu: MainGpu = 0
    threads: Threads = None
    ctx: Context = None
    extra_bufts: ExtraBufts = None
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.1,
            max=1_000_000,
            help="Seconds for one reply before its rule is given up.",
            rich_help_panel="Model",
        ),
    ] = 600.0
    load_timeout: LoadTimeout = 3600.0
    memory_limit: MemoryLimit = None


CacheDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        envvar="IMAGEJUDGE_CACHE_DIR",
        help="Where answers are kept. [default: the user's cache folder]",
        rich_help_panel="Cache",
    ),
]


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """Where answers are kept."""

    no_cache: Annotated[
        bool,
        typer.Option(
            "--no-cache",
            "-n",
            envvar="IMAGEJUDGE_NO_CACHE",
            help="Neither look up nor keep answers.",
            rich_help_panel="Cache",
        ),
    ] = False
    cache_dir: CacheDir = None


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let Typer see the fields of a command's dataclass parameters as options of their own."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        group = groups.get(parameter.name)
        if group is None:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))
        else:
            parameters.extend(_parameters(group))

    @wraps(command)
    def flat(**values: Any) -> None:
        built = {
            name: group(**{member.name: values.pop(member.name) for member in dataclasses.fields(group)})
            for name, group in groups.items()
        }
        command(**values, **built)

    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return flat


def _parameters(group: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            member.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=[] if member.default is dataclasses.MISSING else member.default,
            annotation=hints[member.name],
        )
        for member in dataclasses.fields(group)
    ]
