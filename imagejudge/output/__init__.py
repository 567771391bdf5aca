"""Where verdicts go."""

from __future__ import annotations

from typing import Protocol

from imagejudge.verdict import Verdict


class Sink(Protocol):
    """Takes verdicts one by one, and is closed after the last. What is not closed need not be whole."""

    @property
    def note(self) -> str:
        """What the user should know about what was written, once it is closed; empty: nothing."""

    def write(self, verdict: Verdict) -> None:
        """Take one more."""

    def close(self) -> None:
        """Write what was held back."""
