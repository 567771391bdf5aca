"""Verdicts as other tools read them: Hugging Face's image folders, tasks of Label Studio, labels of FiftyOne.

Each is written piece by piece. An image that such a file cannot name is left out, and said in `LeftOut`.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from imagejudge.images.names import is_shard, shard_of
from imagejudge.images.remote import is_address
from imagejudge.judge.scores import image_score
from imagejudge.output.findings import located
from imagejudge.verdict import Outcome, RuleStatus, Verdict

LOCAL_FILES = "/data/local-files/?d="
"""Where Label Studio serves files of its own machine, counted from its document root."""
_NO_FILE: Final = ("missing", "folder", "not-a-file")
"""Kinds of error of paths at which there was no file when they were scanned."""


class LeftOut(Counter[str]):
    """How many images are left out, by why."""

    def names(self, verdict: Verdict, *, addresses: bool = False) -> bool:
        """Whether a file of JSON can name the image, as a reader of image files finds it; counts it where not.

        `addresses`: the reader fetches what lies in a network.
        """
        if why := _why_not(verdict, addresses=addresses):
            self[why] += 1
        return why is None


def _why_not(verdict: Verdict, *, addresses: bool) -> str | None:
    path = verdict.path
    try:
        path.encode()
    except UnicodeEncodeError:
        return "whose path is not UTF-8"
    if is_shard(path) or shard_of(path) is not None:
        return "in a shard"
    if verdict.error is not None and verdict.error.kind in _NO_FILE:
        return "without a file"
    if is_address(path) and not addresses:
        return "in a network"
    return None if verdict.sampled is None else "in a video"


def metadata(verdicts: Iterable[Verdict], folder: Path, left_out: LeftOut) -> Iterator[str]:
    """Lines of a `metadata.jsonl` that lies in `folder`: a row for every image, since the reader drops those without.

    As `datasets` reads an `imagefolder`; a row of an image that could not be judged holds null for its score.
    """
    for verdict in verdicts:
        if not left_out.names(verdict):
            continue
        name = Path(os.path.relpath(verdict.path, folder))
        if ".." in name.parts:
            left_out["outside of the file's folder"] += 1
            continue
        row = {
            "file_name": name.as_posix(),
            "verdict": verdict.verdict,
            "score": image_score(verdict),
            "violated": [violation.rule for violation in verdict.violations],
            "unsure": [result.rule for result in verdict.rules if result.status is RuleStatus.UNSURE],
            "rationale": verdict.rationale,
            "sha256": verdict.sha256,
            "model": verdict.model,
            "constitution": verdict.constitution,
        }
        yield json.dumps(row) + "\n"


def tasks(verdicts: Iterable[Verdict], prefix: str, left_out: LeftOut) -> Iterator[str]:
    """A JSON list of Label Studio's tasks, each with the verdict as a prediction, for the view of `labelling_view`.

    `prefix` and the path, quoted, make the address of the image, unless it has one of its own.
    """
    named = (verdict for verdict in verdicts if left_out.names(verdict, addresses=True))
    yield from _joined("[", (json.dumps(_task(verdict, prefix)) for verdict in named), "]\n")


def labelling_view(rules: Iterable[str]) -> str:
    """Label Studio's view for `tasks`, as XML; rules by their ids."""
    ids = list(rules)
    choices = "".join(f"    <Choice value={quoteattr(rule)}/>\n" for rule in ids)
    labels = "".join(f"    <Label value={quoteattr(rule)}/>\n" for rule in ids)
    outcomes = "".join(f'    <Choice value="{outcome}"/>\n' for outcome in Outcome)
    return (
        "<View>\n"
        '  <Image name="image" value="$image" zoom="true"/>\n'
        f'  <Choices name="verdict" toName="image" choice="single-radio">\n{outcomes}  </Choices>\n'
        f'  <Choices name="rules" toName="image" choice="multiple">\n{choices}  </Choices>\n'
        f'  <RectangleLabels name="region" toName="image">\n{labels}  </RectangleLabels>\n'
        '  <TextArea name="rationale" toName="image" editable="true"/>\n'
        "</View>\n"
    )


def fiftyone(verdicts: Callable[[], Iterable[Verdict]], left_out: LeftOut) -> dict[str, Iterator[str]]:
    """Files of a FiftyOneImageClassificationDataset by name: verdicts, violated rules, and where the images are.

    `verdicts` is gone through once for each of them.
    """

    def named(counted: LeftOut) -> Iterator[Verdict]:
        return (verdict for verdict in verdicts() if counted.names(verdict))

    labels = '{"classes": null, "labels": {'
    return {
        "labels.json": _joined(labels, map(_verdict_label, named(left_out)), "}}\n"),
        "rules.json": _joined(labels, map(_rule_labels, named(LeftOut())), "}}\n"),
        "data.json": _joined("{", map(_place, named(LeftOut())), "}\n"),
    }


def _task(verdict: Verdict, prefix: str) -> dict[str, Any]:
    results = [_result("verdict", "choices", {"choices": [verdict.verdict]})]
    if violated := [violation.rule for violation in verdict.violations]:
        results.append(_result("rules", "choices", {"choices": violated}))
    results += _rectangles(verdict)
    if verdict.rationale:
        results.append(_result("rationale", "textarea", {"text": [verdict.rationale]}))
    prediction: dict[str, Any] = {"model_version": f"{verdict.model} {verdict.constitution}", "result": results}
    if (score := image_score(verdict)) is not None:
        prediction["score"] = score
    address = verdict.path if is_address(verdict.path) else prefix + quote(verdict.path)
    data = {"image": address, "path": verdict.path, "sha256": verdict.sha256}
    return {"data": data, "predictions": [prediction]}


def _rectangles(verdict: Verdict) -> Iterator[dict[str, Any]]:
    """Where the violated rules were found, in per cent of the picture's sides."""
    if verdict.image is None:
        return
    size = {"original_width": verdict.image.width, "original_height": verdict.image.height, "image_rotation": 0}
    number = 0
    for result in verdict.rules:
        for region in located(verdict, result) if result.status is RuleStatus.VIOLATED else ():
            sides = {"x": region.left, "y": region.top}
            sides |= {"width": region.right - region.left, "height": region.bottom - region.top}
            value = {**{name: 100 * side for name, side in sides.items()}, "rotation": 0}
            rectangle = _result("region", "rectanglelabels", {**value, "rectanglelabels": [result.rule]})
            yield {**rectangle, "id": f"region-{number}", **size}
            number += 1


def _result(name: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "from_name": name, "to_name": "image", "type": kind, "value": value}


def _verdict_label(verdict: Verdict) -> str:
    label = {"label": verdict.verdict, "confidence": image_score(verdict)}
    told = {"rationale": verdict.rationale, "sha256": verdict.sha256, "model": verdict.model}
    attributes = {**told, "constitution": verdict.constitution}
    return f"{json.dumps(verdict.path)}: {json.dumps({**label, 'attributes': attributes})}"


def _rule_labels(verdict: Verdict) -> str:
    labels = [
        {"label": each.rule, "attributes": {"severity": each.severity, "rationale": each.rationale}}
        for each in verdict.violations
    ]
    return f"{json.dumps(verdict.path)}: {json.dumps(labels)}"


def _place(verdict: Verdict) -> str:
    path = os.path.abspath(verdict.path)  # noqa: PTH100 - which does not follow links
    return f"{json.dumps(verdict.path)}: {json.dumps(path)}"


def _joined(before: str, items: Iterable[str], after: str) -> Iterator[str]:
    yield before
    for number, item in enumerate(items):
        yield f",\n{item}" if number else f"\n{item}"
    yield f"\n{after}"
