"""What answers are kept under: every field of the engine's description counts, or stands on a list with its reason."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from imagejudge import prompts
from imagejudge.engine import spec as module
from imagejudge.engine.llama_model import LlamaOptions
from imagejudge.engine.spec import CANNOT_CHANGE_ANSWERS, EngineSpec

SPEC = EngineSpec(
    model="a.gguf",
    mmproj="b.gguf",
    digest="0" * 64,
    box_style=None,
    prompt_style=prompts.HOUSE,
    image_max_tokens=1024,
    decoder=1,
)
OTHER: dict[str, Any] = {
    "model": "c.gguf",
    "mmproj": "d.gguf",
    "digest": "1" * 64,
    "box_style": "bbox-xyxy-1000",
    "prompt_style": prompts.find_prompt_style("shieldstral"),
    "chat_template": "{{ messages }}",
    "image_max_tokens": 512,
    "image_min_tokens": 64,
    "ctx": 8192,
    "gpu_layers": 1,
    "main_gpu": 1,
    "threads": 3,
    "extra_bufts": True,
    "runtime": "another 1.0",
    "decoder": 2,
    "wording": "other words",
}
FIELDS = [field.name for field in dataclasses.fields(EngineSpec)]


def test_every_field_is_walked() -> None:
    assert sorted(OTHER) == sorted(FIELDS), "say what another value of the new field is"
    assert set(CANNOT_CHANGE_ANSWERS) < set(FIELDS)
    assert all(len(reason) > 20 for reason in CANNOT_CHANGE_ANSWERS.values())


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_changes_the_key_or_cannot_change_an_answer(name: str) -> None:
    other = dataclasses.replace(SPEC, **{name: OTHER[name]})
    assert (other.key == SPEC.key) == (name in CANNOT_CHANGE_ANSWERS)
    if name not in (*CANNOT_CHANGE_ANSWERS, "digest"):  # which stands in the model's name
        assert other.settings != SPEC.settings
        assert other.settings[name] == getattr(OTHER[name], "label", OTHER[name])


def test_keys_are_the_same_from_run_to_run() -> None:
    assert dataclasses.replace(SPEC).key == SPEC.key


def test_other_words_of_a_style_are_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    boxed = dataclasses.replace(SPEC, box_style="bbox-xyxy-1000")
    before = boxed.key
    style = dataclasses.replace(prompts.BOX_STYLES["bbox-xyxy-1000"], scale=100)
    monkeypatch.setitem(module.BOX_STYLES, "bbox-xyxy-1000", style)
    assert boxed.key != before


def test_words_of_a_prompt_style_are_the_key_and_names_are_not() -> None:
    worded = dataclasses.replace(prompts.HOUSE, yes=["Aye"])
    other = dataclasses.replace(SPEC, prompt_style=worded)
    assert other.key != SPEC.key
    assert (SPEC.settings["prompt_style"], other.settings["prompt_style"]) == ("direct", worded.label)
    renamed = dataclasses.replace(SPEC, prompt_style=dataclasses.replace(worded, name="mine"))
    assert renamed.key == other.key
    assert renamed.settings != other.settings


def test_the_child_is_told_all_that_it_can_be_told() -> None:
    assert set(SPEC.options) == {field.name for field in dataclasses.fields(LlamaOptions)}
    told = json.loads(json.dumps(SPEC.options))["prompt_style"]
    assert prompts.PromptStyle(**told).digest == prompts.HOUSE.digest


def test_long_texts_are_named_by_their_digest() -> None:
    settings = dataclasses.replace(SPEC, runtime="x" * 100_000).settings
    assert len(str(settings["runtime"])) == 12


@pytest.mark.parametrize(
    ("box_style", "prompt_style", "able"),
    [
        (None, "direct", (False, True, True)),
        ("bbox-xyxy-1000", "shieldstral", (True, False, False)),
        (None, "sing-guard", (False, False, True)),
    ],
)
def test_what_a_model_can_be_asked_for(box_style: str | None, prompt_style: str, able: tuple[bool, ...]) -> None:
    style = prompts.find_prompt_style(prompt_style)
    abilities = dataclasses.replace(SPEC, box_style=box_style, prompt_style=style).abilities
    assert dataclasses.astuple(abilities) == able
