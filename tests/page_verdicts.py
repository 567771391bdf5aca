"""Verdicts for a page, about images that exist or not, and names that mean harm."""

from __future__ import annotations

import hashlib
from pathlib import Path

from imagejudge.verdict import (
    By,
    Failure,
    ImageFacts,
    Outcome,
    RuleResult,
    RuleStatus,
    Step,
    StepStatus,
    Verdict,
    Violation,
    line_of,
)

HOSTILE = (
    "</script><script>document.title='broken'</script>.png",
    "<img src=x onerror=\"document.title='broken'\">.png",
    "a\u202egnp.exe",
    "line\nbreak\x1b[31m\u2028.png",
    "bytes\udcff.png",
    "'\"`${document.title='broken'}&lt;<!--.png",
)


def step(p_yes: float | None, ask: str = "A knife is visible.", *, item: int | None = 1, **more: object) -> Step:
    if p_yes is None:
        return Step.not_asked(ask, item)
    status = StepStatus.SATISFIED if p_yes > 0.8 else StepStatus.NOT_SATISFIED if p_yes < 0.3 else StepStatus.UNSURE
    facts = {"by": By.PRIOR, "gap": 0.0, "prior": 0.4, "centric": None, "off_mass": 0.0, "rationale": None}
    return Step(ask=ask, item=item, p_yes=p_yes, **{"status": status, **facts, **more})  # type: ignore[arg-type]


def verdict(path: str, p_yes: float, *, rule: str = "knife", data: bytes | None = None, **more: object) -> Verdict:
    """Of one rule with one question, by whose p all is decided; `data` are the image's bytes."""
    only = step(p_yes)
    status = {
        StepStatus.SATISFIED: RuleStatus.VIOLATED,
        StepStatus.NOT_SATISFIED: RuleStatus.CLEAR,
        StepStatus.UNSURE: RuleStatus.UNSURE,
    }[only.status]
    outcome = {
        RuleStatus.VIOLATED: Outcome.UNSAFE,
        RuleStatus.CLEAR: Outcome.SAFE,
        RuleStatus.UNSURE: Outcome.UNSURE,
    }[status]
    found = Violation(rule=rule, category="weapons", severity="high", rationale="a knife is visible.")  # type: ignore[arg-type]
    facts: dict[str, object] = {
        "path": path,
        "sha256": hashlib.sha256(path.encode(errors="surrogateescape") if data is None else data).hexdigest(),
        "verdict": outcome,
        "rationale": "" if outcome is Outcome.SAFE else f"{rule}: a knife is visible ({p_yes:.2f}).",
        "violations": (found,) if outcome is Outcome.UNSAFE else (),
        "rules": (RuleResult(rule=rule, status=status, steps=(only,)),),
        "image": ImageFacts(width=64, height=48, format="PNG", frames=1),
        "model": "m@1",
        "constitution": "c@1",
        "method": "clue",
        "imagejudge": "0",
    }
    return Verdict(**{**facts, **more})  # type: ignore[arg-type]


def failed(path: str) -> Verdict:
    return verdict(
        path,
        0.1,
        sha256=None,
        verdict=Outcome.ERROR,
        rules=(),
        image=None,
        rationale="missing",
        error=Failure(kind="missing", message="no such file"),
    )


def write(file: Path, *verdicts: Verdict) -> Path:
    file.write_bytes(b"".join(map(line_of, verdicts)))
    return file
