"""An evaluation as one JSON document: the figures, and all that is needed to repeat them."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from imagejudge import __version__
from imagejudge.common import system
from imagejudge.evaluate.labels import Label
from imagejudge.evaluate.metrics import Case, Metrics, measure
from imagejudge.evaluate.statistics import SAMPLES, SEED, Estimate, share
from imagejudge.evaluate.trial import Perturbed
from imagejudge.judge.scores import image_score
from imagejudge.prompts import PROMPT_VERSION, WORDING
from imagejudge.verdict import Outcome

SCHEMA = 1
_LIBRARIES = ("llama-cpp-python", "numpy", "pillow", "pyarrow")


@dataclass(frozen=True, slots=True)
class Robustness:
    """How one method bears one perturbation."""

    method: str
    perturbation: str
    images: int
    """Those that the method was right about before."""
    kept: int
    """Of them, those whose verdict stayed what it was."""
    unsure: int
    """Of them, those that became unsure."""
    errors: int
    """Of them, those that could not be judged any more; they are left out of the share."""
    robust_accuracy: Estimate | None
    """kept / (images - errors)."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that came of one run."""

    cases: Mapping[str, Sequence[Case]]
    """By method."""
    metrics: Mapping[str, Metrics]
    robustness: tuple[Robustness, ...]
    origin: Mapping[str, Any]
    """Where labels and verdicts came from: data set, model, constitution, options."""
    command: Sequence[str]
    engine: Mapping[str, str] = field(default_factory=dict)
    """What llama.cpp said of itself and the machine; empty without a model."""

    def document(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "schema": SCHEMA,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": list(self.command),
            **self.origin,
            "intervals": {"share": 0.95, "samples": SAMPLES, "seed": SEED},
            "methods": {name: dataclasses.asdict(metrics) for name, metrics in self.metrics.items()},
            "robustness": [dataclasses.asdict(row) for row in self.robustness],
            "images": self.predictions(),
            "machine": {
                "system": platform.platform(),
                "processor": platform.processor() or platform.machine(),
                "cpus": os.cpu_count(),
                "memory": system.memory(),
                **self.engine,
            },
            "versions": {"imagejudge": __version__, "python": platform.python_version(), **_versions()},
        }

    def predictions(self) -> list[dict[str, Any]]:
        """What each method said of each image, beside its label, so that a mistake can be looked at."""
        rows: dict[Label, dict[str, Any]] = {}
        for method, cases in self.cases.items():
            for case in cases:
                label = dataclasses.asdict(case.label)
                row = rows.setdefault(case.label, {**label, "sha256": case.verdict.sha256, "verdicts": {}})
                row["verdicts"][method] = {
                    "verdict": case.verdict.verdict,
                    "score": image_score(case.verdict),
                    "violations": [violation.rule for violation in case.verdict.violations],
                }
        return list(rows.values())


def evaluation(
    cases: Mapping[str, Sequence[Case]], perturbed: Iterable[Perturbed], origin: Mapping[str, Any], **more: Any
) -> Evaluation:
    """Count everything."""
    return Evaluation(
        cases=cases,
        metrics={name: measure(found) for name, found in cases.items()},
        robustness=_robustness(perturbed),
        origin={**origin, "prompt_version": PROMPT_VERSION, "wording": WORDING},
        **more,
    )


def _robustness(perturbed: Iterable[Perturbed]) -> tuple[Robustness, ...]:
    groups: dict[tuple[str, str], list[Perturbed]] = {}
    for each in perturbed:
        groups.setdefault((each.method, each.perturbation), []).append(each)
    return tuple(_bearing(method, change, found) for (method, change), found in sorted(groups.items()))


def _bearing(method: str, change: str, found: Sequence[Perturbed]) -> Robustness:
    kept = sum(each.after is each.before for each in found)
    errors = sum(each.after is Outcome.ERROR for each in found)
    return Robustness(
        method=method,
        perturbation=change,
        images=len(found),
        kept=kept,
        unsure=sum(each.after is Outcome.UNSURE for each in found),
        errors=errors,
        robust_accuracy=share(kept, len(found) - errors),
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # an extra that is not installed
            continue
    return found
