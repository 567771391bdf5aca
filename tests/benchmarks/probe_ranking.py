"""How well probes rank images beside the judge they were distilled from, rule by rule, both against true labels.

    python tests/benchmarks/probe_ranking.py LABELS VERDICTS VECTORS --probe probe.toml

LABELS is the labels.csv of a drawn corpus, VERDICTS a full scan of its images, VECTORS what `imagejudge embed` wrote
of them. Prints a table: the area under the ROC curve of the judge's score of a rule, that of its probe, and the
difference, with 95 % bootstrap intervals over images, the last sampled in pairs.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path

from imagejudge.common.open_input import open_input
from imagejudge.evaluate.statistics import Estimate, area_difference, ranking
from imagejudge.judge.probe_file import read_probes
from imagejudge.judge.scores import rule_score
from imagejudge.output.embeddings import read_embeddings
from imagejudge.output.jsonl import read_verdicts

AREA = "auroc"


def labels(path: Path) -> Mapping[str, frozenset[str]]:
    """By file name, the rules that are violated."""
    with path.open(newline="", encoding="utf-8") as file:
        return {row["path"]: frozenset(row["rules"].split()) for row in csv.DictReader(file)}


def cell(estimate: Estimate | None, *, signed: bool = False) -> str:
    """A value with its interval."""
    if estimate is None:
        return "none"
    shape = "+.3f" if signed else ".3f"
    return f"{estimate.value:{shape}} ({estimate.low:{shape}} to {estimate.high:{shape}})"


def main() -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("labels", "verdicts", "vectors"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--probe", type=Path, required=True)
    options = parser.parse_args()
    probes, violated = read_probes(options.probe), labels(options.labels)
    _, vectors = read_embeddings(options.vectors)
    truth: dict[str, list[bool]] = {}
    judged: dict[str, list[float]] = {}
    probed: dict[str, list[float]] = {}
    with open_input(options.verdicts) as file:
        for verdict in read_verdicts(file, str(options.verdicts)):
            scores = probes.scores(vectors[verdict.sha256 or "", 0])
            for result in verdict.rules:
                score = rule_score(result)
                if result.rule in scores and score is not None:
                    truth.setdefault(result.rule, []).append(result.rule in violated[Path(verdict.path).name])
                    judged.setdefault(result.rule, []).append(score)
                    probed.setdefault(result.rule, []).append(scores[result.rule].log_odds)
    print("| rule | violate it | judge | probe | difference |\n| --- | --- | --- | --- | --- |")
    for rule, true in truth.items():
        one, other = (ranking(true, scores[rule])[AREA] for scores in (judged, probed))
        more = area_difference(AREA, true, probed[rule], judged[rule])
        print(
            f"| `{rule}` | {sum(true):,} of {len(true):,} | {cell(one)} | {cell(other)} | {cell(more, signed=True)} |"
        )


if __name__ == "__main__":
    main()
