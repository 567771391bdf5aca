"""Unit tests for a policy: images that must break a rule, and images that nearly do.

    examples/<rule id>/violating/*      every one must violate the rule
    examples/<rule id>/borderline/*     none may

Knows folders and verdicts, not how verdicts are made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from imagejudge.common.text import printable
from imagejudge.constitution import Constitution
from imagejudge.errors import UsageError
from imagejudge.evaluate.examples import images_below
from imagejudge.verdict import RuleStatus, Verdict

VIOLATING, BORDERLINE = "violating", "borderline"
_SHAPE = f"it should hold <rule id>/{VIOLATING}/ and <rule id>/{BORDERLINE}/ with images in them"


@dataclass(frozen=True, slots=True)
class Example:
    """One image, and what one rule must say of it."""

    path: str
    rule: str
    violating: bool

    def is_met_by(self, verdict: Verdict) -> bool:
        """Whether the rule said it plainly; unsure is as good as wrong."""
        status = next((result.status for result in verdict.rules if result.rule == self.rule), None)
        return status in ((RuleStatus.VIOLATED,) if self.violating else (RuleStatus.CLEAR, RuleStatus.EXCEPTED))


def find_examples(folder: Path, constitution: Constitution) -> dict[str, Example]:
    """All examples by path, in a stable order. Raises `UsageError` for an unknown rule, and when there are none."""
    if not folder.is_dir():
        raise UsageError(f"{printable(folder)}: no such folder", _SHAPE)
    rules = {rule.id for rule in constitution.rules if rule.enabled}
    found: dict[str, Example] = {}
    for place in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        kinds = [kind for kind in (VIOLATING, BORDERLINE) if (place / kind).is_dir()]
        if kinds and place.name not in rules:
            known = ", ".join(sorted(rules))
            raise UsageError(f"{printable(place)}: the constitution has no such rule enabled", f"its rules: {known}")
        for kind in kinds:
            for path in images_below(str(place / kind)):
                found[path] = Example(path, place.name, kind == VIOLATING)
    if not found:
        raise UsageError(f"{printable(folder)}: no examples were found", _SHAPE)
    return found


def others(examples: Mapping[str, Example], constitution: Constitution, path: str) -> Collection[str]:
    """Rules that are not applied to an example: all but the one it is about, and one that its category is named by."""
    (own,) = (rule for rule in constitution.rules if rule.id == examples[path].rule)
    return {rule.id for rule in constitution.rules} - {own.id, own.category}
