"""An evaluation as one JSON document: the figures, and all that is needed to repeat them."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from imagejudge import __version__
from imagejudge.common import system
from imagejudge.evaluate.attacks import Attack, AttackResult, attack_results
from imagejudge.evaluate.labels import Label
from imagejudge.evaluate.metrics import Case, Metrics, measure
from imagejudge.evaluate.robustness import Perturbed, Robustness, robustness
from imagejudge.evaluate.statistics import SAMPLES, SEED
from imagejudge.judge.scores import image_score
from imagejudge.prompts import PROMPT_VERSION, WORDING

SCHEMA = 1
_LIBRARIES = ("llama-cpp-python", "numpy", "pillow", "pyarrow")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that came of one run."""

    cases: Mapping[str, Sequence[Case]]
    """By method."""
    metrics: Mapping[str, Metrics]
    robustness: tuple[Robustness, ...]
    perturbed: Sequence[Perturbed]
    attack_results: tuple[AttackResult, ...]
    attacks: Sequence[Attack]
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
            "attacks": [dataclasses.asdict(row) for row in self.attack_results],
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
        for each in self.perturbed:
            changed = rows[each.label]["verdicts"][each.method].setdefault("perturbed", {})
            changed[each.perturbation] = {"verdict": each.after, "score": each.score}
        for attack in self.attacks:
            rows[attack.label]["verdicts"][attack.method].setdefault("attacks", []).append(attack.row())
        return list(rows.values())


def evaluation(
    cases: Mapping[str, Sequence[Case]],
    perturbed: Sequence[Perturbed],
    origin: Mapping[str, Any],
    attacks: Sequence[Attack] = (),
    attack_budget: int = 0,
    **more: Any,
) -> Evaluation:
    """Count everything; `attacks` are searches of at most `attack_budget` queries."""
    return Evaluation(
        cases=cases,
        metrics={name: measure(found) for name, found in cases.items()},
        robustness=robustness(perturbed),
        perturbed=perturbed,
        attack_results=attack_results(attacks, attack_budget),
        attacks=attacks,
        origin={**origin, "prompt_version": PROMPT_VERSION, "wording": WORDING},
        **more,
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # an extra that is not installed
            continue
    return found
