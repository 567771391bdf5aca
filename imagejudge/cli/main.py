"""The program `imagejudge`: its commands, and the one place that turns what went wrong into an exit code.

0: nothing found. 1: something found. 2: the job could not be done. 130: interrupted. Typer would exit with 1 for an
exception that escapes and for a closed pipe, which must not read as "something found".
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from imagejudge import __version__
from imagejudge.cli.commands import SUMMARIES, Commands
from imagejudge.cli.console import complain, say
from imagejudge.errors import ImageJudgeError

FAILED = 2
INTERRUPTED = 130


class _Program(TyperGroup):
    """All commands, with every way they can end."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = Commands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command; `typer.Exit` carries the exit code out."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except ImageJudgeError as error:
            complain(error)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # What is still buffered has no reader either: the interpreter must not try to write it when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            say("error", "the reader of standard output went away before the end", "bold red")
        except Exception:
            say("error", "this is a bug in imagejudge, or something it should have foreseen", "bold red")
            say("hint", f"please report it with the file {_write_traceback()}", "bold cyan")
        raise typer.Exit(FAILED)


app = typer.Typer(
    name="imagejudge",
    cls=_Program,
    help=(
        "Judge images against rules you write, with a local vision-language model.\n\n"
        "Rules live in a TOML file, a constitution; a model answers small yes/no questions about each image; "
        "arithmetic on the answers gives a verdict with its reasons, one JSON object a line."
    ),
    epilog=(
        "Try it: imagejudge scan docs/examples/stickers --constitution stickers --model builtin. "
        "Exit codes: 0 nothing found, 1 something found, 2 the job could not be done, 130 interrupted."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"imagejudge {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Nothing to do before a command: its options are its own."""


def main() -> None:
    """The console script."""
    app()


def _write_traceback() -> str:
    """Keep what a maintainer needs to find a bug; never the whole of it on the user's screen."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="imagejudge-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as log:
        log.write(f"imagejudge {__version__}, Python {platform.python_version()}, {platform.platform()}\n")
        log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S %z')}\n{sys.argv}\n\n{traceback.format_exc()}")
    return log.name
