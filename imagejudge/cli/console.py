"""How the program speaks to a person: always on standard error, which leaves standard output to data."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from imagejudge.errors import ImageJudgeError
from imagejudge.sinks.text import printable


def stderr() -> Console:
    """A console on standard error as it is now; plain when that is no terminal."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(label: str, message: str, style: str) -> None:
    """One labelled line (or several, where the message has several)."""
    lines = "\n".join(printable(line) for line in message.splitlines())
    stderr().print(Text.assemble((f"{label}: ", style), lines))


def warn(message: str) -> None:
    """Something the user should know; the run goes on."""
    say("warning", message, "bold yellow")


def complain(error: ImageJudgeError) -> None:
    """Why the run stops, and what to do next."""
    say("error", error.message, "bold red")
    if error.hint:
        say("hint", error.hint, "bold cyan")
