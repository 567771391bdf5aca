"""What a model made of one rule. Knows nothing of how it was asked, or of files."""

from __future__ import annotations

from dataclasses import dataclass

from imagejudge.constitution import Rule


class DraftRejected(Exception):  # noqa: N818 - costs one rule, not the run
    """The model's draft of a rule cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Rating:
    """How objective a model finds a rule."""

    score: int
    """1, a matter of taste, to 10, the same to everyone."""
    explanation: str
    """One sentence, as the model put it: untrusted text."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A rule as the model would have it; the same rule where there was nothing to do."""

    rule: Rule
    before: Rating | None = None
    """Of the old text; None where no rating was asked for."""
    after: Rating | None = None
    """Of the new text; None where the text stays."""
