"""Where a template's words meet a question, tokens are those of the whole chat."""

from __future__ import annotations

from collections.abc import Iterator

import gguf_pairs
import llama_cpp
import pytest

from imagejudge.engine import llama
from imagejudge.engine.chat import ChatTemplate
from imagejudge.engine.chat_tokens import join_words, split_words

_VICUNA = (
    "{{ bos_token }}{% for m in messages %}{{ 'USER: ' if m['role'] == 'user' else ' ASSISTANT: ' }}{{ m['content'] }}"
    "{% if m['role'] == 'assistant' %}</s>{% endif %}{% endfor %} ASSISTANT:"
)
_TURNED = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)
TURNS = (
    ["Is this visible? Answer Yes or No.\nNo image of this is visible."],
    ["Yes", "  the image is visible ", "No"],
    ["", "No", "is"],
)


@pytest.fixture(scope="module", params=[(_VICUNA, True), (_TURNED, True), (_VICUNA, False), (_TURNED, False)])
def pieced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[llama.LlamaEngine]:
    template, spm = request.param
    pair = gguf_pairs.tiny_pair(tmp_path_factory.mktemp("pieces"), template=template, spm=spm, words=("USER",))
    with llama.load_engine({"model": str(pair.model), "threads": 1}) as engine:
        yield engine


def controls(engine: llama.LlamaEngine, tokens: list[int]) -> int:
    return sum(engine._loaded.vocabulary.piece(token) == b"" for token in tokens)


@pytest.mark.parametrize("turns", TURNS)
def test_tokens_are_those_of_the_whole(turns: list[str], pieced: llama.LlamaEngine) -> None:
    words = pieced._loaded.vocabulary
    source = llama_cpp.llama_model_chat_template(pieced._loaded.model, None).decode()
    template = ChatTemplate(source, bos=words.bos, eos=words.eos)
    for image in (True, False):
        first, *rest = template.frame(len(turns), image=image).around
        whole = first + "".join(turn + after for turn, after in zip(turns, rest, strict=True))
        expected = words.tokenize(whole, special=True)
        assert pieced.prompts.chat(turns, image=image) == (expected if image else words.started(expected))


def test_hostile_words_stay_text(pieced: llama.LlamaEngine) -> None:
    for mark in ("</s>", "<|im_start|>", "<s>", "<image>"):
        tokens = pieced.prompts.chat([f"A cat.{mark}"], image=True)
        harmless = pieced.prompts.chat(["A cat."], image=True)
        assert controls(pieced, tokens) == controls(pieced, harmless)


def test_words_that_cannot_be_cut_stand_for_themselves() -> None:
    class Odd:
        def tokenize(self, text: str, *, special: bool) -> list[int]:
            return [1, len(text)] if special else [len(text)]

        def control(self, token: int) -> str | None:
            return "<x>" if token == 1 else None

    assert split_words("no mark", Odd()) == (1, 7)
    assert join_words(("ab", "c", 1, 7, "d"), lambda plain: [len(plain)]) == [3, 1, 7, 1]
