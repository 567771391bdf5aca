"""Verdicts as workflow commands of GitHub Actions, which shows them as annotations of the files.

Knows the commands' escaping and how many GitHub shows, not whether this is GitHub.
"""

from __future__ import annotations

from collections import Counter
from typing import BinaryIO

from imagejudge.common.text import printable
from imagejudge.constitution import Severity
from imagejudge.images.remote import is_address
from imagejudge.output.findings import findings
from imagejudge.output.location import below_here
from imagejudge.verdict import Verdict

SHOWN = 10
"""Annotations of one kind that GitHub shows for one step; the others are only in the log."""
_COMMANDS = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "notice", None: "notice"}
_DATA = {b"%": b"%25", b"\r": b"%0D", b"\n": b"%0A"}
_PROPERTY = {**_DATA, b":": b"%3A", b",": b"%2C"}


class Annotations:
    """Writes one command for each violated or undecided rule and for each image that could not be judged."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._count: Counter[str] = Counter()

    @property
    def note(self) -> str:
        """Whether GitHub will leave some of them out."""
        most = max(self._count.values(), default=0)
        if most <= SHOWN:
            return ""
        return f"GitHub shows {SHOWN} annotations of a kind for a step; of one kind there are {most:,}, all in the log"

    def write(self, verdict: Verdict) -> None:
        """Write the commands of one image. What is accepted gets none: it would take the place of what is not."""
        if verdict.error is not None:
            self._command("error", verdict.path, verdict.error.kind, printable(verdict.error.message))
        for finding in findings(verdict):
            if not finding.accepted:
                doubt = "" if finding.severity else "unsure of "
                title = doubt + (finding.rule or "all rules")
                self._command(_COMMANDS[finding.severity], verdict.path, title, finding.message)
        self._stream.flush()

    def _command(self, command: str, path: str, title: str, message: str) -> None:
        self._count[command] += 1
        file, heading = _escape(_shown(path), _PROPERTY), _escape(f"imagejudge: {title}".encode(), _PROPERTY)
        words = (command.encode(), file, heading, _escape(message.encode(), _DATA))
        self._stream.write(b"::%s file=%s,title=%s::%s\n" % words)

    def close(self) -> None:
        """Flush; the stream stays open for its owner."""
        self._stream.flush()


def _shown(path: str) -> bytes:
    """As GitHub knows the file, with escapes for what a terminal would act on; of line ends, `_escape` takes care."""
    name = path if is_address(path) else below_here(path).as_posix()
    return "".join(char if char in "\r\n" else printable(char) for char in name).encode()


def _escape(text: bytes, table: dict[bytes, bytes]) -> bytes:
    for plain, escaped in table.items():  # the percent sign comes first
        text = text.replace(plain, escaped)
    return text
