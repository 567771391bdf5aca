"""Whether probes keep their promise: fitted to some images of a full scan, tried on all others, drawn anew many times.

    python tests/benchmarks/probe.py VERDICTS VECTORS -c stickers [--draws 100] [--images 2000] [--seed 1] [--rule ID]

VERDICTS is what `imagejudge scan -o` wrote about all images, VECTORS what `imagejudge embed -o` did. For each promised
recall it prints in how many draws the others' recall reached it, the mean recall, and the share of rules left out.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from imagejudge.common.open_input import open_input
from imagejudge.constitution import Constitution, find_constitution, load_constitution, select_rules
from imagejudge.errors import UsageError
from imagejudge.evaluate.distill import RECALLS, distil
from imagejudge.evaluate.distill_data import Examples, Truths
from imagejudge.judge.probe import Origin
from imagejudge.output.embeddings import read_embeddings
from imagejudge.output.jsonl import read_verdicts


def part(examples: Examples, chosen: np.ndarray) -> Examples:
    """Some of the images."""
    return Examples(
        tuple(examples.digests[number] for number in chosen),
        examples.vectors[chosen],
        tuple(examples.truths[number] for number in chosen),
    )


def tried(fitted_to: Examples, others: Examples, rules: Constitution) -> dict[float, tuple[int, int, int]]:
    """By promised recall: of the others, how much violates a rule, how much of that is left out, how much in all."""
    probes = distil(fitted_to, rules, Origin("", "", {}, rules.label, "verdicts", "", len(fitted_to.digests))).probes
    scores = [probes.scores(vector) for vector in others.vectors]
    found = {}
    for recall in RECALLS:
        try:
            thresholds = probes.thresholds(recall)
        except UsageError:
            thresholds = {}
        violated = sum(int((others.truth(rule.id) == 1).sum()) for rule in rules.rules)
        missed = skipped = 0
        for rule, threshold in thresholds.items():
            below = np.array([score[rule].log_odds < threshold for score in scores])
            missed += int((below & (others.truth(rule) == 1)).sum())
            skipped += int(below.sum())
        found[recall] = violated, missed, skipped
    return found


def main() -> None:
    """Draw, fit, try and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verdicts", type=Path)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("-c", "--constitution", required=True)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rule", action="append", default=[])
    options = parser.parse_args()
    rules = select_rules(load_constitution(find_constitution(options.constitution)), options.rule)
    truths = Truths()
    with open_input(options.verdicts) as file:
        for verdict in read_verdicts(file, str(options.verdicts)):
            truths.add(verdict)
    _, vectors = read_embeddings(options.vectors)
    examples = truths.beside({digest: vector for (digest, frame), vector in vectors.items() if frame == 0})
    chance = np.random.default_rng(options.seed)
    rows: dict[float, list[tuple[float, float]]] = defaultdict(list)
    for draw in range(1, options.draws + 1):
        order = chance.permutation(len(examples.digests))
        parts = (part(examples, order[: options.images]), part(examples, order[options.images :]))
        for recall, (violated, missed, skipped) in tried(*parts, rules).items():
            asked = len(parts[1].digests) * len(rules.rules)
            rows[recall].append((1 - missed / violated, skipped / asked))
        for recall, values in rows.items():
            recalls, shares = np.array(values).T
            kept = int((recalls >= recall).sum())
            print(
                f"draw {draw}: {recall:g} kept in {kept}, mean recall {recalls.mean():.4f}, "
                f"lowest {recalls.min():.4f}, left out {shares.mean():.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
