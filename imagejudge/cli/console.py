"""How the program speaks to a person."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagejudge.errors import ImageJudgeError
from imagejudge.printable import printable


class _Console(Console):
    """Rich's own would end the program with 1, "something found", when its reader goes away."""

    def on_broken_pipe(self) -> None:
        """Leave it to the program."""
        raise BrokenPipeError


def console(stream: TextIO, *, wrap: bool = False) -> Console:
    """Writes to `stream`, in colour only on a terminal. Only tables want `wrap`: grep wants whole lines."""
    return _Console(file=stream, soft_wrap=not wrap, markup=False, highlight=False, emoji=False)


def table() -> Table:
    """An empty table without lines between its cells, which also reads well in a pipe."""
    return Table(box=None, pad_edge=False, header_style="dim")


def say(label: str, message: str, style: str) -> None:
    """One labelled line (or several, where the message has several)."""
    lines = "\n".join(printable(line) for line in message.splitlines())
    console(sys.stderr).print(Text.assemble((f"{label}: ", style), lines))


def warn(message: str) -> None:
    """Something the user should know; the run goes on."""
    say("warning", message, "bold yellow")


def complain(error: ImageJudgeError) -> None:
    """Why the run stops, and what to do next."""
    say("error", error.message, "bold red")
    if error.hint:
        say("hint", error.hint, "bold cyan")
