"""`imagejudge config`: which settings are in force, and where each comes from."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import typer
from rich.text import Text

from imagejudge.cli.config_options import Config, Isolated, commands, in_force, options_of
from imagejudge.cli.console import console, table
from imagejudge.common.text import printable, quiet_json

_SOURCES = {"ENVIRONMENT": "environment", "DEFAULT_MAP": "settings", "DEFAULT": "default"}


def config(ctx: typer.Context, *, isolated: Isolated = False, config: Config = None) -> None:
    """Show which settings are in force, and where each comes from.

    Nearest wins, and nothing is merged: the command line, then the environment, then one settings file, then the
    defaults.
    """
    del isolated, config
    settings = in_force(ctx)
    out = console(sys.stdout, wrap=True)
    out.print(Text.assemble("settings file: ", printable(settings.path) if settings.path else "none"))
    shown = table()
    for title in ("option", "value", "from"):
        shown.add_column(title, overflow="fold")
    for name, (value, source) in sorted(_values(ctx, settings.values).items()):
        shown.add_row(name, Text(_toml(value)), Text(source, "" if source == "default" else "bold"))
    for ignores in settings.ignores:
        shown.add_row("per-path-ignores", Text(printable(f"{ignores.pattern}: {', '.join(ignores.rules)}")), "settings")
    out.print(shown)


def _values(ctx: typer.Context, configured: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """The value of every option of `scan` as it would be now, without a command line, and its source."""
    scan = commands(ctx)["scan"]
    default_map = {name.replace("-", "_"): value for name, value in configured.items()}
    with scan.context_class(scan, info_name="scan", default_map=default_map) as bare:
        found = {}
        for parameter in scan.params:
            name = parameter.name.replace("_", "-")
            if name in options_of(scan):
                value, source = parameter.consume_value(bare, {})
                found[name] = (value, _SOURCES[source.name])
        return found


def _toml(value: Any) -> str:
    """A value as a settings file would say it."""
    return "" if value is None else printable(quiet_json(json.dumps(value, default=str, ensure_ascii=False)))
