"""What was left open in the choice of a model is resolved once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from imagejudge.errors import ModelError
from imagejudge.judge.engines import ModelChoice
from imagejudge.models import ModelFiles

FILES = ModelFiles("x", Path("x.gguf"), Path("y.gguf"))


@pytest.mark.parametrize(
    ("choice", "files", "limits"),
    [
        (ModelChoice(), FILES, (None, 1024)),
        (ModelChoice(), replace(FILES, image_tokens=280), (None, 280)),
        (ModelChoice(), replace(FILES, image_min_tokens=1024), (1024, 1024)),
        (ModelChoice(image_max_tokens=256), replace(FILES, image_min_tokens=1024), (256, 256)),
        (ModelChoice(image_min_tokens=64), replace(FILES, image_min_tokens=1024), (64, 1024)),
        (ModelChoice(image_min_tokens=2000, image_max_tokens=2048), FILES, (2000, 2048)),
    ],
)
def test_limits_of_an_image(choice: ModelChoice, files: ModelFiles, limits: tuple[int | None, int]) -> None:
    spec = choice.spec(files, "0" * 64)
    assert (spec.image_min_tokens, spec.image_max_tokens) == limits


@pytest.mark.parametrize(
    ("choice", "ctx"),
    [
        (ModelChoice(), 4096),
        (ModelChoice(image_max_tokens=256), 4096),
        (ModelChoice(image_max_tokens=4096), 7168),
        (ModelChoice(image_max_tokens=4096, ctx=2048), 2048),
    ],
)
def test_the_context_has_room_beside_an_image(choice: ModelChoice, ctx: int) -> None:
    assert choice.spec(FILES, "0" * 64).ctx == ctx


def test_limits_that_contradict_name_their_options() -> None:
    with pytest.raises(ModelError, match="`image_min_tokens=2000` is more than the 1024") as error:
        ModelChoice(image_min_tokens=2000).spec(FILES, "0" * 64)
    assert "`image_max_tokens`" in error.value.hint
