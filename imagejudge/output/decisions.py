"""What people decided about verdicts: one decision a line, the last about a subject counts.

Knows the file and what follows for a verdict; who asks people, and what is done about an image, is others' business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, BinaryIO, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from imagejudge.common.json_line import from_json_line, is_torn, json_line
from imagejudge.common.open_input import lines_of
from imagejudge.constitution import Severity
from imagejudge.errors import UsageError
from imagejudge.verdict import Outcome, RuleResult, RuleStatus, Verdict, Violation

LONGEST: Final = 1_000_000
"""Bytes of a line."""
START: Final = b'{"schema":1,"sha256":'
"""How a line begins that `decision_line` wrote."""
_HINT: Final = "give a file of decisions, as the review page saves them"

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Opinion(StrEnum):
    """What a person makes of what a verdict says."""

    AGREE = "agree"
    DISAGREE = "disagree"
    UNSURE = "unsure"


class Truth(StrEnum):
    """What a person sees: whether the rule, or any rule, is violated."""

    VIOLATED = "violated"
    CLEAR = "clear"
    UNSURE = "unsure"


class Decision(BaseModel):
    """One line: what a person decided about an image, known by its bytes, and one rule or all that is said of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    schema_: Annotated[Literal[1], Field(alias="schema")] = 1
    sha256: Digest
    """Of the image's bytes: a decision ends when they change. What could not be read cannot be decided on."""
    path: str
    """Where the image was: only a hint for readers. Bytes that are not UTF-8 stand as in verdict lines."""
    rule: str | None = None
    """The rule it is about; null: the image as a whole."""
    decision: Opinion
    """Of the verdict that was shown."""
    truth: Truth
    """What is so, whatever the verdict said: this is what counts."""
    note: str = ""
    by: str = ""
    """Who decided."""
    at: str = ""
    """When, as ISO 8601 in UTC."""
    verdicts: Digest | Literal[""] = ""
    """SHA-256 of the file of verdicts that was shown."""
    model: str = ""
    """As in the verdict line that was shown; so too below."""
    constitution: str = ""


def decision_line(decision: Decision) -> bytes:
    """A decision as one line of JSON, newline included. Raises `ValueError` where it is longer than what is read."""
    line = json_line(decision)
    if len(line) > LONGEST:
        raise ValueError("this decision is too long")
    return line


def decision_of(line: bytes) -> Decision:
    """What a line says, its keys in any order. Raises `ValueError` or `RecursionError` for anything else."""
    return from_json_line(Decision, line)


def read_decisions(
    stream: BinaryIO, name: str, warn: Callable[[str], None] = lambda message: None
) -> Iterator[Decision]:
    """The decisions in a file, in its order, without a last line that was cut off when its writer was killed.

    `warn` is told of such a line. Raises `UsageError`, with `name` and the line, for what is none. Empty lines are
    passed over.
    """
    too_long = "a line longer than any decision"
    lines = lines_of(stream, LONGEST, lambda number: UsageError(f"{name}:{number}: {too_long}", _HINT))
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield decision_of(line)
        except (ValueError, RecursionError) as error:
            if is_torn(line, START):
                warn(f"the last line of {name} was cut off when its writer was stopped, and is left out")
                return
            is_json = isinstance(error, ValidationError | RecursionError)
            wrong = "this is not a decision of this version" if is_json else "this line is no JSON"
            raise UsageError(f"{name}:{number}: {wrong}", _HINT) from None


class Decisions:
    """The decisions of a file by what they are about, of several about one subject the last."""

    def __init__(self, decisions: Iterable[Decision] = ()) -> None:
        self._truths: dict[str, dict[str | None, Truth]] = {}
        self._notes: dict[tuple[str, str | None], str] = {}
        for each in decisions:
            truths = self._truths.setdefault(each.sha256, {})
            if each.rule is None and each.truth is Truth.CLEAR:
                truths.clear()  # it takes back what was said before of single rules
            truths[each.rule] = each.truth
            self._notes[each.sha256, each.rule] = each.note

    def __len__(self) -> int:
        return len(self._truths)

    def about(self, verdict: Verdict) -> bool:
        """Whether anything was decided about these bytes."""
        return verdict.sha256 in self._truths

    def truths(self, verdict: Verdict) -> Mapping[str | None, Truth]:
        """What was decided about these bytes, by rule; None: the image as a whole."""
        return self._truths.get(verdict.sha256 or "", {})

    def refuted(self, verdict: Verdict, rule: str) -> str | None:
        """What was noted where people say that a rule is not violated; None where they do not."""
        truths = self.truths(verdict)
        subject = rule if rule in truths else None
        return self._notes[verdict.sha256 or "", subject] if truths.get(subject) is Truth.CLEAR else None

    def applied(self, verdict: Verdict) -> Verdict:
        """The verdict as people see the image; as it was where nobody decided. What a baseline accepts is clear.

        A decision about a rule sets that rule. One about the whole image sets the outcome: clear means that no rule is
        violated, violated that the image is unsafe though perhaps by no rule that is known, unsure that nobody knows.
        """
        accepted: dict[str | None, Truth] = {each.rule: Truth.CLEAR for each in verdict.rules if each.accepted}
        truths = accepted | self._truths.get(verdict.sha256 or "", {})
        return _corrected(verdict, truths) if truths else verdict


_STATUSES: Final = {
    Truth.VIOLATED: RuleStatus.VIOLATED,
    Truth.CLEAR: RuleStatus.CLEAR,
    Truth.UNSURE: RuleStatus.UNSURE,
}


def _corrected(verdict: Verdict, truths: Mapping[str | None, Truth]) -> Verdict:
    whole = truths.get(None)
    rules = tuple(_decided(result, truths.get(result.rule), whole) for result in verdict.rules)
    unknown = [rule for rule in truths if rule and rule not in {result.rule for result in rules}]
    rules += tuple(RuleResult(rule=rule, status=_STATUSES[truths[rule]], steps=()) for rule in unknown)
    known = {violation.rule: violation for violation in verdict.violations}
    violated = [result.rule for result in rules if result.status is RuleStatus.VIOLATED]
    violations = tuple(known.get(rule) or _by_a_person(rule) for rule in violated)
    outcome = _outcome(rules, whole)
    if verdict.error is not None and whole is None and outcome is not Outcome.UNSAFE:
        outcome = Outcome.ERROR  # of all other rules nobody knows
    return verdict.model_copy(update={"verdict": outcome, "violations": violations, "rules": rules})


def _decided(result: RuleResult, own: Truth | None, whole: Truth | None) -> RuleResult:
    if own is not None:
        status = _STATUSES[own]
    elif whole is Truth.CLEAR and result.status is not RuleStatus.EXCEPTED:
        status = RuleStatus.CLEAR
    else:
        return result
    return result if status is result.status else result.model_copy(update={"status": status, "accepted": False})


def _outcome(rules: tuple[RuleResult, ...], whole: Truth | None) -> Outcome:
    statuses = {result.status for result in rules}
    if whole is Truth.VIOLATED or (whole is not Truth.UNSURE and RuleStatus.VIOLATED in statuses):
        return Outcome.UNSAFE
    if whole is Truth.UNSURE or RuleStatus.UNSURE in statuses:
        return Outcome.UNSURE
    return Outcome.SAFE


def _by_a_person(rule: str) -> Violation:
    """What a line does not tell of a rule that it calls clear: its category, and how severe it is."""
    return Violation(rule=rule, category="", severity=Severity.MEDIUM, rationale="a person decided so")
