"""The program `imagejudge`: its commands, and the one place that turns what went wrong into an exit code.

0: nothing found. 1: something found. 2: the job could not be done. 130: interrupted. 129 and 143: told to stop by
SIGHUP or SIGTERM. 75: a scan by blocks was told so by a scheduler. Typer would exit with 1 for an exception that
escapes and for a closed pipe, which must not read as "something found". Only a command that ran to its end leaves
with 1.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from imagejudge import __version__
from imagejudge.cli.commands import SUMMARIES, Commands
from imagejudge.cli.console import UNREAD, complain, prepare_streams, say, unwritten
from imagejudge.cli.signals import INTERRUPTED, exit_code, leave_if_stopped
from imagejudge.common.crash_log import CrashLog
from imagejudge.common.text import printable, without_secrets
from imagejudge.engine.allowance import room_hint
from imagejudge.errors import ImageJudgeError, OutputError, UsageError

FAILED = 2


class _Program(TyperGroup):
    """All commands, with every way they can end."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = Commands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        """Read the options before the command. Completion leaves from here with 1 when it does not know the shell."""
        try:
            return super().make_context(*arguments, **more)
        except typer.Exit as left:
            raise typer.Exit(FAILED if left.exit_code else 0) from left

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:  # Typer would leave with 1 and say nothing
            raise OutputError(UNREAD) from error

    def main(self, *arguments: Any, standalone_mode: bool = True, **more: Any) -> Any:
        """Run the program and leave with its exit code; unless `standalone_mode`, return the code instead."""
        code = FAILED
        try:
            code = super().main(*arguments, standalone_mode=False, **more) or 0  # type: ignore[misc]
        except SystemExit as left:  # Typer leaves so after completion, or when help has no reader
            code = FAILED if left.code else 0
        except Exception as error:
            if unwritten() is None:
                _explain(error)
        if code == INTERRUPTED:  # to Typer it is always Ctrl-C; and Ray raises it anew
            code = exit_code() or INTERRUPTED
        if code != exit_code() and (why := unwritten()) is not None:
            say("error", why, "bold red")
            code = FAILED
        if standalone_mode:
            if code == exit_code():
                leave_if_stopped()
            sys.exit(code)
        return code


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
    """Run the program; `imagejudge.__main__` watches signals meanwhile."""
    prepare_streams()
    try:
        refuse_without_folder()
        refuse_files_as_options(sys.argv[1:])
    except UsageError as error:
        complain(error)
        sys.exit(FAILED)
    app()


def refuse_without_folder() -> None:
    """Raise `UsageError` where the current folder was deleted: nothing counts from it."""
    try:
        os.getcwd()  # noqa: PTH109 - says the same
    except OSError as error:
        raise UsageError(f"the current folder cannot be used: {error.strerror}", "go to one that is there") from error


def refuse_files_as_options(arguments: Sequence[str]) -> None:
    """Raise `UsageError` for a file whose name would be read as an option: `scan *` must not be told what to do by it.

    Such names go behind `--`, or begin with `./`. A file named `--` is refused where it may have been meant as one.
    """
    options = list(itertools.takewhile(lambda argument: argument != "--", arguments))
    if list(arguments).count("--") == 1:
        options.append("--")
    if "-" in arguments:  # standard input, also behind --
        options.append("-")
    for argument in options:
        if argument.startswith("-") and os.path.lexists(argument):
            raise UsageError(
                f"{argument} is an option, and also the name of a file here",
                f"for the file write ./{argument}, or end the options with -- (in a hook: args: [..., --]); "
                "for the option rename the file",
            )


def _explain(error: Exception) -> None:
    """Say why the program stops."""
    if isinstance(error, typer.TyperException):
        usage: Any = error
        # Typer repeats what was written, a file's name perhaps, and lets characters pass that turn the text around.
        message = usage.message.removeprefix("Value error, ")  # pydantic's name for what was raised
        usage.message = "\n".join(printable(without_secrets(line)) for line in message.splitlines())
        usage.show()
    elif isinstance(error, ImageJudgeError):
        complain(error)
    elif isinstance(error, MemoryError) or room_hint(str(error)) is not None:
        say("error", f"there is not enough memory: {str(error) or type(error).__name__}", "bold red")
        say("hint", room_hint() or "end other programs, or use a machine with more memory", "bold cyan")
    else:
        say("error", "this is a bug in imagejudge, or something it should have foreseen", "bold red")
        say("hint", CrashLog().add(error), "bold cyan")
