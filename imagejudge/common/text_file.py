"""Text from a file that a user named, within bounds."""

from __future__ import annotations

from pathlib import Path

from imagejudge.common.open_input import open_input


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


def read_text(path: Path, limit: int) -> str:
    """A file's text, its byte order mark included. Raises `UnreadableError`, or `OSError` where the file cannot be
    opened, or is a pipe without a writer.
    """
    with open_input(path) as file:
        return decoded(file.read(limit + 1) or b"", limit)


def decoded(data: bytes, limit: int) -> str:
    """The text that a file's bytes are. Raises `UnreadableError`, also where there are more than `limit`."""
    if len(data) > limit:
        raise UnreadableError(f"larger than {limit:,} bytes", "split it up")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise UnreadableError(problem, "save the file as UTF-8", line) from None
