"""Text from a file that a user named, within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from imagejudge.common.open_input import open_input
from imagejudge.errors import ImageJudgeError

MARK: Final = "\ufeff"
"""The byte order mark, which some editors put before a text."""


class UnreadableError(Exception):
    """A file or text that is not what it should be, or too much of it; `line` is None where the whole file is meant."""

    def __init__(self, problem: str, instead: str = "", line: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.instead = instead
        self.line = line

    def about(self, name: str) -> str:
        """The complaint, with the file's name and the line."""
        place = name if self.line is None else f"{name}:{self.line}"
        return f"{place}: {self.problem}" + f"; {self.instead}" * bool(self.instead)


@contextmanager
def reading(
    name: object, kind: type[ImageJudgeError], hint: str = "", wrong: str = "", *, problem: str = ""
) -> Iterator[None]:
    """Make an error of this kind of what goes wrong while `name` is read.

    Where it cannot be read, it has this hint, and says so as `problem` does; `wrong` is the hint where there is
    something else in it.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise kind(f"{problem or f'{name} cannot be read'}: {why}", hint) from error
    except UnreadableError as error:
        raise kind(error.about(str(name)), wrong) from None


def read_text(path: Path, limit: int, *, marked: bool = False) -> str:
    """A file's text, without its byte order mark unless it may be `marked`, as what is written back stays.

    Raises `UnreadableError`, or `OSError` where the file cannot be opened, or is a pipe without a writer.
    """
    with open_input(path) as file:
        return decoded(file.read(limit + 1) or b"", limit, marked=marked)


def decoded(data: bytes, limit: int, *, marked: bool = False) -> str:
    """The text that a file's bytes are, as `read_text` gives it. Raises `UnreadableError`, also where there are more
    than `limit`.
    """
    if len(data) > limit:
        raise UnreadableError(f"larger than {limit:,} bytes", "split it up")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise UnreadableError(problem, "save the file as UTF-8", line) from None
    return text if marked else text.removeprefix(MARK)
