"""Drafts by real models through llama.cpp: random weights, whose replies are noise, and a small text model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import gguf_pairs
import pytest
from text_model import smollm2

from imagejudge.constitution import Rule
from imagejudge.drafting import DraftRejected, decompose, objectify, prompts
from imagejudge.drafting.replies import RatingReply, RuleReply, ask
from imagejudge.engine import llama
from imagejudge.engine.process import EngineProcess, Limits
from imagejudge.judge.engines import ENGINE

RULE = Rule("scary", "No scary pictures.")
TASKS = [prompts.rate(RULE.text), prompts.rewrite(RULE.text, "Tastes differ."), prompts.decompose(RULE.text)]


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Iterator[llama.LlamaEngine]:
    pair = gguf_pairs.tiny_pair(tmp_path_factory.mktemp("noise"))
    with llama.load_engine({"model": str(pair.model), "threads": 1}) as engine:
        yield engine


@pytest.mark.parametrize("task", TASKS, ids=["rate", "rewrite", "decompose"])
def test_noise_has_the_shape_of_a_reply(noise: llama.LlamaEngine, task: prompts.Task) -> None:
    text = noise.write(task.prompt, task.grammar, task.limit)
    keys = [key for example in task.examples for key in json.loads(example)]
    assert text.startswith(f'{{"{keys[0]}": ')
    assert len(text.encode()) <= 20 * task.limit


@pytest.mark.parametrize("reviser", [objectify, decompose])
def test_noise_is_no_draft(noise: llama.LlamaEngine, reviser: object) -> None:
    with pytest.raises(DraftRejected):
        reviser(noise, RULE)  # type: ignore[operator]


@pytest.mark.slow
def test_a_text_model_is_held_to_the_grammar_and_to_the_limit() -> None:
    with EngineProcess(ENGINE, {"model": str(smollm2())}, Limits()) as engine:
        rating = ask(engine, prompts.rate("Should not show a knife."), RatingReply)
        assert 1 <= rating.rating <= 10
        assert " " in rating.explanation, "words, not noise"
        with pytest.raises(DraftRejected, match="EOF while parsing a string"):
            ask(engine, dataclasses.replace(TASKS[1], limit=8), RuleReply)
