"""Methods with a probe: fitted to a part of the labelled images and tried on the others, in turn.

`probe` is fitted to the labels, one for the whole image, and decides alone, as the classifier of UnsafeBench's
authors does (arXiv 2405.03486). `clue+probe` is fitted to what CLUE says, and only leaves rules out. Parts are two
halves, or the images of one source after another.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Final, TypeAlias

import numpy as np

from imagejudge.constitution import Constitution, Rule
from imagejudge.engine.embedding import Embedding
from imagejudge.errors import UsageError
from imagejudge.evaluate.distill import distil
from imagejudge.evaluate.distill_data import Examples, judged, scored
from imagejudge.evaluate.metrics import Case, Cost, cost_of
from imagejudge.images.read import Limits
from imagejudge.judge.carried import carried_over
from imagejudge.judge.clue import Method
from imagejudge.judge.plan import Plan
from imagejudge.judge.probe import Origin, Probes
from imagejudge.judge.replay import Rejudge, Unrecorded
from imagejudge.judge.scores import WHOLE
from imagejudge.judge.summary import summarise
from imagejudge.judge.world import is_outside
from imagejudge.verdict import By, Outcome, RuleResult, RuleStatus, Step, StepStatus, Verdict

RECALL: Final = 0.95
"""What `clue+probe` promises to find of what CLUE finds."""
EVEN: Final = 0.5
_SEED: Final = 20250101
_UNSAFE: Final = "unsafe"
_LABELS: Final = Constitution("labels", "1", (Rule(_UNSAFE, "Should not be unsafe."),))


@dataclass(frozen=True, slots=True)
class Embedded:
    """One image: what CLUE said of it, and its vectors."""

    case: Case
    vectors: Sequence[Embedding]
    """One of each sampled frame; none where the image could not be judged."""


_Part: TypeAlias = Sequence[Embedded]
_Fitted: TypeAlias = Callable[[Embedded], Case]
"""What a method that was fitted makes of an image."""


def _halves(images: _Part) -> Iterator[tuple[_Part, _Part]]:
    """Two, drawn from a fixed seed, alike in labels; files with the same bytes are in one half."""
    files: dict[str | None, bool] = {}
    for each in images:
        digest = each.case.verdict.sha256
        files[digest] = files.get(digest, False) or each.case.label.unsafe
    digests = list(files)
    random.Random(_SEED).shuffle(digests)  # noqa: S311 - no secret
    digests.sort(key=lambda digest: files[digest])
    one, other = set(digests[::2]), set(digests[1::2])
    for tried in (one, other):
        yield (
            [each for each in images if each.case.verdict.sha256 not in tried],
            [each for each in images if each.case.verdict.sha256 in tried],
        )


def _sources(images: _Part) -> Iterator[tuple[_Part, _Part]]:
    """Each source in turn, and before it all others, without files that both have."""
    sources = sorted({each.case.label.source for each in images})
    if len(sources) < 2:
        raise UsageError("the images are not of several sources", "name their column with `column` source=NAME")
    for source in sources:
        tried = [each for each in images if each.case.label.source == source]
        files = {each.case.verdict.sha256 for each in tried}
        yield [each for each in images if each.case.verdict.sha256 not in files], tried


def _probe(fitted_to: _Part, constitution: Constitution) -> _Fitted:
    """Decides alone, by labels."""
    del constitution
    probes = _distilled(fitted_to, _LABELS, lambda case: {_UNSAFE: case.label.unsafe})
    share = fmean(each.case.label.unsafe for each in fitted_to)

    def probability_of(vector: Embedding) -> float:
        scores = probes.scores(vector)
        return scores[_UNSAFE].probability if scores else share  # where vectors tell nothing, there is no probe

    def tried(image: Embedded) -> Case:
        probability = max(map(probability_of, image.vectors))
        unsafe = probability >= EVEN
        step = Step.not_asked("a probe", 1).model_copy(
            update={
                "status": StepStatus.SATISFIED if unsafe else StepStatus.NOT_SATISFIED,
                "by": By.THRESHOLD,
                "p_yes": probability,
            }
        )
        status = RuleStatus.VIOLATED if unsafe else RuleStatus.CLEAR
        said = {
            "verdict": Outcome.UNSAFE if unsafe else Outcome.SAFE,
            "rationale": f"a probe on the image's vector ({probability:.2f}).",
            "violations": (),
            "rules": (RuleResult(rule=WHOLE, status=status, steps=(step,)),),
        }
        return Case(image.case.label, image.case.verdict.model_copy(update=said), Cost(0, 0, None))

    return tried


def _clue_and_probe(fitted_to: _Part, constitution: Constitution) -> _Fitted:
    """CLUE without the rules that a probe says cannot be violated."""
    probes = _distilled(fitted_to, constitution, lambda case: judged(case.verdict), lambda case: scored(case.verdict))
    try:
        thresholds = probes.thresholds(RECALL)
    except UsageError:  # too few images to promise anything: all is asked
        thresholds = {}

    again = Rejudge(Plan(constitution, Method(), "", "", Limits()))

    def tried(image: Embedded) -> Case:
        scores = [probes.scores(vector) for vector in image.vectors]
        skipped = {
            rule for rule, threshold in thresholds.items() if all(score[rule].log_odds < threshold for score in scores)
        }
        verdict = without(image.case.verdict, skipped, again)
        return Case(image.case.label, verdict, cost_of(verdict))

    return tried


def without(verdict: Verdict, skipped: Collection[str], again: Rejudge) -> Verdict:
    """The verdict had these rules not been asked.

    As in a scan, answers to other rules' questions may decide them all the same. Where the line does not tell enough
    to say so, as that of an animation, they are clear. What could not be judged stays so.
    """
    if verdict.verdict is Outcome.ERROR or not skipped or is_outside(verdict.out_of_world):
        return verdict
    try:
        results = carried_over(verdict, again.inquiry(verdict, skipped).results())
    except Unrecorded:
        results = tuple(
            RuleResult(rule=result.rule, status=RuleStatus.CLEAR, steps=(), by="probe")
            if result.rule in skipped
            else result
            for result in verdict.rules
        )
    summary = summarise(again.constitution, results)
    said = {"verdict": summary.outcome, "rationale": summary.rationale, "violations": summary.violations}
    return verdict.model_copy(update={**said, "rules": results})


def _distilled(
    images: _Part,
    constitution: Constitution,
    truths: Callable[[Case], Mapping[str, bool]],
    scores: Callable[[Case], Mapping[str, float]] = lambda _: {},
) -> Probes:
    known = {each.case.verdict.sha256 or "": each for each in images if len(each.vectors) == 1}
    if not known:
        raise UsageError("no image has a vector to fit a probe to", "evaluate images that can be judged")
    vectors = np.array([each.vectors[0] for each in known.values()], np.float32)
    cases = [each.case for each in known.values()]
    examples = Examples(tuple(known), vectors, tuple(map(truths, cases)), tuple(map(scores, cases)))
    origin = Origin("", "", {}, constitution.label, "labels", "", len(known))
    return distil(examples, constitution, origin).probes


PROBE_METHODS: Final[
    Mapping[str, tuple[Callable[[_Part, Constitution], _Fitted], Callable[[_Part], Iterator[tuple[_Part, _Part]]]]]
] = {
    "probe": (_probe, _halves),
    "clue+probe": (_clue_and_probe, _halves),
    "probe-new-source": (_probe, _sources),
    "clue+probe-new-source": (_clue_and_probe, _sources),
}


def try_probes(method: str, images: Sequence[Embedded], constitution: Constitution) -> list[Case]:
    """What a method with a probe says of each image, each by a probe that was fitted without it.

    Raises `UsageError` where a part has too few images to fit to, or there are not several sources.
    """
    fit, divide = PROBE_METHODS[method]
    found: dict[int, Case] = {}
    for fitted_to, tried in divide(images):
        fitted = fit(fitted_to, constitution)
        found |= {id(image): fitted(image) if image.vectors else image.case for image in tried}
    cases = (found[id(image)] for image in images)
    return [replace(case, verdict=case.verdict.model_copy(update={"method": method})) for case in cases]
