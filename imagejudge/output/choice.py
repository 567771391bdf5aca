"""Which verdicts something is to be done about: by their outcome, and by the rules that decided it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from imagejudge.common.suggest import did_you_mean
from imagejudge.constitution import Constitution
from imagejudge.errors import UsageError
from imagejudge.verdict import Outcome, RuleStatus, Verdict

_DECIDING: Mapping[Outcome, Collection[RuleStatus]] = {
    Outcome.UNSAFE: (RuleStatus.VIOLATED,),
    Outcome.UNSURE: (RuleStatus.UNSURE,),
    Outcome.SAFE: (RuleStatus.CLEAR, RuleStatus.EXCEPTED),
    Outcome.ERROR: (),
}
"""What a rule came to that made an image so."""
_FOUND = (Outcome.UNSAFE, Outcome.UNSURE)


@dataclass(frozen=True, slots=True)
class Choice:
    """Images with certain outcomes, and of these only where certain rules made them so."""

    outcomes: Collection[Outcome] = ()
    """None: all; with rules, unsafe and unsure."""
    rules: Collection[str] | None = None
    """Their ids; None: whatever the rules."""

    def takes(self, verdict: Verdict) -> bool:
        """Whether this is one of them."""
        outcomes = self.outcomes or (tuple(Outcome) if self.rules is None else _FOUND)
        if verdict.verdict not in outcomes:
            return False
        if self.rules is None:
            return True
        statuses = {*_DECIDING[verdict.verdict]}
        if verdict.verdict is Outcome.UNSAFE and Outcome.UNSURE in outcomes:
            statuses.add(RuleStatus.UNSURE)
        return any(result.rule in self.rules and result.status in statuses for result in verdict.rules)


def rules_named(names: Sequence[str], known: Constitution) -> Collection[str] | None:
    """Ids of the rules that are named themselves or by their category; None where nothing is named.

    Raises `UsageError` for a name that is neither.
    """
    if not names:
        return None
    there = known.rule_names
    for name in names:
        if name not in there:
            hint = did_you_mean(name, there, f"there are: {', '.join(there) or 'none'}")
            raise UsageError(f"no rule or category in these verdicts is called {name!r}", hint)
    return {rule.id for rule in known.rules if {rule.id, rule.category} & set(names)}
