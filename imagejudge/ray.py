"""For pipelines on Ray Data: a class for `map_batches`, whose every actor holds one model. Needs no Ray by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from imagejudge.images.names import is_shard
from imagejudge.images.read import Unreadable
from imagejudge.images.ref import ImageRef
from imagejudge.images.shards import named
from imagejudge.images.signed import name_of
from imagejudge.judge import judge
from imagejudge.verdict import Verdict, line_of


class Judge:
    """Adds verdicts to batches of images.

    The columns it adds: `verdict` (safe, unsure, unsafe or error), `rationale`, `violations` (a list of the ids of
    violated rules) and `line` (the whole verdict as one line of JSON). An image that cannot be judged has the verdict
    `error`; it ends nothing.
    """

    def __init__(self, constitution: str, *, image: str = "bytes", path: str = "path", **how: Any) -> None:
        """Read the rules and find the model's files.

        `image` is the column of the images' bytes, or of structs with `bytes` and `path` as Hugging Face has them;
        `path` is the column of their paths, which are read where there are no bytes. Either may be missing in a batch.
        All else is as in `imagejudge.Judge`. Raises `ImageJudgeError` as that does.
        """
        self._judge = judge.Judge(constitution, **how)
        self._image, self._path = image, path

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch, columns of equal lengths, with the columns of its verdicts. Raises `KeyError` without images."""
        given = [batch[name] for name in (self._image, self._path) if name in batch]
        if not given:
            raise KeyError(f"there is neither a column {self._image!r} nor {self._path!r}")
        nothing = [None] * len(given[0])
        refs = [*map(_ref, batch.get(self._image, nothing), batch.get(self._path, nothing))]
        return {**batch, **_columns(self._verdicts(refs))}

    def _verdicts(self, refs: Sequence[ImageRef]) -> list[Verdict]:
        """One for each image, in order. What is read by its path is judged once, and shards in their own order."""
        at_hand = [ref for ref in refs if ref.data is not None or ref.trouble is not None]
        told = {id(ref): verdict for ref, verdict in zip(at_hand, self._judge.judge_all(at_hand), strict=True)}
        paths = dict.fromkeys(ref.path for ref in refs if id(ref) not in told)
        read = {each.path: each for each in self._judge.judge_all(named(paths, self._judge.plan.limits))}
        return [told.get(id(ref)) or read[ref.path] for ref in refs]

    def close(self) -> None:
        """End the model. An actor that ends does so by itself."""
        self._judge.close()


def _ref(image: Any, path: Any) -> ImageRef:
    if isinstance(image, Mapping):
        image, path = image.get("bytes"), path or image.get("path")
    name = name_of(str(path)) if path is not None else "<bytes>"
    if image is not None:
        return ImageRef(name, memoryview(image).tobytes())
    if path is None:
        return ImageRef(name, trouble=Unreadable("missing", "there are neither bytes nor a path"))
    if is_shard(name):
        return ImageRef(name, trouble=Unreadable("shard", "holds many images; name one: the path, ::, its name"))
    return ImageRef(name)


def _columns(verdicts: list[Verdict]) -> dict[str, Any]:
    violations = np.empty(len(verdicts), dtype=object)
    violations[:] = [[violation.rule for violation in verdict.violations] for verdict in verdicts]
    return {
        "verdict": np.array([str(verdict.verdict) for verdict in verdicts]),
        "rationale": np.array([verdict.rationale for verdict in verdicts]),
        "violations": violations,
        "line": np.array([line_of(verdict).decode().rstrip("\n") for verdict in verdicts]),
    }
