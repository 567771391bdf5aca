"""Whether probes keep their promise: fitted to some images of a full scan, tried on all others, drawn anew many times.

    python tests/benchmarks/probe.py VERDICTS VECTORS -c stickers [--draws 100] [--images 2000] [--seed 1] [--rule ID]

VERDICTS is what `imagejudge scan -o` wrote about all images, with all steps, VECTORS what `imagejudge embed -o` did.
For each promised recall it prints in how many draws the others' recall reached it, the mean and the lowest recall, the
share of rules left out, and the share of questions that are not asked: those that a scan would still ask about an
image are worked out from what the full scan asked. Recall is of the violations that are still asked about; `apart`
is the share of promises, one of each rule that promises alone and one of the others together, that was kept.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from imagejudge.common.open_input import open_input
from imagejudge.constitution import Constitution, find_constitution, load_constitution, select_rules
from imagejudge.errors import UsageError
from imagejudge.evaluate.distill import RECALLS, distil
from imagejudge.evaluate.distill_data import Examples, Truths
from imagejudge.images.read import Limits
from imagejudge.judge.clue import Method
from imagejudge.judge.plan import Plan
from imagejudge.judge.probe import Origin, Probes
from imagejudge.judge.replay import Rejudge, Unrecorded
from imagejudge.output.embeddings import read_embeddings
from imagejudge.output.jsonl import read_verdicts
from imagejudge.verdict import Verdict

AIM = 0.97
"""The recall that is aimed at, with as few questions as possible."""


class Row(NamedTuple):
    """What one draw gives for one promised recall."""

    recall: float
    """Measured, of all rules together."""
    left_out: float
    """Share of all rules of all images."""
    spared: float
    """Share of all questions."""
    kept: int
    """Promises that were kept, each of its own rule or rules."""
    promises: int


@dataclass(frozen=True)
class Corpus:
    """Images that were judged in full."""

    examples: Examples
    rules: tuple[str, ...]
    asked: np.ndarray
    """(images, rules, questions), bool: what a rule alone would ask about an image."""

    def part(self, chosen: np.ndarray) -> Corpus:
        """Some of the images."""
        digests, vectors, truths = self.examples.digests, self.examples.vectors, self.examples.truths
        examples = Examples(
            tuple(digests[number] for number in chosen),
            vectors[chosen],
            tuple(truths[number] for number in chosen),
            tuple(self.examples.scores[number] for number in chosen),
        )
        return Corpus(examples, self.rules, self.asked[chosen])

    def questions(self, left: np.ndarray) -> int:
        """How many are asked where these rules, (images, rules), are left out."""
        return int((self.asked & ~left[:, :, None]).any(axis=1).sum())


def read(verdicts: Path, vectors: Path, constitution: Constitution) -> Corpus:
    """All that is known of the images that have a vector."""
    truths = Truths()
    again = Rejudge(Plan(constitution, Method(), "", "", Limits()))
    questions: dict[str, dict[str, list[str]]] = {}
    with open_input(verdicts) as file:
        for verdict in read_verdicts(file, str(verdicts)):
            truths.add(verdict)
            questions[verdict.sha256 or ""] = asked_by_rule(verdict, again)
    _, found = read_embeddings(vectors)
    examples = truths.beside({digest: vector for (digest, frame), vector in found.items() if frame == 0})
    rules = tuple(rule.id for rule in constitution.rules)
    numbers: dict[str, int] = {}
    for rows in questions.values():
        for asks in rows.values():
            for ask in asks:
                numbers.setdefault(ask, len(numbers))
    asked = np.zeros((len(examples.digests), len(rules), len(numbers)), bool)
    for image, digest in enumerate(examples.digests):
        for rule, name in enumerate(rules):
            asked[image, rule, [numbers[ask] for ask in questions[digest][name]]] = True
    return Corpus(examples, rules, asked)


def asked_by_rule(verdict: Verdict, again: Rejudge) -> dict[str, list[str]]:
    """What each rule alone would ask about an image; where the line does not tell, what stands beside the rule."""
    names = {result.rule for result in verdict.rules}
    found = {}
    for result in verdict.rules:
        try:
            claims = again.inquiry(verdict, names - {result.rule}).findings
            found[result.rule] = [claim.question.subject for claim in claims]
        except Unrecorded:
            found[result.rule] = [step.ask for step in result.steps if step.p_yes is not None]
    return found


def fitted(to: Corpus, constitution: Constitution) -> Probes:
    """Probes of these images."""
    origin = Origin("", "", {}, constitution.label, "verdicts", "", len(to.examples.digests))
    return distil(to.examples, constitution, origin).probes


def tried(probes: Probes, others: Corpus, recalls: Sequence[float] = RECALLS) -> dict[float, Row]:
    """By promised recall, what probes do to images that they had not seen."""
    odds = np.array(
        [
            [scores[rule].log_odds if rule in scores else np.inf for rule in others.rules]
            for scores in map(probes.scores, others.examples.vectors)
        ]
    )
    violated = np.stack([others.examples.truth(rule) == 1 for rule in others.rules], axis=1)
    return {recall: _row(probes, recall, odds, violated, others) for recall in recalls}


def _row(probes: Probes, recall: float, odds: np.ndarray, violated: np.ndarray, others: Corpus) -> Row:
    try:
        thresholds: Mapping[str, float] = probes.thresholds(recall)
    except UsageError:
        thresholds = {}
    left = odds < np.array([thresholds.get(rule, -np.inf) for rule in others.rules])
    promised = {probe.rule: probe.rule if probe.promises(recall) else "others" for probe in probes.probes}
    groups: dict[str, list[int]] = defaultdict(list)
    for number, rule in enumerate(others.rules):
        if rule in thresholds:
            groups[promised[rule]].append(number)
    shares = [_recall(left[:, group], violated[:, group]) for group in groups.values()]
    nothing = np.zeros_like(left)
    return Row(
        _recall(left, violated),
        float(left.mean()),
        1 - others.questions(left) / others.questions(nothing),
        sum(share >= recall for share in shares),
        len(shares),
    )


def _recall(left: np.ndarray, violated: np.ndarray) -> float:
    return 1 - float((left & violated).sum() / max(violated.sum(), 1))


def told(rows: Mapping[float, list[Row]]) -> str:
    """A line for each promised recall."""
    lines = []
    for recall, each in rows.items():
        recalls, left_out, spared, kept, promises = np.array(each).T
        kept_in, high = int((recalls >= recall).sum()), int((recalls >= AIM).sum())
        lines += [
            f"{recall:g}: kept in {kept_in} of {len(each)}, apart {kept.sum() / promises.sum():.3f}",
            f"  recall {recalls.mean():.4f}, lowest {recalls.min():.4f}, at least {AIM} in {high}",
            f"  rules left out {left_out.mean():.3f}",
            f"  questions not asked {spared.mean():.3f}, {spared.min():.3f} to {spared.max():.3f}",
        ]
    return "\n".join(lines)


def main() -> None:
    """Draw, fit, try and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verdicts", type=Path)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("-c", "--constitution", required=True)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recall", type=float, nargs="+", default=RECALLS, help="promised ones")
    parser.add_argument("--rule", action="append", default=[])
    parser.add_argument("--rows", type=Path, help="append what each draw gave to this file, a line of JSON each")
    options = parser.parse_args()
    constitution = select_rules(load_constitution(find_constitution(options.constitution)), options.rule)
    corpus = read(options.verdicts, options.vectors, constitution)
    asked = corpus.questions(np.zeros(corpus.asked.shape[:2], bool)) / len(corpus.asked)
    print(f"{len(corpus.asked):,} images, {asked:.1f} questions each")
    chance = np.random.default_rng(options.seed)
    rows: dict[float, list[Row]] = defaultdict(list)
    for draw in range(1, options.draws + 1):
        order = chance.permutation(len(corpus.asked))
        probes = fitted(corpus.part(order[: options.images]), constitution)
        found = tried(probes, corpus.part(order[options.images :]), options.recall)
        for recall, row in found.items():
            rows[recall].append(row)
        if options.rows:
            record: dict[str, Any] = {"seed": options.seed, "draw": draw}
            record |= {f"{recall:g}": row._asdict() for recall, row in found.items()}
            with options.rows.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        print(f"{draw:,} draws\n{told(rows)}", flush=True)


if __name__ == "__main__":
    main()
