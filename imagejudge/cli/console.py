"""How the program speaks to a person."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagejudge.cli.option_names import with_options
from imagejudge.common.text import printable, without_secrets
from imagejudge.errors import ImageJudgeError

UNREAD = "the reader of standard output went away before the end"


class _Outlet(io.RawIOBase):
    """What lies below a standard stream. Once it cannot be written any more, it takes everything and keeps nothing.

    The caller learns of that once, from `OSError`; never where it does not matter, as with messages.
    """

    def __init__(self, stream: Any, *, silent: bool) -> None:
        super().__init__()
        self.lost: OSError | None = None
        """Why it cannot be written."""
        self._stream = stream  # which closes its file when it is collected
        self._below = getattr(stream.buffer, "raw", stream.buffer)
        self._silent = silent

    @property
    def name(self) -> Any:
        """As of any file."""
        return self._below.name

    def fileno(self) -> int:
        """As of any file."""
        return int(self._below.fileno())

    def isatty(self) -> bool:
        """As of any file."""
        return bool(self._below.isatty())

    def writable(self) -> bool:
        """Yes, whatever happens below."""
        return True

    def write(self, data: Any) -> int | None:
        """Pass on bytes; how many were taken."""
        if self.lost is None:
            try:
                return self._below.write(data)  # type: ignore[no-any-return]
            except OSError as error:
                self.lost = error
                if not self._silent:
                    raise
        return len(data)


def prepare_streams() -> None:
    """Make sure that the standard streams are there, and that no message that cannot be shown ends the program.

    What has to arrive byte by byte, as paths and documents have, is written below the text.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # it was closed: this takes its place, before another file does
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    sys.stdout = _through_outlet(sys.stdout, silent=False)
    sys.stderr = _through_outlet(sys.stderr, silent=True)


def _through_outlet(stream: Any, *, silent: bool) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(_Outlet(stream, silent=silent)),
        encoding=stream.encoding,
        errors="backslashreplace",  # whatever letters the terminal has, and names that are not UTF-8
        line_buffering=stream.line_buffering or stream.write_through,  # unbuffered streams pass on each write
        write_through=stream.write_through,
    )


def unwritten() -> str | None:
    """Why not all that went to standard output has arrived; None if it has, as far as one can know."""
    with contextlib.suppress(OSError):  # the outlet has it
        sys.stdout.flush()
    outlet = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(outlet, _Outlet) or outlet.lost is None:
        return None
    if isinstance(outlet.lost, BrokenPipeError):
        return UNREAD
    return f"standard output cannot be written: {outlet.lost.strerror}"


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
    """One labelled line (or several, where the message has several). Settings that it names are shown as options.

    What people read here is kept in logs of many a machine, so that addresses lose what may be secret in them.
    """
    lines = "\n".join(printable(without_secrets(line)) for line in with_options(message).splitlines())
    console(sys.stderr).print(Text.assemble((f"{label}: ", style), lines))


def beside_progress(message: str) -> None:
    """One line, from any thread, above whatever progress is shown."""
    from tqdm import tqdm

    with tqdm.external_write_mode(file=sys.stderr):
        say("note", message, "bold cyan")


def warn(message: str) -> None:
    """Something the user should know; the run continues."""
    say("warning", message, "bold yellow")


def complain(error: ImageJudgeError) -> None:
    """Why the run stops, and what to do next."""
    say("error", error.message, "bold red")
    if error.hint:
        say("hint", error.hint, "bold cyan")
