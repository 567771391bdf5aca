"""Verdicts as lines for people: path first, one line an image, colour where the stream is a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from imagejudge.common.text import counted, printable
from imagejudge.judge.carried import left_to_probes
from imagejudge.output.findings import settled
from imagejudge.verdict import Outcome, Verdict

VERDICT_STYLES = {
    Outcome.SAFE: "green",
    Outcome.UNSURE: "yellow",
    Outcome.UNSAFE: "bold red",
    Outcome.ERROR: "bold magenta",
}


class Lines:
    """Writes `path: verdict: reasons`. With `findings_only`, only images that are left to look at."""

    note = ""

    def __init__(self, console: Console, *, findings_only: bool) -> None:
        self._console = console
        self._findings_only = findings_only

    def write(self, verdict: Verdict) -> None:
        """Write one line."""
        done = settled(verdict)
        if self._findings_only and done:
            return
        line = Text.assemble(printable(verdict.path), ": ", (verdict.verdict, VERDICT_STYLES[verdict.verdict]))
        if done and verdict.verdict is not Outcome.SAFE:
            line.append(" (accepted)", "dim")
        if verdict.rationale:
            line.append(f": {printable(verdict.rationale)}")
        if left := left_to_probes(verdict):
            line.append(
                f" ({counted(len(left), 'rule')} left to {'its probe' if len(left) == 1 else 'their probes'})", "dim"
            )
        self._console.print(line)

    def close(self) -> None:
        """Nothing is held back."""
