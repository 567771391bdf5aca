"""Options from settings files: below the command line and the environment, above the defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from imagejudge.cli import settings_file
from imagejudge.cli.settings_file import Option, Settings
from imagejudge.common.existing import is_file, is_folder
from imagejudge.errors import SettingsError

_EXAMPLES = {str: '"..."', bool: "true", int: "1", float: "1.5", list: '["..."]'}
_FILES = ("constitution", "model", "mmproj", "chat-template", "prompt-style", "probe")
_PATHS = {**dict.fromkeys(_FILES, is_file), "cache-dir": is_folder, "baseline": lambda path: True}
"""Options that may be relative paths, and what lies there if they are: a folder hides no name of a shipped file.

A baseline has no other names, and may still have to be made.
"""
_NOT_SET = {"help", "config", "isolated", "output", "overwrite", "mix", "retry-errors", "files-from", "null"}
_NOT_SET |= {"shard", "blocks"}
"""Options that belong to one call."""


def _isolate(ctx: typer.Context, value: bool) -> bool:
    ctx.meta["isolated"] = value
    return value


def _configure(ctx: typer.Context, value: Path | None) -> Path | None:
    """Give the command's options the values of a settings file, for where nothing nearer sets them."""
    isolated = ctx.meta.get("isolated", False)
    if value is not None and isolated:
        raise SettingsError("--config and --isolated contradict each other", "leave one of them out")
    path = None if isolated else value or settings_file.find_settings(Path.cwd())
    # One file serves all commands: it may set whatever `scan` takes, which is all that the others take.
    known = options_of(commands(ctx)["scan"])
    found = settings_file.load_settings(path, known) if path else Settings()
    ctx.meta["settings"] = found
    ctx.default_map = {name.replace("-", "_"): value for name, value in found.values.items()}
    return value


Isolated = Annotated[
    bool,
    typer.Option(
        "--isolated", is_eager=True, callback=_isolate, help="Read no settings file.", rich_help_panel="Settings"
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        is_eager=True,
        callback=_configure,
        envvar="IMAGEJUDGE_CONFIG",
        help="The settings file. [default: the nearest .imagejudge.toml, imagejudge.toml or pyproject.toml]",
        rich_help_panel="Settings",
    ),
]


def commands(ctx: typer.Context) -> Mapping[str, Any]:
    """All commands of the program, by name."""
    program: Any = ctx.find_root().command
    found: Mapping[str, Any] = program.commands
    return found


def in_force(ctx: typer.Context) -> Settings:
    """What the settings file of this call says."""
    found: Settings = ctx.meta["settings"]
    return found


def counts_where(
    other: str, value: str, *, is_it: bool = True
) -> Callable[[typer.Context, typer.CallbackParam, Any], Any]:
    """A callback for an option: what a settings file says of it counts only where another one is `value`, or is not.

    The other one is declared before it.
    """

    def nearest(ctx: typer.Context, parameter: typer.CallbackParam, given: Any) -> Any:
        source = ctx.get_parameter_source(parameter.name or "")
        if source is None or source.name != "DEFAULT_MAP" or (str(ctx.params.get(other)) == value) is is_it:
            return given
        return parameter.default

    return nearest


def options_of(command: Any) -> dict[str, Option]:
    """What a settings file may say, from a command's own options, by their long names."""
    found = {}
    for parameter in command.params:
        name = parameter.name.replace("_", "-")
        if parameter.param_type_name != "option" or name in _NOT_SET:
            continue
        kind: Any = list if parameter.multiple else parameter.type_descriptor.annotation
        choices = tuple(kind) if issubclass(kind, StrEnum) else ()
        kind = kind if kind in _EXAMPLES else str
        example = f'"{choices[0]}"' if choices else _EXAMPLES[kind]
        found[name] = Option(kind, example, choices, _PATHS.get(name))
    return found
